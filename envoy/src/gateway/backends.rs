//! From backends and their upstreams to hosts and routes.

use std::collections::BTreeMap;

use scopegate_core::config::{BackendConfig, Config};
use scopegate_core::operation::Kind;

use super::{Origin, PathMatch, Problem, Retries, Route, VirtualHost, components};
use crate::config::UpstreamConfig;

/// In milliseconds.
const TIMEOUT: u32 = 120_000;
const RETRIES: u32 = 2;

/// The upstreams by their names, with what their URLs say.
pub(super) type Upstreams<'c> = BTreeMap<&'c str, (&'c UpstreamConfig, Origin)>;

/// The routes of one backend, in their order, with what it is called by.
#[derive(Debug)]
pub(super) struct Routes<'c> {
    pub(super) backend: &'c BackendConfig,
    pub(super) routes: Vec<Route>,
}

impl Routes<'_> {
    /// Where a path of the backend's kind goes.
    pub(super) fn find(&self, template: &str) -> Option<&Route> {
        let path = components::path(self.backend.kind, template, &self.backend.prefixes);
        let path = format!("{}{path}", prefix(self.backend));
        self.routes.iter().find(|route| route.path.matches(&path))
    }
}

/// The routes of each backend. A request that is silent for longer than `stream_idle_timeout` (in milliseconds) is ended where
/// its route does not allow more.
pub(super) fn routes<'c>(
    config: &'c Config,
    upstreams: &Upstreams<'_>,
    stream_idle_timeout: u32,
    problems: &mut Vec<Problem>,
) -> Vec<Routes<'c>> {
    let mut all = Vec::new();
    for (position, backend) in config.backends.iter().enumerate() {
        let own = upstreams
            .iter()
            .filter(|(_, (upstream, _))| upstream.backend.as_ref().is_some_and(|name| *name == backend.name));
        let (mut exact, mut below, mut rest) = (Vec::new(), Vec::new(), None);
        for (name, (upstream, origin)) in own {
            let at = format!("upstreams.{name}");
            let route = |path: &PathMatch| route(backend, name, upstream, origin, path, stream_idle_timeout);
            let paths = match paths(upstream, backend, &at) {
                Ok(paths) => paths,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let Some(paths) = paths else {
                if rest.is_some() {
                    let message =
                        format!("another upstream takes what is left of `{}` already", backend.name);
                    problems.push(
                        Problem::error(at, message)
                            .help("say which `component` it is, or which `paths` it takes"),
                    );
                }
                rest = Some(route(&PathMatch::Below("/".to_owned())));
                continue;
            };
            for (field, path) in paths {
                let route = route(&PathMatch::of(path));
                let list = if matches!(route.path, PathMatch::Exact(_)) { &mut exact } else { &mut below };
                match list.iter().find(|known: &&Route| known.path == route.path) {
                    Some(known) => problems.push(Problem::error(
                        format!("{at}.{field}"),
                        format!("the upstream `{}` takes {} already", known.cluster, route.path.text()),
                    )),
                    None => list.push(route),
                }
            }
        }
        below.sort_by_key(|route| std::cmp::Reverse(route.path.text().len()));
        let routes: Vec<Route> = exact.into_iter().chain(below).chain(rest).collect();
        if routes.is_empty() {
            let message = format!("no upstream leads to the backend `{}`", backend.name);
            problems.push(Problem::error(format!("backends[{position}].name"), message).help(format!(
                "name it as the `backend` of one: upstreams: {{NAME: {{url: http://…, backend: {}}}}}",
                backend.name
            )));
        }
        all.push(Routes { backend, routes });
    }
    all
}

/// The paths that an upstream takes, each with the field that says so; `None` where it takes what is left.
fn paths(
    upstream: &UpstreamConfig,
    backend: &BackendConfig,
    at: &str,
) -> Result<Option<Vec<(String, String)>>, Problem> {
    let known = components::of(backend.kind);
    let component = match &upstream.component {
        None => None,
        Some(name) => Some(known.iter().find(|(known, _)| *known == name.0).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let kind = backend.kind.as_str();
            let message = match names.as_slice() {
                [] => format!("a backend of kind {kind} has no components"),
                names => format!("unknown component `{name}`: {kind} has {}", names.join(", ")),
            };
            Problem::error(format!("{at}.component"), message).help("or list its `paths`")
        })?),
    };
    if !upstream.paths.is_empty() {
        let listed = upstream.paths.iter().enumerate().map(|(index, path)| {
            let field = format!("paths[{index}]");
            match problem_of_path(path) {
                Some(problem) => Err(Problem::error(format!("{at}.{field}"), problem)),
                None => Ok((field, path.0.clone())),
            }
        });
        return listed.collect::<Result<_, _>>().map(Some);
    }
    let of_component = |(_, paths): &components::Component| {
        let path = |template: &&str| components::path(backend.kind, template, &backend.prefixes);
        paths.iter().map(|template| ("component".to_owned(), path(template))).collect()
    };
    Ok(component.map(of_component))
}

