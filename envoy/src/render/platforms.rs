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
    let files = to.files(&gateway(&text), &module(), place(), None).unwrap();
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

/// A backend with its filter in its own sidecars.
const SIDECAR: &str = "
backends: [{name: metrics, kind: victoriametrics, isolate: {label: tenant}}]
callers:
  - name: users
    jwt: {provider: keycloak, issuer: https://idp.example.org}
    tenants: {claim: groups, prefix: \"organization:\"}
    may: [read]
identity_providers:
  keycloak: {issuer: https://idp.example.org, jwks: {url: https://idp.example.org/keys}}
upstreams:
  victoria: {url: http://victoria.monitoring.svc:8428, backend: metrics}
";

#[test]
fn a_sidecar_has_the_filter_before_its_backend() {
    let gateway = gateway(SIDECAR);
    let made = |selector| Target::IstioSidecar.files(&gateway, &module(), place(), selector);
    let files = made(Some("app=victoria")).unwrap();
    let text = &files.main.text;
    assert_eq!(complaints(text), Vec::<String>::new(), "{text}");
    assert_eq!(crate::check::told(text), Vec::<String>::new(), "{text}");
    for part in [
        "context: SIDECAR_INBOUND",
        "name: virtualInbound",
        "name: \"inbound|8428||\"",
        "labels: {app: victoria}",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(files.beside[0].text.contains("extraStatTags"), "{}", files.beside[0].text);
    assert!(made(None).unwrap_err().contains("--selector"));
}

/// What cannot be is refused with what to do.
#[test]
fn what_a_platform_cannot_is_refused() {
    let configuration = |from: &str, to: &str| {
        assert!(SIDECAR.contains(from), "{from}");
        gateway(&SIDECAR.replacen(from, to, 1))
    };
    let low = configuration("upstreams:", "listeners: [{address: \"0.0.0.0:80\"}]\nupstreams:");
    let keys = configuration("jwks: {url: https://idp.example.org/keys}", "jwks: {file: keys.json}");
    let opaque = configuration(
        "callers:",
        "callers:\n  - {name: o, bearer: {key: {env: KEY}, tokens: [{token: [\"hmac-sha256:f3-9M7DAgIomsot3UTyEP4da4tyGYxd9z0hknrrcd4w\"], tenants: [a]}]}, may: [read]}",
    );
    let plain = configuration("name: metrics", "name: metrics");
    let tag = Module::parse("oci://registry.example.org/scopegate:1", None).unwrap();
    let file = Module::parse("scopegate.wasm", None).unwrap();
    for (gateway, target, module, expected) in [
        (&low, Target::Istio, &module(), "a port of 1024 or more"),
        (&low, Target::Kubernetes, &module(), "a port of 1024 or more"),
        (&keys, Target::Istio, &module(), "keys.json"),
        (&keys, Target::EnvoyGateway, &module(), "public keys by their URL"),
        (&opaque, Target::Istio, &module(), "a gateway of their own"),
        (&plain, Target::Istio, &tag, "by its digest"),
        (&plain, Target::Istio, &file, "give an image"),
        (&plain, Target::Kubernetes, &file, "larger than a ConfigMap"),
        (&plain, Target::EnvoyGateway, &file, "give an image"),
        (&plain, Target::Bootstrap, &tag, "pulls no images"),
    ] {
        let refused = target.files(gateway, module, place(), None).unwrap_err();
        assert!(refused.contains(expected), "{target:?}: {refused}");
    }
}

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
        let sidecar = Target::IstioSidecar.files(&gateway(SIDECAR), &module(), place(), Some("a=b")).unwrap();
        let sidecar = [sidecar.main].into_iter().chain(sidecar.beside);
        let made: Vec<String> = shipped(target).into_iter().chain(sidecar).map(|file| file.name).collect();
        let commands = blocks(page, "sh").concat();
        assert!(commands.contains(&format!("--to {folder} ")), "{page}");
        for line in commands.lines().filter(|line| line.starts_with("scopegate ")) {
            let parsed = crate::Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{page}: {line}: {:?}", parsed.err().map(|error| error.to_string()));
        }
        // What is applied is what was made.
        let beside =
            |word| str::strip_prefix(word, "gateway/").or_else(|| str::strip_prefix(word, "sidecar/"));
        for name in commands.split_whitespace().filter_map(beside) {
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
