//! Docker Compose: one service, Envoy with its bootstrap, in a network of its own with what stands behind it.
//!
//! Files that the configuration names are mounted where Envoy looks for them: certificates' authorities and key sets as they
//! are, keys and credentials as secrets. What the filter takes from its environment are secrets in files too, which the
//! service reads as it starts. Nothing that is secret stands in what is made.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::bootstrap;
use super::{File, Files, Module};
use crate::gateway::{Gateway, Jwks};
use crate::yaml::{Fields, Yaml};

/// The image. Everything is tested with this Envoy.
const IMAGE: &str = "envoyproxy/envoy:v1.40.0";
/// The folder that Envoy is started in.
const FOLDER: &str = "/etc/envoy";
/// Where the image itself has the system's authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// `compose.yaml`, and beside it the bootstrap and the sources of secrets.
pub(crate) fn files(gateway: &Gateway, module: &Module) -> Result<Files, String> {
    let Files { main: bootstrap, mut beside } = bootstrap::files(gateway, module)?;
    beside.insert(0, bootstrap);
    let mut mounts = Mounts::default();
    for file in &beside {
        mounts.file(&file.name);
    }
    if let Module::File(file) = module {
        mounts.file(file);
    }
    named(gateway, &mut mounts);
    let secrets = gateway
        .filter
        .environment
        .iter()
        .map(|name| (name.to_lowercase(), format!("./secrets/{name}")))
        .chain(mounts.secrets.iter().map(|(path, name)| (name.clone(), host(path))))
        .fold(Fields::block(), |all, (name, file)| all.with(&name, Fields::new().with("file", file)));
    let networks = Fields::block().with("callers", Fields::new()).told(
        "Put what stands behind the gateway into this one, and into no other that anybody else is in: its tenants are kept\n\
         apart by the gateway alone.",
        "backends",
        Fields::new().with("name", "scopegate-backends").with("internal", true),
    );
    let whole = Fields::block()
        .with("name", "scopegate")
        .with("services", Fields::block().with("gateway", service(gateway, &mounts)))
        .with("networks", networks);
    let whole = if secrets.is_empty() { whole } else { whole.with("secrets", secrets) };
    let text = format!("{}\n{}", head(gateway), Yaml::from(whole).text());
    Ok(Files { main: File { name: "compose.yaml".to_owned(), text }, beside })
}

/// What is mounted, by where Envoy finds it.
#[derive(Default)]
struct Mounts {
    files: Vec<String>,
    /// The names of secrets.
    secrets: BTreeMap<String, String>,
}

impl Mounts {
    fn file(&mut self, path: &str) {
        if path != AUTHORITIES && !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_owned());
        }
    }

    fn secret(&mut self, path: &str, name: String) {
        self.secrets.entry(path.to_owned()).or_insert(name);
    }
}

/// The files that the configuration names.
fn named(gateway: &Gateway, mounts: &mut Mounts) {
    for listener in &gateway.listeners {
        if let Some(tls) = &listener.tls {
            mounts.file(&tls.certificate.certificate);
            mounts.secret(&tls.certificate.key, format!("{}-key", listener.name));
            if let Some(file) = &tls.client_ca {
                mounts.file(file);
            }
        }
    }
    for provider in &gateway.providers {
        if let Jwks::File(file) = &provider.jwks {
            mounts.file(file);
        }
    }
    for cluster in &gateway.clusters {
        if let Some(tls) = &cluster.tls {
            mounts.file(&tls.ca);
            if let Some(pair) = &tls.certificate {
                mounts.file(&pair.certificate);
                mounts.secret(&pair.key, format!("{}-key", cluster.name));
            }
        }
        if let Some(credential) = &cluster.credential {
            mounts.secret(&credential.file, format!("{}-credential", cluster.name));
        }
    }
}

/// Where a file is on the host: beside `compose.yaml`, unless its path is whole.
fn host(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("./{path}") }
}

/// Where it is in the container.
fn inside(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{FOLDER}/{path}") }
}

fn service(gateway: &Gateway, mounts: &Mounts) -> Fields {
    let volumes: Vec<Yaml> =
        mounts.files.iter().map(|path| format!("{}:{}:ro", host(path), inside(path)).into()).collect();
    let of_environment = gateway
        .filter
        .environment
        .iter()
        .map(|name| Yaml::from(Fields::new().with("source", name.to_lowercase())));
    let in_files = mounts
        .secrets
        .iter()
        .map(|(path, name)| Yaml::from(Fields::new().with("source", name).with("target", inside(path))));
    let secrets: Vec<Yaml> = of_environment.chain(in_files).collect();
    let ports: Vec<Yaml> =
        gateway.listeners.iter().map(|listener| format!("{0}:{0}", listener.address.port()).into()).collect();
    let limits = Fields::new().with("limits", Fields::new().with("cpus", "2").with("memory", "1G"));
    let logging = Fields::new()
        .with("driver", "json-file")
        .with("options", Fields::new().with("max-size", "10m").with("max-file", "3"));
    let fields = Fields::block()
        .with("image", IMAGE)
        .with("restart", "unless-stopped")
        .told("Its own user, who must be able to read the files below.", "user", "101:101")
        .with("working_dir", FOLDER)
        .with("command", texts(&command(&gateway.filter.environment)))
        .with("ports", ports)
        .with("volumes", volumes);
    let fields = if secrets.is_empty() { fields } else { fields.with("secrets", secrets) };
    fields
        .with("networks", texts(&["callers".to_owned(), "backends".to_owned()]))
        .with("healthcheck", healthcheck(gateway))
        .with("security_opt", texts(&["no-new-privileges:true".to_owned()]))
        .with("cap_drop", texts(&["ALL".to_owned()]))
        .with("logging", logging)
        .with("deploy", Fields::new().with("resources", limits))
}

