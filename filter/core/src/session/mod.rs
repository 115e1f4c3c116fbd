//! Session attributes: a proof, made for one request, that its sender holds a shared secret.
//!
//! Whoever knows a key may say that it has an attribute, such as `local`. It proves that with every request anew: a
//! keyed MAC over what it says, over the request's method, path and body, the time and a nonce. So what is seen on
//! the way can neither be used for another request, nor later, nor twice.
//!
//! The form of the header, the bytes that are signed, and vectors to test an implementation with are in
//! `docs/sessions.md`. Nothing here knows what an attribute allows; that is the caller's configuration.

mod keys;
mod proof;
mod replay;

pub(crate) use keys::is_name;
pub use keys::{Found, KeyRing, SessionKey, keys_from};
pub use proof::{BadProof, BodyDigest, Claim, HEADER, Proof};
pub use replay::{NotTaken, Replay};
