//! From nginx' configuration, where it is the gateway of tenants that many have written: `auth_basic` and
//! `proxy_set_header X-Scope-OrgID`, the tenant by `map $remote_user`, locations with `proxy_pass`.
//!
//! nginx can do anything. What is understood becomes a configuration; all else is named, with its place.

mod lex;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use scopegate_core::caller::password_hash;

use super::auth_gateway::KEY_ENV;
use super::taken::list;
use super::vmauth::NOBODY;
use super::{Converted, Secret, told};
use crate::document::{Data, Document, Node};
use crate::finding::Severity;
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};
use lex::Directive;
use server::Server;

/// From nginx' configuration: `auth_basic`, `map $remote_user`, `proxy_set_header X-Scope-OrgID`, `proxy_pass`
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate convert nginx nginx.conf --htpasswd .htpasswd --output scopegate.yaml
  nginx -T | scopegate convert nginx - --output scopegate.yaml

What is not understood is named, with its place, and left out: read all of it. Files that are included are not followed;
`nginx -T` prints everything in one. Passwords in the clear are hashed into the output; those that nginx has hashed cannot be, and
must be set anew.

Exit code: 0 where it was made, also with warnings; 1 where the file is refused; 2 for bad arguments and for what cannot be read.")]
pub(super) struct Nginx {
    /// nginx' configuration; `-` for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the configuration goes; by default the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The file of `auth_basic_user_file`, where it is not where nginx has it
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// The environment variable that holds the key of the hashes, at least 16 bytes
    #[arg(long, value_name = "NAME", default_value = KEY_ENV)]
    key_env: String,
}

impl Nginx {
    /// Converts.
    pub(super) fn run(&self) -> Result<bool> {
        let (name, text) = if self.file == Path::new("-") {
            ("standard input".to_owned(), std::io::read_to_string(std::io::stdin()))
        } else {
            (self.file.display().to_string(), std::fs::read_to_string(&self.file))
        };
        let text = text.with_context(|| format!("cannot read {name}"))?;
        let passwords = match &self.htpasswd {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                Some(text.with_context(|| format!("cannot read {}", file.display()))?)
            }
            None => None,
        };
        let key = std::env::var_os(&self.key_env).map(std::ffi::OsString::into_encoded_bytes);
        let key = Key { env: &self.key_env, key: key.as_deref() };
        let (document, converted) = convert(name, text, passwords.as_deref(), &key);
        told(&document, &converted, self.output.as_deref())
    }
}

/// The key of the hashes.
pub(super) struct Key<'k> {
    pub(super) env: &'k str,
    pub(super) key: Option<&'k [u8]>,
}

/// Users with their passwords, in the clear where they are.
type Passwords = BTreeMap<String, Option<String>>;

/// A variable that depends on another.
struct Map {
    from: String,
    entries: BTreeMap<String, String>,
}

/// What was found on the way through the file.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    secrets: Vec<Secret>,
    upstreams: BTreeMap<String, Vec<String>>,
    maps: BTreeMap<String, Map>,
    servers: Vec<Server>,
    /// The file of passwords that is named, and where.
    password_file: Option<(String, String)>,
}

impl Found {
    fn warn(&mut self, at: &Directive, message: impl Into<String>) {
        self.problems.push(Problem::warning(at.path.clone(), message));
    }

    /// What is not understood.
    fn unknown(&mut self, at: &Directive) {
        self.warn(at, format!("left out: `{}` is not understood here", at.words.join(" ")));
    }
}

/// Converts a text. `passwords` is the text of a file of passwords.
pub(super) fn convert(
    name: String,
    text: String,
    passwords: Option<&str>,
    key: &Key<'_>,
) -> (Document, Converted) {
    let head =
        "Made by `scopegate convert nginx`. docs/callers.md and docs/gateway.md tell what stands here."
            .to_owned();
    let directives = match lex::read(&text) {
        Ok(directives) => directives,
        Err((at, message)) => {
            let root = Node { span: at..(at + 1).min(text.len()), data: Data::List(Vec::new()) };
            let problems = vec![Problem::error("", message)];
            let converted = Converted { head, configuration: None, problems, secrets: Vec::new() };
            return (Document { name, text, root }, converted);
        }
    };
    let root = lex::tree(&directives, 0..text.len());
    let mut found = Found::default();
    // What is named may stand behind where it is used.
    walk(&directives, &mut found, true);
    walk(&directives, &mut found, false);
    let configuration = made(&mut found, passwords, key);
    let Found { problems, secrets, .. } = found;
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    let configuration = configuration.filter(|_| !is_wrong);
    (Document { name, text, root }, Converted { head, configuration, problems, secrets })
}

