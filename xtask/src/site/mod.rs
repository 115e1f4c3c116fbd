//! `site`: the Markdown as a small static site, `target/site`, that needs no server and no script.
//!
//! The README is its first page, and the tables under "Read on" there are its navigation. What is wrong with links is told
//! by `links`, before anything is written.

mod links;
mod page;
mod template;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::ui::{Mark, Ui};
use page::Page;

/// The folders in which every `README.md` is a page.
const FOLDERS: [&str; 2] = ["examples", "deploy"];
/// The first page.
const FIRST: &str = "README.md";

/// All pages, and the tree that they stand in.
struct Site {
    root: PathBuf,
    pages: Vec<Page>,
}

/// Writes the site.
pub(crate) fn run(project: &Project, ui: &Ui) -> Result<()> {
    let site = Site::read(project.root())?;
    let wrong = links::wrong(&site);
    if !wrong.is_empty() {
        for line in &wrong {
            ui.step(Mark::Missing, line);
        }
        bail!("{} links lead nowhere", wrong.len());
    }
    let folder = project.target().join("site");
    let files = site.write(&folder)?;
    ui.step(Mark::Done, &format!("{} pages: {}", files, project.shown(&folder.join("index.html"))));
    Ok(())
}

impl Site {
    /// Reads every page below a root.
    fn read(root: &Path) -> Result<Self> {
        let mut paths = vec![PathBuf::from(FIRST), PathBuf::from("ARCHITECTURE.md")];
        let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
        paths.extend(files_below(root, Path::new("docs"))?.into_iter().filter(|path| is_page(path)));
        for folder in FOLDERS {
            let found = files_below(root, Path::new(folder))?;
            paths.extend(found.into_iter().filter(|path| path.ends_with("README.md")));
        }
        let page = |path: PathBuf| {
            let text = fs::read_to_string(root.join(&path)).with_context(|| path.display().to_string())?;
            Ok(Page::new(path, text))
        };
        Ok(Self { root: root.to_owned(), pages: paths.into_iter().map(page).collect::<Result<_>>()? })
    }

    fn page(&self, path: &Path) -> Option<&Page> {
        self.pages.iter().find(|page| page.path == path)
    }

    /// The page at a path: the file, or the `README.md` of a folder.
    fn page_at(&self, path: &Path) -> Option<&Page> {
        self.page(path).or_else(|| self.page(&path.join("README.md")))
    }

    /// The page where the address begins.
    fn first(&self) -> &Page {
        // It was read first.
        &self.pages[0]
    }

    /// Writes all of it; the number of pages. Files that pages lead to go with them, so that no link needs the tree.
    fn write(&self, folder: &Path) -> Result<usize> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
        }
        let mut beside = BTreeSet::new();
        for page in &self.pages {
            let to = |link: &str| self.address(page, link, &mut beside);
            let text = template::whole(page, &page.html(to), &self.navigation(page));
            write(&folder.join(page.address()), text.as_bytes())?;
        }
        for path in beside {
            let source = self.root.join(&path);
            if source.is_dir() {
                let names = files_below(&self.root, &path)?;
                write(&folder.join(&path).join("index.html"), template::listing(&path, &names).as_bytes())?;
                for name in names {
                    write(&folder.join(&name), &fs::read(self.root.join(&name))?)?;
                }
            } else {
                write(&folder.join(&path), &fs::read(&source)?)?;
            }
        }
        Ok(self.pages.len())
    }

    /// What a link of a page leads to in the site; what is no page is noted.
    fn address(&self, page: &Page, link: &str, beside: &mut BTreeSet<PathBuf>) -> String {
        if is_elsewhere(link) {
            return link.to_owned();
        }
        let (target, anchor) = page.target(link);
        let mut address = if let Some(other) = self.page_at(&target) {
            relative(&page.address(), &other.address())
        } else {
            beside.insert(target.clone());
            let file = if self.root.join(&target).is_dir() { target.join("index.html") } else { target };
            relative(&page.address(), &file)
        };
        if let Some(anchor) = anchor {
            address.push('#');
            address.push_str(anchor);
        }
        address
    }

    /// The groups of the navigation, as they are seen from a page.
    fn navigation(&self, from: &Page) -> Vec<template::Group> {
        let item = |(name, path): (String, PathBuf)| {
            let page = self.page_at(&path)?;
            let is_here = page.path == from.path;
            Some(template::Item { name, address: relative(&from.address(), &page.address()), is_here })
        };
        let groups = self.first().contents().into_iter();
        let group = |(name, entries): (String, Vec<_>)| template::Group {
            name,
            items: entries.into_iter().filter_map(item).collect(),
        };
        groups.map(group).collect()
    }
}

/// Whether a link leads out of the tree.
fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// All files below a folder of the tree, in order; none where it is not there.
fn files_below(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return Ok(files) };
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files.extend(files_below(root, &path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// How one file of the site names another.
fn relative(from: &Path, to: &Path) -> String {
    let up = from.components().count().saturating_sub(1);
    let to = to.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    format!("{}{to}", "../".repeat(up))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("the pages can be read")
    }

    #[test]
    fn every_link_leads_somewhere_and_every_page_is_led_to() {
        let wrong = links::wrong(&site());
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }

    /// The runbook that an alert names is there, and the page on operations tells of each.
    #[test]
    fn alerts_have_their_runbooks() {
        let site = site();
        let rules = fs::read_to_string(site.root.join("dashboards/rules.yaml")).expect("the rules are there");
        let operations = site.page(Path::new("docs/operations.md")).expect("the page is there").links();
        let runbooks: Vec<_> =
            rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
        assert!(runbooks.len() >= 15, "{runbooks:?}");
        for runbook in runbooks {
            let (path, anchor) = runbook.split_once('#').expect("it names a heading");
            let page = site.page(Path::new(path)).expect(path);
            assert!(page.headings().iter().any(|(_, _, known)| known == anchor), "{runbook}");
            let link = runbook.trim_start_matches("docs/");
            assert!(
                operations.iter().any(|known| known == link),
                "docs/operations.md says nothing of {link}"
            );
        }
    }

    #[test]
    fn what_is_written_stands_by_itself() {
        let folder = std::env::temp_dir().join(format!("scopegate-site-{}", std::process::id()));
        let site = site();
        let pages = site.write(&folder).expect("it can be written");
        assert_eq!(pages, site.pages.len());
        for page in &site.pages {
            let at = page.address();
            let html = fs::read_to_string(folder.join(&at)).expect("the page is there");
            assert!(!html.contains("<script"), "{}", at.display());
            for link in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let file = link.split('#').next().unwrap_or_default();
                if is_elsewhere(link) || file.is_empty() {
                    continue;
                }
                let target = normal(&at.parent().unwrap_or(Path::new("")).join(file));
                assert!(folder.join(&target).is_file(), "{}: {link}", at.display());
            }
        }
        fs::remove_dir_all(folder).expect("it can be removed");
    }

    #[test]
    fn paths() {
        for (from, to, expected) in [
            ("index.html", "docs/a.html", "docs/a.html"),
            ("docs/a.html", "index.html", "../index.html"),
            ("docs/b/c.html", "docs/a.html", "../../docs/a.html"),
        ] {
            assert_eq!(relative(Path::new(from), Path::new(to)), expected);
        }
        for (path, expected) in [("docs/../a", "a"), ("./a/./b", "a/b"), ("../a", "../a")] {
            assert_eq!(normal(Path::new(path)), Path::new(expected));
        }
    }
}
