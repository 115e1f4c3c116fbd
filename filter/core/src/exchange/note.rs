//! The line about a request that the access log prints.

use core::fmt::Write as _;

use crate::operation::Class;
use crate::report::Decision;

/// How many tenants of a request are named.
const NAMED: usize = 16;

/// What the line tells. None of it can hold a space or a quote: names are of the configuration, tenants are valid, and the
/// rest are words of our own.
#[derive(Clone, Debug, Default)]
pub(super) struct Note<'a> {
    pub(super) backend: Option<&'a str>,
    pub(super) caller: Option<&'a str>,
    pub(super) class: Option<Class>,
    /// As [`joined`] gives them.
    pub(super) tenants: &'a str,
    pub(super) series: u32,
    pub(super) samples: u32,
    pub(super) parts: usize,
    /// Whether the caller reaches one of the tenants only by a wildcard.
    pub(super) wildcard: bool,
}

impl Note<'_> {
    /// `decision=split reason=- backend=metrics …`: always the same words in the same order; `-` for what is not known.
    /// Where a wildcard was used the last word is `wildcard=yes`.
    pub(super) fn line(&self, decision: Decision) -> String {
        let (decision, reason) = decision.words();
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        format!(
            "decision={decision} reason={} backend={} class={} caller={} tenants={} series={} samples={} parts={}{}",
            or_none(reason),
            self.backend.unwrap_or("-"),
            self.class.map_or("-", Class::as_str),
            self.caller.unwrap_or("-"),
            or_none(self.tenants),
            self.series,
            self.samples,
            self.parts,
            if self.wildcard { " wildcard=yes" } else { "" },
        )
    }
}

/// Tenants in the form of `X-Scope-OrgID`, `a|b`, but for the last of many: `…|+4`.
pub(super) fn joined<'a>(mut tenants: impl Iterator<Item = &'a str>) -> String {
    let mut joined = tenants.by_ref().take(NAMED).collect::<Vec<_>>().join("|");
    let more = tenants.count();
    if more > 0 {
        let _ = write!(joined, "|+{more}");
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_the_same_words() {
        let note = Note {
            backend: Some("metrics"),
            caller: Some("users"),
            class: Some(Class::Write),
            tenants: "a|b",
            series: 7,
            samples: 9,
            parts: 2,
            wildcard: false,
        };
        assert_eq!(
            note.line(Decision::Split),
            "decision=split reason=- backend=metrics class=write caller=users tenants=a|b series=7 samples=9 parts=2"
        );
        let wildcard = Note { wildcard: true, ..note.clone() };
        assert_eq!(wildcard.line(Decision::Split), note.line(Decision::Split) + " wildcard=yes");
        assert_eq!(
            Note::default().line(Decision::Refused("no_caller")),
            "decision=refused reason=no_caller backend=- class=- caller=- tenants=- series=0 samples=0 parts=0"
        );
        assert_eq!(joined(["a", "b"].into_iter()), "a|b");
        assert_eq!(joined([].into_iter()), "");
        assert_eq!(joined((0..20).map(|_| "t")), ["t"; 16].join("|") + "|+4");
    }
}
