//! What must hold of the Envoy configuration around the filter. Each rule is a function; `docs/envoy.md` says why.

use std::time::Duration;

use scopegate_core::config::{CertificateConfig, Config};
use scopegate_core::report::{TAGS, tag_pattern};

use super::configuration::under;
use super::envoy::{Filter, http_filters, is, managers};
use crate::document::Node;
use crate::finding::{Finding, Severity};

/// Checks everything around a filter. What depends on its configuration is left out where that is wrong.
pub(super) fn check(root: &Node, filter: &Filter<'_>, config: Option<&Config>, findings: &mut Vec<Finding>) {
    let mut rules = Rules { root, filter, findings };
    rules.flag();
    rules.failure_policy();
    rules.environment();
    rules.order();
    rules.idle_timeout();
    rules.switched_off();
    if let Some(config) = config {
        rules.buffers(config);
        rules.tokens(config);
        rules.istio_tokens(config);
        rules.certificates(config);
        rules.clusters(config);
        rules.backends(config);
    }
    if filter.around.is_some() {
        rules.tags();
        rules.other_ways();
    }
}

struct Rules<'c, 'd> {
    root: &'d Node,
    filter: &'c Filter<'d>,
    findings: &'c mut Vec<Finding>,
}

impl Rules<'_, '_> {
    fn tell(&mut self, severity: Severity, at: &Node, path: &str, message: impl Into<String>, help: &str) {
        let finding = Finding::new(severity, path, at.place(path), message);
        self.findings.push(finding.help(help));
    }

    fn error(&mut self, at: &Node, path: &str, message: impl Into<String>, help: &str) {
        self.tell(Severity::Error, at, path, message, help);
    }

    fn warning(&mut self, at: &Node, path: &str, message: impl Into<String>, help: &str) {
        self.tell(Severity::Warning, at, path, message, help);
    }

    fn flag(&mut self) {
        let flag = self.filter.plugin.get("allow_on_headers_stop_iteration");
        if !flag.is_some_and(Node::is_true) {
            self.error(
                self.filter.plugin,
                "allow_on_headers_stop_iteration",
                "the filter may not hold headers: requests whose body it needs hang",
                "set `allow_on_headers_stop_iteration: true` beside `configuration`",
            );
        }
    }

    fn failure_policy(&mut self) {
        let plugin = self.filter.plugin;
        let open = plugin.get("fail_open").is_some_and(Node::is_true);
        match plugin.get("failure_policy").and_then(Node::text) {
            Some("FAIL_RELOAD") if !open => {}
            Some("FAIL_OPEN") | None if open || plugin.get("failure_policy").is_some() => {
                let field = if open { "fail_open" } else { "failure_policy" };
                self.error(
                    plugin,
                    field,
                    "after a failure of its VM, requests go on without the filter and choose their tenant themselves",
                    "set `failure_policy: FAIL_RELOAD`",
                );
            }
            _ => self.warning(
                plugin,
                "failure_policy",
                "after a failure of its VM the filter answers 503 until Envoy is restarted",
                "set `failure_policy: FAIL_RELOAD`: the VM is made anew, and until then requests get 503",
            ),
        }
    }

    /// Every secret that the configuration names must be handed to the filter.
    fn environment(&mut self) {
        let given = self.filter.plugin.find(&["vm_config", "environment_variables"]);
        let host = given.and_then(|given| given.get("host_env_keys")).map_or(&[][..], Node::items);
        let listed = given.and_then(|given| given.get("key_values")).map_or(&[][..], Node::entries);
        let is_given = |name: &str| {
            host.iter().any(|key| key.text() == Some(name)) || listed.iter().any(|entry| entry.name == name)
        };
        let mut missing = Vec::new();
        self.filter.configuration.walk("", &mut |path, node| {
            let field = path.rsplit('.').next().unwrap_or_default();
            if let Some(name) = node.text().filter(|_| field == "env" || field.starts_with("env["))
                && !is_given(name)
            {
                missing.push((path.to_owned(), name.to_owned()));
            }
        });
        for (path, name) in missing {
            let message = format!("the filter does not get the environment variable `{name}`");
            self.error(
                self.filter.configuration,
                &path,
                message,
                "name it in `vm_config.environment_variables.host_env_keys`: a filter sees no other variables",
            );
        }
    }

