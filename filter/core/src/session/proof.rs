//! One proof: what it says, the bytes that are signed, and the header that carries it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::keys::{Found, KeyRing, is_name};
use crate::tenant::TenantId;

/// The header that carries a proof, in lower case. It never goes on.
pub const HEADER: &str = "x-scopegate-session";

/// What begins the bytes that are signed: another scheme under the same key can never be taken for this one.
const SCHEME: &[u8] = b"scopegate session 1\0";

/// The digest of a body: SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest(pub(super) [u8; 32]);

impl BodyDigest {
    /// The digest of this body.
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// Whether this is the body, found in a time that does not depend on where it differs.
    pub fn fits(&self, body: &[u8]) -> bool {
        Self::of(body).0.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What a proof says of its sender and of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The attribute that the sender claims to have.
    pub attribute: &'a str,
    /// Who it is: an ID in the form of a tenant's.
    pub agent: &'a str,
    /// When the proof was made, in seconds since 1970.
    pub time: u64,
    /// Random bytes that no other proof has.
    pub nonce: [u8; 16],
    /// The digest of the request's body; of nothing where there is none.
    pub body: BodyDigest,
}

/// A proof as it came, of which nothing is proven yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof<'a> {
    /// What it says.
    pub claim: Claim<'a>,
    /// The ID of the key it is made with.
    pub key: &'a str,
    mac: [u8; 32],
}

/// Why a proof proves nothing. None of its words says which part of the secret side was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadProof {
    /// The header has another form.
    Form,
    /// No such key, or another MAC: which of both is nobody's business.
    Mac,
    /// The key is good, and it is for another agent.
    Agent,
    /// It is older than the window, or from the future. Its window in seconds.
    Stale(u32),
    /// It was used before.
    Used,
    /// It is for another body.
    Body,
    /// The request is to become a connection, whose bytes no proof covers.
    Upgrade,
}

impl fmt::Display for BadProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proof in x-scopegate-session ")?;
        f.write_str(match self {
            Self::Form => "cannot be read",
            Self::Mac => {
                "is not good for this request: it is made with no key that is known here, or method or path were \
                 changed on the way"
            }
            Self::Agent => "is made with the key of another agent than it names",
            Self::Stale(seconds) => {
                return write!(
                    f,
                    "is too old, or made by a clock that is ahead: both clocks must agree within {seconds}s"
                );
            }
            Self::Used => "was used before: every request needs one of its own, also one that is sent again",
            Self::Body => "is for another body: it was changed, or cut short, on the way",
            Self::Upgrade => "cannot prove an upgrade, since what follows is no body",
        })
    }
}

impl core::error::Error for BadProof {}

impl Claim<'_> {
    /// The header's value that proves this for a request, with the first key of the ring; `None` where a name has
    /// another form than it may have.
    pub fn sign(&self, keys: &KeyRing, method: &str, path: &str) -> Option<String> {
        let (id, key) = keys.first()?;
        if !is_name(self.attribute) || TenantId::new(self.agent).is_err() {
            return None;
        }
        let mac: [u8; 32] = self.feed(key.mac(), id, method, path).finalize().into_bytes().into();
        let Self { attribute, agent, time, nonce, body } = self;
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(format!(
            "attribute={attribute},agent={agent},key={id},time={time},nonce={},body={},mac={}",
            text(nonce),
            text(&body.0),
            text(&mac)
        ))
    }

    /// Every field with its length before it, so that no two requests give the same bytes.
    fn feed(&self, mut mac: Hmac<Sha256>, key: &str, method: &str, path: &str) -> Hmac<Sha256> {
        #[cfg(test)]
        crate::caller::testing::worked("mac");
        mac.update(SCHEME);
        let time = self.time.to_string();
        let texts = [self.attribute, self.agent, key, method, path, &time].map(str::as_bytes);
        for field in texts.into_iter().chain([self.nonce.as_slice(), self.body.0.as_slice()]) {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac
    }
}

impl<'a> Proof<'a> {
    /// Reads the header's value: the fields in their one order, each once, nothing else.
    ///
    /// # Errors
    /// [`BadProof::Form`].
    pub fn parse(value: &'a [u8]) -> Result<Self, BadProof> {
        Self::read(value).ok_or(BadProof::Form)
    }

