//! Series that are not sent: how many for which reason, and a few of them by name.

use super::route::Reason;

/// How many series are shown to the sender.
const MAX_EXAMPLES: usize = 10;

/// Series that were left out of a request.
#[derive(Clone, Debug, Default)]
pub struct Rejected {
    refused: Vec<(Reason, u32)>,
    dropped: Vec<(Reason, u32)>,
    examples: Vec<String>,
    samples: u32,
    /// Keys that led to no tenant, and how many series had them, wherever they went.
    pub(super) unmapped: Vec<(Vec<u8>, u32)>,
}

impl Rejected {
    /// Notes a series that is not sent; `describe` gives words for the first few.
    pub(super) fn reject(&mut self, reason: Reason, describe: impl FnOnce() -> String) {
        count(&mut self.refused, reason);
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(format!("{}: {}", describe(), reason.words()));
        }
    }

    /// Notes how many samples a rejected series had, for protocols that tell.
    pub(super) fn lose(&mut self, samples: u32) {
        self.samples = self.samples.saturating_add(samples);
    }

    /// How many samples the rejected had, for protocols that tell.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// Notes a series that is left out as configured.
    pub(super) fn drop(&mut self, reason: Reason) {
        count(&mut self.dropped, reason);
    }

    /// Whether the answer must name series.
    pub fn any_rejected(&self) -> bool {
        !self.refused.is_empty()
    }

    /// How many are named in the answer, in all.
    pub fn total(&self) -> u32 {
        self.refused.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The rejected by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.refused.iter().map(|(reason, count)| (reason.word(), *count))
    }

    /// The dropped by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.dropped.iter().map(|(reason, count)| (reason.word(), *count))
    }

    /// Keys that led to no tenant (some of them, where there are many), and how many series had them.
    pub fn unmapped(&self) -> &[(Vec<u8>, u32)] {
        &self.unmapped
    }

    /// The first few, in words.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }
}

fn count(counts: &mut Vec<(Reason, u32)>, reason: Reason) {
    match counts.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count = count.saturating_add(1),
        None => counts.push((reason, 1)),
    }
}
