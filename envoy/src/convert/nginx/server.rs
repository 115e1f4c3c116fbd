//! A server with its locations.

use std::collections::{BTreeMap, BTreeSet};

use scopegate_core::tenant::TenantId;

use super::lex::Directive;
use super::{Found, Map, Passwords};
use crate::convert::taken::{Url, address, list};
use crate::gateway::Problem;
use crate::yaml::Fields;

/// A server.
pub(super) struct Server {
    pub(super) path: String,
    /// What it is in front of, as its paths look.
    pub(super) kind: &'static str,
    pub(super) hosts: Vec<String>,
    pub(super) listeners: Vec<Fields>,
    pub(super) places: Vec<Place>,
}

/// A location that leads to a backend.
pub(super) struct Place {
    path: String,
    /// The paths that it takes; none for all.
    paths: Vec<String>,
    /// Where it leads: a name, and the URLs.
    upstream: (String, Vec<String>),
    timeout: Option<String>,
    /// What is sent in X-Scope-OrgID, where anything is.
    tenant: Option<String>,
    asks_password: bool,
    pub(super) may: BTreeSet<&'static str>,
}

/// Whose tenants a location leads to.
#[derive(Default)]
pub(super) struct Tenants {
    pub(super) users: Vec<(String, String)>,
    pub(super) everybody: Option<String>,
    pub(super) problems: Vec<Problem>,
}

/// What a location has of its own, or of what is around it.
#[derive(Clone, Default)]
struct Around {
    asks_password: bool,
    /// Headers are inherited only where a level has none.
    headers: Vec<(String, String)>,
    timeout: Option<String>,
}

