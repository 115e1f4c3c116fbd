//! From the files of cortex-tenant (`config.go` there, 2.0) and of cortex-tenant-ns-label, which came from it.
//!
//! Both take writes from whoever reaches them and split them by a label: the tenant itself, or a namespace that belongs to one.

use anyhow::Result;
use clap::Args;

use super::taken::{Taken, Url, everybody};
use super::{Converted, Input, Secret};
use crate::document::Node;
use crate::finding::Severity;
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

/// From the file of cortex-tenant
#[derive(Args)]
#[command(after_help = "\
Example:
  scopegate convert cortex-tenant config.yml --output scopegate.yaml

What stands in its environment (CT_…) is not seen here: write it into the file first.

Exit code: 0 where it was made, also with warnings; 1 where the file is refused; 2 for bad arguments and for what cannot be read.")]
pub(super) struct CortexTenant {
    #[command(flatten)]
    input: Input,
}

/// From the file of cortex-tenant-ns-label
#[derive(Args)]
#[command(after_help = "\
Example:
  scopegate convert cortex-tenant-ns-label config.yml --output scopegate.yaml

Exit code: 0 where it was made, also with warnings; 1 where the file is refused; 2 for bad arguments and for what cannot be read.")]
pub(super) struct NsLabel {
    #[command(flatten)]
    input: Input,
}

impl CortexTenant {
    /// Converts.
    pub(super) fn run(&self) -> Result<bool> {
        self.input.run(|document| convert(&document.root, By::Label))
    }
}

impl NsLabel {
    /// Converts.
    pub(super) fn run(&self) -> Result<bool> {
        self.input.run(|document| convert(&document.root, By::Namespace))
    }
}

/// By what series are split.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Label,
    Namespace,
}

/// The file with the token of a pod.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The authorities of the cluster.
const AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Converts a document.
pub(super) fn convert(root: &Node, by: By) -> Converted {
    let mut problems = Vec::new();
    let file = Taken::new(Some(root), "");
    let tenant = file.inner("tenant");
    let egress = file.inner("auth").inner("egress");
    let namespace = file.inner("namespace");
    let mut secrets: Vec<Secret> = egress.secrets(&["password"]);
    secrets.extend(namespace.secrets(&["k8s_token"]));

    let rules = rules(&tenant, &namespace, by, &mut problems);
    let timeout = file.time("timeout", &mut problems);
    let has_metadata = file.is_true("metadata");
    let write = |sources: Vec<Yaml>, calls_path: Option<String>| {
        let calls = Fields::new().maybe("path", calls_path).maybe("timeout", timeout.clone());
        let mut write = Fields::block().with("tenant", sources);
        if let Some(default) = &rules.fallback {
            let fallback = Fields::new().with("tenant", default);
            write = write.with("on_absent", fallback.clone());
            if by == By::Namespace {
                write = write.with("on_unmapped", fallback);
            }
        }
        if !has_metadata {
            write = write.with("metadata", "drop");
        }
        if calls.is_empty() { write } else { write.with("calls", calls) }
    };
    let server = Server::of(&file, &egress, timeout.as_ref(), &mut problems);
    let mut backends = Vec::new();
    let mut writes = Fields::block();
    let mut upstreams = Fields::block();
    let targets = [
        ("metrics", "cortex", "target", "/api/v1/push", Some("http://127.0.0.1:9090")),
        ("logs", "loki", "target_loki", "/loki/api/v1/push", None),
    ];
    for (name, kind, field, push, default) in targets {
        let Some(text) = file.text(field).or(default.map(str::to_owned)) else { continue };
        let Some(url) = Url::read(&text) else {
            problems.push(Problem::error(field, format!("`{text}` is no URL that Envoy can call")));
            continue;
        };
        // What is split is called by its whole path.
        let (base, mut calls_path) = match url.path.strip_suffix(push) {
            Some(base) => (format!("{}{base}", url.origin), (!base.is_empty()).then(|| url.path.clone())),
            None if url.path.is_empty() => (url.origin.clone(), None),
            None => {
                problems.push(
                    Problem::warning(
                        field,
                        format!("what is split goes to {}, and what is not to {push}, as it came", url.path),
                    )
                    .help("the server must take both; or write the path of its push API behind the URL here"),
                );
                (url.origin.clone(), Some(url.path.clone()))
            }
        };
        // Both have the paths of their kind: something else must tell them apart.
        let prefix = (name == "logs").then_some("/logs");
        if prefix.is_some() {
            calls_path = calls_path.or(Some(push.to_owned()));
        }
        let told = format!("senders write to {}{push} from now on", prefix.unwrap_or_default());
        problems.push(Problem::warning(field, told));
        backends.push(Fields::new().with("name", name).with("kind", kind).maybe("path", prefix));
        let sources = if kind == "loki" { rules.of_streams.clone() } else { rules.sources.clone() };
        writes = writes.with(name, write(sources, calls_path));
        let upstream = Fields::new().with("url", base).with("backend", name);
        upstreams = upstreams.with(name, upstream.and(server.upstream.clone()));
    }
    let kubernetes = (by == By::Namespace).then(|| kubernetes(&namespace, &mut problems));
    if let Some((_, upstream)) = &kubernetes {
        upstreams = upstreams.with("kubernetes", upstream.clone());
    }
    problems.push(
        Problem::warning("", "whoever reaches it writes for every tenant, as before")
            .help("put a caller in place of `anonymous` that proves who it is: docs/callers.md"),
    );
    for part in [&file, &tenant, &namespace, &egress] {
        part.rest(&mut problems);
    }
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    let configuration = (!is_wrong).then(|| {
        let own = Yaml::List(rules.fallback.iter().map(Yaml::from).collect());
        let caller = everybody("senders").with("tenants", if rules.fallback.is_some() { own } else { Yaml::from("nobody") });
        let caller = caller.with("may", vec![Yaml::from("write")]).with("on_behalf_of", vec![Yaml::from("*")]);
        let mut fields = Fields::block().with("backends", backends).told(
            "Nobody is asked who it is. Give each sender a token, a password or a certificate: docs/callers.md.",
            "callers",
            vec![caller],
        );
        if let Some((table, _)) = kubernetes {
            fields = fields.told("Which namespace belongs to whom, from the cluster.", "tables", table);
        }
        fields = fields
            .told("Which series is whose.", "write", writes)
            .with("listeners", vec![server.listener])
            .maybe("operations", server.operations)
            .with("upstreams", upstreams)
            .with("access_log", true);
        Yaml::from(fields)
    });
    let name = if by == By::Label { "cortex-tenant" } else { "cortex-tenant-ns-label" };
    let head = format!(
        "Made by `scopegate convert {name}`. docs/tables.md and docs/gateway.md tell what stands here."
    );
    Converted { head, configuration, problems, secrets }
}