    fn read(value: &'a [u8]) -> Option<Self> {
        let mut fields = core::str::from_utf8(value).ok()?.split(',');
        let mut next = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let (attribute, agent, key) = (next("attribute")?, next("agent")?, next("key")?);
        let time = next("time")?;
        let (nonce, body, mac) =
            (bytes(next("nonce")?)?, BodyDigest(bytes(next("body")?)?), bytes(next("mac")?)?);
        if fields.next().is_some() || !is_name(attribute) || !is_name(key) || TenantId::new(agent).is_err() {
            return None;
        }
        // What reads as a number in several ways would be signed in one of them.
        let seconds = time.parse::<u64>().ok().filter(|seconds| seconds.to_string() == time)?;
        Some(Self { claim: Claim { attribute, agent, time: seconds, nonce, body }, key, mac })
    }

    /// Checks the proof with the key that its ID leads to, for a request with this head, at this time (seconds since 1970), within `window` seconds. Its
    /// body must still be compared with [`Claim::body`], and it must be new ([`Replay`](super::Replay)).
    ///
    /// # Errors
    /// [`BadProof::Mac`]; and [`BadProof::Stale`] once the MAC is good.
    pub fn verify(
        &self,
        Found { key, is_known }: Found<'_>,
        method: &str,
        path: &str,
        now: u64,
        window: u32,
    ) -> Result<(), BadProof> {
        let mac = self.claim.feed(key.mac(), self.key, method, path);
        // In constant time, and before anything else is looked at.
        let good = mac.verify_slice(&self.mac).is_ok();
        if !good || !is_known {
            return Err(BadProof::Mac);
        }
        if self.claim.time.abs_diff(now) > u64::from(window) { Err(BadProof::Stale(window)) } else { Ok(()) }
    }

    /// What tells this proof from every other: no two requests have the same MAC.
    pub fn identity(&self) -> [u8; 32] {
        self.mac
    }
}