/// How Envoy is started: with the secrets in its environment that the filter takes from there. A dollar is written twice.
fn command(environment: &[String]) -> Vec<String> {
    if environment.is_empty() {
        return ["envoy", "-c", "envoy.yaml"].map(str::to_owned).to_vec();
    }
    let set: Vec<String> = environment
        .iter()
        .map(|name| format!("{name}=\"$$(cat /run/secrets/{})\" && export {name}", name.to_lowercase()))
        .collect();
    vec!["sh".to_owned(), "-c".to_owned(), format!("{} && exec envoy -c envoy.yaml", set.join(" && "))]
}

/// The port of operations tells whether the backends are well; without one, Envoy's own tells whether it serves.
fn healthcheck(gateway: &Gateway) -> Fields {
    let address = gateway
        .operations
        .map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)), |operations| operations.address);
    let ip = if address.ip().is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { address.ip() };
    // Its image has neither curl nor wget.
    let ask = format!(
        "exec 3<>/dev/tcp/{ip}/{}; printf 'GET /ready HTTP/1.1\\r\\nHost: gateway\\r\\nConnection: close\\r\\n\\r\\n' >&3; \
         read -r line <&3; [[ $$line == *' 200 '* ]]",
        address.port()
    );
    Fields::block()
        .with("test", texts(&["CMD", "bash", "-c", &ask].map(str::to_owned)))
        .with("interval", "5s")
        .with("timeout", "5s")
        .with("retries", 12_u32)
}

fn texts(list: &[String]) -> Yaml {
    Yaml::List(list.iter().map(Yaml::from).collect())
}

