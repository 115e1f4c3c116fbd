//! Headers of an authenticating proxy, which count only with proof that it is that proxy.

use core::net::IpAddr;

use serde_json::{Map, Value as Json};

use super::certificate::Certificate;
use super::claims::Claims;
use super::forwarded;
use super::hash::{Digest, Key, is_one_of, secret};
use super::{Environment, Evidence, Facts, Recognition, Unproven, Why};
use crate::config::{ConfigError, HeaderConfig, ProofConfig, SharedSecretConfig};
use crate::report::Refusal;

/// The header of [`forwarded`].
const FORWARDED: &str = "x-forwarded-client-cert";
/// Where Envoy leaves the address of the connection. What it calls the source of a request may be the word of
/// `X-Forwarded-For`.
const PEER: &str = "scopegate.peer";

/// See [`HeaderConfig`].
#[derive(Debug)]
pub(super) struct Header {
    identity: Identity,
    certificate: Option<Certificate>,
    secret: Option<Secret>,
    addresses: Vec<Range>,
}

#[derive(Debug)]
enum Identity {
    /// Claims, and their headers in lower case.
    Claims(Vec<(String, String)>),
    Forwarded(Certificate),
}

/// See [`SharedSecretConfig`].
struct Secret {
    header: String,
    key: Key,
    digests: Vec<Digest>,
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Secret").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Header {
    pub(super) fn compile(
        config: &HeaderConfig,
        path: &str,
        env: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let HeaderConfig { claims, forwarded_certificate, proof } = config;
        let identity = match (claims.is_empty(), forwarded_certificate) {
            (false, None) => {
                let header = |(claim, header): (&String, &crate::config::Text)| {
                    Ok((claim.clone(), name(header, &format!("{path}.claims.{claim}"))?))
                };
                Identity::Claims(claims.iter().map(header).collect::<Result<_, _>>()?)
            }
            (true, Some(certificate)) => Identity::Forwarded(Certificate::compile(
                certificate,
                &format!("{path}.forwarded_certificate"),
            )?),
            _ => {
                return Err(ConfigError::new(path, "give exactly one of `claims`, `forwarded_certificate`"));
            }
        };
        let path = format!("{path}.proof");
        let ProofConfig { certificate, secret, address } = proof;
        let range = |(position, text): (usize, &crate::config::Text)| {
            Range::parse(text).ok_or_else(|| {
                let problem = "an address is such as 10.0.0.7, 10.0.0.0/8 or fd00::/8";
                ConfigError::new(format!("{path}.address[{position}]"), problem)
            })
        };
        let proof = Self {
            identity,
            certificate: certificate
                .as_ref()
                .map(|config| Certificate::compile(config, &format!("{path}.certificate")))
                .transpose()?,
            secret: secret
                .as_ref()
                .map(|config| Secret::compile(config, &format!("{path}.secret"), env))
                .transpose()?,
            addresses: address.0.iter().enumerate().map(range).collect::<Result<_, _>>()?,
        };
        if proof.certificate.is_none() && proof.secret.is_none() && proof.addresses.is_empty() {
            return Err(ConfigError::new(path, "give at least one of `certificate`, `secret`, `address`"));
        }
        Ok(proof)
    }

