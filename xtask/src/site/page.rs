//! One page: its headings with their anchors, its links, its HTML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::normal;

/// The heading of the README whose tables are the navigation.
const CONTENTS: &str = "Read on";

/// A page as it was read.
pub(super) struct Page {
    /// Its file, from the root of the tree.
    pub(super) path: PathBuf,
    text: String,
}

impl Page {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        Self { path, text }
    }

    fn events(&self) -> impl Iterator<Item = Event<'_>> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
    }

    /// Its headings: level, text, anchor.
    pub(super) fn headings(&self) -> Vec<(HeadingLevel, String, String)> {
        let mut headings = Vec::new();
        let mut seen = BTreeMap::new();
        let mut open: Option<String> = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => open = Some(String::new()),
                Event::End(TagEnd::Heading(level)) => {
                    let text = open.take().unwrap_or_default();
                    let anchor = distinct(anchor(&text), &mut seen);
                    headings.push((level, text, anchor));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(open) = &mut open {
                        open.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        headings
    }

    /// The first heading.
    pub(super) fn title(&self) -> String {
        self.headings().into_iter().next().map(|(_, text, _)| text).unwrap_or_default()
    }

    /// All links and images.
    pub(super) fn links(&self) -> Vec<String> {
        let link = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.to_string())
            }
            _ => None,
        };
        self.events().filter_map(link).collect()
    }

    /// The file that a link leads to, from the root of the tree, and the anchor there.
    pub(super) fn target<'l>(&self, link: &'l str) -> (PathBuf, Option<&'l str>) {
        let (file, anchor) = match link.split_once('#') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (link, None),
        };
        if file.is_empty() {
            return (self.path.clone(), anchor);
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        (normal(&folder.join(file)), anchor)
    }

    /// What stands in the tables under "Read on": names of groups, each with its links, by name and file. Only the first link of a
    /// row counts.
    pub(super) fn contents(&self) -> Vec<(String, Vec<(String, PathBuf)>)> {
        let mut groups: Vec<(String, Vec<(String, PathBuf)>)> = Vec::new();
        let (mut inside, mut heading, mut row) = (false, None::<String>, false);
        let mut link: Option<(String, PathBuf)> = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(level)) => {
                    let text = heading.take().unwrap_or_default();
                    if level <= HeadingLevel::H2 {
                        inside = text == CONTENTS;
                    } else if inside {
                        groups.push((text, Vec::new()));
                    }
                }
                Event::Start(Tag::TableRow | Tag::TableHead) => row = inside,
                Event::Start(Tag::Link { dest_url, .. }) if row => {
                    link = Some((String::new(), self.target(&dest_url).0));
                }
                Event::End(TagEnd::Link) => {
                    if let (Some(link), Some((_, group))) = (link.take(), groups.last_mut()) {
                        group.push(link);
                        row = false;
                    }
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    } else if let Some((name, _)) = &mut link {
                        name.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        groups
    }

    /// Its file in the site.
    pub(super) fn address(&self) -> PathBuf {
        if self.path.ends_with("README.md") {
            self.path.with_file_name("index.html")
        } else {
            self.path.with_extension("html")
        }
    }

    /// Its HTML, with links led elsewhere.
    pub(super) fn html(&self, mut address: impl FnMut(&str) -> String) -> String {
        let mut anchors = self.headings().into_iter().map(|(_, _, anchor)| CowStr::from(anchor));
        let events = self.events().map(|event| match event {
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                Event::Start(Tag::Heading { level, id: anchors.next(), classes, attrs })
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                Event::Start(Tag::Link { link_type, dest_url: address(&dest_url).into(), title, id })
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                Event::Start(Tag::Image { link_type, dest_url: address(&dest_url).into(), title, id })
            }
            other => other,
        });
        let mut html = String::new();
        html::push_html(&mut html, events);
        // A table that is too wide scrolls by itself.
        html.replace("<table>", "<div class=\"wide\"><table>").replace("</table>", "</table></div>")
    }
}

/// The anchor that GitHub makes of a heading.
fn anchor(text: &str) -> String {
    let kept = |character: char| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        other if other.is_alphanumeric() => Some(other),
        _ => None,
    };
    text.to_lowercase().chars().filter_map(kept).collect()
}

/// The same again gets a number.
fn distinct(anchor: String, seen: &mut BTreeMap<String, usize>) -> String {
    let before = seen.entry(anchor.clone()).or_insert(0);
    *before += 1;
    if *before == 1 { anchor } else { format!("{anchor}-{}", *before - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_githubs() {
        for (heading, expected) in [
            ("Remote write 2.0", "remote-write-20"),
            ("`whoami`: who, and why?", "whoami-who-and-why"),
            ("Backends that know no `X-Scope-OrgID`", "backends-that-know-no-x-scope-orgid"),
            ("a / b", "a--b"),
        ] {
            let page = Page::new("a.md".into(), format!("# {heading}\n\n# {heading}\n"));
            let anchors: Vec<_> = page.headings().into_iter().map(|(_, _, anchor)| anchor).collect();
            assert_eq!(anchors, [expected.to_owned(), format!("{expected}-1")]);
        }
    }

    #[test]
    fn links_lead_from_where_the_page_is() {
        let page = Page::new("docs/a/b.md".into(), String::new());
        for (link, file, anchor) in [
            ("../c.md#d", "docs/c.md", Some("d")),
            ("#d", "docs/a/b.md", Some("d")),
            ("../../examples/x", "examples/x", None),
        ] {
            assert_eq!(page.target(link), (PathBuf::from(file), anchor), "{link}");
        }
    }

    #[test]
    fn the_navigation_is_the_first_links_of_rows() {
        let text = "## Other\n| [x](x.md) | |\n|---|---|\n\n## Read on\n### Start\n| | |\n|---|---|\n| [A `b`](a.md) | see [c](c.md) |\n| [D](d.md#e) | |\n\n## After\n| [y](y.md) |\n|---|\n";
        let contents = Page::new("README.md".into(), text.to_owned()).contents();
        let expected = vec![("A b".to_owned(), "a.md".into()), ("D".to_owned(), "d.md".into())];
        assert_eq!(contents, [("Start".to_owned(), expected)]);
    }
}
