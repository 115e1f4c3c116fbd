//! Observe mode: what would have been done, compared with what came in.

use core::fmt::Write as _;

use crate::http::{Edits, Headers};
use crate::report::{Excerpt, Observation, Refusal};
use crate::sorted;
use crate::write::Split;

/// What a request said about its tenant when it came in.
#[derive(Debug)]
pub(super) struct Observed {
    /// Every value of `X-Scope-OrgID`.
    pub(super) tenants: Vec<Vec<u8>>,
    path: String,
    /// Its path with its query, as it came.
    target: String,
}

/// What would have become of a request.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) observation: Observation,
    /// The tenants that it would have gone to, with `|` between them; the first few of many.
    pub(super) would_go_to: String,
    /// What to log; `None` where nothing would have changed.
    pub(super) words: Option<String>,
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
            target: headers.pseudo(":path").to_owned(),
        }
    }

    /// Compared with a request that goes on to `tenants`.
    pub(super) fn compare_whole(&self, tenants: &str) -> Comparison {
        let observation = match self.tenants.as_slice() {
            [] => Observation::TenantAdded,
            [came] if same(came, tenants.as_bytes()) => Observation::Same,
            _ => Observation::TenantChanged,
        };
        let words = (observation != Observation::Same)
            .then(|| self.difference(&format!("would go to {}", Excerpt::new(tenants.as_bytes(), 1024))));
        Comparison { observation, would_go_to: tenants.to_owned(), words }
    }

    /// Compared with a request to a backend that knows tenants by a label alone, which goes on with these changes.
    pub(super) fn compare_labelled(&self, tenants: &str, edits: &Edits, has_new_body: bool) -> Comparison {
        let has_new_path = edits.set.iter().any(|(name, path)| name == ":path" && *path != self.target);
        if has_new_path || has_new_body {
            let words = format!("would be narrowed to {}", Excerpt::new(tenants.as_bytes(), 1024));
            let words = Some(self.difference(&words));
            return Comparison {
                observation: Observation::Rewritten,
                would_go_to: tenants.to_owned(),
                words,
            };
        }
        Comparison { observation: Observation::Same, would_go_to: tenants.to_owned(), words: None }
    }

    /// Compared with a request that is split.
    pub(super) fn compare_split(&self, split: &Split) -> Comparison {
        let any_rejected = split.rejected.any_rejected();
        let [part, more @ ..] = split.parts.as_slice() else {
            let observation =
                if any_rejected { Observation::SeriesRejected } else { Observation::NothingSent };
            let words = Some(self.difference("would be sent to nobody"));
            return Comparison { observation, would_go_to: String::new(), words };
        };
        if split.untouched && !any_rejected {
            return self.compare_whole(part.tenant.as_str());
        }
        let mut tenants = part.tenant.as_str().to_owned();
        for part in more.iter().take(NAMED - 1) {
            tenants.push('|');
            tenants.push_str(part.tenant.as_str());
        }
        let mut words = format!("would be rewritten for {}", tenants.replace('|', " "));
        if split.parts.len() > NAMED {
            tenants.push_str("|…");
            words.push_str(" …");
        }
        if any_rejected {
            let _ = write!(words, ", with {} series rejected", split.rejected.total());
        }
        let observation = match more {
            _ if any_rejected => Observation::SeriesRejected,
            [] => Observation::Rewritten,
            _ => Observation::Split,
        };
        Comparison { observation, would_go_to: tenants, words: Some(self.difference(&words)) }
    }

    /// Compared with a request that is refused.
    pub(super) fn refusal(&self, refusal: &Refusal) -> Comparison {
        Comparison {
            observation: Observation::Refused(refusal.reason()),
            would_go_to: String::new(),
            words: Some(self.difference(&format!("would be refused with {}: {refusal}", refusal.status()))),
        }
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
    let set = |value| sorted::set(<[u8]>::split(value, |byte| *byte == b'|').collect());
    one == other || set(one) == set(other)
}
