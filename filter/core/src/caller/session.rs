//! An attribute that is proven by the request itself, with a key that its sender shares with this gateway.
//!
//! The MAC is checked with the head, before anything else is believed, and only then the proof is taken: whoever has no key
//! can neither use a proof up nor fill the memory of them. It is taken before the body is there, so that a second one with
//! the same proof is not even held. The body's digest is under the MAC; whether the body has it is told once it is whole.

use serde_json::json;

use super::claims::Claims;
use super::{Environment, Evidence, Facts, Recognition, Tabled, Why};
use crate::config::{ConfigError, SessionConfig};
use crate::exchange::{Process, SlotFailure};
use crate::report::Refusal;
use crate::session::{BadProof, Found, HEADER, KeyRing, NotTaken, Proof, Replay, is_name, keys_from};
use crate::table::{Lookup, TableRules};
use crate::tenant::TenantSet;

/// See [`SessionConfig`].
#[derive(Debug)]
pub(super) struct Session {
    attribute: String,
    /// Those of the environment.
    keys: KeyRing,
    /// Where further ones are.
    table: Option<usize>,
    /// In seconds.
    window: u32,
    replay: Replay,
}

/// The shortest and the longest window, in milliseconds.
const WINDOW: core::ops::RangeInclusive<u32> = 1_000..=600_000;
/// The most proofs of a window: each request copies what its slot holds.
const PROOFS: u64 = 1_000_000;

impl Session {
    pub(super) fn compile(
        config: &SessionConfig,
        path: &str,
        env: &Environment<'_>,
        tabled: Tabled<'_>,
    ) -> Result<Self, ConfigError> {
        let attribute = config.attribute.0.clone();
        if !is_name(&attribute) {
            return Err(ConfigError::new(
                format!("{path}.attribute"),
                "an attribute is made of 1 to 64 of the characters A-Z a-z 0-9 - _ .",
            ));
        }
        if !WINDOW.contains(&config.window.0) {
            return Err(ConfigError::new(format!("{path}.window"), "give \"1s\" to \"10m\""));
        }
        let (window, rate) = (config.window.0 / 1_000, config.rate.0);
        if rate == 0 || u64::from(rate).saturating_mul(u64::from(window)) > PROOFS {
            return Err(ConfigError::new(
                format!("{path}.rate"),
                "give at least 1, and at most 1000000 requests in a window",
            ));
        }
        let path = format!("{path}.keys");
        let table = config.keys.table.as_ref();
        let table =
            table.map(|name| TableRules::position(tabled.credentials, name, &format!("{path}.table")));
        let table = table.transpose()?;
        let keys = match &config.keys.env {
            Some(name) => keys_from(name, &format!("{path}.env"), env)?,
            None if table.is_some() => KeyRing::empty().map_err(|problem| ConfigError::new(path, problem))?,
            None => return Err(ConfigError::new(path, "name a variable (`env`), a `table`, or both")),
        };
        let replay = Replay::new(&attribute, window, rate);
        Ok(Self { attribute, keys, table, window, replay })
    }

    pub(super) fn attribute(&self) -> &str {
        &self.attribute
    }

    pub(super) fn make_slots(&self, process: &dyn Process) -> Result<(), SlotFailure> {
        self.replay.make(process)
    }

    /// A request is this source's own as soon as it brings a proof of the attribute, or one that cannot be read.
    pub(super) fn recognise(&self, evidence: &Evidence<'_>, lookup: &mut Lookup<'_>) -> Recognition<'static> {
        let value = match evidence.headers.only(HEADER) {
            Ok(None) => return Recognition::NotMine(Why::Words("no proof of a session")),
            Ok(Some(value)) => value,
            Err(_) => return Recognition::Refused(Refusal::Repeated(HEADER)),
        };
        match Proof::parse(value) {
            Ok(proof) if proof.claim.attribute != self.attribute => {
                Recognition::NotMine(Why::Words("a proof of another attribute"))
            }
            Ok(proof) => match self.check(&proof, evidence, lookup) {
                Ok(tenants) => {
                    let claims = json!({"attribute": self.attribute, "agent": proof.claim.agent});
                    Recognition::Known(Facts::proven(Claims::Json(claims), proof.claim.body, tenants))
                }
                Err(refusal) => Recognition::Refused(refusal),
            },
            Err(bad) => Recognition::Refused(Refusal::Proof(bad)),
        }
    }

    /// Checks a proof and takes it; gives the tenants that its key has of its own.
    fn check(
        &self,
        proof: &Proof<'_>,
        evidence: &Evidence<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Result<Option<TenantSet>, Refusal> {
        let Evidence { headers, attributes, .. } = evidence;
        let now = attributes.wall_seconds().ok_or(Refusal::Host { what: "the date is not known" })?;
        let (method, path) = (headers.pseudo(":method"), headers.pseudo(":path"));
        let listed = self.keys.find(proof.key);
        let table = match self.table {
            Some(at) if !listed.is_known() => Some(lookup.credentials(at)?),
            _ => None,
        };
        let entry = table.as_ref().and_then(|table| table.get(proof.key.as_bytes()));
        let tabled = entry.and_then(|entry| entry.key.as_deref());
        let found = tabled.map_or(listed, |tabled| Found::known(&tabled.key));
        proof.verify(found, method, path, now, self.window).map_err(Refusal::Proof)?;
        let agent = tabled.and_then(|tabled| tabled.agent.as_ref());
        if agent.is_some_and(|agent| agent.as_str() != proof.claim.agent) {
            return Err(Refusal::Proof(BadProof::Agent));
        }
        if headers.first("upgrade").is_some() {
            return Err(Refusal::Proof(BadProof::Upgrade));
        }
        let unknown = Refusal::Host { what: "it cannot be known whether a proof was used before" };
        let Some(process) = attributes.process() else { return Err(unknown) };
        self.replay.take(process, &proof.identity(), proof.claim.time, now).map_err(|why| match why {
            NotTaken::Bad(bad) => Refusal::Proof(bad),
            NotTaken::Full => Refusal::Overloaded {
                what: "too many requests bring a proof of their session (session.rate)",
            },
            NotTaken::Host => unknown,
        })?;
        Ok(entry.and_then(|entry| entry.tenants.clone()))
    }
}