/// Which series is whose.
struct Rules {
    sources: Vec<Yaml>,
    of_streams: Vec<Yaml>,
    fallback: Option<String>,
}

fn rules(tenant: &Taken<'_>, namespace: &Taken<'_>, by: By, problems: &mut Vec<Problem>) -> Rules {
    if let Some(header) = tenant.text("header").filter(|header| !header.eq_ignore_ascii_case("X-Scope-OrgID"))
    {
        let message = format!("left out: the tenant goes into X-Scope-OrgID, and not into {header}");
        problems.push(Problem::warning(tenant.path("header"), message));
    }
    if tenant.is_true("accept_all") {
        problems.push(
            Problem::warning(tenant.path("accept_all"), "left out: it answered 204 to what was lost")
                .help("`write.metrics.answers` says which refusals of a backend a sender is not told of: docs/writes.md"),
        );
    }
    let default = tenant.text("default");
    if by == By::Namespace {
        let source = |field: &str| Fields::new().with(field, "namespace").with("table", "organisations");
        if default.is_none() {
            problems.push(
                Problem::warning(
                    namespace.path("tenant_label"),
                    "series of namespaces without a tenant were lost in silence: now each is refused by name (400)",
                )
                .help("`on_unmapped: drop` and `on_absent: drop` leave them out, and count them"),
            );
        }
        let sources = vec![source("label").into()];
        return Rules { of_streams: sources.clone(), sources, fallback: default };
    }
    let prefix = tenant.text("prefix");
    if tenant.is_true("prefix_prefer_source") {
        problems.push(Problem::warning(
            tenant.path("prefix_prefer_source"),
            "left out: what a sender says in X-Scope-OrgID is no part of a tenant's name",
        ));
    }
    let mut labels = tenant.texts("label_list");
    // It says which label it prefers, and did not do it.
    labels.reverse();
    if labels.len() > 1 {
        let message = "the last label of the list that a series has decides, as its documentation says; it took the first in the \
                       order of the series' labels, whatever the list says";
        problems.push(Problem::warning(tenant.path("label_list"), message));
    }
    let label = tenant.text("label").unwrap_or_else(|| "__tenant__".to_owned());
    if labels.is_empty() {
        labels.push(label);
    }
    let remove = tenant.is_true("label_remove");
    let source = |field: &str, label: &String, remove: bool| -> Yaml {
        let source = Fields::new().with(field, label);
        let source = if remove { source.with("remove", true) } else { source };
        source.maybe("prefix", prefix.clone()).into()
    };
    let sources = labels.iter().map(|label| source("label", label, remove)).collect();
    // Labels of streams go before the metadata of entries, and stay.
    let of_streams = labels.iter().map(|label| source("label", label, false));
    let of_streams = of_streams.chain(labels.iter().map(|label| source("metadata", label, false))).collect();
    if default.is_none() {
        problems.push(Problem::warning(
            tenant.path("default"),
            "a series without a tenant cost the whole request: now it alone is refused, by name (400)",
        ));
    }
    let fallback = default.map(|default| format!("{}{default}", prefix.clone().unwrap_or_default()));
    Rules { sources, of_streams, fallback }
}