    /// Headers that never go on, in lower case.
    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        let claims = match &self.identity {
            Identity::Claims(claims) => claims.as_slice(),
            Identity::Forwarded(_) => &[],
        };
        let forwarded = matches!(self.identity, Identity::Forwarded(_)).then_some(FORWARDED);
        let secret = self.secret.iter().map(|secret| secret.header.as_str());
        claims.iter().map(|(_, header)| header.as_str()).chain(forwarded).chain(secret)
    }

    /// Whether its proof is one for this header too, where there is one that lacks a proof.
    pub(super) fn covers(&self, unproven: Option<&str>) -> bool {
        unproven.is_none_or(|unproven| self.headers().any(|header| header == unproven))
    }

    /// The names of the claims that there can be.
    pub(super) fn claim_names(&self) -> Vec<&str> {
        match &self.identity {
            Identity::Claims(claims) => claims.iter().map(|(claim, _)| claim.as_str()).collect(),
            Identity::Forwarded(certificate) => certificate.captures().collect(),
        }
    }

    pub(super) fn recognise<'a>(&self, evidence: &'a Evidence<'_>) -> Recognition<'a> {
        let brought = match &self.identity {
            Identity::Claims(claims) => claims
                .iter()
                .map(|(_, header)| header.as_str())
                .find(|header| evidence.headers.all(header).any(|value| !value.trim_ascii().is_empty())),
            Identity::Forwarded(_) => evidence.headers.first(FORWARDED).map(|_| FORWARDED),
        };
        let Some(brought) = brought else { return Recognition::NotMine(Why::Words("no such header")) };
        if !self.is_proven(evidence) {
            return Recognition::Unproven(Unproven::Header(brought.to_owned()));
        }
        match self.read(evidence) {
            Ok(Some(claims)) => Recognition::Known(Facts::of(claims)),
            Ok(None) => Recognition::NotTaken(Why::Words("another certificate")),
            Err(refusal) => Recognition::Refused(refusal),
        }
    }

    /// Whether all proofs that are asked for hold.
    fn is_proven(&self, evidence: &Evidence<'_>) -> bool {
        let by_certificate =
            self.certificate.as_ref().is_none_or(|certificate| certificate.of_peer(evidence).is_some());
        let by_secret = self.secret.as_ref().is_none_or(|secret| secret.is_known(evidence));
        let by_address = self.addresses.is_empty() || self.comes_from(evidence);
        by_certificate && by_secret && by_address
    }

    fn comes_from(&self, evidence: &Evidence<'_>) -> bool {
        let peer = evidence.attributes.get(&["filter_state", PEER]);
        let peer = peer.as_deref().and_then(|peer| core::str::from_utf8(peer).ok()?.parse::<IpAddr>().ok());
        peer.is_some_and(|peer| self.addresses.iter().any(|range| range.holds(peer)))
    }

    fn read(&self, evidence: &Evidence<'_>) -> Result<Option<Claims<'static>>, Refusal> {
        let only = |header: &str| {
            let problem = || Refusal::IdentityHeader { header: header.to_owned() };
            let value = evidence.headers.only(header).map_err(|_| problem())?.map(<[u8]>::trim_ascii);
            value.map(|value| core::str::from_utf8(value).map_err(|_| problem())).transpose()
        };
        match &self.identity {
            Identity::Claims(claims) => {
                let mut found = Map::new();
                for (claim, header) in claims {
                    if let Some(value) = only(header)?.filter(|value| !value.is_empty()) {
                        found.insert(claim.clone(), Json::String(value.to_owned()));
                    }
                }
                Ok(Some(Claims::Json(Json::Object(found))))
            }
            Identity::Forwarded(certificate) => {
                let value = only(FORWARDED)?.unwrap_or_default();
                let forwarded = forwarded::read(value.as_bytes())
                    .ok_or_else(|| Refusal::IdentityHeader { header: FORWARDED.to_owned() })?;
                Ok(certificate.matches(&forwarded))
            }
        }
    }
}

impl Secret {
    fn compile(config: &SharedSecretConfig, path: &str, env: &Environment<'_>) -> Result<Self, ConfigError> {
        let header = name(&config.header, &format!("{path}.header"))?;
        let mut secrets = Vec::new();
        for variable in &config.env.0 {
            secrets.push(secret(variable, &format!("{path}.env"), env)?);
        }
        let first = secrets.first();
        let first =
            first.ok_or_else(|| ConfigError::new(format!("{path}.env"), "name at least one variable"))?;
        // What is compared are digests of one length; the key only keeps them from being made beforehand.
        let key =
            Key::of_secret(first).map_err(|problem| ConfigError::new(format!("{path}.env"), problem))?;
        let digests: Vec<Digest> = secrets.iter().map(|secret| key.shared(secret)).collect();
        if digests.len() > super::hash::MAX_SECRETS {
            return Err(ConfigError::new(format!("{path}.env"), "name at most 8 variables"));
        }
        Ok(Self { header, key, digests })
    }

    fn is_known(&self, evidence: &Evidence<'_>) -> bool {
        let given = evidence.headers.only(&self.header).ok().flatten();
        let digest = self.key.shared(given.unwrap_or_default());
        is_one_of(&digest, &self.digests) && given.is_some()
    }
}

/// The name of a header, in lower case, that a proxy may set.
fn name(header: &str, path: &str) -> Result<String, ConfigError> {
    const NEVER: &[&str] =
        &["authorization", "connection", "content-length", "content-type", "host", "transfer-encoding"];
    let name = header.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) || NEVER.contains(&name.as_str()) {
        return Err(ConfigError::new(path, "name a header of the proxy's own, such as x-auth-user"));
    }
    Ok(name)
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: IpAddr,
    bits: u32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        (bits <= most).then_some(Self { first, bits })
    }

    /// Whether an address lies in it. One of version 4 that is written in version 6 is of version 4.
    fn holds(&self, address: IpAddr) -> bool {
        let differ = match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => u128::from(first.to_bits() ^ address.to_bits()) << 96,
            (IpAddr::V6(first), IpAddr::V6(address)) => first.to_bits() ^ address.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.9.8.7", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.6", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let range = Range::parse(range).unwrap();
            assert_eq!(range.holds(address.parse().unwrap()), expected, "{range:?} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "fd00::/129", "localhost"] {
            assert_eq!(Range::parse(wrong), None, "{wrong}");
        }
    }
}
