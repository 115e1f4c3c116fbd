//! Figures of several rounds: their middle, and how far they lie apart.

/// One figure, measured once a round; never without any.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    /// These figures, unless one of them is missing or is no number.
    pub(crate) fn of(figures: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        let figures: Option<Vec<_>> =
            figures.into_iter().map(|figure| figure.filter(|figure| figure.is_finite())).collect();
        figures.filter(|figures| !figures.is_empty()).map(Self)
    }

    /// Computes round by round, so that what disturbed a round disturbs both sides.
    pub(crate) fn with(&self, other: &Self, compute: impl Fn(f64, f64) -> f64) -> Option<Self> {
        Self::of(self.0.iter().zip(&other.0).map(|(one, other)| Some(compute(*one, *other))))
    }

    /// How many times the other.
    pub(crate) fn per(&self, other: &Self) -> Option<Self> {
        self.with(other, |one, other| one / other)
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    /// The least and the greatest.
    pub(crate) fn range(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted[0], sorted[sorted.len() - 1])
    }

    /// Half the distance between the least and the greatest, in percent of the median.
    pub(crate) fn spread(&self) -> f64 {
        let (least, greatest) = self.range();
        (greatest - least) / 2.0 / self.median() * 100.0
    }

    /// All of them, in the order of the rounds.
    pub(crate) fn all(&self) -> &[f64] {
        &self.0
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// What this share (0 to 1) of the sorted figures does not exceed; 0 of none.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> u32 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position in a list"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_not_moved_by_one_bad_round() {
        let rounds = Rounds::of([Some(2.0), Some(90.0), Some(1.0)]).expect("figures");
        assert_eq!((rounds.median(), rounds.range()), (2.0, (1.0, 90.0)));
        let even = Rounds::of([Some(1.0), Some(3.0)]).expect("figures");
        assert_eq!((even.median(), even.spread()), (2.0, 50.0));
        assert_eq!(even.per(&even), Rounds::of([Some(1.0), Some(1.0)]));
    }

    #[test]
    fn what_is_missing_makes_no_figure() {
        assert_eq!(Rounds::of([]), None);
        assert_eq!(Rounds::of([Some(1.0), None]), None);
        assert_eq!(Rounds::of([Some(f64::NAN)]), None);
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let sorted: Vec<u32> = (1..=100).collect();
        for (share, expected) in [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)] {
            assert_eq!(percentile(&sorted, share), expected);
        }
        assert_eq!(percentile(&[], 0.5), 0);
    }
}
