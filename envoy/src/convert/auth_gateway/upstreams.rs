//! Its components: what stands behind it.

use scopegate_core::operation::{Kind, Prefixes, Router, Unclassified};

use super::BACKEND;
use super::read::{Map, written};
use crate::gateway::{Origin, Problem, component_paths};
use crate::yaml::{Fields, Yaml};

const FIELDS: [&str; 7] = [
    "url",
    "paths",
    "dns_refresh_interval",
    "http_client_timeout",
    "http_client_dialer_timeout",
    "http_client_tls_handshake_timeout",
    "http_client_response_header_timeout",
];

/// A component of it.
struct Component {
    name: &'static str,
    /// How long a request took at most, in milliseconds, unless said otherwise.
    timeout: u32,
    /// What one may do through it.
    rights: &'static [&'static str],
    /// What it led to without a list of paths, and what is closed here.
    closed: Option<&'static str>,
}

const COMPONENTS: [Component; 4] = [
    Component { name: "distributor", timeout: 15_000, rights: &["write"], closed: None },
    Component { name: "frontend", timeout: 60_000, rights: &["read"], closed: None },
    Component {
        name: "alertmanager",
        timeout: 15_000,
        rights: &["alerts"],
        closed: Some("/multitenant_alertmanager/delete_tenant_config"),
    },
    Component {
        name: "ruler",
        timeout: 15_000,
        rights: &["read", "rules"],
        closed: Some("/ruler/delete_tenant_config"),
    },
];
/// In milliseconds, as its README has it.
const DIALER_TIMEOUT: u32 = 5_000;

/// What the components become.
pub(super) struct Upstreams {
    pub(super) fields: Fields,
    pub(super) rights: Vec<&'static str>,
}

/// The upstreams. No request took longer than `write_timeout`.
pub(super) fn upstreams(
    file: &Map<'_>,
    write_timeout: Option<u32>,
    problems: &mut Vec<Problem>,
) -> Upstreams {
    let (mut fields, mut rights) = (Fields::block(), Vec::new());
    for component in COMPONENTS {
        let Some(node) = file.get(component.name) else { continue };
        let map = Map::new(node, component.name, &FIELDS, problems);
        let Some(upstream) = upstream(&component, &map, write_timeout, problems) else { continue };
        fields = fields.with(component.name, upstream);
        rights.extend(component.rights);
    }
    if rights.is_empty() {
        let names = COMPONENTS.map(|component| component.name).join(", ");
        problems
            .push(Problem::error("", format!("nothing stands behind it: give a `url` to one of {names}")));
    }
    // In the order in which they are told everywhere.
    let rights =
        ["write", "read", "rules", "alerts"].into_iter().filter(|right| rights.contains(right)).collect();
    Upstreams { fields, rights }
}