impl Server {
    /// Reads a server; none where nothing of it leads anywhere.
    pub(super) fn read(directive: &Directive, found: &mut Found) -> Option<Self> {
        let mut around = Around::default();
        let (mut hosts, mut addresses, mut tls) = (Vec::new(), Vec::new(), (None, None));
        for inner in directive.inner() {
            match inner.name() {
                "listen" => {
                    let word = inner.word(1);
                    let text = if word.bytes().all(|b| b.is_ascii_digit()) {
                        format!(":{word}")
                    } else {
                        word.to_owned()
                    };
                    match address(&text) {
                        Some(address) => addresses.push(address),
                        None => found.warn(
                            inner,
                            format!(
                                "left out: Envoy listens on an IP address and a port, and `{word}` is none"
                            ),
                        ),
                    }
                }
                "server_name" => {
                    let names = inner
                        .words
                        .iter()
                        .skip(1)
                        .filter(|name| !matches!(name.as_str(), "_" | "" | "localhost"));
                    for name in names {
                        if name.starts_with('~') || name.ends_with('*') {
                            found.warn(
                                inner,
                                format!("left out: the pattern `{name}`; a host is a name, or *.example.org"),
                            );
                        } else {
                            hosts.push(
                                name.strip_prefix('.')
                                    .map_or_else(|| name.clone(), |rest| format!("*.{rest}")),
                            );
                        }
                    }
                }
                "ssl_certificate" => tls.0 = Some(inner.word(1).to_owned()),
                "ssl_certificate_key" => tls.1 = Some(inner.word(1).to_owned()),
                "location" => {}
                _ if around.takes(inner, found) => {}
                _ => found.unknown(inner),
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            addresses.push("0.0.0.0:80".to_owned());
        }
        let tls = tls
            .0
            .zip(tls.1)
            .map(|(certificate, key)| Fields::new().with("certificate", certificate).with("key", key));
        let listener = |address: String| Fields::new().with("address", address).maybe("tls", tls.clone());
        let mut places = Vec::new();
        let mut kind = None;
        for inner in directive.inner().iter().filter(|inner| inner.name() == "location") {
            let Some(place) = Place::read(inner, &around, found) else { continue };
            let of = if place.paths.iter().any(|path| path.starts_with("/loki")) { "loki" } else { "cortex" };
            match kind {
                Some(kind) if kind != of && !place.paths.is_empty() => {
                    let message =
                        format!("left out: it looks like {of}, and the server's other locations like {kind}");
                    found.problems.push(
                        Problem::warning(place.path.clone(), message)
                            .help("give each a `server` with a `server_name` of its own"),
                    );
                    continue;
                }
                None if !place.paths.is_empty() => kind = Some(of),
                _ => {}
            }
            places.push(place);
        }
        let listeners = addresses.into_iter().map(listener).collect();
        let path = directive.path.clone();
        (!places.is_empty()).then_some(Self {
            path,
            kind: kind.unwrap_or("cortex"),
            hosts,
            listeners,
            places,
        })
    }

    /// Where its locations lead.
    pub(super) fn upstreams(&self, backend: &str, several: bool) -> Fields {
        let mut named: BTreeMap<String, (Vec<String>, Vec<String>, bool, Option<String>)> = BTreeMap::new();
        for place in &self.places {
            let (name, urls) = &place.upstream;
            let name = if several { format!("{backend}-{name}") } else { name.clone() };
            let entry = named.entry(name).or_insert_with(|| (urls.clone(), Vec::new(), false, None));
            entry.1.extend(place.paths.iter().cloned());
            entry.2 |= place.paths.is_empty();
            entry.3 = entry.3.take().or(place.timeout.clone());
        }
        named.into_iter().fold(Fields::new(), |all, (name, (urls, mut paths, is_rest, timeout))| {
            paths.sort_unstable();
            paths.dedup();
            let upstream = Fields::new().with("url", list(urls)).with("backend", backend);
            let upstream = if is_rest { upstream } else { upstream.with("paths", list(paths)) };
            all.with(&name, upstream.maybe("timeout", timeout))
        })
    }
}

impl Around {
    /// Takes what may stand at any level, and says whether it did.
    fn takes(&mut self, directive: &Directive, found: &mut Found) -> bool {
        match directive.name() {
            "auth_basic" => self.asks_password = directive.word(1) != "off",
            "auth_basic_user_file" => {
                found.password_file = Some((directive.word(1).to_owned(), directive.path.clone()));
            }
            "proxy_set_header" => {
                let name = directive.word(1).to_ascii_lowercase();
                if name != "x-scope-orgid" {
                    found.warn(
                        directive,
                        format!("left out: the header {} is Envoy's business", directive.word(1)),
                    );
                }
                self.headers.push((name, directive.word(2).to_owned()));
            }
            "proxy_read_timeout" | "proxy_send_timeout" => self.timeout = seconds(directive.word(1)),
            "client_max_body_size" => {
                found.warn(directive, "left out: `limits.request_bytes` bounds bodies that are looked into");
            }
            "proxy_http_version"
            | "proxy_buffering"
            | "proxy_request_buffering"
            | "proxy_connect_timeout"
            | "proxy_redirect"
            | "access_log"
            | "error_log"
            | "keepalive_timeout"
            | "ssl_protocols"
            | "ssl_ciphers" => {
                found.warn(directive, "left out: Envoy has its own ways");
            }
            _ => return false,
        }
        true
    }
}

/// A time as nginx writes it: seconds where it has no unit.
fn seconds(text: &str) -> Option<String> {
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = ["ms", "s", "m", "h"].iter().any(|unit| {
        text.strip_suffix(unit)
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    });
    if is_bare { Some(format!("{text}s")) } else { is_known.then(|| text.to_owned()) }
}

impl Place {
    fn read(directive: &Directive, around: &Around, found: &mut Found) -> Option<Self> {
        let mut own = Around { headers: Vec::new(), ..around.clone() };
        let (mut target, mut is_closed) = (None, false);
        for inner in directive.inner() {
            match inner.name() {
                "proxy_pass" => target = Some(inner),
                // What no location takes is refused here.
                "deny" if inner.word(1) == "all" => is_closed = true,
                "return" if matches!(inner.word(1), "401" | "403" | "404" | "405" | "444") => {
                    is_closed = true;
                }
                _ if own.takes(inner, found) => {}
                _ => found.unknown(inner),
            }
        }
        if own.headers.is_empty() {
            own.headers.clone_from(&around.headers);
        }
        let (modifier, path) = match directive.words.as_slice() {
            [_, path] => ("", path.as_str()),
            [_, modifier, path, ..] => (modifier.as_str(), path.as_str()),
            _ => ("", ""),
        };
        let Some(target) = target else {
            if !is_closed {
                found.warn(directive, "left out: it leads to no backend");
            }
            return None;
        };
        let paths = match (modifier, path) {
            (_, path) if !path.starts_with('/') || modifier.starts_with('~') => {
                found.warn(
                    directive,
                    format!("left out: the pattern `{path}`; write the paths, or what they begin with"),
                );
                return None;
            }
            ("=", path) => vec![path.to_owned()],
            (_, "/") => Vec::new(),
            (_, path) if path.ends_with('/') => vec![path.to_owned()],
            (_, path) => vec![path.to_owned(), format!("{path}/")],
        };
        let text = target.word(1);
        let url = Url::read(text).filter(|url| !url.origin.contains('$') && url.query.is_empty());
        let Some(url) = url else {
            found.warn(target, format!("left out: `{text}` is no URL that Envoy can call"));
            return None;
        };
        if !url.path.is_empty() && url.path != path.trim_end_matches('/')
            || (text.ends_with('/') && path != "/" && url.path.is_empty())
        {
            found.problems.push(
                Problem::warning(
                    target.path.clone(),
                    format!("left out: {path} becomes {}/ on the way, and paths stay here", url.path),
                )
                .help(
                    "`path` of a backend is taken off, and a path behind `upstreams.NAME.url` is put before",
                ),
            );
            return None;
        }
        let (scheme, host) = url.origin.split_once("://").unwrap_or(("http", &url.origin));
        let servers = found.upstreams.get(host).cloned().unwrap_or_else(|| vec![host.to_owned()]);
        let urls = servers.iter().map(|server| format!("{scheme}://{server}")).collect();
        let name: String = host
            .split(':')
            .next()
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let tenant =
            own.headers.iter().find(|(name, _)| name == "x-scope-orgid").map(|(_, value)| value.clone());
        if tenant.is_none() {
            found.warn(
                directive,
                "left out: it says nothing of the tenant (`proxy_set_header X-Scope-OrgID`)",
            );
            return None;
        }
        let may = rights(&paths);
        Some(Self {
            path: directive.path.clone(),
            paths,
            upstream: (name, urls),
            timeout: own.timeout,
            tenant,
            asks_password: own.asks_password,
            may,
        })
    }
}

/// What paths are the right for.
fn rights(paths: &[String]) -> BTreeSet<&'static str> {
    if paths.is_empty() {
        return ["write", "read", "rules", "alerts"].into();
    }
    let mut may = BTreeSet::new();
    for path in paths {
        let has = |words: &[&str]| words.iter().any(|word| path.contains(word));
        if has(&["push", "write", "otlp"]) {
            may.insert("write");
        } else if has(&["alertmanager", "api/v1/alerts"]) && !path.starts_with("/prometheus") {
            may.insert("alerts");
        } else if has(&["rules"]) && !path.starts_with("/prometheus") {
            may.insert("rules");
        } else if matches!(
            path.as_str(),
            "/loki" | "/loki/" | "/loki/api/" | "/loki/api/v1/" | "/api/" | "/api/v1/" | "/api" | "/api/v1"
        ) {
            may.extend(["write", "read", "rules"]);
        } else {
            may.insert("read");
        }
    }
    may
}

