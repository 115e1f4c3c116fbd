//! The configuration of the agent's side, compiled.

use super::Fresh;
use crate::caller::Environment;
use crate::config::{AgentConfig, ConfigError};
use crate::session::{BodyDigest, Claim, HEADER, KeyRing, keys_from};

/// Who signs, and with what.
#[derive(Debug)]
pub struct Signer {
    attribute: String,
    agent: String,
    keys: KeyRing,
    headers: Vec<(String, String)>,
    request_bytes: u32,
}

/// Headers that are the gateway's or Envoy's own business.
const NOT_OURS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "content-encoding",
    "content-type",
    HEADER,
];

impl Signer {
    /// Compiles a configuration. `env` gives the environment of the filter, where the keys are.
    ///
    /// # Errors
    /// What is wrong, with the field.
    pub fn compile(config: &AgentConfig, env: &Environment<'_>) -> Result<Self, ConfigError> {
        let sign = &config.sign;
        let this = Self {
            attribute: sign.attribute.0.clone(),
            agent: sign.agent.0.clone(),
            keys: keys_from(&sign.keys.env, "sign.keys.env", env)?,
            headers: sign.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.0.clone())).collect(),
            request_bytes: config.limits.request_bytes.0,
        };
        if this.sign("", "", b"", Fresh { time: 0, nonce: [0; 16] }).is_err() {
            return Err(ConfigError::new(
                "sign",
                "an attribute is made of 1 to 64 of A-Z a-z 0-9 - _ . and an agent has the form of a tenant ID",
            ));
        }
        if this.request_bytes == 0 {
            return Err(ConfigError::new("limits.request_bytes", "0 would refuse every request"));
        }
        for (name, value) in &this.headers {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            let plain = |byte: u8| matches!(byte, b' '..=b'~');
            let good = !name.is_empty() && name.bytes().all(token) && value.bytes().all(plain);
            if !good || NOT_OURS.contains(&name.as_str()) {
                let path = format!("sign.headers.{name}");
                return Err(ConfigError::new(path, "such a header cannot be set here"));
            }
        }
        Ok(this)
    }

    /// The value of the header that proves a request, or why there is none.
    pub(super) fn sign(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        Fresh { time, nonce }: Fresh,
    ) -> Result<String, &'static str> {
        let Self { attribute, agent, keys, .. } = self;
        Claim { attribute, agent, time, nonce, body: BodyDigest::of(body) }
            .sign(keys, method, path)
            .ok_or("there is no key, or the names have another form")
    }

    /// Headers that every request gets, names in lower case.
    pub(super) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The largest body.
    pub(super) fn request_bytes(&self) -> u32 {
        self.request_bytes
    }
}