/// Exactly `N` bytes, in the one way to write them.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: &[u8] = b"k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const NOW: u64 = 1_764_078_000;

    fn claim(body: &[u8]) -> Claim<'static> {
        Claim {
            attribute: "local",
            agent: "central",
            time: NOW,
            nonce: *b"0123456789abcdef",
            body: BodyDigest::of(body),
        }
    }

    fn header() -> String {
        let keys = KeyRing::parse(KEYS).unwrap();
        claim(b"body").sign(&keys, "POST", "/api/v1/push?x=1").unwrap()
    }

    /// The vectors of `docs/sessions.md`: whoever changes one changes the protocol.
    #[test]
    fn the_vectors_of_the_documentation_hold() {
        let page = include_str!("../../../../docs/sessions.md");
        let block = page.split_once("```vectors\n").unwrap().1.split_once("\n```").unwrap().0;
        let vectors: Vec<&str> = block.split("\n\n").collect();
        assert_eq!(vectors.len(), 3);
        for vector in vectors {
            let field = |name: &str| {
                let lines = vector.lines().filter_map(|line| line.split_once(": "));
                lines.filter(|(known, _)| *known == name).map(|(_, value)| value).next().expect(name)
            };
            let hex = |name: &str| -> Vec<u8> {
                let digits = field(name).trim_start_matches('-').as_bytes().chunks(2);
                digits
                    .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
                    .collect()
            };
            let keys = KeyRing::parse(field("key").as_bytes()).unwrap();
            let claim = Claim {
                attribute: field("attribute"),
                agent: field("agent"),
                time: field("time").parse().unwrap(),
                nonce: hex("nonce").try_into().unwrap(),
                body: BodyDigest::of(&hex("body")),
            };
            let (method, path) = (field("method"), field("path"));
            assert_eq!(claim.sign(&keys, method, path).as_deref(), Some(field("header")));
            let proof = Proof::parse(field("header").as_bytes()).unwrap();
            assert_eq!(proof.claim, claim);
            assert_eq!(proof.verify(keys.find(proof.key), method, path, claim.time, 0), Ok(()));
        }
    }

    #[test]
    fn a_proof_is_good_for_its_own_request_only() {
        let keys = KeyRing::parse(KEYS).unwrap();
        let header = header();
        let proof = Proof::parse(header.as_bytes()).unwrap();
        assert_eq!(proof.claim, claim(b"body"));
        let path = "/api/v1/push?x=1";
        for (method, path, now, expected) in [
            ("POST", path, NOW, Ok(())),
            ("POST", path, NOW + 60, Ok(())),
            ("POST", path, NOW - 60, Ok(())),
            ("POST", path, NOW + 61, Err(BadProof::Stale(60))),
            ("POST", path, NOW - 61, Err(BadProof::Stale(60))),
            ("POST", path, 0, Err(BadProof::Stale(60))),
            ("PUT", path, NOW, Err(BadProof::Mac)),
            ("POST", "/api/v1/push?x=2", NOW, Err(BadProof::Mac)),
            ("POST/", "api/v1/push?x=1", NOW, Err(BadProof::Mac)),
        ] {
            assert_eq!(
                proof.verify(keys.find(proof.key), method, path, now, 60),
                expected,
                "{method} {path} {now}"
            );
        }
        // A key of another name, and of another secret.
        for other in [
            "k2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "k1:BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        ] {
            let keys = KeyRing::parse(other.as_bytes()).unwrap();
            assert_eq!(proof.verify(keys.find(proof.key), "POST", path, NOW, 60), Err(BadProof::Mac));
        }
    }

    #[test]
    fn keys_are_changed_without_a_gap() {
        let second = "k2:BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let both = format!("{second},{}", core::str::from_utf8(KEYS).unwrap());
        let both = KeyRing::parse(both.as_bytes()).unwrap();
        let old = header();
        let new = claim(b"").sign(&both, "GET", "/").unwrap();
        assert!(new.contains(",key=k2,"));
        for (value, method, path) in [(old, "POST", "/api/v1/push?x=1"), (new, "GET", "/")] {
            let proof = Proof::parse(value.as_bytes()).unwrap();
            assert_eq!(proof.verify(both.find(proof.key), method, path, NOW, 60), Ok(()));
        }
    }

    #[test]
    fn other_forms_are_no_proof() {
        let good = header();
        let parse = |text: &str| Proof::parse(text.as_bytes()).map(|_| ());
        assert_eq!(parse(&good), Ok(()));
        for (from, to) in [
            ("attribute=local,", ""),
            ("attribute=local", "attribute="),
            ("attribute=local", "Attribute=local"),
            ("attribute=local", " attribute=local"),
            ("agent=central", "agent=a/b"),
            ("agent=central", "agent=."),
            ("key=k1", "key=k 1"),
            ("time=1764078000", "time=01764078000"),
            ("time=1764078000", "time=+1764078000"),
            ("time=1764078000", "time=-1"),
            ("nonce=", "nonce=A"),
            ("nonce=MDEy", "nonce="),
            (",mac=", "=,mac="),
            ("body=", "body=,body="),
        ] {
            assert!(good.contains(from));
            assert_eq!(parse(&good.replacen(from, to, 1)), Err(BadProof::Form), "{from} {to}");
        }
        for cut in 0..good.len() {
            assert_eq!(parse(&good[..cut]), Err(BadProof::Form), "{cut}");
        }
        assert_eq!(parse(&format!("{good},more=x")), Err(BadProof::Form));
        assert_eq!(parse(&format!("{good}=")), Err(BadProof::Form));
        // The last character of 32 bytes has two bits to spare: only one way to write them is taken.
        let (head, last) = good.split_at(good.len() - 1);
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            let text = format!("{head}{other}");
            let same = Proof::parse(text.as_bytes())
                .is_ok_and(|proof| proof.identity() == Proof::parse(good.as_bytes()).unwrap().identity());
            assert_eq!(same, last.starts_with(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(value: Vec<u8>) {
            let _ = Proof::parse(&value);
        }

        #[test]
        fn no_changed_byte_goes_unseen(at in 0_usize..200, by in 1_u8..255) {
            let keys = KeyRing::parse(KEYS).unwrap();
            let mut header = header().into_bytes();
            let at = at % header.len();
            header[at] = header[at].wrapping_add(by);
            let good = Proof::parse(&header).and_then(|proof| proof.verify(keys.find(proof.key), "POST", "/api/v1/push?x=1", NOW, 60));
            prop_assert!(good.is_err());
        }
    }
}
