//! Users as they are written.

use std::collections::BTreeSet;

use scopegate_core::caller::{password_hash, token_hash};
use scopegate_core::tenant::TenantId;

use super::{By, NOBODY, Proof, Reader, Target, User};
use crate::convert::taken::{Taken, Url};
use crate::document::Node;
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

impl Reader<'_> {
    /// A user of vmauth's file.
    pub(super) fn user(&mut self, node: Option<&Node>, path: &str, is_nobody: bool) -> Option<User> {
        let user = Taken::new(node, path);
        self.secrets.extend(user.secrets(&["password", "bearer_token", "auth_token"]));
        let name = user.text("name");
        let (proof, known) = if is_nobody {
            (Proof::Nobody, "unauthorized".to_owned())
        } else {
            self.proof(&user, "bearer_token", "match_claims")?
        };
        let mut targets = Vec::new();
        let mut may = BTreeSet::new();
        for (index, node) in user.node("url_map").map_or(&[][..], Node::items).iter().enumerate() {
            let map = Taken::new(Some(node), user.path(&format!("url_map[{index}]")));
            let urls = map.texts("url_prefix");
            let header = self.headers(&map, "headers");
            self.targets(
                &map,
                "url_prefix",
                &urls,
                header.as_ref(),
                &map.texts("src_paths"),
                &mut targets,
                &mut may,
            );
            map.without(
                &["src_hosts", "src_query_args", "src_headers"],
                "a user reaches the same by every way",
                &mut self.problems,
            );
            self.around(&map);
        }
        let header = self.headers(&user, "headers");
        let urls = user.texts("url_prefix");
        self.targets(&user, "url_prefix", &urls, header.as_ref(), &[], &mut targets, &mut may);
        user.without(&["default_url"], "what no route takes is refused here", &mut self.problems);
        self.around(&user);
        Some(User { name: name.unwrap_or(known), proof, targets, may })
    }

    /// A `VMUser`.
    pub(super) fn vmuser(&mut self, node: &Node, path: &str) -> Option<User> {
        let object = Taken::new(Some(node), path);
        object.without(&["status"], "it is the operator's", &mut Vec::new());
        for name in ["apiVersion", "kind"] {
            object.node(name);
        }
        let own_name = object.inner("metadata").text("name");
        let spec = object.inner("spec");
        self.secrets.extend(spec.secrets(&["password", "bearerToken"]));
        let name = spec.text("name").or(own_name.clone());
        let (proof, known) = self.proof_of(&spec, own_name)?;
        let (mut targets, mut may) = (Vec::new(), BTreeSet::new());
        let common = self.headers(&spec, "headers");
        for (index, node) in spec.node("targetRefs").map_or(&[][..], Node::items).iter().enumerate() {
            let target = Taken::new(Some(node), spec.path(&format!("targetRefs[{index}]")));
            let mut urls = target.inner("static").texts("urls");
            urls.extend(target.inner("static").text("url"));
            let crd = target.inner("crd");
            if let Some(kind) = crd.text("kind") {
                let (name, namespace) =
                    (crd.text("name").unwrap_or_default(), crd.text("namespace").unwrap_or_default());
                let service = match kind.as_str() {
                    "VMSingle" => Some(("vmsingle", 8428)),
                    "VMCluster/vminsert" => Some(("vminsert", 8480)),
                    "VMCluster/vmselect" => Some(("vmselect", 8481)),
                    "VMAgent" => Some(("vmagent", 8429)),
                    _ => None,
                };
                if let Some((service, port)) = service {
                    let path = match service {
                        "vminsert" | "vmselect" if target.text("target_path_suffix").is_none() => "/",
                        _ => "",
                    };
                    urls.push(format!("http://{service}-{name}.{namespace}.svc:{port}{path}"));
                } else {
                    let message =
                        format!("left out: nothing is known here of {kind}; `static.url` says where it is");
                    self.problems.push(Problem::warning(crd.path("kind"), message));
                }
            }
            let suffix = target.text("target_path_suffix").unwrap_or_default();
            let mut arguments: Vec<String> = Vec::new();
            for (index, node) in target.node("query_args").map_or(&[][..], Node::items).iter().enumerate() {
                let argument = Taken::new(Some(node), target.path(&format!("query_args[{index}]")));
                let name = argument.text("name").unwrap_or_default();
                arguments.extend(argument.texts("values").iter().map(|value| format!("{name}={value}")));
            }
            let urls: Vec<String> = urls
                .iter()
                .map(|url| {
                    let url = format!("{}{suffix}", url.trim_end_matches('/'));
                    let separator = if url.contains('?') { '&' } else { '?' };
                    if arguments.is_empty() {
                        url
                    } else {
                        format!("{url}{separator}{}", arguments.join("&"))
                    }
                })
                .collect();
            let header = self.headers(&target, "headers").or(common.clone());
            self.targets(
                &target,
                "static",
                &urls,
                header.as_ref(),
                &target.texts("paths"),
                &mut targets,
                &mut may,
            );
            target.without(
                &["hosts", "src_query_args", "src_headers", "targetRefBasicAuth"],
                "write `credential` or `host` by hand (docs/gateway.md)",
                &mut self.problems,
            );
            self.around(&target);
        }
        self.around(&spec);
        Some(User { name: name.unwrap_or(known), proof, targets, may })
    }

    fn proof_of(&mut self, spec: &Taken<'_>, own_name: Option<String>) -> Option<(Proof, String)> {
        if spec.node("jwt").is_some() || spec.text("bearerToken").is_some() {
            return self.proof(spec, "bearerToken", "matchClaims");
        }
        let name = spec.text("username").or(own_name).unwrap_or_default();
        let is_elsewhere = spec.node("passwordRef").is_some()
            || spec.is_true("generatePassword")
            || spec.node("password").is_none();
        if spec.node("tokenRef").is_some() {
            self.problems.push(
                Problem::warning(
                    spec.path("tokenRef"),
                    "the token is in a Secret: its hash must be put in place of the one here",
                )
                .help("kubectl get secret … | scopegate hash --token"),
            );
            return Some((Proof::Token(vec![NOBODY.to_owned()]), name));
        }
        if is_elsewhere {
            self.problems.push(
                Problem::warning(spec.path("passwordRef"), format!("the password of `{name}` is in a Secret: its hash must be put in place of the one here"))
                    .help(format!("kubectl get secret … | scopegate hash --username {name}")),
            );
            return Some((Proof::Password(name.clone(), vec![NOBODY.to_owned()]), name));
        }
        let hash = self.hash(&spec.path("password"), Some(&name), &spec.text("password")?)?;
        Some((Proof::Password(name.clone(), vec![hash]), name))
    }

    fn proof(&mut self, user: &Taken<'_>, token: &str, match_claims: &str) -> Option<(Proof, String)> {
        if user.text("auth_token").is_some() {
            let message = "left out: only `Bearer` and `Basic` prove something here";
            self.problems.push(Problem::warning(user.path("auth_token"), message));
            return None;
        }
        if user.node("jwt").is_some() {
            return self.jwt(user, match_claims);
        }
        if let Some(text) = user.text(token) {
            let hash = self.hash(&user.path(token), None, &text)?;
            return Some((Proof::Token(vec![hash]), "token".to_owned()));
        }
        let name = user.text("username")?;
        let password = user.text("password").unwrap_or_default();
        if password.is_empty() {
            let message = format!("left out: `{name}` needs no password, and everybody could be it");
            self.problems.push(Problem::warning(user.path("username"), message));
            return None;
        }
        let hash = self.hash(&user.path("password"), Some(&name), &password)?;
        Some((Proof::Password(name.clone(), vec![hash]), name))
    }

    fn jwt(&mut self, user: &Taken<'_>, match_claims: &str) -> Option<(Proof, String)> {
        let jwt = user.inner("jwt");
        let issuer = jwt.inner("oidc").text("issuer");
        for field in ["skip_verify", "skipVerify"] {
            if jwt.is_true(field) {
                self.problems
                    .push(Problem::warning(jwt.path(field), "left out: no token is taken unverified"));
            }
        }
        jwt.without(
            &["public_keys", "public_key_files", "publicKeys", "publicKeyRefs"],
            "keys are fetched from the issuer, or are in a file of a JSON Web Key Set (`jwks`)",
            &mut self.problems,
        );
        jwt.without(
            &["default_vm_access_claim", "defaultVMAccessClaim"],
            "the tenants are those of the URL",
            &mut self.problems,
        );
        let Some(issuer) = issuer else {
            let message = "left out: who issues the tokens must be known (`oidc.issuer`)";
            self.problems.push(Problem::warning(user.path("jwt"), message));
            return None;
        };
        let mut conditions = Vec::new();
        for entry in jwt.node(match_claims).map_or(&[][..], Node::entries) {
            let value = entry.value.text().unwrap_or_default();
            let names: Vec<Yaml> = entry.name.split('.').map(Yaml::from).collect();
            conditions.push(Fields::new().with("claim", names).with("in", vec![Yaml::from(value)]));
            if value.contains(['*', '+', '|', '(', '[']) {
                let message = format!("`{value}` was a pattern, and is taken to the letter: list the values");
                self.problems.push(Problem::warning(jwt.path(match_claims), message));
            }
        }
        jwt.rest(&mut self.problems);
        let source = Fields::new().with("provider", "oidc").with("issuer", &issuer);
        let source = if conditions.is_empty() { source } else { source.with("where", conditions) };
        Some((Proof::Jwt(source, issuer), "tokens".to_owned()))
    }

    fn hash(&mut self, path: &str, username: Option<&str>, secret: &str) -> Option<String> {
        let Some(key) = self.key else {
            let problem =
                Problem::error("", format!("secrets are hashed with a key, and {} is not set", self.key_env));
            if self.problems.iter().all(|known| known.message != problem.message) {
                let help =
                    format!("export {}=$(openssl rand -hex 32), and give Envoy the same", self.key_env);
                self.problems.push(problem.help(help));
            }
            return None;
        };
        let hash = match username {
            Some(name) => password_hash(key, name, secret.as_bytes()),
            None => token_hash(key, secret.as_bytes()),
        };
        if secret.len() < 16 {
            let message = "the secret is shorter than 16 bytes, and the hash is quick";
            self.problems.push(Problem::warning(path, message).help("replace it: openssl rand -hex 20"));
        }
        hash.map_err(|problem| self.problems.push(Problem::error("", format!("{}: {problem}", self.key_env))))
            .ok()
    }

    /// The tenant that a header names.
    fn headers(&mut self, from: &Taken<'_>, field: &str) -> Option<String> {
        let mut tenant = None;
        for header in from.texts(field) {
            let (name, value) = header.split_once(':').unwrap_or((&header, ""));
            if name.trim().eq_ignore_ascii_case("x-scope-orgid") {
                tenant = Some(value.trim().to_owned());
            } else {
                let message = format!("left out: the header {} is not set here", name.trim());
                self.problems.push(Problem::warning(from.path(field), message));
            }
        }
        tenant
    }

    #[allow(clippy::too_many_arguments)] // one route
    fn targets(
        &mut self,
        from: &Taken<'_>,
        field: &str,
        urls: &[String],
        header: Option<&String>,
        paths: &[String],
        targets: &mut Vec<Target>,
        may: &mut BTreeSet<&'static str>,
    ) {
        let rights = self.rights(from, paths);
        for text in urls {
            let Some(url) = Url::read(text) else {
                let message = format!("`{text}` is no URL that Envoy can call");
                self.problems.push(Problem::error(from.path(field), message));
                continue;
            };
            let account = ["/insert/", "/select/"].iter().find_map(|prefix| {
                let rest = url.path.strip_prefix(prefix)?;
                Some((*prefix == "/insert/", rest.split('/').next()?.to_owned()))
            });
            let mut by = header.cloned().map_or(By::Nothing, By::Header);
            for argument in url.query.split('&').filter(|argument| !argument.is_empty()) {
                match argument.strip_prefix("extra_label=").map(|rest| rest.replace("%3D", "=")) {
                    Some(label) if by == By::Nothing && label.contains('=') => {
                        let (name, value) = label.split_once('=').unwrap_or_default();
                        by = By::Label(name.to_owned(), value.to_owned());
                    }
                    _ => self.problems.push(
                        Problem::error(
                            from.path(field),
                            format!("`{argument}`: one label alone keeps tenants apart here"),
                        )
                        .help("say which: leave one `extra_label=NAME=VALUE` in the URL"),
                    ),
                }
            }
            let (base, is_insert) = match account {
                Some((is_insert, account)) => {
                    if by != By::Nothing {
                        let message = "the account alone keeps tenants apart here: a label or a header besides is left out";
                        self.problems.push(Problem::warning(from.path(field), message));
                    }
                    by = By::Account(account);
                    (url.origin, is_insert)
                }
                None => (format!("{}{}", url.origin, url.path), rights.iter().all(|right| *right == "write")),
            };
            if let Some(tenant) = by.tenant().filter(|tenant| TenantId::new(tenant).is_err()) {
                let message = format!("`{tenant}` is no name of a tenant");
                self.problems.push(Problem::error(from.path(field), message));
            }
            match account_rights(&by, is_insert) {
                Some(right) => may.insert(right),
                None => rights.iter().fold(false, |_, right| may.insert(right)),
            };
            targets.push(Target { base, is_insert, by });
        }
    }

    /// What these paths are the right for; both where there are none.
    fn rights(&mut self, from: &Taken<'_>, paths: &[String]) -> Vec<&'static str> {
        const WRITES: [&str; 4] = ["write", "insert", "push", "import"];
        const READS: [&str; 8] =
            ["query", "series", "label", "federate", "export", "select", "rules", "alerts"];
        let mut rights = BTreeSet::new();
        for path in paths {
            let writes = WRITES.iter().any(|word| path.contains(word));
            let reads = READS.iter().any(|word| path.contains(word));
            match (writes, reads, path.as_str()) {
                (_, _, "/" | "/.*" | ".*") => rights.extend(["read", "write"]),
                (true, _, _) => drop(rights.insert("write")),
                (_, true, _) => drop(rights.insert("read")),
                _ => {
                    let message =
                        format!("left out: `{path}` neither reads nor writes anything that is known here");
                    self.problems.push(Problem::warning(from.path("paths"), message));
                }
            }
        }
        if paths.is_empty() { vec!["read", "write"] } else { rights.into_iter().collect() }
    }

    /// What has no counterpart, and whatever nobody knows.
    fn around(&mut self, from: &Taken<'_>) {
        let balancing =
            "Envoy goes round robin over all addresses, and tries reads again (`upstreams.NAME.retries`)";
        let names = ["load_balancing_policy", "retry_status_codes", "discover_backend_ips"];
        from.without(&names, balancing, &mut self.problems);
        let limits = "`upstreams.NAME.max_requests` limits requests";
        from.without(&["max_concurrent_requests"], limits, &mut self.problems);
        from.rest(&mut self.problems);
    }
}

/// An account's path says whether it reads or writes.
fn account_rights(by: &By, is_insert: bool) -> Option<&'static str> {
    matches!(by, By::Account(_)).then_some(if is_insert { "write" } else { "read" })
}
