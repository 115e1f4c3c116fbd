//! Who pushes: from the environment, or from where `docker login` and `podman login` leave it, or nobody.

use std::env;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(super) const USERNAME: &str = "SCOPEGATE_REGISTRY_USERNAME";
pub(super) const PASSWORD: &str = "SCOPEGATE_REGISTRY_PASSWORD";

/// What `docker login` calls Docker's own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Who pushes. Its secrets never show.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Nobody.
    Anonymous,
    /// A user with a password.
    Password { username: String, password: String },
    /// A token that is changed for another one.
    Refresh { token: String },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password",
            Self::Refresh { .. } => "Refresh",
        })
    }
}

impl Credentials {
    /// Those for a registry.
    pub(super) fn find(registry: &str) -> Result<Self> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        match (variable(USERNAME), variable(PASSWORD)) {
            (Some(username), Some(password)) => return Ok(Self::Password { username, password }),
            (None, None) => {}
            _ => bail!("set both {USERNAME} and {PASSWORD}, or none of them"),
        }
        for file in files() {
            let Ok(text) = fs::read(&file) else { continue };
            let shown = file.display();
            let config: Value = serde_json::from_slice(&text).with_context(|| format!("{shown}: no JSON"))?;
            if let Some(found) = from_config(&config, registry, ask).with_context(|| shown.to_string())? {
                return Ok(found);
            }
        }
        Ok(Self::Anonymous)
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        *self != Self::Anonymous
    }

    /// The value of the header `Authorization`, where they are a password.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { username, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
            Self::Anonymous | Self::Refresh { .. } => None,
        }
    }
}

/// The files in which tools keep credentials, in the order of asking.
fn files() -> Vec<PathBuf> {
    let folder = |name: &str, file: &str| {
        env::var_os(name).filter(|value| !value.is_empty()).map(|value| PathBuf::from(value).join(file))
    };
    let named = env::var_os("REGISTRY_AUTH_FILE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let docker = folder("DOCKER_CONFIG", "config.json").or_else(|| folder("HOME", ".docker/config.json"));
    let podman = folder("XDG_RUNTIME_DIR", "containers/auth.json");
    [named, docker, podman].into_iter().flatten().collect()
}

/// What a file says of a registry. `ask` asks a helper for it.
fn from_config(
    config: &Value,
    registry: &str,
    ask: impl Fn(&str, &str) -> Result<Option<Credentials>>,
) -> Result<Option<Credentials>> {
    let keys: Vec<String> = if registry == "docker.io" {
        vec![DOCKER_HUB.to_owned(), registry.to_owned()]
    } else {
        vec![registry.to_owned(), format!("https://{registry}"), format!("https://{registry}/")]
    };
    for key in &keys {
        let helper = config["credHelpers"][key].as_str().or_else(|| config["credsStore"].as_str());
        if let Some(helper) = helper.filter(|helper| !helper.is_empty())
            && let Some(found) = ask(helper, key)?
        {
            return Ok(Some(found));
        }
        let entry = &config["auths"][key];
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Credentials::Refresh { token: token.to_owned() }));
        }
        if let Some(auth) = text("auth") {
            let decoded = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (username, password) =
                pair.with_context(|| format!("`auths` of {key}: `auth` cannot be read"))?;
            let password = password.trim_end_matches('\0');
            return Ok(Some(Credentials::Password {
                username: username.to_owned(),
                password: password.to_owned(),
            }));
        }
        if let (Some(username), Some(password)) = (text("username"), text("password")) {
            return Ok(Some(Credentials::Password {
                username: username.to_owned(),
                password: password.to_owned(),
            }));
        }
    }
    Ok(None)
}

/// Asks a credential helper of Docker; `None` where it knows nothing of the registry.
fn ask(helper: &str, key: &str) -> Result<Option<Credentials>> {
    let program = format!("docker-credential-{helper}");
    ensure!(!helper.contains(['/', '\\']), "{program}: a helper is named by its name alone");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {program}, which the configuration of Docker names"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(key.as_bytes()).with_context(|| program.clone())?;
    }
    let output = child.wait_with_output().with_context(|| program.clone())?;
    if !output.status.success() {
        return Ok(None);
    }
    let answer: Value =
        serde_json::from_slice(&output.stdout).with_context(|| format!("{program}: no JSON"))?;
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Ok(match (text("Username"), text("Secret")) {
        (_, secret) if secret.is_empty() => None,
        (username, token) if username == "<token>" => Some(Credentials::Refresh { token }),
        (username, password) => Some(Credentials::Password { username, password }),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password { username: username.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn what_a_file_says_of_a_registry() {
        let config = json!({
            "auths": {
                "a.example": {"auth": STANDARD.encode("user:with:colons")},
                "https://b.example": {"username": "b", "password": "p"},
                "c.example:5000": {"identitytoken": "t", "auth": STANDARD.encode("<token>:")},
                "https://index.docker.io/v1/": {"auth": STANDARD.encode("hub:h")},
                "helped.example": {},
                "bad.example": {"auth": "?"},
            },
            "credHelpers": {"helped.example": "one", "silent.example": "none"},
        });
        let ask = |helper: &str, key: &str| Ok((helper == "one").then(|| password(key, "from the helper")));
        let find = |registry: &str| from_config(&config, registry, ask);
        let cases = [
            ("a.example", Some(password("user", "with:colons"))),
            ("b.example", Some(password("b", "p"))),
            ("c.example:5000", Some(Credentials::Refresh { token: "t".to_owned() })),
            ("c.example", None),
            ("docker.io", Some(password("hub", "h"))),
            ("helped.example", Some(password("helped.example", "from the helper"))),
            ("silent.example", None),
            ("other.example", None),
        ];
        for (registry, expected) in cases {
            assert_eq!(find(registry).unwrap(), expected, "{registry}");
        }
        let error = format!("{:#}", find("bad.example").unwrap_err());
        assert!(error.contains("`auths` of bad.example"), "{error}");
    }

    #[test]
    fn secrets_do_not_show() {
        let all = [password("user", "hidden"), Credentials::Refresh { token: "hidden".to_owned() }];
        assert_eq!(format!("{all:?}"), "[Password, Refresh]");
        assert_eq!(password("u", "p").basic().as_deref(), Some("Basic dTpw"));
    }
}