    /// Who authenticates stands before, the router after.
    fn order(&mut self) {
        const BEFORE: [&str; 6] = ["jwt_authn", "ext_authz", "rbac", "oauth2", "ratelimit", "basic_auth"];
        let Some(around) = self.filter.around else { return };
        let late = http_filters(around.manager).iter().skip(around.position + 1);
        for filter in late {
            let Some(url) = filter.find(&["typed_config", "@type"]).and_then(Node::text) else { continue };
            let kind = |known: &&str| url.contains(&format!("filters.http.{known}.v3."));
            if let Some(kind) = BEFORE.iter().find(|known| kind(known)) {
                self.error(
                    filter,
                    "",
                    format!(
                        "`{kind}` stands after the filter: it has no effect on the parts of split requests"
                    ),
                    "put it before the filter, which then also sees what it found out",
                );
            }
        }
        if around.position + 1 == http_filters(around.manager).len() {
            self.error(
                around.manager,
                "http_filters",
                "no router stands after the filter",
                "end the list with `envoy.filters.http.router`",
            );
        }
    }

    fn idle_timeout(&mut self) {
        let Some(manager) = self.filter.around.map(|around| around.manager) else { return };
        let ends_anyway = manager.find(&["common_http_protocol_options", "max_stream_duration"]).is_some();
        let timeout = manager.get("stream_idle_timeout").and_then(Node::text).and_then(duration);
        if timeout == Some(Duration::ZERO) && !ends_anyway {
            self.error(
                manager,
                "stream_idle_timeout",
                "nothing ends a request that hangs after a failure of the filter's VM",
                "let it be longer than `calls.timeout` of the filter, and not 0s",
            );
        }
    }

    /// A route that switches the filter off is a way around it.
    fn switched_off(&mut self) {
        let Some(manager) = self.filter.around.map(|around| around.manager) else { return };
        let name = self.filter_name().unwrap_or("scopegate").to_owned();
        let mut found = Vec::new();
        manager.walk("", &mut |path, node| {
            let disabled = node.find(&["typed_per_filter_config", &name, "disabled"]);
            if disabled.is_some_and(Node::is_true) {
                found.push(under(path, &format!("typed_per_filter_config.{name}.disabled")));
            }
        });
        for path in found {
            self.warning(
                manager,
                &path,
                "the filter is off here: what a client says about its tenant reaches the backend",
                "lead such a route to what has no tenants only",
            );
        }
    }

    fn filter_name(&self) -> Option<&str> {
        let around = self.filter.around?;
        http_filters(around.manager).get(around.position)?.get("name")?.text()
    }

    /// What a held body may take: the listener's limit, where no route says otherwise.
    fn buffers(&mut self, config: &Config) {
        let Some(around) = self.filter.around else { return };
        let needed = u64::from(config.limits.request_bytes.0);
        let bytes = |node: Option<&Node>| node.and_then(Node::text).and_then(|text| text.parse::<u64>().ok());
        let mut is_set_by_routes = false;
        around.manager.walk("", &mut |_, node| {
            is_set_by_routes |=
                bytes(node.get("request_body_buffer_limit")).is_some_and(|limit| limit >= needed);
        });
        let limit = bytes(around.listener.get("per_connection_buffer_limit_bytes"));
        if !is_set_by_routes && limit.unwrap_or(1 << 20) < needed {
            let message = format!(
                "Envoy holds no more than {} bytes of a body, and the filter takes up to {needed}",
                limit.unwrap_or(1 << 20)
            );
            self.warning(
                around.listener,
                "per_connection_buffer_limit_bytes",
                message,
                "larger ones are answered 413: raise the listener's limit, or lower `limits.request_bytes`",
            );
        }
    }

    /// A token's payload comes from a provider of `jwt_authn` that stands before.
    fn tokens(&mut self, config: &Config) {
        const JWT: &str = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
        let Some(around) = self.filter.around else { return };
        let before = http_filters(around.manager).iter().take(around.position);
        let configs: Vec<&Node> =
            before.filter_map(|filter| filter.get("typed_config")).filter(|config| is(config, JWT)).collect();
        let payloads: Vec<&str> = configs
            .iter()
            .flat_map(|config| config.get("providers").map_or(&[][..], Node::entries))
            .filter_map(|provider| provider.value.get("payload_in_metadata")?.text())
            .collect();
        for (index, caller) in config.callers.iter().enumerate() {
            let Some(jwt) = caller.jwt.as_ref().filter(|jwt| jwt.namespace.is_none()) else { continue };
            for provider in jwt.provider.0.iter().filter(|provider| !payloads.contains(&&*provider.0)) {
                let message = format!("nothing puts the payload of a verified token into `{provider}`");
                self.error(
                    self.filter.configuration,
                    &format!("callers[{index}].jwt.provider"),
                    message,
                    "a provider of `jwt_authn`, before the filter, must have it as its `payload_in_metadata`",
                );
            }
        }
    }

