//! To the target with the fewest requests for its weight.

use super::turn::Turn;

/// The one with the least load for its weight, of those that `weight` gives a weight to. Among
/// equals it goes in turn: without requests under way, all are equal.
pub(super) fn choose(
    turn: &mut Turn,
    count: usize,
    weight: impl Fn(usize) -> Option<i64>,
    load: impl Fn(usize) -> u32,
) -> Option<usize> {
    // Read once: other threads go on counting while this one compares.
    let ratio = |i: usize| Some((i64::from(load(i)), weight(i)?));
    let least = (0..count).filter_map(ratio).reduce(|a, b| if is_less(b, a) { b } else { a })?;
    turn.next(|i| {
        let weight = weight(i)?;
        (!is_less(least, (i64::from(load(i)), weight))).then_some(weight)
    })
    .or_else(|| turn.next(weight))
}

/// Whether the load of `a` is less for its weight than that of `b`; each a load and a weight.
pub(super) fn is_less(a: (i64, i64), b: (i64, i64)) -> bool {
    a.0 * b.1 < b.0 * a.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets that keep what they get.
    fn taken(weights: &[i64], mut load: Vec<u32>, requests: usize) -> Vec<u32> {
        let mut turn = Turn::new(weights.len());
        for _ in 0..requests {
            let weight = |i: usize| Some(weights[i]);
            let target = choose(&mut turn, weights.len(), weight, |i| load[i]).unwrap();
            load[target] += 1;
        }
        load
    }

    #[test]
    fn requests_under_way_are_levelled_by_weight() {
        assert_eq!(taken(&[1, 1, 1], vec![0, 0, 0], 30), [10, 10, 10]);
        assert_eq!(taken(&[1, 1, 1], vec![9, 0, 3], 18), [10, 10, 10]);
        assert_eq!(taken(&[1, 2, 7], vec![0, 0, 0], 100), [10, 20, 70]);
    }

    #[test]
    fn idle_targets_take_turns_by_weight() {
        let mut turn = Turn::new(3);
        let mut counts = [0; 3];
        for _ in 0..40 {
            counts[choose(&mut turn, 3, |i| Some([1, 2, 1][i]), |_| 0).unwrap()] += 1;
        }
        assert_eq!(counts, [10, 20, 10]);
    }

    #[test]
    fn one_that_may_not_be_chosen_is_not_even_when_it_has_the_fewest() {
        let mut turn = Turn::new(2);
        let chosen = choose(&mut turn, 2, |i| (i == 1).then_some(1), |i| [0, 9][i]);
        assert_eq!(chosen, Some(1));
        assert_eq!(choose(&mut turn, 2, |_| None, |_| 0), None);
    }
}
