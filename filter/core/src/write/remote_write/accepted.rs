//! Which versions of the protocol a backend takes.

use super::Version;
use crate::config::{ConfigError, RemoteWriteConfig};
use crate::report::Refusal;

/// See [`RemoteWriteConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    v1: bool,
    v2: bool,
}

impl Accepted {
    /// Compiles what stands at `path`.
    pub(crate) fn compile(config: &RemoteWriteConfig, path: &str) -> Result<Self, ConfigError> {
        let Some(versions) = &config.versions else { return Ok(Self { v1: true, v2: true }) };
        let mut accepted = Self { v1: false, v2: false };
        for (position, version) in versions.iter().enumerate() {
            match version.0.as_str() {
                "1.0" => accepted.v1 = true,
                "2.0" => accepted.v2 = true,
                _ => {
                    let path = format!("{path}.versions[{position}]");
                    return Err(ConfigError::new(path, "there are \"1.0\" and \"2.0\""));
                }
            }
        }
        if versions.is_empty() {
            return Err(ConfigError::new(
                format!("{path}.versions"),
                "name at least one version; without one every remote write is refused",
            ));
        }
        Ok(accepted)
    }

    /// Refuses a version that the backend does not take. Senders may then go back to another.
    pub(crate) fn check(self, version: Version) -> Result<(), Refusal> {
        match version {
            Version::V1 if !self.v1 => Err(Refusal::MediaType {
                expected: "application/x-protobuf;proto=io.prometheus.write.v2.Request: \
                           this backend takes remote write 2.0 only",
            }),
            Version::V2 if !self.v2 => Err(Refusal::MediaType {
                expected: "application/x-protobuf: this backend takes remote write 1.0 only",
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use serde_json::json;

    #[test]
    fn versions_are_as_configured() {
        type Expected = Result<(bool, bool), &'static str>;
        let cases: Vec<(serde_json::Value, Expected)> = vec![
            (json!({}), Ok((true, true))),
            (json!({"versions": ["1.0"]}), Ok((true, false))),
            (json!({"versions": ["2.0"]}), Ok((false, true))),
            (json!({"versions": ["2.0", "1.0"]}), Ok((true, true))),
            (json!({"versions": []}), Err("w.versions: name at least one version")),
            (json!({"versions": ["1.0", "2"]}), Err("w.versions[1]: there are \"1.0\" and \"2.0\"")),
        ];
        for (config, expected) in cases {
            let config: RemoteWriteConfig = config::read(&config).unwrap();
            match (Accepted::compile(&config, "w"), expected) {
                (Ok(accepted), Ok((v1, v2))) => {
                    assert_eq!(accepted.check(Version::V1).is_ok(), v1);
                    assert_eq!(accepted.check(Version::V2).is_ok(), v2);
                }
                (Err(error), Err(words)) => assert!(error.to_string().starts_with(words), "{error}"),
                (got, _) => panic!("{config:?}: {got:?}"),
            }
        }
    }
}