    /// Istio puts every token's payload under one key, whoever issued it.
    fn istio_tokens(&mut self, config: &Config) {
        const KEY: &str = "payload";
        let mut is_istio = false;
        self.root.walk("", &mut |_, object| {
            if object.get("kind").and_then(Node::text) == Some("EnvoyFilter") {
                object.walk("", &mut |_, node| is_istio |= std::ptr::eq(node, self.filter.plugin));
            }
        });
        if !is_istio {
            return;
        }
        for (index, caller) in config.callers.iter().enumerate() {
            let Some(jwt) = caller.jwt.as_ref().filter(|jwt| jwt.namespace.is_none()) else { continue };
            if let Some(provider) = jwt.provider.0.iter().find(|provider| provider.0 != KEY) {
                let message = format!("Istio puts no payload into `{provider}`");
                self.error(
                    self.filter.configuration,
                    &format!("callers[{index}].jwt.provider"),
                    message,
                    "it puts that of every token into `payload`; `issuer` tells whose it is",
                );
            }
        }
    }

    /// A certificate proves something only where the TLS context verifies it: Envoy tells of one that anybody made just as
    /// well. A digest proves itself, since only who has the key can present that certificate.
    fn certificates(&mut self, config: &Config) {
        let Some(around) = self.filter.around else { return };
        let names = |certificate: &CertificateConfig| {
            [&certificate.uri_san, &certificate.dns_san, &certificate.subject]
                .iter()
                .any(|list| !list.0.is_empty())
        };
        for (index, caller) in config.callers.iter().enumerate() {
            let proof = caller.header.as_ref().and_then(|header| header.proof.certificate.as_ref());
            let (certificate, field) = match (&caller.certificate, proof) {
                (Some(certificate), _) => (certificate, "certificate"),
                (None, Some(certificate)) => (certificate, "header.proof.certificate"),
                (None, None) => continue,
            };
            if let Err(problem) = verifies_clients(around.chain, names(certificate)) {
                self.error(
                    self.filter.configuration,
                    &format!("callers[{index}].{field}"),
                    format!("{problem}, so this proves nothing"),
                    "give the `DownstreamTlsContext` of the filter chain a `validation_context` with a `trusted_ca`, \
                     and leave `trust_chain_verification` at `VERIFY_TRUST_CHAIN`",
                );
            }
        }
    }

    /// Clusters that the filter calls must exist.
    fn clusters(&mut self, config: &Config) {
        if self.filter.around.is_none() || self.root.find(&["dynamic_resources", "cds_config"]).is_some() {
            return;
        }
        let mut called = Vec::new();
        for (name, write) in &config.write {
            if let Some(cluster) = &write.calls.cluster {
                called.push((format!("write.{name}.calls.cluster"), cluster.0.clone(), true));
            }
        }
        for (name, table) in &config.tables {
            if let Some(http) = &table.http {
                called.push((format!("tables.{name}.http.cluster"), http.cluster.0.clone(), false));
            }
            if let Some(grafana) = &table.grafana {
                called.push((format!("tables.{name}.grafana.cluster"), grafana.cluster.0.clone(), false));
            }
            if let Some(kubernetes) = &table.kubernetes {
                called.push((
                    format!("tables.{name}.kubernetes.cluster"),
                    kubernetes.cluster.0.clone(),
                    false,
                ));
            }
        }
        let clusters = self.root.find(&["static_resources", "clusters"]).map_or(&[][..], Node::items);
        for (path, name, is_split) in called {
            let cluster = clusters.iter().find(|known| known.get("name").and_then(Node::text) == Some(&name));
            match cluster {
                None => self.error(
                    self.filter.configuration,
                    &path,
                    format!("there is no cluster `{name}`"),
                    "calls to it would fail: define it in `static_resources.clusters`",
                ),
                Some(cluster) if is_split && cluster.get("circuit_breakers").is_none() => self.warning(
                    cluster,
                    "name",
                    "at most 1024 requests at a time by default, and every part of a split request is one",
                    "raise `circuit_breakers.thresholds[].max_requests` to connections times tenants per request",
                ),
                Some(_) => {}
            }
        }
    }

