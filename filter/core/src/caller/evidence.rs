//! What there is to go by: a request's head, and what the host knows about it.

use std::cell::OnceCell;

use super::claims::Claims;
use crate::exchange::Process;
use crate::http::Headers;
use crate::report::Refusal;

/// What the host knows about a request besides its headers, asked for only when it is needed.
pub trait Attributes {
    /// One of Envoy's attributes, such as `["metadata"]` (a serialized `envoy.config.core.v3.Metadata`);
    /// `None` where it is absent.
    ///
    /// Reference: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>.
    fn get(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// The date, in seconds since 1970; `None` where it is not known, and then no proof is good.
    fn wall_seconds(&self) -> Option<u64> {
        None
    }

    /// What the workers of the process share, where proofs are remembered; `None` where there is nothing, and then no
    /// proof is good.
    fn process(&self) -> Option<&dyn Process> {
        None
    }
}

/// What a request brings to prove who sent it.
pub(crate) struct Evidence<'a> {
    pub(super) headers: &'a Headers<'a>,
    /// Its one `Authorization`.
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) attributes: &'a dyn Attributes,
    /// Envoy's metadata, read at most once.
    metadata: OnceCell<Option<Vec<u8>>>,
}

impl<'a> Evidence<'a> {
    /// What there is to go by; refused, if it could be read in more than one way.
    pub(crate) fn new(headers: &'a Headers<'a>, attributes: &'a dyn Attributes) -> Result<Self, Refusal> {
        let authorization = headers.only("authorization").map_err(|_| Refusal::Repeated("authorization"))?;
        Ok(Self { headers, authorization, attributes, metadata: OnceCell::new() })
    }
}

impl Evidence<'_> {
    /// The bearer token that the request brings.
    pub(super) fn bearer(&self) -> Option<&[u8]> {
        let (scheme, token) = self.authorization?.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    }

    /// A namespace of Envoy's metadata. What cannot be read proves nothing.
    pub(super) fn namespace(&self, namespace: &str) -> Option<Claims<'_>> {
        let metadata = self.metadata.get_or_init(|| self.attributes.get(&["metadata"])).as_deref()?;
        crate::wire::metadata_namespace(metadata, namespace).ok().flatten().map(Claims::Envoy)
    }
}
