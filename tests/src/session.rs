//! Proofs of sessions, as an agent makes them, and as it never would.

use std::sync::atomic::{AtomicU64, Ordering};

use scopegate_core::session::{BodyDigest, Claim, HEADER, KeyRing};

use crate::client::Call;
use crate::identity::now;

/// The keys of the examples, which their readers make themselves.
pub const KEYS: &str = "example:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Someone who proves an attribute.
#[derive(Debug, Clone)]
#[must_use]
pub struct Session {
    attribute: &'static str,
    agent: &'static str,
    keys: String,
    ahead: i64,
}

impl Session {
    /// With these keys, of which the first signs.
    pub fn new(attribute: &'static str, agent: &'static str, keys: &str) -> Self {
        Self { attribute, agent, keys: keys.to_owned(), ahead: 0 }
    }

    /// With a clock that is so many seconds ahead.
    pub fn ahead(self, ahead: i64) -> Self {
        Self { ahead, ..self }
    }

    /// The header that proves a request, with a nonce that no other has.
    ///
    /// # Panics
    /// Where keys or names have another form than they may have.
    pub fn proof(&self, method: &str, path: &str, body: &[u8]) -> String {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let number = NONCE.fetch_add(1, Ordering::Relaxed);
        let nonce = (u128::from(std::process::id()) << 64) | u128::from(number);
        let claim = Claim {
            attribute: self.attribute,
            agent: self.agent,
            time: now().saturating_add_signed(self.ahead),
            nonce: nonce.to_be_bytes(),
            body: BodyDigest::of(body),
        };
        let keys = KeyRing::parse(self.keys.as_bytes()).expect("keys");
        claim.sign(&keys, method, path).expect("names")
    }

    /// The call with its proof.
    pub fn sign(&self, call: Call) -> Call {
        let proof = self.proof(call.method(), call.target(), &call.whole_body());
        call.header(HEADER, proof)
    }
}
