//! The one template.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::page::Page;

/// A part of the navigation.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) items: Vec<Item>,
}

/// A page in it.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) is_here: bool,
}

const STYLE: &str = include_str!("style.css");

/// A whole page.
pub(super) fn whole(page: &Page, body: &str, navigation: &[Group]) -> String {
    let depth = page.address().components().count().saturating_sub(1);
    let mut groups = String::new();
    for Group { name, items } in navigation {
        let _ = write!(groups, "<h2>{}</h2>\n<ul>\n", escaped(name));
        for Item { name, address, is_here } in items {
            let here = if *is_here { " aria-current=\"page\"" } else { "" };
            let _ = writeln!(groups, "<li><a href=\"{address}\"{here}>{}</a></li>", escaped(name));
        }
        groups.push_str("</ul>\n");
    }
    let home = format!("{}index.html", "../".repeat(depth));
    let title = page.title();
    let title = if title == "Scopegate" { title } else { format!("{title} · Scopegate") };
    let navigation = format!("<a class=\"home\" href=\"{home}\">Scopegate</a>\n{groups}");
    let body = format!(
        "<details class=\"small\"><summary>Pages</summary>\n<nav>\n{navigation}</nav></details>\n\
         <nav class=\"large\">\n{navigation}</nav>\n<main>\n{body}</main>\n"
    );
    document(&title, &body)
}

/// A folder that is no page: its files.
pub(super) fn listing(folder: &Path, names: &[PathBuf]) -> String {
    let mut body = format!("<main>\n<h1>{}</h1>\n<ul>\n", escaped(&folder.display().to_string()));
    for name in names {
        let shown = name.strip_prefix(folder).unwrap_or(name).display().to_string();
        let _ = writeln!(body, "<li><a href=\"{0}\">{0}</a></li>", escaped(&shown));
    }
    document(&folder.display().to_string(), &format!("{body}</ul>\n</main>\n"))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
