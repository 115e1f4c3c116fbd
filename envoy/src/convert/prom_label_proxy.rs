//! From the flags of prom-label-proxy (`main.go` there, 0.14).

use anyhow::Result;
use clap::Args;

use super::taken::{Taken, everybody, list};
use super::{Converted, told};
use crate::document::{Data, Document, Entry, Node};
use crate::finding::Severity;
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

/// From the flags of prom-label-proxy
#[derive(Args)]
#[command(after_help = "\
Example:
  scopegate convert prom-label-proxy -- -label tenant -header-name X-Tenant -upstream http://prometheus:9090 \\
      -insecure-listen-address 0.0.0.0:8080 -enable-label-apis > scopegate.yaml

Exit code: 0 where it was made, also with warnings; 1 where the flags are refused; 2 for bad arguments and for what cannot be read.")]
pub(super) struct PromLabelProxy {
    /// Where the configuration goes; by default the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
    /// Its flags, behind `--`
    #[arg(required = true, last = true, value_name = "FLAG")]
    flags: Vec<String>,
}

impl PromLabelProxy {
    /// Converts.
    pub(super) fn run(&self) -> Result<bool> {
        let document = document(&self.flags);
        told(&document, &convert(&document.root), self.output.as_deref())
    }
}

const BOOLEANS: &[&str] = &[
    "enable-label-apis",
    "insecure-skip-verify",
    "error-on-replace",
    "regex-match",
    "header-uses-list-syntax",
    "rules-with-active-alerts",
    "enable-label-matchers-for-rules-api",
    "enable-promql-duration-expression-parsing",
    "enable-promql-experimental-functions",
    "enable-promql-extended-range-selectors",
    "enable-promql-binop-fill-modifiers",
];

/// The flags as a document: a line and a field for each, as Go reads them.
pub(super) fn document(flags: &[String]) -> Document {
    let mut text = String::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let start = text.len();
        text.push_str(flag);
        let bare = flag.trim_start_matches('-');
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None if BOOLEANS.contains(&bare) => (bare, Some("true".to_owned())),
            None => (bare, flags.next().cloned()),
        };
        if !flag.contains('=') && !BOOLEANS.contains(&bare) {
            text.push(' ');
            text.push_str(value.as_deref().unwrap_or_default());
        }
        let span = start..text.len();
        text.push('\n');
        let scalar = |text: String| Node { span: span.clone(), data: Data::Scalar { text, is_plain: true } };
        let value = scalar(value.unwrap_or_default());
        match entries.iter_mut().find(|entry| entry.name == name) {
            Some(Entry { value: Node { data: Data::List(items), .. }, .. }) => items.push(value),
            Some(_) => {}
            None => {
                let list = Node { span: span.clone(), data: Data::List(vec![value]) };
                entries.push(Entry { name: name.to_owned(), span, value: list });
            }
        }
    }
    let root = Node { span: 0..text.len(), data: Data::Map(entries) };
    Document { name: "the flags".to_owned(), text, root }
}

const SECRET: &str = "SCOPEGATE_PROXY_SECRET";

