//! What is rendered for Kubernetes and what runs on it: by the schemas of its objects, by `scopegate check`, and as it is
//! shipped in `deploy`. Envoy runs it in `tests/tests/mesh`.

use super::schemas::complaints;
use super::tests::gateway;
use super::*;

const IMAGE: &str = "oci://registry.example.org/scopegate@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

fn place() -> Place<'static> {
    Place { namespace: "scopegate", folder: Path::new("") }
}

fn module() -> Module {
    Module::parse(IMAGE, None).unwrap()
}

/// All files of a target, of the shipped configuration.
fn shipped(to: Target) -> Vec<File> {
    let text = std::fs::read_to_string(deploy("scopegate.yaml")).unwrap();
    assert_eq!(crate::check::told(&text), Vec::<String>::new());
    let files = to.files(&gateway(&text), &module(), place()).unwrap();
    [files.main].into_iter().chain(files.beside).collect()
}

/// What is in `deploy` is what is made now: `SCOPEGATE_BLESS=1` writes it.
#[test]
fn what_is_shipped_is_what_is_made() {
    for (target, folder) in PLATFORMS {
        for file in shipped(target) {
            let path = deploy(folder).join(&file.name);
            if std::env::var_os("SCOPEGATE_BLESS").is_some() {
                std::fs::create_dir_all(deploy(folder)).unwrap();
                std::fs::write(&path, &file.text).unwrap();
            }
            let known = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(known, file.text, "{}: SCOPEGATE_BLESS=1 writes it anew", path.display());
        }
    }
}

#[test]
fn api_servers_take_it_and_the_check_passes() {
    for (target, _) in PLATFORMS {
        for file in shipped(target) {
            let name = file.name.as_str();
            let has_filter = file.text.contains("filters.http.wasm.v3.Wasm");
            // The operator's own and kustomize's are no objects of these schemas.
            if file.text.contains("\nkind:") && !["kustomization.yaml", "monitoring.yaml"].contains(&name) {
                assert_eq!(complaints(&file.text), Vec::<String>::new(), "{name}\n{}", file.text);
            }
            if has_filter {
                assert_eq!(crate::check::told(&file.text), Vec::<String>::new(), "{name}\n{}", file.text);
            }
        }
    }
}

const PLATFORMS: [(Target, &str); 3] =
    [(Target::Istio, "istio"), (Target::Kubernetes, "kubernetes"), (Target::EnvoyGateway, "envoy-gateway")];

/// The blocks of a page of one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let (text, mut found, mut open) = (std::fs::read_to_string(path).unwrap(), Vec::new(), None);
    for line in text.lines().map(str::trim_end) {
        let indented = line.trim_start();
        match &mut open {
            None if indented == format!("```{language}") => {
                open = Some((line.len() - indented.len(), String::new()));
            }
            Some(_) if indented == "```" => found.extend(open.take().map(|(_, block)| block)),
            Some((indent, block)) => block.extend([line.get(*indent..).unwrap_or_default(), "\n"]),
            None => {}
        }
    }
    found
}

/// Every snippet of the pages is what the programs take.
#[test]
fn the_pages_say_what_works() {
    use clap::Parser as _;
    for (page, target, folder) in [
        ("istio.md", Target::Istio, "istio"),
        ("kubernetes.md", Target::Kubernetes, "kubernetes"),
        ("envoy-gateway.md", Target::EnvoyGateway, "envoy-gateway"),
    ] {
        let made: Vec<String> = shipped(target).into_iter().map(|file| file.name).collect();
        let commands = blocks(page, "sh").concat();
        assert!(commands.contains(&format!("--to {folder} ")), "{page}");
        for line in commands.lines().filter(|line| line.starts_with("scopegate ")) {
            let parsed = crate::Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{page}: {line}: {:?}", parsed.err().map(|error| error.to_string()));
        }
        // What is applied is what was made.
        for name in commands.split_whitespace().filter_map(|word| word.strip_prefix("gateway/")) {
            assert!(made.iter().any(|known| known == name), "{page}: {name}");
        }
        for block in blocks(page, "yaml") {
            if block.contains("\nkind:") {
                assert_eq!(complaints(&block), Vec::<String>::new(), "{page}\n{block}");
                assert_eq!(crate::check::told(&block), Vec::<String>::new(), "{page}\n{block}");
            } else if block.starts_with("callers:") {
                let whole = format!("backends: [{{name: metrics, kind: cortex}}]\n{block}");
                assert_eq!(crate::check::told(&whole), Vec::<String>::new(), "{page}\n{block}");
            } else {
                assert!(Document::parse(page.to_owned(), block).is_ok(), "{page}");
            }
        }
    }
}