/// What stands outside of servers: first what has names, then what uses them.
fn walk(directives: &[Directive], found: &mut Found, names: bool) {
    for directive in directives {
        match (directive.name(), names) {
            ("http", _) => walk(directive.inner(), found, names),
            ("upstream", true) => {
                let mut servers = Vec::new();
                for inner in directive.inner() {
                    if inner.name() == "server" {
                        servers.push(inner.word(1).to_owned());
                        if inner.words.len() > 2 {
                            found.warn(
                                inner,
                                format!(
                                    "left out: `{}`: Envoy goes round robin over all that are well",
                                    inner.words[2..].join(" ")
                                ),
                            );
                        }
                    } else {
                        found.warn(
                            inner,
                            format!("left out: `{}`: Envoy has its own ways", inner.words.join(" ")),
                        );
                    }
                }
                found.upstreams.insert(directive.word(1).to_owned(), servers);
            }
            ("map", true) => {
                let entry = |inner: &Directive| (inner.name().to_owned(), inner.word(1).to_owned());
                let entries = directive.inner().iter().map(entry).collect();
                let from = directive.word(1).to_owned();
                found.maps.insert(directive.word(2).to_owned(), Map { from, entries });
            }
            ("server", false) => {
                let server = Server::read(directive, found);
                found.servers.extend(server);
            }
            ("include", false) => {
                found.warn(
                    directive,
                    "left out: files that are included are not followed; `nginx -T` prints everything in one",
                );
            }
            ("upstream" | "map" | "server", _) | (_, true) => {}
            (_, false) => found.unknown(directive),
        }
    }
}

/// The names of a file of passwords, and the passwords that are in the clear.
fn passwords(text: &str) -> Passwords {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let user = |line: &str| {
        let (name, hash) = line.split_once(':')?;
        let plain = hash.strip_prefix("{PLAIN}").map(|plain| plain.split(':').next().unwrap_or_default());
        Some((name.to_owned(), plain.map(str::to_owned)))
    };
    lines.filter_map(user).collect()
}

/// The configuration of what was found.
fn made(found: &mut Found, given: Option<&str>, key: &Key<'_>) -> Option<Yaml> {
    if found.servers.is_empty() {
        found.problems.push(Problem::error("", "no `server` with a `location` that leads to a backend"));
        return None;
    }
    let named = found.password_file.clone();
    let from_file = given.map(str::to_owned).or_else(|| std::fs::read_to_string(&named.as_ref()?.0).ok());
    let known = from_file.as_deref().map(passwords).unwrap_or_default();
    // Who may be what: users with their tenants, and everybody.
    let mut users: BTreeMap<String, Reach> = BTreeMap::new();
    let mut everybody = Reach::default();
    let servers = std::mem::take(&mut found.servers);
    for place in servers.iter().flat_map(|server| &server.places) {
        let tenants = server::tenants(place, &found.maps, &known);
        for problem in tenants.problems {
            found.problems.push(problem);
        }
        for (user, tenant) in tenants.users {
            users.entry(user).or_default().add(tenant, &place.may);
        }
        if let Some(tenant) = tenants.everybody {
            everybody.add(tenant, &place.may);
        }
    }
    let mut callers = callers(&users, &known, key, named.as_ref(), &mut found.problems);
    if !everybody.tenants.is_empty() {
        if everybody.tenants.len() > 1 {
            let all = everybody.tenants.iter().cloned().collect::<Vec<_>>().join(", ");
            found.problems.push(
                Problem::error("", format!("who proves nothing is several tenants ({all}), by the location alone: here it would be all of them"))
                    .help("convert them one by one, and let whoever comes prove who it is"),
            );
        }
        let caller = super::taken::everybody("everybody").with("tenants", list(everybody.tenants));
        callers.push(caller.with("may", list(everybody.may.into_iter().map(str::to_owned))));
        found.problems.push(
            Problem::warning("", "some locations ask nobody who it is, as before")
                .help("put a caller in place of `anonymous` that proves who it is: docs/callers.md"),
        );
    }
    if callers.is_empty() {
        let message =
            "nothing says whose tenant a request is: no `proxy_set_header X-Scope-OrgID` that is understood";
        found.problems.push(Problem::error("", message));
        return None;
    }
    let mut upstreams = Fields::block();
    let mut backends = Vec::new();
    let mut listeners: Vec<Fields> = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        let name = if servers.len() > 1 { format!("backend-{}", number + 1) } else { "backend".to_owned() };
        if servers.len() > 1 && server.hosts.is_empty() {
            let message = "several servers, and this one has no `server_name` that tells it from the others";
            found.problems.push(Problem::error(server.path.clone(), message));
        }
        let backend = Fields::new().with("name", &name).with("kind", server.kind);
        backends.push(match server.hosts.as_slice() {
            [] => backend,
            hosts => backend.with("host", list(hosts.iter().cloned())),
        });
        upstreams = upstreams.and(server.upstreams(&name, servers.len() > 1));
        for listener in &server.listeners {
            if !listeners.contains(listener) {
                listeners.push(listener.clone());
            }
        }
    }
    let fields = Fields::block()
        .with("backends", backends)
        .told("Who may log in, and as which tenant.", "callers", callers)
        .with("listeners", listeners)
        .with("upstreams", upstreams)
        .with("access_log", true);
    Some(Yaml::from(fields))
}

