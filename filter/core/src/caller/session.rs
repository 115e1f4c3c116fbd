//! An attribute that is proven by the request itself, with a key that its sender shares with this gateway.
//!
//! The MAC is checked with the head, before anything else is believed, and only then the proof is taken: whoever has no key
//! can neither use a proof up nor fill the memory of them. It is taken before the body is there, so that a second one with
//! the same proof is not even held. The body's digest is under the MAC; whether the body has it is told once it is whole.

use serde_json::json;

use super::claims::Claims;
use super::{Environment, Evidence, Facts, Recognition, Why};
use crate::config::{ConfigError, SessionConfig};
use crate::exchange::{Process, SlotFailure};
use crate::report::Refusal;
use crate::session::{BadProof, HEADER, KeyRing, NotTaken, Proof, Replay, is_name, keys_from};

/// See [`SessionConfig`].
#[derive(Debug)]
pub(super) struct Session {
    attribute: String,
    keys: KeyRing,
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
        let keys = keys_from(&config.keys, &format!("{path}.keys"), env)?;
        let replay = Replay::new(&attribute, window, rate);
        Ok(Self { attribute, keys, window, replay })
    }

    pub(super) fn attribute(&self) -> &str {
        &self.attribute
    }

    pub(super) fn make_slots(&self, process: &dyn Process) -> Result<(), SlotFailure> {
        self.replay.make(process)
    }

    /// A request is this source's own as soon as it brings a proof of the attribute, or one that cannot be read.
    pub(super) fn recognise(&self, evidence: &Evidence<'_>) -> Recognition<'static> {
        let value = match evidence.headers.only(HEADER) {
            Ok(None) => return Recognition::NotMine(Why::Words("no proof of a session")),
            Ok(Some(value)) => value,
            Err(_) => return Recognition::Refused(Refusal::Repeated(HEADER)),
        };
        match Proof::parse(value) {
            Ok(proof) if proof.claim.attribute != self.attribute => {
                Recognition::NotMine(Why::Words("a proof of another attribute"))
            }
            Ok(proof) => match self.check(&proof, evidence) {
                Ok(()) => {
                    let claims = json!({"attribute": self.attribute, "agent": proof.claim.agent});
                    Recognition::Known(Facts::proven(Claims::Json(claims), proof.claim.body))
                }
                Err(refusal) => Recognition::Refused(refusal),
            },
            Err(bad) => Recognition::Refused(Refusal::Proof(bad)),
        }
    }

    fn check(&self, proof: &Proof<'_>, evidence: &Evidence<'_>) -> Result<(), Refusal> {
        let Evidence { headers, attributes, .. } = evidence;
        let now = attributes.wall_seconds().ok_or(Refusal::Host { what: "the date is not known" })?;
        let (method, path) = (headers.pseudo(":method"), headers.pseudo(":path"));
        proof.verify(&self.keys, method, path, now, self.window).map_err(Refusal::Proof)?;
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
        })
    }
}
