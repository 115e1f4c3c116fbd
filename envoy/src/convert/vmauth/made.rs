//! The configuration that users become.

use std::collections::{BTreeMap, BTreeSet};

use super::{By, Proof, User};
use crate::convert::taken::list;
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

/// The configuration of these users.
pub(super) fn made(users: &[User], key_env: &str, problems: &mut Vec<Problem>) -> Option<Yaml> {
    let targets = || users.iter().flat_map(|user| &user.targets);
    let labels: BTreeSet<&String> = targets()
        .filter_map(|target| if let By::Label(name, _) = &target.by { Some(name) } else { None })
        .collect();
    if labels.len() > 1 {
        let all = labels.iter().map(|label| label.as_str()).collect::<Vec<_>>().join(", ");
        problems
            .push(Problem::error("", format!("several labels keep tenants apart ({all}): one does here")));
        return None;
    }
    let accounts: BTreeMap<String, &String> = targets()
        .filter_map(|target| {
            if let By::Account(account) = &target.by { Some((target.by.tenant()?, account)) } else { None }
        })
        .collect();
    let has_header = targets().any(|target| matches!(target.by, By::Header(_)));
    let kinds = [!labels.is_empty(), !accounts.is_empty(), has_header].iter().filter(|is| **is).count();
    if kinds > 1 {
        problems.push(
            Problem::error(
                "",
                "some tenants are labels, some accounts, some headers: each needs a backend of its own",
            )
            .help("convert them one by one, and put the backends together by hand"),
        );
        return None;
    }
    let (kind, isolate) = if !accounts.is_empty() {
        let accounts = accounts.iter().fold(Fields::new(), |all, (name, account)| all.with(name, *account));
        ("victoriametrics-cluster", Some(Fields::new().with("account", accounts)))
    } else if has_header {
        ("cortex", None)
    } else {
        let label = labels.first().map_or("tenant", |label| label.as_str());
        if labels.is_empty() {
            problems.push(
                Problem::warning(
                    "",
                    "nothing kept users apart: each writes with the label `tenant` now, and reads everything",
                )
                .help("take `unfiltered` away from those who should read only their own"),
            );
        }
        ("victoriametrics", Some(Fields::new().with("label", label)))
    };
    let callers = callers(users, key_env, kind, problems);
    let backend = Fields::new().with("name", "victoria").with("kind", kind).maybe("isolate", isolate);
    let mut fields = Fields::block()
        .with("backends", vec![backend])
        .told("Who may log in, and as which tenant.", "callers", callers)
        .with("listeners", vec![Fields::new().with("address", "0.0.0.0:8427")]);
    let issuers: BTreeSet<&String> = users
        .iter()
        .filter_map(|user| if let Proof::Jwt(_, issuer) = &user.proof { Some(issuer) } else { None })
        .collect();
    if let Some(issuer) = issuers.first() {
        if issuers.len() > 1 {
            problems.push(Problem::warning(
                "",
                "only the first issuer is a provider here: name the others by hand",
            ));
        }
        let url = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
        problems.push(Problem::warning(
            "",
            format!("public keys are taken from {url}: its discovery document says where they really are"),
        ));
        let provider = Fields::new().with("issuer", *issuer).with("jwks", Fields::new().with("url", url));
        fields = fields.with("identity_providers", Fields::new().with("oidc", provider));
    }
    Some(Yaml::from(fields.with("upstreams", upstreams(users, kind)).with("access_log", true)))
}

