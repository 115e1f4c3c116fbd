//! Who a test calls as: tokens of an issuer with a key made for the run, and passwords.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer},
    elliptic_curve::Generate,
};
use serde_json::{Value, json};

/// An identity provider: its name and its one key, ES256.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: String,
    key_id: String,
    key: SigningKey,
}

impl Issuer {
    /// An issuer of this name (`iss`) with a new key.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), key_id: "key-1".to_owned(), key: SigningKey::generate() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its public key, as a JSON Web Key Set.
    pub fn jwks(&self) -> Value {
        let point = self.key.verifying_key().to_sec1_point(false);
        // A tag of one byte, then the two coordinates.
        let (x, y) = point.as_bytes()[1..].split_at(32);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.key_id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }

    /// A token with these claims, signed. `iss`, `iat` and `exp` (in an hour) are added unless they are among them.
    pub fn token(&self, claims: Value) -> String {
        self.token_with(&json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id}), claims)
    }

    /// A token that expired an hour ago.
    pub fn expired(&self, mut claims: Value) -> String {
        claims["exp"] = json!(now() - 3600);
        self.token(claims)
    }

    /// A token with the header `alg: none` and no signature.
    pub fn unsigned(&self, claims: Value) -> String {
        format!("{}.", self.signed_part(&json!({"alg": "none", "typ": "JWT"}), claims))
    }

    /// A token with any header, signed by ES256 whatever that says.
    pub fn token_with(&self, header: &Value, claims: Value) -> String {
        let signed = self.signed_part(header, claims);
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn signed_part(&self, header: &Value, mut claims: Value) -> String {
        for (claim, value) in [("iss", json!(self.name)), ("iat", json!(now())), ("exp", json!(now() + 3600))]
        {
            if claims.get(claim).is_none() {
                claims[claim] = value;
            }
        }
        [header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
    }
}

/// The value of `Authorization` for a name and a password.
pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
