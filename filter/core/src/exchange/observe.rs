//! Observe mode: what would have been done, compared with what came in.

use core::fmt::Write as _;
use std::collections::BTreeSet;

use crate::http::Headers;
use crate::report::{Excerpt, Refusal};
use crate::write::Split;

/// What a request said about its tenant when it came in.
#[derive(Debug)]
pub(super) struct Observed {
    tenants: Vec<Vec<u8>>,
    path: String,
}

/// How many tenants of a split are named in the log.
const NAMED: usize = 8;

impl Observed {
    pub(super) fn new(headers: &Headers<'_>) -> Self {
        // Some put keys into the query, and the log is no place for them.
        let path = headers.first(":path").and_then(|path| path.split(|byte| *byte == b'?').next());
        Self {
            tenants: headers.all("x-scope-orgid").map(<[u8]>::to_vec).collect(),
            path: Excerpt::new(path.unwrap_or_default(), 80).to_string(),
        }
    }

    /// The difference to a request that goes on to `tenants`; `None` where there is none.
    pub(super) fn compare_whole(&self, tenants: &str) -> Option<String> {
        if matches!(self.tenants.as_slice(), [came] if same(came, tenants.as_bytes())) {
            return None;
        }
        Some(self.difference(&format!("would go to {}", Excerpt::new(tenants.as_bytes(), 1024))))
    }

    /// The difference to a request that is split; `None` where it would go on as it came.
    pub(super) fn compare_split(&self, split: &Split) -> Option<String> {
        let [part, ..] = split.parts.as_slice() else {
            return Some(self.difference("would be sent to nobody"));
        };
        if split.untouched && !split.rejected.any_rejected() {
            return self.compare_whole(part.tenant.as_str());
        }
        let mut words = String::from("would be rewritten for");
        for part in split.parts.iter().take(NAMED) {
            words.push(' ');
            words.push_str(part.tenant.as_str());
        }
        if split.parts.len() > NAMED {
            words.push_str(" …");
        }
        if split.rejected.any_rejected() {
            let _ = write!(words, ", with {} series rejected", split.rejected.total());
        }
        Some(self.difference(&words))
    }

    /// The difference to a request that is refused.
    pub(super) fn refusal(&self, refusal: &Refusal) -> String {
        self.difference(&format!("would be refused with {}: {refusal}", refusal.status()))
    }

    fn difference(&self, would: &str) -> String {
        let mut came = String::new();
        for tenant in self.tenants.iter().take(2) {
            let _ = write!(came, " X-Scope-OrgID \"{}\"", Excerpt::new(tenant, 150));
        }
        if came.is_empty() {
            came.push_str("out a tenant");
        }
        format!("observe: {} came with{came}, {would}", self.path)
    }
}

/// Whether two values of `X-Scope-OrgID` name the same tenants: their order says nothing.
fn same(one: &[u8], other: &[u8]) -> bool {
    let set = |value| <[u8]>::split(value, |byte| *byte == b'|').collect::<BTreeSet<_>>();
    one == other || set(one) == set(other)
}
