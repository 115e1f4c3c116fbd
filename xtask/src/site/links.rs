//! What is wrong with links: to files and headings that are not there, and pages that nobody is led to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Site, is_elsewhere};

/// A line for each.
pub(super) fn wrong(site: &Site) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut led_to: BTreeSet<PathBuf> = BTreeSet::new();
    for page in &site.pages {
        for link in page.links() {
            if is_elsewhere(&link) {
                continue;
            }
            let at = page.path.display();
            let (target, anchor) = page.target(&link);
            match site.page_at(&target) {
                Some(other) => {
                    if other.path != page.path {
                        led_to.insert(other.path.clone());
                    }
                    let is_there =
                        |anchor: &str| other.headings().iter().any(|(_, _, other)| other == anchor);
                    if anchor.is_some_and(|anchor| !is_there(anchor)) {
                        wrong.push(format!("{at}: no such heading: {link}"));
                    }
                }
                None if !site.root.join(&target).exists() => {
                    wrong.push(format!("{at}: no such file: {link}"));
                }
                None => {}
            }
        }
    }
    let contents = site.first().contents();
    let listed: BTreeSet<_> = contents
        .iter()
        .flat_map(|(_, entries)| entries)
        .filter_map(|(_, path)| site.page_at(path))
        .map(|page| &page.path)
        .collect();
    for page in site.pages.iter().skip(1) {
        let at = page.path.display();
        let is_docs = page.path.starts_with("docs") || page.path.ends_with("ARCHITECTURE.md");
        if is_docs && !listed.contains(&page.path) {
            wrong.push(format!("{at}: not in the README's tables under \"Read on\", so in no navigation"));
        } else if !led_to.contains(&page.path) {
            wrong.push(format!("{at}: no page leads to it"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::page::Page;

    #[test]
    fn each_wrong_is_told() {
        let pages = [
            ("README.md", "## Read on\n### All\n| [A](docs/a.md) | |\n|---|---|\n"),
            (
                "docs/a.md",
                "# A\n[no](x.md) [anchor](#b) [fine](#a) [out](https://example.org) [README](../README.md#all)\n",
            ),
            ("docs/b.md", "# B\n"),
            ("examples/c/README.md", "# C\n"),
        ];
        let pages = pages.map(|(path, text)| Page::new(path.into(), text.to_owned())).into();
        assert_eq!(
            wrong(&Site { root: "/nowhere".into(), pages }),
            [
                "docs/a.md: no such file: x.md",
                "docs/a.md: no such heading: #b",
                "docs/b.md: not in the README's tables under \"Read on\", so in no navigation",
                "examples/c/README.md: no page leads to it",
            ]
        );
    }
}
