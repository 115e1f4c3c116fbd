//! From the file of vmauth (`app/vmauth/auth_config.go` there) and from `VMUser`s of the `VictoriaMetrics` operator
//! (`api/operator/v1beta1/vmuser_types.go` there), which become such a file.
//!
//! What makes a user's tenant stands in the URL that its requests go to: a label (`extra_label=team=dev`) or an account
//! (`/insert/42/prometheus`); or in a header, `X-Scope-OrgID`.

mod made;
mod read;

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;

use super::auth_gateway::KEY_ENV;
use super::taken::Taken;
use super::{Converted, Input, Secret};
use crate::document::Node;
use crate::finding::Severity;
use crate::gateway::Problem;
use crate::yaml::Fields;

/// From vmauth's file, or a `VMUser` of its operator
#[derive(Args)]
#[command(after_help = "\
Examples:
  export SCOPEGATE_PASSWORD_KEY=$(openssl rand -hex 32)     # keep it: Envoy needs the same
  scopegate convert vmuser auth.yml --output scopegate.yaml
  kubectl get vmusers -A -o yaml | scopegate convert vmuser - --output scopegate.yaml

Passwords and tokens are hashed into the output, with a key out of the environment.

Exit code: 0 where it was made, also with warnings; 1 where the file is refused; 2 for bad arguments and for what cannot be read.")]
pub(super) struct VmUser {
    #[command(flatten)]
    input: Input,
    /// The environment variable that holds the key of the hashes, at least 16 bytes
    #[arg(long, value_name = "NAME", default_value = KEY_ENV)]
    key_env: String,
}

impl VmUser {
    /// Converts.
    pub(super) fn run(&self) -> Result<bool> {
        let key = std::env::var_os(&self.key_env).map(std::ffi::OsString::into_encoded_bytes);
        self.input.run(|document| convert(&document.root, &self.key_env, key.as_deref()))
    }
}

/// A hash that no secret has.
pub(super) const NOBODY: &str = "hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Where requests of a user go.
struct Target {
    /// The URL without what makes the tenant, and whether only writes go there.
    base: String,
    is_insert: bool,
    by: By,
}

/// What makes the tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    Label(String, String),
    Account(String),
    Header(String),
    Nothing,
}

impl By {
    /// The name of the tenant, which an account is not always.
    fn tenant(&self) -> Option<String> {
        match self {
            Self::Label(_, value) | Self::Header(value) => Some(value.clone()),
            Self::Account(account) => Some(account.replace(':', "-")),
            Self::Nothing => None,
        }
    }
}

/// How a user proves who it is.
enum Proof {
    Password(String, Vec<String>),
    Token(Vec<String>),
    Jwt(Fields, String),
    Nobody,
}

struct User {
    name: String,
    proof: Proof,
    targets: Vec<Target>,
    may: BTreeSet<&'static str>,
}

/// What is read, besides users.
struct Reader<'k> {
    key: Option<&'k [u8]>,
    key_env: &'k str,
    problems: Vec<Problem>,
    secrets: Vec<Secret>,
}

/// Converts a document.
pub(super) fn convert(root: &Node, key_env: &str, key: Option<&[u8]>) -> Converted {
    let mut reader = Reader { key, key_env, problems: Vec::new(), secrets: Vec::new() };
    let mut users = Vec::new();
    let kind = root.get("kind").and_then(Node::text);
    if kind == Some("VMUser") {
        users.extend(reader.vmuser(root, ""));
    } else if let Some(items) = root.get("items") {
        for (index, item) in items.items().iter().enumerate() {
            users.extend(reader.vmuser(item, &format!("items[{index}]")));
        }
    } else {
        let file = Taken::new(Some(root), "");
        for (index, node) in file.node("users").map_or(&[][..], Node::items).iter().enumerate() {
            users.extend(reader.user(Some(node), &format!("users[{index}]"), false));
        }
        if let Some(node) = file.node("unauthorized_user") {
            users.extend(reader.user(Some(node), "unauthorized_user", true));
        }
        file.rest(&mut reader.problems);
    }
    if users.is_empty() {
        reader.problems.push(Problem::error("", "there are no users: neither `users`, nor a VMUser"));
    }
    let Reader { mut problems, secrets, .. } = reader;
    let configuration = made::made(&users, key_env, &mut problems);
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    let head = "Made by `scopegate convert vmuser`. docs/reads.md, docs/writes.md and docs/gateway.md tell what stands here.";
    Converted { head: head.to_owned(), configuration: configuration.filter(|_| !is_wrong), problems, secrets }
}
