//! A JWT that Envoy's `jwt_authn` filter verified.

use super::claims::{Claims, Condition};
use super::{Evidence, Facts, Recognition, Why};
use crate::config::{ConfigError, JwtConfig};
use crate::wire::Datum;

/// See [`JwtConfig`].
#[derive(Debug)]
pub(super) struct Jwt {
    namespace: String,
    provider: String,
    issuers: Vec<String>,
    conditions: Vec<Condition>,
}

impl Jwt {
    pub(super) fn compile(config: &JwtConfig, path: &str) -> Result<Self, ConfigError> {
        if config.issuer.0.is_empty() {
            return Err(ConfigError::new(format!("{path}.issuer"), "name at least one issuer"));
        }
        Ok(Self {
            namespace: config
                .namespace
                .as_ref()
                .map_or("envoy.filters.http.jwt_authn", |name| &**name)
                .to_owned(),
            provider: config.provider.0.clone(),
            issuers: config.issuer.0.iter().map(|issuer| issuer.0.clone()).collect(),
            conditions: Condition::compile_all(&config.conditions, &format!("{path}.where"))?,
        })
    }

    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Only a payload in Envoy's metadata counts, and only from an accepted issuer: Istio puts the payloads
    /// of all issuers in the same place.
    pub(super) fn recognise<'a>(&'a self, evidence: &'a Evidence<'_>) -> Recognition<'a> {
        let payload = match evidence.namespace(&self.namespace) {
            Some(Claims::Envoy(filter)) => filter.get(&self.provider).ok().flatten(),
            _ => None,
        };
        let Some(Datum::Structure(payload)) = payload else {
            return if evidence.bears_token() {
                Recognition::Unproven
            } else {
                Recognition::NotMine(Why::Words("no verified token of this provider"))
            };
        };
        // RFC 7519, 4.1.1: the issuer is a string, and nothing that merely reads like it.
        let issued = match payload.get("iss") {
            Ok(Some(Datum::Text(issuer))) => self.issuers.iter().any(|accepted| accepted == issuer),
            _ => false,
        };
        if !issued {
            return Recognition::NotMine(Why::Words("a token of another issuer"));
        }
        let claims = Claims::Envoy(payload);
        match Condition::unmet(&self.conditions, &claims) {
            None => Recognition::Known(Facts::Claims(claims)),
            Some(why) => Recognition::NotMine(why),
        }
    }
}
