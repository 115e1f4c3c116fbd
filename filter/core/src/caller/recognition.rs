//! What a source makes of a request, and what it then knows about the caller.

use serde_json::{Map, Value as Json};

use super::claims::{ClaimPath, Claims};
use super::credential::Credential;
use super::tenants::Tenants;
use crate::report::Refusal;
use crate::session::BodyDigest;
use crate::tenant::TenantSet;

/// What a source makes of a request.
pub(super) enum Recognition<'a> {
    /// Nothing here is for this source, and why.
    NotMine(Why<'a>),
    /// There is a good credential of this source's kind, and not one that this entry takes.
    NotTaken(Why<'a>),
    /// There is a credential of this source's kind, and nothing proves it.
    Unproven(Unproven),
    /// The caller is known.
    Known(Facts<'a>),
    /// The credential is for this source, and it is not good.
    Refused(Refusal),
}

/// What nothing proved. It is not made good by a weaker proof of something else; only by a better one of the same.
pub(super) enum Unproven {
    /// A bearer token.
    Token,
    /// A header that only a proxy may set.
    Header(String),
}

/// Why a source leaves a request to the other entries. Callers that another entry recognises are told, so it is said in the
/// configuration's words and never in the request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why<'a> {
    /// In these words, such as `no basic credentials`.
    Words(&'static str),
    /// A condition on this claim is not met.
    Claim(&'a ClaimPath),
}

impl core::fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Claim(claim) => write!(f, "a condition on the claim {claim} is not met"),
        }
    }
}

/// What a source knows about a caller it recognised.
#[derive(Default)]
pub(super) struct Facts<'a> {
    pub(super) claims: Option<Claims<'a>>,
    /// Tenants of its own, in place of the entry's.
    pub(super) own: Option<OwnTenants<'a>>,
    /// Its name within the entry, where it has one.
    pub(super) user: Option<String>,
    /// The digest that the body must have for all this to hold.
    pub(super) body: Option<BodyDigest>,
}

/// Tenants of one user, token or key.
pub(super) enum OwnTenants<'a> {
    Listed(&'a Tenants),
    Tabled(TenantSet),
}

impl<'a> Facts<'a> {
    /// Claims, from a verified token, a certificate or another filter.
    pub(super) fn of(claims: Claims<'a>) -> Self {
        Self { claims: Some(claims), ..Self::default() }
    }

    /// Claims that the request proves, as long as its body has this digest; perhaps with tenants of its own.
    pub(super) fn proven(claims: Claims<'a>, body: BodyDigest, own: Option<TenantSet>) -> Self {
        Self { claims: Some(claims), body: Some(body), own: own.map(OwnTenants::Tabled), ..Self::default() }
    }

    /// A listed user, with tenants of its own or without.
    pub(super) fn listed(tenants: Option<&'a Tenants>) -> Self {
        Self { own: tenants.map(OwnTenants::Listed), ..Self::default() }
    }

    /// What a table says.
    pub(super) fn of_credential(credential: &Credential) -> Self {
        let claims = credential.claims.clone().unwrap_or_else(|| Json::Object(Map::new()));
        let own = credential.tenants.clone().map(OwnTenants::Tabled);
        Self { claims: Some(Claims::Json(claims)), own, ..Self::default() }
    }

    /// With the name of the user, which was proved.
    pub(super) fn called(self, name: &[u8]) -> Self {
        Self { user: Some(String::from_utf8_lossy(name).into_owned()), ..self }
    }
}