/// What somebody reaches.
#[derive(Default)]
struct Reach {
    tenants: BTreeSet<String>,
    may: BTreeSet<&'static str>,
}

impl Reach {
    fn add(&mut self, tenant: String, may: &BTreeSet<&'static str>) {
        self.tenants.insert(tenant);
        self.may.extend(may.iter().copied());
    }
}

/// Users with hashes, those with the same rights together; of a password that nobody knows in the clear, a hash that nobody
/// has.
fn callers(
    users: &BTreeMap<String, Reach>,
    known: &Passwords,
    key: &Key<'_>,
    file: Option<&(String, String)>,
    problems: &mut Vec<Problem>,
) -> Vec<Fields> {
    let mut unknown = Vec::new();
    let mut groups: BTreeMap<&BTreeSet<&'static str>, Vec<Fields>> = BTreeMap::new();
    for (name, Reach { tenants, may }) in users {
        if tenants.len() > 1 {
            let all = tenants.iter().cloned().collect::<Vec<_>>().join(", ");
            let message = format!(
                "`{name}` is several tenants ({all}): it reads them together, and names one to write"
            );
            problems.push(Problem::warning("", message));
        }
        let plain = known.get(name).and_then(Option::as_ref);
        let hash = plain.zip(key.key).map(|(plain, key)| password_hash(key, name, plain.as_bytes()));
        let hash = match hash {
            Some(Ok(hash)) => hash,
            Some(Err(problem)) => {
                problems.push(Problem::error("", format!("{}: {problem}", key.env)));
                continue;
            }
            None => {
                unknown.push(name.as_str());
                NOBODY.to_owned()
            }
        };
        let user = Fields::new().with("username", name).with("password", list([hash]));
        groups.entry(may).or_default().push(user.with("tenants", list(tenants.iter().cloned())));
    }
    if !unknown.is_empty() {
        let shown = unknown.iter().take(10).copied().collect::<Vec<_>>().join(", ");
        let more = if unknown.len() > 10 { ", …" } else { "" };
        let path = file.map(|(_, path)| path.clone()).unwrap_or_default();
        problems.push(
            Problem::warning(
                path,
                format!("nobody can log in as {shown}{more}: the hashes of nginx cannot be taken over"),
            )
            .help(format!(
                "put a hash in place of each: scopegate hash --username {}, with {} set",
                unknown[0], key.env
            )),
        );
    }
    let several = groups.len() > 1;
    let caller = |(number, (may, users)): (usize, (&BTreeSet<&'static str>, Vec<Fields>))| {
        let name = if several { format!("users-{}", number + 1) } else { "users".to_owned() };
        let basic = Fields::block().with("key", Fields::new().with("env", key.env)).with("users", users);
        let may = list(may.iter().map(|right| (*right).to_owned()));
        Fields::block().with("name", name).with("basic", basic).with("may", may)
    };
    groups.into_iter().enumerate().map(caller).collect()
}
