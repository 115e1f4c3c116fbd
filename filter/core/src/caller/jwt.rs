//! A JWT that Envoy's `jwt_authn` filter verified.

use super::claims::{Claims, Condition};
use super::{Evidence, Facts, Recognition, Unproven, Why};
use crate::config::{ConfigError, JwtConfig};
use crate::wire::Datum;

/// See [`JwtConfig`].
#[derive(Debug)]
pub(super) struct Jwt {
    namespace: String,
    providers: Vec<String>,
    issuers: Vec<String>,
    conditions: Vec<Condition>,
}

impl Jwt {
    pub(super) fn compile(config: &JwtConfig, path: &str) -> Result<Self, ConfigError> {
        if config.issuer.0.is_empty() {
            return Err(ConfigError::new(format!("{path}.issuer"), "name at least one issuer"));
        }
        if config.provider.0.is_empty() {
            return Err(ConfigError::new(format!("{path}.provider"), "name at least one provider"));
        }
        Ok(Self {
            namespace: config
                .namespace
                .as_ref()
                .map_or("envoy.filters.http.jwt_authn", |name| &**name)
                .to_owned(),
            providers: config.provider.0.iter().map(|provider| provider.0.clone()).collect(),
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
        let Some(Claims::Envoy(filter)) = evidence.namespace(&self.namespace) else {
            return Self::without_payload(evidence);
        };
        let payloads = self.providers.iter().filter_map(|provider| match filter.get(provider) {
            Ok(Some(Datum::Structure(payload))) => Some(payload),
            _ => None,
        });
        let mut why = None;
        for payload in payloads {
            // RFC 7519, 4.1.1: the issuer is a string, and nothing that merely reads like it.
            let issued = match payload.get("iss") {
                Ok(Some(Datum::Text(issuer))) => self.issuers.iter().any(|accepted| accepted == issuer),
                _ => false,
            };
            if !issued {
                why = Some(Why::Words("a token of another issuer"));
                continue;
            }
            let claims = Claims::Envoy(payload);
            why = Condition::unmet(&self.conditions, &claims);
            if why.is_none() {
                return Recognition::Known(Facts::of(claims));
            }
        }
        why.map_or_else(|| Self::without_payload(evidence), Recognition::NotTaken)
    }

    fn without_payload<'a>(evidence: &Evidence<'_>) -> Recognition<'a> {
        if evidence.bearer().is_some() {
            Recognition::Unproven(Unproven::Token)
        } else {
            Recognition::NotMine(Why::Words("no verified token of this provider"))
        }
    }
}
