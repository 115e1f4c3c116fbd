//! Who is calling: the sources of identity, and the rights that come with it.
//!
//! An `entry` of the list has one `source`, each in a file of its own. From the `evidence` it
//! answers one of three things (`recognition`): the request is not its own (and why), it knows the caller,
//! or it knows the credential and the credential is bad. The last is final: a bad credential never falls through to
//! another source. Whom an entry knows has an `identity`: tenants, `rights`, claims.

mod basic;
mod bearer;
mod certificate;
mod claims;
mod credential;
mod entry;
mod evidence;
mod forwarded;
mod hash;
mod header;
mod identity;
mod jwt;
mod metadata;
mod narrow;
mod pattern;
mod recognition;
mod rights;
mod session;
mod source;
mod tenants;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use claims::{ClaimPath, Named};
pub use credential::Credential;
pub use entry::Caller;
pub use evidence::Attributes;
pub(crate) use evidence::Evidence;
pub use hash::{password_hash, token_hash};
pub use identity::Identity;
pub(crate) use identity::Recognised;
pub(crate) use recognition::Why;
pub use rights::{Impersonate, Rights};

use crate::http::Headers;
use crate::report::Refusal;
use crate::session::HEADER;
use crate::sorted;
use crate::table::{Lookup, TableRules};

use recognition::{Facts, Recognition, Unproven};
use source::Source;

/// Where secrets come from: the value of an environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

/// The tables that callers may name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tabled<'a> {
    /// Of tenants.
    pub tenants: &'a [TableRules],
    /// Of users, tokens and keys.
    pub credentials: &'a [TableRules<Credential>],
}

/// The caller of a request: the first entry that recognises it, and what it has in these claims.
pub fn recognise(
    callers: &[Caller],
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    asked: &[ClaimPath],
    lookup: &mut Lookup<'_>,
) -> Result<Identity, Refusal> {
    let evidence = Evidence::new(headers, attributes)?;
    let recognised = first(callers, &evidence, lookup, &mut |_, _| ())?;
    let identity = recognised.identity(asked, lookup)?;
    recognised.narrow(identity, headers, lookup)
}

/// The first entry that recognises a request. Every entry before it is `passed`, with the reason.
pub(crate) fn first<'a>(
    callers: &'a [Caller],
    evidence: &'a Evidence<'a>,
    lookup: &mut Lookup<'_>,
    passed: &mut dyn FnMut(&'a Caller, Why<'a>),
) -> Result<Recognised<'a>, Refusal> {
    // Whether there is any credential, so that nobody who brings one is anonymous.
    let mut presented = evidence.authorization.is_some() || evidence.headers.first(HEADER).is_some();
    let mut token_failed = false;
    let mut header_failed: Option<String> = None;
    for (position, caller) in callers.iter().enumerate() {
        let is_too_weak = match &caller.source {
            Source::Jwt(_) | Source::Bearer(_) => header_failed.is_some(),
            Source::Header(header) => token_failed || !header.covers(header_failed.as_deref()),
            Source::Anonymous => presented || token_failed || header_failed.is_some(),
            Source::Metadata(_) | Source::Basic(_) | Source::Certificate(_) | Source::Session(_) => {
                token_failed || header_failed.is_some()
            }
        };
        let why = match caller.source.recognise(evidence, lookup) {
            Recognition::NotMine(why) => why,
            Recognition::NotTaken(why) => {
                presented = true;
                why
            }
            Recognition::Unproven(what) => {
                match what {
                    Unproven::Token => token_failed = true,
                    Unproven::Header(header) => header_failed = Some(header),
                }
                Why::Words("a credential that nothing proves")
            }
            Recognition::Refused(refusal) => return Err(refusal),
            Recognition::Known(_) if is_too_weak => {
                Why::Words("a credential that failed is not made good by this")
            }
            Recognition::Known(facts) => return Ok(Recognised { position, caller, facts }),
        };
        passed(caller, why);
    }
    if let Some(header) = header_failed {
        return Err(Refusal::UnprovenHeader { header });
    }
    let challenges = sorted::set(callers.iter().filter_map(Caller::challenge).collect());
    let presented = evidence.authorization.is_some() || evidence.headers.first(HEADER).is_some();
    Err(Refusal::NoCaller { presented, challenges })
}
