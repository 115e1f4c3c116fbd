//! From the file of Cortex' auth-gateway (`gateway/config.go` there). Each of its fields is taken over, or a warning says why
//! not, and where it did nothing before.

mod duration;
mod read;
mod servers;
mod tenants;
#[cfg(test)]
mod tests;
mod upstreams;

use anyhow::Result;
use clap::Args;

use super::{Converted, Input, Secret};
use crate::document::{Document, Node};
use crate::finding::Severity;
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

/// Where the key of the hashes is, unless said otherwise.
pub(crate) const KEY_ENV: &str = "SCOPEGATE_PASSWORD_KEY";

/// From the file of Cortex' auth-gateway
#[derive(Args)]
#[command(after_help = "\
Examples:
  export SCOPEGATE_PASSWORD_KEY=$(openssl rand -hex 32)     # keep it: Envoy needs the same
  scopegate convert auth-gateway auth-gateway.yaml --output scopegate.yaml
  scopegate render scopegate.yaml --output deploy

Passwords are hashed into the output, with a key out of the environment; the same key gives the same hashes. `render` takes
the file as it is, too.

Exit code: 0 where it was made, also with warnings; 1 where the file is refused; 2 for bad arguments and for what cannot be read.")]
pub(crate) struct AuthGateway {
    #[command(flatten)]
    input: Input,
    /// The environment variable that holds the key of the hashes, at least 16 bytes
    #[arg(long, value_name = "NAME", default_value = KEY_ENV)]
    key_env: String,
}

impl AuthGateway {
    /// Converts.
    pub(super) fn run(&self) -> Result<bool> {
        self.input.run(|document| convert(&document.root, &self.key_env))
    }
}

/// Whether a document is such a file.
pub(crate) fn is_one(root: &Node) -> bool {
    root.get("backends").is_none()
        && root.get("callers").is_none()
        && FIELDS.iter().any(|name| root.get(name).is_some())
}

/// The same for a document of which nothing but that is known.
pub(crate) fn of(document: &Document) -> Option<Converted> {
    is_one(&document.root).then(|| convert(&document.root, KEY_ENV))
}

/// What stands at the top of such a file. `debug` is in its README; the program itself knows `admin` only.
const FIELDS: [&str; 8] =
    ["server", "admin", "debug", "tenants", "distributor", "frontend", "alertmanager", "ruler"];

/// The name of the backend.
const BACKEND: &str = "cortex";

const HEAD: &str = "\
Made by `scopegate convert auth-gateway`. The same language as every scopegate.yaml: docs/gateway.md tells what stands here.

The passwords are keyed hashes. Envoy needs their key in its environment, the same as when they were made:
";

/// Converts a document; the key of the hashes is in `key_env`.
pub(crate) fn convert(root: &Node, key_env: &str) -> Converted {
    let key = std::env::var_os(key_env).map(std::ffi::OsString::into_encoded_bytes);
    convert_with(root, key_env, key.as_deref())
}

fn convert_with(root: &Node, key_env: &str, key: Option<&[u8]>) -> Converted {
    let mut problems = Vec::new();
    let file = read::Map::new(root, "", &FIELDS, &mut problems);
    let tenants = tenants::tenants(file.get("tenants"), key_env, key, &mut problems);
    let server = servers::server(file.get("server"), &mut problems);
    let admin = match (file.get("admin"), file.get("debug")) {
        (Some(_), Some(_)) => {
            problems.push(Problem::error("debug", "`admin` and `debug` are two names of one thing"));
            None
        }
        (Some(admin), None) => Some(("admin", admin)),
        (None, debug) => debug.map(|debug| ("debug", debug)),
    };
    let operations = servers::admin(admin, &mut problems);
    let upstreams = upstreams::upstreams(&file, server.write_timeout, &mut problems);
    // A URL may hold a password too, which is refused.
    let urls = FIELDS.iter().filter_map(|name| file.get(name)?.get("url"));
    let with_password = urls.filter(|url| url.text().is_some_and(|url| url.contains('@')));
    let secrets = tenants.secrets.into_iter().chain(with_password.map(Secret::of)).collect();
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    let configuration = (!is_wrong).then(|| {
        let caller = Fields::block()
            .with("name", "tenants")
            .with("basic", Fields::block().with("key", Fields::new().with("env", key_env)).with("users", tenants.users))
            .with("may", Yaml::List(upstreams.rights.iter().map(|right| Yaml::from(*right)).collect()));
        Yaml::from(
            Fields::block()
                .with("backends", Yaml::from(vec![Fields::new().with("name", BACKEND).with("kind", "cortex")]))
                .told(
                    "Who may log in, and as which tenant. A second hash beside the first is how a password is replaced:\n\
                     `scopegate hash --username NAME`.",
                    "callers",
                    vec![caller],
                )
                .told(
                    "What tenants connect to. With `tls: {certificate: FILE, key: FILE}` nobody reads their passwords on the way.",
                    "listeners",
                    vec![server.listener],
                )
                .told(
                    "/metrics, /ready and /heap, for who runs the gateway. Keep tenants from it by the network.",
                    "operations",
                    operations,
                )
                .told(
                    "The components of Cortex. Requests go round robin to all addresses of each name.",
                    "upstreams",
                    upstreams.fields,
                )
                .told(
                    "A line about every request, for the access log.",
                    "access_log",
                    true,
                ),
        )
    });
    Converted { head: format!("{HEAD}\n  {key_env}"), configuration, problems, secrets }
}