/// Converts the flags.
pub(super) fn convert(root: &Node) -> Converted {
    let mut problems = Vec::new();
    let flags = Taken::new(Some(root), "");
    let last = |name: &str| flags.texts(name).pop().filter(|text| !text.is_empty());
    let is_set =
        |name: &str| last(name).is_some_and(|text| matches!(text.as_str(), "true" | "1" | "t" | "T"));
    let label = last("label");
    if label.is_none() {
        problems.push(Problem::error("label", "`-label` says by which label tenants are kept apart"));
    }
    let label = label.unwrap_or_default();
    let caller = caller(&flags, &label, &mut problems);
    let upstream = last("upstream");
    if upstream.is_none() {
        problems.push(Problem::error("upstream", "`-upstream` says where Prometheus is"));
    }
    let tls = Fields::new()
        .maybe("ca", last("upstream-ca-cert"))
        .maybe("sni", last("upstream-server-name"))
        .maybe("certificate", last("upstream-client-cert"))
        .maybe("key", last("upstream-client-key"));
    if is_set("insecure-skip-verify") {
        problems.push(
            Problem::warning("insecure-skip-verify", "left out: the server is verified")
                .help("`upstreams.prometheus.tls.ca` names the file of its authorities"),
        );
    }
    let mut upstream = Fields::new()
        .with("url", upstream.unwrap_or_default().trim_end_matches('/'))
        .with("backend", "prometheus");
    if !tls.is_empty() {
        upstream = upstream.with("tls", tls);
    }
    let address = |name: &str, problems: &mut Vec<Problem>| {
        let text = last(name)?;
        let address = super::taken::address(&text);
        if address.is_none() {
            let message =
                format!("left out: Envoy listens on an IP address and a port, and `{text}` is none");
            problems.push(Problem::warning(name, message));
        }
        address
    };
    let listen =
        address("insecure-listen-address", &mut problems).unwrap_or_else(|| "0.0.0.0:8080".to_owned());
    let internal = address("internal-listen-address", &mut problems);
    for path in flags
        .texts("unsafe-passthrough-paths")
        .iter()
        .flat_map(|paths| paths.split(','))
        .filter(|p| !p.is_empty())
    {
        problems.push(
            Problem::warning(
                "unsafe-passthrough-paths",
                format!("{path} stays closed: nothing there is narrowed to a tenant"),
            )
            .help(format!(
                "to open it for administrators: `paths: [{{path: {path}, class: admin}}]` of the backend"
            )),
        );
    }
    let always = "is always so: answers are narrowed to the tenant here";
    flags.without(&["enable-label-apis"], "the label APIs are always narrowed", &mut problems);
    flags.without(&["enable-label-matchers-for-rules-api"], always, &mut problems);
    flags.without(
        &["rules-with-active-alerts"],
        "a rule is shown where its label or one of its alerts is the tenant's",
        &mut problems,
    );
    flags.without(
        &["error-on-replace"],
        "a matcher of the user's is kept beside the tenant's, so that a foreign one finds nothing",
        &mut problems,
    );
    let experimental = [
        "enable-promql-duration-expression-parsing",
        "enable-promql-experimental-functions",
        "enable-promql-extended-range-selectors",
        "enable-promql-binop-fill-modifiers",
    ];
    let is_experimental = experimental.map(is_set).contains(&true);
    flags.rest(&mut problems);
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    let configuration = (!is_wrong).then(|| {
        let backend = Fields::new()
            .with("name", "prometheus")
            .with("kind", "prometheus")
            .with("isolate", Fields::new().with("label", label));
        let mut fields = Fields::block().with("backends", vec![backend]).with("callers", vec![caller]);
        if is_experimental {
            let read = Fields::new().with("prometheus", Fields::new().with("experimental", true));
            fields = fields.with("read", read);
        }
        let fields = fields
            .with("listeners", vec![Fields::new().with("address", listen)])
            .maybe("operations", internal.map(|address| Fields::new().with("address", address)))
            .with("upstreams", Fields::block().with("prometheus", upstream))
            .with("access_log", true);
        Yaml::from(fields)
    });
    let head = "Made by `scopegate convert prom-label-proxy`. docs/queries.md and docs/gateway.md tell what stands here.";
    Converted { head: head.to_owned(), configuration, problems, secrets: Vec::new() }
}

/// Who reads: everybody as fixed tenants, or whomever the proxy before names.
fn caller(flags: &Taken<'_>, label: &str, problems: &mut Vec<Problem>) -> Fields {
    let values = flags.texts("label-value");
    let (header, parameter) = (flags.texts("header-name").pop(), flags.texts("query-param").pop());
    let is_set = |name: &str| flags.texts(name).pop().is_some_and(|text| text == "true");
    let is_pattern = is_set("regex-match");
    let is_list = is_set("header-uses-list-syntax");
    let is_plain = |value: &str| scopegate_core::tenant::TenantId::new(value).is_ok();
    let may = |caller: Fields| caller.with("may", vec![Yaml::from("read")]);
    if !values.is_empty() {
        // `a|b` is all that most patterns are.
        let values: Vec<String> = if is_pattern {
            values
                .iter()
                .flat_map(|value| value.trim_matches(['^', '$', '(', ')']).split('|'))
                .map(str::to_owned)
                .collect()
        } else {
            values
        };
        if let Some(value) = values.iter().find(|value| !is_plain(value)) {
            problems.push(
                Problem::error(
                    "label-value",
                    format!("`{value}` is no tenant: a name is taken to the letter here"),
                )
                .help("list the tenants: `-label-value a -label-value b`"),
            );
        }
        return may(everybody("everybody").with("tenants", list(values)));
    }
    if is_pattern {
        problems.push(Problem::error(
            "regex-match",
            "a tenant is taken to the letter here, and never for a pattern",
        ));
    }
    let name = if let Some(header) = header {
        header
    } else {
        let parameter = parameter.unwrap_or_else(|| label.to_owned());
        problems.push(
            Problem::warning("query-param", format!("the argument `{parameter}` says nothing here: anybody could write it"))
                .help("the proxy before this one must send the tenant in the header X-Tenant, or let callers prove who they are"),
        );
        "X-Tenant".to_owned()
    };
    problems.push(
        Problem::warning(
            "header-name",
            format!("whoever reached it was every tenant that it named: now the proxy that sends {name} must prove itself"),
        )
        .help(format!("it sends X-Proxy-Secret, with what Envoy has in {SECRET}: docs/callers.md")),
    );
    let proof =
        Fields::new().with("secret", Fields::new().with("header", "x-proxy-secret").with("env", SECRET));
    let header = Fields::new().with("claims", Fields::new().with("tenant", name)).with("proof", proof);
    let mut tenants = Fields::new().with("claim", "tenant");
    if is_list {
        tenants = tenants.with("split", ",");
    }
    may(Fields::block().with("name", "proxy").with("header", header).with("tenants", tenants))
}