/// Users with the same rights are one caller.
fn callers(users: &[User], key_env: &str, kind: &str, problems: &mut Vec<Problem>) -> Vec<Fields> {
    let key = || Fields::new().with("env", key_env);
    let mut groups: BTreeMap<(u8, BTreeSet<&str>, bool, usize), Vec<&User>> = BTreeMap::new();
    for (index, user) in users.iter().enumerate() {
        let is_whole =
            kind == "victoriametrics" && user.targets.iter().all(|target| target.by == By::Nothing);
        if !is_whole && user.targets.iter().any(|target| target.by == By::Nothing) {
            let message = format!(
                "some URLs of `{}` keep nobody apart: here it is the same tenant at all of them",
                user.name
            );
            problems.push(Problem::warning("", message));
        }
        let (order, own) = match user.proof {
            Proof::Jwt(..) => (0, index),
            Proof::Password(..) => (1, 0),
            Proof::Token(_) => (2, 0),
            // Whoever is left comes last.
            Proof::Nobody => (3, 0),
        };
        groups.entry((order, user.may.clone(), is_whole, own)).or_default().push(user);
    }
    let count = groups.len();
    let mut out = Vec::new();
    for (number, ((order, may, is_whole, _), users)) in groups.into_iter().enumerate() {
        let kind = ["tokens-of-people", "users", "tokens", "everybody"][usize::from(order)];
        let name = if count > 1 { format!("{kind}-{}", number + 1) } else { kind.to_owned() };
        let mut caller = Fields::block().with("name", name);
        let mut listed: Vec<Fields> = Vec::new();
        let mut own = Vec::new();
        for user in users {
            let mut tenants: Vec<String> =
                user.targets.iter().filter_map(|target| target.by.tenant()).collect();
            tenants.sort_unstable();
            tenants.dedup();
            if tenants.is_empty() {
                let tenant: String =
                    user.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                if !is_whole {
                    problems.push(Problem::warning(
                        "",
                        format!("nothing says which tenant `{}` is: it is `{tenant}`", user.name),
                    ));
                }
                tenants.push(tenant);
            }
            match &user.proof {
                Proof::Password(name, hashes) => listed.push(
                    Fields::new()
                        .with("username", name)
                        .with("password", list(hashes.clone()))
                        .with("tenants", list(tenants)),
                ),
                Proof::Token(hashes) => {
                    listed.push(
                        Fields::new().with("token", list(hashes.clone())).with("tenants", list(tenants)),
                    );
                }
                Proof::Jwt(source, _) => {
                    caller = caller.with("jwt", source.clone());
                    own = tenants;
                }
                Proof::Nobody => {
                    caller = caller.with("anonymous", Fields::new());
                    own = tenants;
                }
            }
        }
        caller = match order {
            1 => caller.with("basic", Fields::block().with("key", key()).with("users", listed)),
            2 => caller.with("bearer", Fields::block().with("key", key()).with("tokens", listed)),
            _ => caller.with("tenants", list(own)),
        };
        caller = caller.with("may", list(may.into_iter().map(str::to_owned)));
        out.push(if is_whole { caller.with("unfiltered", true) } else { caller });
    }
    out
}

/// Where everything is.
fn upstreams(users: &[User], kind: &str) -> Fields {
    let mut bases: BTreeMap<bool, Vec<&String>> = BTreeMap::new();
    for target in users.iter().flat_map(|user| &user.targets) {
        let all = bases.entry(target.is_insert).or_default();
        if !all.contains(&&target.base) {
            all.push(&target.base);
        }
    }
    // Where both go to the same place there is one.
    let same = bases.get(&true).is_some_and(|inserts| Some(inserts) == bases.get(&false));
    let is_cluster = kind == "victoriametrics-cluster";
    let mut out = Fields::block();
    for (is_insert, urls) in &bases {
        if same && *is_insert {
            continue;
        }
        let name = if *is_insert { "insert" } else { "select" };
        let mut upstream = Fields::new()
            .with("url", list(urls.iter().map(|url| (*url).clone())))
            .with("backend", "victoria");
        if *is_insert && bases.len() > 1 {
            // The filter has put the account before the path by then.
            let paths = if is_cluster {
                &["/insert/"][..]
            } else {
                &["/api/v1/write", "/api/v1/push", "/api/v1/import", "/api/v1/import/", "/write"]
            };
            upstream = upstream.with("paths", list(paths.iter().map(|path| (*path).to_owned())));
        }
        out = out.with(name, upstream);
    }
    out
}