/// Whose tenants a location leads to.
pub(super) fn tenants(place: &Place, maps: &BTreeMap<String, Map>, known: &Passwords) -> Tenants {
    let mut out = Tenants::default();
    let mut tell = |severity: fn(String, String) -> Problem, message: String| {
        out.problems.push(severity(format!("{}.proxy_set_header X-Scope-OrgID", place.path), message));
    };
    let value = place.tenant.as_deref().unwrap_or_default();
    let user = "$remote_user";
    match (place.asks_password, value) {
        (false, "$http_x_scope_orgid") => {
            tell(Problem::warning, "whoever comes names its tenant, as before: it may name any".to_owned());
            out.everybody = Some("*".to_owned());
        }
        (true, "$remote_user") => {
            if known.is_empty() {
                tell(
                    Problem::error,
                    "each user is its own tenant, and nobody knows the users: --htpasswd FILE".to_owned(),
                );
            }
            out.users = known.keys().map(|user| (user.clone(), user.clone())).collect();
        }
        (asks, value) if value.starts_with('$') => match maps.get(value) {
            Some(map) if asks && map.from == user => {
                for (user, tenant) in &map.entries {
                    if user == "default" && tenant.is_empty() {
                        // Nobody else is anything, as here.
                    } else if user == "default" || user.starts_with('~') {
                        tell(
                            Problem::warning,
                            format!(
                                "left out: `{user}` of the map {value}: list the users and their tenants"
                            ),
                        );
                    } else {
                        out.users.push((user.clone(), tenant.clone()));
                    }
                }
            }
            _ => tell(Problem::warning, format!("left out: nothing here says what {value} is")),
        },
        (true, tenant) => {
            if known.is_empty() {
                tell(
                    Problem::error,
                    "every user is this tenant, and nobody knows the users: --htpasswd FILE".to_owned(),
                );
            }
            out.users = known.keys().map(|user| (user.clone(), tenant.to_owned())).collect();
        }
        (false, tenant) => out.everybody = Some(tenant.to_owned()),
    }
    let all = out.users.iter().map(|(_, tenant)| tenant).chain(&out.everybody);
    let wrong: Vec<String> =
        all.filter(|tenant| *tenant != "*" && TenantId::new(tenant).is_err()).cloned().collect();
    for tenant in wrong {
        out.problems.push(Problem::error(place.path.clone(), format!("`{tenant}` is no name of a tenant")));
    }
    out
}