    /// What a route's metadata names must be a backend.
    fn backends(&mut self, config: &Config) {
        let Some(manager) = self.filter.around.map(|around| around.manager) else { return };
        let mut found = Vec::new();
        manager.walk("", &mut |path, node| {
            if let Some(name) = node.find(&["filter_metadata", "scopegate", "backend"]).and_then(Node::text)
                && config.backends.iter().all(|backend| backend.name.0 != name)
            {
                found.push((under(path, "filter_metadata.scopegate.backend"), name.to_owned()));
            }
        });
        let known: Vec<&str> = config.backends.iter().map(|backend| &*backend.name.0).collect();
        for (path, name) in found {
            self.error(
                manager,
                &path,
                format!("the filter knows no backend `{name}`"),
                &format!("there are: {}", known.join(", ")),
            );
        }
    }

    /// Without these, Prometheus sees the tags as parts of the metrics' names.
    fn tags(&mut self) {
        let tags = self.root.find(&["stats_config", "stats_tags"]).map_or(&[][..], Node::items);
        let has = |tag: &str| {
            let pattern = tag_pattern(tag);
            tags.iter().any(|known| known.get("regex").and_then(Node::text) == Some(&pattern))
        };
        let missing: Vec<&str> = TAGS.iter().map(|(tag, _)| *tag).filter(|tag| !has(tag)).collect();
        if !missing.is_empty() {
            let lines: Vec<String> = missing
                .iter()
                .map(|tag| format!("  - {{tag_name: {tag}, regex: '{}'}}", tag_pattern(tag)))
                .collect();
            self.warning(
                self.root,
                "stats_config",
                format!("tags stay in the names of the filter's metrics: {}", missing.join(", ")),
                &format!("add to `stats_config.stats_tags`:\n{}", lines.join("\n")),
            );
        }
    }

    /// A listener without the filter that leads to the same clusters is a way around it. Internal ones carry parts.
    fn other_ways(&mut self) {
        let Some(around) = self.filter.around else { return };
        let behind = clusters_of(around.manager);
        for (listener, _, manager) in managers(self.root) {
            let has_ours = http_filters(manager).iter().any(|filter| {
                filter.find(&["typed_config", "config"]).is_some_and(|plugin| {
                    std::ptr::eq(plugin, self.filter.plugin)
                        || plugin.get("root_id").and_then(Node::text) == Some("scopegate")
                })
            });
            if has_ours || listener.get("internal_listener").is_some() {
                continue;
            }
            if let Some(cluster) = clusters_of(manager).iter().find(|cluster| behind.contains(cluster)) {
                self.warning(
                    listener,
                    "name",
                    format!("leads to the cluster `{cluster}` without the filter"),
                    "who can reach this listener chooses the tenant freely",
                );
            }
        }
    }
}

/// Whether the TLS context of a filter chain asks clients for certificates, and (where `by_name`) trusts none that no known
/// authority signed.
fn verifies_clients(chain: &Node, by_name: bool) -> Result<(), &'static str> {
    const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    let context = chain.find(&["transport_socket", "typed_config"]).filter(|config| is(config, TLS));
    let context = context.ok_or("this listener has no TLS")?;
    let common = context.get("common_tls_context").ok_or("the TLS context asks for no certificate")?;
    let (mut asks, mut has_authority, mut takes_all) = (false, false, false);
    common.walk("", &mut |path, node| {
        asks |= path.contains("validation_context");
        has_authority |=
            path.ends_with("trusted_ca") || path.ends_with("validation_context_sds_secret_config");
        takes_all |= path.ends_with("trust_chain_verification") && node.text() == Some("ACCEPT_UNTRUSTED");
    });
    match (asks, has_authority && !takes_all) {
        (false, _) => Err("the TLS context asks for no certificate"),
        (true, false) if by_name => Err("the TLS context takes certificates that anybody made"),
        _ => Ok(()),
    }
}

/// The clusters that a connection manager's routes lead to.
fn clusters_of(manager: &Node) -> Vec<&str> {
    let mut clusters = Vec::new();
    manager.walk("", &mut |_, node| {
        clusters.extend(node.find(&["route", "cluster"]).and_then(Node::text));
        let weighted = node.find(&["route", "weighted_clusters", "clusters"]).map_or(&[][..], Node::items);
        clusters.extend(weighted.iter().filter_map(|cluster| cluster.get("name")?.text()));
    });
    clusters
}

/// A duration as protobuf's JSON writes it: `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}
