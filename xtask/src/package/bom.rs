//! The list of what a module is made of (SBOM), in the form of `CycloneDX`: the crates that are compiled into it, with their
//! licences and checksums. It has neither a time nor a serial number, so that the same module has the same list.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A crate, by `cargo tree`'s own words: `name v1.2.3 (/path)`, the last only for those of this workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    is_ours: bool,
}

impl Crate {
    fn parse(line: &str) -> Option<(usize, Self)> {
        let mut columns = line.split('\t');
        let depth = columns.next()?.parse().ok()?;
        let (package, licence) = (columns.next()?, columns.next()?.trim_end_matches(" (*)"));
        let mut words = package.split(' ');
        let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
        let is_ours = words.next().is_some_and(|word| word.starts_with("(/"));
        // The older way to write a choice.
        let licence = licence.replace(" / ", "/").replace('/', " OR ");
        Some((depth, Self { name, version, licence, is_ours }))
    }

    /// What it is called by in the list; where it is to be had by that, its package URL.
    fn reference(&self) -> String {
        let Self { name, version, .. } = self;
        if self.is_ours { format!("{name}@{version}") } else { format!("pkg:cargo/{name}@{version}") }
    }

    fn component(&self, checksums: &BTreeMap<(&str, &str), &str>) -> Value {
        let mut component = json!({
            "type": "library",
            "bom-ref": self.reference(),
            "name": self.name,
            "version": self.version,
            "licenses": [{"expression": self.licence}],
        });
        if !self.is_ours {
            component["purl"] = json!(self.reference());
        }
        if let Some(checksum) = checksums.get(&(self.name.as_str(), self.version.as_str())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        component
    }
}

/// The list, from what `cargo tree` prints, the lock file, the version of Rust, and the module's SHA-256.
pub(super) fn list(tree: &str, lock: &str, rust: &str, digest: &str) -> Result<Value> {
    let mut crates: BTreeSet<Crate> = BTreeSet::new();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut above: Vec<Crate> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, found) = Crate::parse(line).with_context(|| format!("`cargo tree` says {line:?}"))?;
        above.truncate(depth);
        if let Some(parent) = above.last() {
            edges.entry(parent.reference()).or_default().insert(found.reference());
        }
        edges.entry(found.reference()).or_default();
        above.push(found.clone());
        crates.insert(found);
    }
    let Some(root) = above.into_iter().next() else { bail!("`cargo tree` says nothing") };

    let checksums = checksums(lock);
    let mut components: Vec<Value> = crates.iter().map(|found| found.component(&checksums)).collect();
    components.push(json!({
        "type": "library",
        "bom-ref": format!("rust-std@{rust}"),
        "name": "rust-std",
        "version": rust,
        "description": "Rust's standard library",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }));
    let module = "scopegate.wasm";
    edges.insert(module.to_owned(), [root.reference(), format!("rust-std@{rust}")].into());
    let dependencies: Vec<Value> =
        edges.iter().map(|(from, to)| json!({"ref": from, "dependsOn": to})).collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "bom-ref": module,
            "name": "scopegate",
            "version": root.version,
            "description": "An Envoy filter: multi-tenancy in front of metrics, logs and traces backends",
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "licenses": [{"expression": root.licence}],
        }},
        "components": components,
        "dependencies": dependencies,
    }))
}

/// The checksums of a lock file, by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    lock.split("[[package]]")
        .filter_map(|package| {
            let field = |name: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
                line.map(|value| value.trim_matches('"'))
            };
            Some(((field("name")?, field("version")?), field("checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0\tscopegate-filter v0.1.0 (/tree/filter/plugin)\tApache-2.0
1\tscopegate-core v0.1.0 (/tree/filter/core)\tApache-2.0
2\tsnap v1.1.1\tBSD-3-Clause
2\tmemchr v2.7.0\tUnlicense/MIT
1\tsnap v1.1.1\tBSD-3-Clause (*)
";
    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"snap\"\nversion = \"1.1.0\"\nchecksum = \"old\"\n\n\
        [[package]]\nname = \"snap\"\nversion = \"1.1.1\"\nsource = \"registry\"\nchecksum = \"abc\"\n\
        dependencies = [\n \"x\",\n]\n\n[[package]]\nname = \"scopegate-core\"\nversion = \"0.1.0\"\n";

    #[test]
    fn crates_with_licences_and_checksums() -> Result<()> {
        let list = list(TREE, LOCK, "1.90.0", "ff")?;
        let components = list["components"].as_array().context("components")?;
        let names: Vec<_> =
            components.iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "pkg:cargo/memchr@2.7.0",
                "scopegate-core@0.1.0",
                "scopegate-filter@0.1.0",
                "pkg:cargo/snap@1.1.1",
                "rust-std@1.90.0"
            ]
        );
        assert_eq!(components[0]["licenses"], json!([{"expression": "Unlicense OR MIT"}]));
        assert_eq!(components[3]["hashes"], json!([{"alg": "SHA-256", "content": "abc"}]));
        // Nobody should look for our crates where others are published.
        assert_eq!(components[1].get("purl"), None);
        assert_eq!(list["metadata"]["component"]["hashes"][0]["content"], "ff");
        let dependencies = list["dependencies"].as_array().context("dependencies")?;
        let of = |name: &str| {
            dependencies.iter().find(|entry| entry["ref"] == name).map(|entry| entry["dependsOn"].clone())
        };
        assert_eq!(of("scopegate.wasm"), Some(json!(["rust-std@1.90.0", "scopegate-filter@0.1.0"])));
        assert_eq!(
            of("scopegate-filter@0.1.0"),
            Some(json!(["pkg:cargo/snap@1.1.1", "scopegate-core@0.1.0"]))
        );
        assert_eq!(of("pkg:cargo/snap@1.1.1"), Some(json!([])));
        Ok(())
    }

    #[test]
    fn a_tree_that_reads_otherwise_is_refused() {
        for tree in ["", "scopegate-filter v0.1.0", "x\ta v1\tMIT", "0\ta 1\tMIT"] {
            assert!(list(tree, LOCK, "1.90.0", "ff").is_err(), "{tree}");
        }
    }
}
