//! In turn, by weight.

/// Smooth weighted round robin: each turn every target gains its weight, and the one that is
/// furthest ahead is taken and falls back by the sum.
#[derive(Debug)]
pub(super) struct Turn(Vec<i64>);

impl Turn {
    /// Turns among `count` targets.
    pub(super) fn new(count: usize) -> Self {
        Self(vec![0; count])
    }

    /// The next of those that `weight` gives a weight to.
    pub(super) fn next(&mut self, weight: impl Fn(usize) -> Option<i64>) -> Option<usize> {
        let mut sum = 0;
        let mut best: Option<usize> = None;
        for i in 0..self.0.len() {
            let Some(weight) = weight(i) else { continue };
            sum += weight;
            self.0[i] += weight;
            if best.is_none_or(|best| self.0[i] > self.0[best]) {
                best = Some(i);
            }
        }
        self.0[best?] -= sum;
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_round_by_weight_and_spread_evenly() {
        let weights = [1, 2, 1];
        let mut turn = Turn::new(3);
        let taken: Vec<_> = (0..8).filter_map(|_| turn.next(|i| Some(weights[i]))).collect();
        assert_eq!(taken, [1, 0, 2, 1, 1, 0, 2, 1]);
    }

    #[test]
    fn a_target_left_out_gets_nothing_and_does_not_hoard_turns() {
        let mut turn = Turn::new(2);
        assert!((0..9).all(|_| turn.next(|i| (i == 1).then_some(1)) == Some(1)));
        let taken: Vec<_> = (0..4).filter_map(|_| turn.next(|_| Some(1))).collect();
        assert_eq!(taken, [0, 1, 0, 1]);
        assert_eq!(turn.next(|_| None), None);
    }
}