/// The table of namespaces, and the server that it comes from.
fn kubernetes(namespace: &Taken<'_>, problems: &mut Vec<Problem>) -> (Fields, Fields) {
    let label = namespace.text("tenant_label").unwrap_or_else(|| "__tenant__".to_owned());
    let refresh = namespace.time("refresh", problems).unwrap_or_else(|| "60s".to_owned());
    let source = Fields::new().with("cluster", "kubernetes").with("label", label).with("refresh", refresh);
    let table = Fields::block().with("organisations", Fields::new().with("kubernetes", source));
    let url = namespace.text("k8s_api").unwrap_or_else(|| "https://kubernetes.default.svc".to_owned());
    if namespace.text("k8s_token").is_some() {
        problems.push(
            Problem::warning(namespace.path("k8s_token"), "left out: a token stands in no configuration")
                .help(format!("it is read from {TOKEN}, and anew when Kubernetes replaces it")),
        );
    }
    let is_tls = url.starts_with("https://");
    let upstream = Fields::new().with("url", url.trim_end_matches('/'));
    let upstream = if is_tls { upstream.with("tls", Fields::new().with("ca", AUTHORITY)) } else { upstream };
    (table, upstream.with("credential", Fields::new().with("bearer_file", TOKEN)))
}

/// What is around.
struct Server {
    listener: Fields,
    operations: Option<Fields>,
    upstream: Fields,
}

impl Server {
    fn of(
        file: &Taken<'_>,
        egress: &Taken<'_>,
        timeout: Option<&String>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let listen = file.address("listen", problems).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
        let auth = file.inner("auth");
        let ingress = auth.inner("ingress").inner("tls_config");
        let tls = ingress.text("cert_file").zip(ingress.text("key_file"));
        let tls =
            tls.map(|(certificate, key)| Fields::new().with("certificate", certificate).with("key", key));
        let listener = Fields::new()
            .with("address", listen)
            .maybe("tls", tls)
            .maybe("idle_timeout", file.time("idle_timeout", problems));
        let operations = file.address("listen_metrics_address", problems);
        let operations = operations.map(|address| Fields::new().with("address", address));
        let bundle = egress.inner("tls_config").text("ca_bundle_file");
        let mut upstream = Fields::new().maybe("timeout", timeout);
        if file.node("enable_ipv6").is_some() && !file.is_true("enable_ipv6") {
            upstream = upstream.with("addresses", "ipv4");
        }
        upstream = upstream.maybe("tls", bundle.map(|ca| Fields::new().with("ca", ca)));
        let password = egress.node("password").is_some();
        if let Some(name) = egress.text("username").filter(|_| password) {
            const FILE: &str = "/etc/scopegate/upstream-basic";
            upstream = upstream.with("credential", Fields::new().with("basic_file", FILE));
            problems.push(
                Problem::warning(
                    egress.path("password"),
                    format!("a password stands in no configuration: it is read from {FILE}"),
                )
                .help(format!("printf %s '{name}:PASSWORD' | base64 -w0 > {FILE}")),
            );
        }
        let connections = "connections are as many as needed; `upstreams.NAME.max_requests` limits requests";
        file.without(&["max_conns_per_host", "max_connections_per_host"], connections, problems);
        file.without(&["max_connection_duration"], "Envoy follows DNS by itself", problems);
        file.without(&["concurrency"], "Envoy has no such limit, and one worker for each core", problems);
        file.without(
            &["timeout_shutdown"],
            "Envoy is drained by `/drain_listeners` of its admin interface",
            problems,
        );
        file.without(
            &["listen_pprof"],
            "`operations` has `/heap`; Envoy's admin interface has the rest",
            problems,
        );
        file.without(&["log_level"], "Envoy has `--log-level`", problems);
        file.without(&["log_response_errors"], "the access log tells every answer", problems);
        file.without(
            &["metrics_include_tenant"],
            "`metrics.by_tenant` says which tenants have their own",
            problems,
        );
        Self { listener, operations, upstream }
    }
}