fn upstream(
    component: &Component,
    map: &Map<'_>,
    write_timeout: Option<u32>,
    problems: &mut Vec<Problem>,
) -> Option<Fields> {
    let Some(url) = map.text("url", problems) else {
        problems.push(
            Problem::warning(component.name, format!("left out: {} has no `url`", component.name))
                .help("the old gateway broke the connection of whoever asked for its paths; here it is 404"),
        );
        return None;
    };
    let origin = match Origin::parse([url.as_str()], &map.path("url")) {
        Ok(origin) => origin,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let mut fields = Fields::block().with("url", url).with("backend", BACKEND);
    fields = fields.and(paths(component, map, problems));
    if let Some(time) = map.time("dns_refresh_interval", problems) {
        fields = fields.with("dns_refresh", written(time));
    }
    fields = fields.and(timeouts(component, map, &origin, write_timeout, problems));
    if !origin.path.is_empty() {
        problems.push(
            Problem::warning(
                map.path("url"),
                "whether it is well is not asked, since behind a path stands something else",
            )
            .help("give the upstream a `health` where it has one: /ready is false only then"),
        );
        fields = fields.with("health", "none");
    }
    Some(fields)
}

fn timeouts(
    component: &Component,
    map: &Map<'_>,
    origin: &Origin,
    write_timeout: Option<u32>,
    problems: &mut Vec<Problem>,
) -> Fields {
    const NOTHING: &str = "did nothing in the old gateway, which never used it";
    let mut fields = Fields::new();
    let dialer = map.time("http_client_dialer_timeout", problems);
    let handshake = map.time("http_client_tls_handshake_timeout", problems);
    let response = map.time("http_client_response_header_timeout", problems);
    let timeout = map.time("http_client_timeout", problems).unwrap_or(component.timeout);
    if dialer.is_some() {
        let message = format!("{NOTHING}; here a connection must be made in that time");
        problems.push(Problem::warning(map.path("http_client_dialer_timeout"), message));
    }
    if handshake.is_some() {
        let message = if origin.is_https {
            format!("{NOTHING}; here it is added to the time in which a connection must be made")
        } else {
            "not taken over: the URL says `http`, where nobody shakes hands".to_owned()
        };
        problems.push(Problem::warning(map.path("http_client_tls_handshake_timeout"), message));
    }
    let handshake = handshake.filter(|_| origin.is_https);
    if dialer.is_some() || handshake.is_some() {
        let connect = dialer.unwrap_or(DIALER_TIMEOUT).saturating_add(handshake.unwrap_or_default());
        fields = fields.with("connect_timeout", written(connect));
    }
    if response.is_some() {
        let message = format!(
            "{NOTHING}; here an answer that has not begun in that time is 504, so a query must be quicker"
        );
        problems.push(Problem::warning(map.path("http_client_response_header_timeout"), message));
    }
    let capped = write_timeout.map_or(timeout, |most| most.min(timeout));
    if capped < timeout {
        let message = format!(
            "requests to {} end after {}, as they did, though it allows {}",
            component.name,
            written(capped),
            written(timeout)
        );
        problems.push(
            Problem::warning("server.http_server_write_timeout", message)
                .help("the server broke off sooner than its client did; raise the `timeout` of the upstream where it should not"),
        );
    }
    fields.with("timeout", written(capped)).maybe("response_timeout", response.map(written))
}

/// The component, or the paths in its place.
fn paths(component: &Component, map: &Map<'_>, problems: &mut Vec<Problem>) -> Fields {
    let named = Fields::new().with("component", component.name);
    let paths = map.list("paths", problems);
    if paths.is_empty() {
        if let Some(closed) = component.closed {
            problems.push(closed_here(component.name, closed));
        }
        return named;
    }
    if paths.iter().any(|(_, path)| path == "/") {
        // It takes what no other does.
        return Fields::new();
    }
    let Ok(router) = Router::new(Kind::Cortex, &Prefixes::default(), &[]) else { return named };
    let mut kept: Vec<Yaml> = Vec::new();
    for (at, path) in paths {
        if !path.starts_with('/') || path.contains([' ', '{', '}', '%', '?', '#', '*']) {
            problems.push(
                Problem::error(&at, format!("`{path}` is no path"))
                    .help("paths are written out; one with a slash at its end is everything below"),
            );
            continue;
        }
        match state(&router, &path) {
            State::Open => {}
            State::Closed => problems.push(closed_here(&at, &path)),
            State::Unknown => problems.push(
                Problem::warning(&at, format!("the filter knows no `{path}` of Cortex, and answers 404"))
                    .help("open it by `paths` of the backend, with the right that it needs"),
            ),
        }
        let path = Yaml::from(path);
        if !kept.contains(&path) {
            kept.push(path);
        }
    }
    named.with("paths", kept)
}

fn closed_here(at: &str, path: &str) -> Problem {
    Problem::warning(at, format!("{path} stays closed here, and is answered 403: the old gateway let every tenant there"))
        .help("it deletes or shows more than a tenant should reach; open it by `paths` of the backend with `class: admin`")
}

/// What the filter makes of a path.
enum State {
    Open,
    Closed,
    Unknown,
}

fn state(router: &Router, path: &str) -> State {
    if path.ends_with('/') && component_paths(Kind::Cortex).iter().any(|known| known.starts_with(path)) {
        return State::Open;
    }
    let path = if path.ends_with('/') { format!("{path}x") } else { path.to_owned() };
    let answers = ["GET", "POST", "DELETE"].map(|method| router.classify(method, &path));
    if answers.iter().any(Result::is_ok) {
        State::Open
    } else if answers.contains(&Err(Unclassified::Closed)) {
        State::Closed
    } else {
        State::Unknown
    }
}