fn problem_of_path(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        Some("a path begins with a slash")
    } else if path == "/" {
        Some("that is everything: leave `paths` out")
    } else if path.contains("//") || path.contains("/./") || path.contains("/../") {
        Some("a path has no empty and no dot segments")
    } else if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~!$&'()+,;=:@".contains(&byte)) {
        Some("a path is written out: it has neither patterns nor escapes nor a query")
    } else {
        None
    }
}

fn prefix(backend: &BackendConfig) -> &str {
    backend.path.as_ref().map_or("", |path| path.0.trim_end_matches('/'))
}

fn route(
    backend: &BackendConfig,
    cluster: &str,
    upstream: &UpstreamConfig,
    origin: &Origin,
    path: &PathMatch,
    stream_idle_timeout: u32,
) -> Route {
    let (told, asked) = (
        format!("{}{}", origin.path, path.text()),
        PathMatch::of(format!("{}{}", prefix(backend), path.text())),
    );
    let timeout = upstream.timeout.map_or(TIMEOUT, |time| time.0);
    let max = upstream.retries.map_or(RETRIES, |count| count.0);
    let is_https = origin.is_https.then(|| origin.authority.clone());
    Route {
        rewrite: (told != asked.text()).then_some(told),
        backend: backend.name.0.clone(),
        cluster: cluster.to_owned(),
        authority: upstream.authority.as_ref().map(|name| name.0.clone()).or(is_https),
        timeout,
        idle_timeout: (timeout >= stream_idle_timeout).then(|| timeout.saturating_add(10_000)),
        response_timeout: upstream.response_timeout.map(|time| time.0),
        retries: may_read(backend.kind, path, backend)
            .then(|| Retries { max, reads: posted_reads(backend, path, &origin.path) }),
        path: asked,
    }
}

/// Whether something else than writes goes there.
fn may_read(kind: Kind, path: &PathMatch, backend: &BackendConfig) -> bool {
    let PathMatch::Exact(path) = path else { return true };
    components::pushes(kind).iter().all(|push| components::path(kind, push, &backend.prefixes) != *path)
}

/// The paths below this one at which a POST reads, as the cluster is told them.
fn posted_reads(backend: &BackendConfig, path: &PathMatch, told: &str) -> Vec<String> {
    let kind = backend.kind;
    let all =
        components::posted_reads(kind).iter().map(|read| components::path(kind, read, &backend.prefixes));
    all.filter(|read| path.matches(read)).map(|read| format!("{told}{read}")).collect()
}

/// The hosts, of which Envoy takes the most specific.
pub(super) fn hosts(all: &[Routes<'_>], config: &Config, problems: &mut Vec<Problem>) -> Vec<VirtualHost> {
    const ANY: &str = "*";
    let mut domains: Vec<&str> = Vec::new();
    for host in all.iter().flat_map(|routes| &routes.backend.host.0) {
        if !domains.contains(&&*host.0) {
            domains.push(host);
        }
    }
    if all.iter().any(|routes| routes.backend.host.0.is_empty()) {
        domains.push(ANY);
    }
    let mut hosts: Vec<VirtualHost> = Vec::new();
    for domain in domains {
        let of_host = |routes: &&Routes<'_>| routes.backend.host.0.iter().any(|host| host.0 == domain);
        let own: Vec<_> = all.iter().filter(of_host).collect();
        let of_all: Vec<_> = all.iter().filter(|routes| routes.backend.host.0.is_empty()).collect();
        tell_apart(&own, config, problems);
        let takes_all = own.iter().any(|routes| routes.backend.path.is_none());
        let rest = if takes_all { Vec::new() } else { of_all };
        if domain == ANY {
            tell_apart(&rest, config, problems);
        }
        let mut names: Vec<&str> = Vec::new();
        let mut routes = Vec::new();
        for mut group in [own, rest] {
            // The longest prefix counts.
            group.sort_by_key(|routes| std::cmp::Reverse(prefix(routes.backend).len()));
            for one in group {
                names.push(&one.backend.name);
                routes.extend(one.routes.iter().cloned());
            }
        }
        let name = names.join("-");
        match hosts.iter_mut().find(|known| known.name == name) {
            Some(known) => known.domains.push(domain.to_owned()),
            None => hosts.push(VirtualHost { name, domains: vec![domain.to_owned()], routes }),
        }
    }
    hosts
}

/// Backends at one host have prefixes of their own.
fn tell_apart(group: &[&Routes<'_>], config: &Config, problems: &mut Vec<Problem>) {
    for (position, routes) in group.iter().enumerate() {
        let Some(other) =
            group[..position].iter().find(|other| prefix(other.backend) == prefix(routes.backend))
        else {
            continue;
        };
        let index = config.backends.iter().position(|backend| backend.name == routes.backend.name);
        let message = format!("nothing tells it from the backend `{}`", other.backend.name);
        let problem = Problem::error(format!("backends[{}]", index.unwrap_or_default()), message)
            .help("give each a `host` or a `path` of its own");
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}