/// What stands at its beginning: what must be beside it.
fn head(gateway: &Gateway) -> String {
    let mut head =
        "# Made by `scopegate render --to compose`: change the configuration that it was made of, and make it anew.\n\
         #\n#   docker compose up -d\n#\n\
         # A file that is replaced is seen after `docker compose restart`.\n"
            .to_owned();
    if !gateway.filter.environment.is_empty() {
        let names = gateway.filter.environment.join(", ");
        let _ = writeln!(
            head,
            "# In the folder `secrets`, each alone in a file and readable for the user 101: {names}."
        );
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::render::gateway_of;

    fn compiled(text: &str) -> Gateway {
        let document = match Document::parse("test.yaml".to_owned(), text.to_owned()) {
            Ok(document) => document,
            Err(malformed) => panic!("{}", malformed.problem.message),
        };
        let (gateway, shown) = gateway_of(&document);
        gateway.unwrap_or_else(|| panic!("{}", shown.join("\n")))
    }

    fn rendered(text: &str) -> (String, Vec<String>) {
        let Files { main, beside } =
            files(&compiled(text), &Module::File("scopegate.wasm".to_owned())).unwrap();
        assert_eq!(main.name, "compose.yaml");
        (main.text, beside.into_iter().map(|file| file.name).collect())
    }

    fn value(text: &str) -> serde_json::Value {
        match Document::parse("compose.yaml".to_owned(), text.to_owned()) {
            Ok(document) => document.root.value(),
            Err(malformed) => panic!("{}\n{text}", malformed.problem.message),
        }
    }

    const SMALL: &str = "
backends: [{name: metrics, kind: cortex}]
callers: [{name: users, jwt: {provider: idp, issuer: https://idp.example.org}, tenants: {claim: tenant}, may: [read]}]
identity_providers: {idp: {issuer: https://idp.example.org, jwks: {file: keys.json}}}
upstreams: {cortex: {url: http://cortex:9009, backend: metrics}}
";

    const LARGE: &str = "
backends: [{name: metrics, kind: cortex}]
callers:
  - {name: local, session: {attribute: local, keys: {env: SESSION_KEYS}}, tenants: [central], may: [write]}
  - {name: users, jwt: {provider: idp, issuer: https://idp.example.org}, tenants: {claim: tenant}, may: [read]}
listeners:
  - {address: \"0.0.0.0:8443\", tls: {certificate: server.pem, key: server-key.pem, client_ca: /etc/pki/clients.pem}}
operations: {address: \"0.0.0.0:9902\"}
identity_providers: {idp: {issuer: https://idp.example.org, jwks: {url: https://idp.example.org/keys}}}
upstreams:
  cortex: {url: http://cortex:9009, backend: metrics}
  grafana: {url: https://grafana.example.org, credential: {basic_file: /run/grafana/login}}
";

    #[test]
    fn what_is_made() {
        let (text, beside) = rendered(SMALL);
        assert_eq!(beside, ["envoy.yaml"]);
        let gateway = &value(&text)["services"]["gateway"];
        assert_eq!(gateway["command"], serde_json::json!(["envoy", "-c", "envoy.yaml"]));
        assert_eq!(gateway["ports"], serde_json::json!(["8080:8080"]));
        assert_eq!(
            gateway["volumes"],
            serde_json::json!([
                "./envoy.yaml:/etc/envoy/envoy.yaml:ro",
                "./scopegate.wasm:/etc/envoy/scopegate.wasm:ro",
                "./keys.json:/etc/envoy/keys.json:ro",
            ])
        );
        assert!(gateway.get("secrets").is_none() && value(&text).get("secrets").is_none(), "{text}");
        assert!(gateway["healthcheck"]["test"][3].as_str().unwrap().contains("/127.0.0.1/9901;"), "{text}");

        let (text, beside) = rendered(LARGE);
        assert_eq!(
            beside,
            ["envoy.yaml", "gateway-certificate.yaml", "gateway-client-ca.yaml", "grafana-credential.yaml"]
        );
        let whole = value(&text);
        let gateway = &whole["services"]["gateway"];
        assert_eq!(
            gateway["command"][2],
            "SESSION_KEYS=\"$$(cat /run/secrets/session_keys)\" && export SESSION_KEYS && exec envoy -c envoy.yaml"
        );
        assert_eq!(
            gateway["secrets"],
            serde_json::json!([
                {"source": "session_keys"},
                {"source": "grafana-credential", "target": "/run/grafana/login"},
                {"source": "gateway-key", "target": "/etc/envoy/server-key.pem"},
            ])
        );
        assert_eq!(
            whole["secrets"],
            serde_json::json!({
                "session_keys": {"file": "./secrets/SESSION_KEYS"},
                "grafana-credential": {"file": "/run/grafana/login"},
                "gateway-key": {"file": "./server-key.pem"},
            })
        );
        let volumes = gateway["volumes"].as_array().unwrap();
        for mount in ["./server.pem:/etc/envoy/server.pem:ro", "/etc/pki/clients.pem:/etc/pki/clients.pem:ro"]
        {
            assert!(volumes.contains(&mount.into()), "{mount} in {text}");
        }
        assert!(!text.contains(AUTHORITIES), "{text}");
        assert!(gateway["healthcheck"]["test"][3].as_str().unwrap().contains("/127.0.0.1/9902;"), "{text}");
    }

    /// It is of the specification, which knows every name that is used; every secret is used, and no file stands twice.
    #[test]
    fn what_is_made_is_whole() {
        for text in [SMALL, LARGE] {
            let whole = value(&rendered(text).0);
            let parsed: compose_spec::Compose = serde_json::from_value(whole.clone()).unwrap();
            parsed.validate_all().unwrap();
            let gateway = &whole["services"]["gateway"];
            let used = gateway["secrets"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|secret| secret["source"].as_str().unwrap());
            let declared = whole["secrets"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            assert_eq!(used.collect::<Vec<_>>(), declared.collect::<Vec<_>>());
            let volumes =
                gateway["volumes"].as_array().unwrap().iter().map(|volume| volume.as_str().unwrap());
            let mut targets: Vec<_> = volumes.map(|volume| volume.split(':').nth(1).unwrap()).collect();
            targets.sort_unstable();
            let all = targets.len();
            targets.dedup();
            assert_eq!(targets.len(), all, "{targets:?}");
        }
    }

    #[test]
    fn images_are_not_pulled_by_a_plain_envoy() {
        let image = Module::Image("ghcr.io/example/scopegate:v1".to_owned());
        assert!(files(&compiled(SMALL), &image).is_err());
    }

    #[test]
    fn the_image_is_the_envoy_that_everything_is_tested_with() {
        let setup = include_str!("../../../xtask/src/setup/envoy.rs");
        let version = IMAGE.rsplit_once(":v").unwrap().1;
        assert!(setup.contains(&format!("const VERSION: &str = {version:?};")), "{version}");
    }

    /// The demo stack has Envoy's files as they are rendered of its configuration.
    #[test]
    fn the_demo_stack_is_rendered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/compose/gateway");
        let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        let gateway = compiled(&read("scopegate.yaml"));
        let Files { main, beside } =
            bootstrap::files(&gateway, &Module::File("scopegate.wasm".to_owned())).unwrap();
        for file in beside.iter().chain([&main]) {
            let again = "render it again: scopegate render gateway/scopegate.yaml --output gateway";
            assert!(read(&file.name) == file.text, "{}: {again}", file.name);
        }
    }
}
