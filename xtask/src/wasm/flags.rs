//! The one place for the flags that the module is compiled with.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::project::Project;

const FLAGS: &[&str] = &[
    // Envoy's V8 has it.
    "-Ctarget-feature=+simd128",
    // Every worker has a stack of its own; the default is 1 MiB.
    "-Clink-arg=-zstack-size=262144",
];

/// Where Debian has the source of the standard library; rustup's own is remapped as it comes.
const DEBIAN_STD: &str = "/usr/lib/rustlib/src/rust";

/// All flags, as `CARGO_ENCODED_RUSTFLAGS` wants them: a path may have spaces.
pub(super) fn encoded(project: &Project) -> String {
    let remapped = remapped(project.root(), &cargo_home());
    FLAGS.iter().map(ToString::to_string).chain(remapped).collect::<Vec<_>>().join("\x1f")
}

/// Flags that keep the machine's paths out of the module, so that it is the same wherever it is built. The last that
/// matches a path wins.
fn remapped(root: &Path, cargo_home: &Path) -> Vec<String> {
    let general =
        [(cargo_home.to_owned(), "/cargo"), (root.to_owned(), "/scopegate"), (DEBIAN_STD.into(), "/rustc")];
    let crates = crate_sources(cargo_home).into_iter().map(|dir| (dir, "/crates"));
    let all = general.into_iter().chain(crates);
    all.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).collect()
}

/// The folders that cargo unpacks crates in: one for each registry, named after it.
fn crate_sources(cargo_home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten();
    let mut dirs: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    dirs.sort();
    dirs
}

fn cargo_home() -> PathBuf {
    let set = env::var_os("CARGO_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_else(|| PathBuf::from(".cargo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_machine_are_remapped_the_narrowest_last() {
        let expected = [
            "--remap-path-prefix=/no such home=/cargo",
            "--remap-path-prefix=/tree=/scopegate",
            "--remap-path-prefix=/usr/lib/rustlib/src/rust=/rustc",
        ];
        assert_eq!(remapped(Path::new("/tree"), Path::new("/no such home")), expected);
    }
}
