//! Numbers that differ from worker to worker, from a seed: whoever starts together must not stay together.

/// Numbers from a seed, for jitter and for telling workers apart; no secret hangs on them.
/// Specification: `SplitMix64`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number; never 0.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    }

    /// `time`, give or take a tenth.
    pub(super) fn around(&mut self, time: u64) -> u64 {
        let tenth = time / 10;
        let spread = tenth.saturating_mul(2).saturating_add(1);
        let more = self.next().checked_rem(spread).unwrap_or_default();
        time.saturating_sub(tenth).saturating_add(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_more_or_less() {
        let mut jitter = Jitter::new(7);
        let times: Vec<u64> = (0..1000).map(|_| jitter.around(60_000)).collect();
        assert!(times.iter().all(|time| (54_000..=66_000).contains(time)));
        assert!(times.iter().any(|time| *time < 55_000) && times.iter().any(|time| *time > 65_000));
        assert_eq!(Jitter::new(7).next(), Jitter::new(7).next());
        assert_ne!(Jitter::new(7).next(), Jitter::new(8).next());
        for time in [0, 1, 9, u64::MAX] {
            let _ = jitter.around(time);
        }
    }
}
