//! To the target with fewer requests of two drawn by chance.

use super::least_requests::is_less;

/// The one with less load for its weight of two different ones drawn by weight, of those that
/// `weight` gives a weight to.
pub(super) fn choose(
    count: usize,
    weight: impl Fn(usize) -> Option<i64>,
    load: impl Fn(usize) -> u32,
) -> Option<usize> {
    let first = draw(count, &weight)?;
    let Some(second) = draw(count, |i| (i != first).then(|| weight(i)).flatten()) else {
        return Some(first);
    };
    let ratio = |i: usize| (i64::from(load(i)), weight(i).unwrap_or(1));
    Some(if is_less(ratio(second), ratio(first)) { second } else { first })
}

/// One by chance, by weight.
fn draw(count: usize, weight: impl Fn(usize) -> Option<i64>) -> Option<usize> {
    let sum: i64 = (0..count).filter_map(&weight).sum();
    if sum <= 0 {
        return None;
    }
    let mut left = fastrand::i64(0..sum);
    (0..count).find(|i| {
        let Some(weight) = weight(*i) else { return false };
        left -= weight;
        left < 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets that keep what they get.
    fn taken(weights: &[i64], requests: usize) -> Vec<u32> {
        // The generator is the test's own thread's: the same draws in every run.
        fastrand::seed(7);
        let mut load = vec![0; weights.len()];
        for _ in 0..requests {
            let target = choose(weights.len(), |i| Some(weights[i]), |i| load[i]).unwrap();
            load[target] += 1;
        }
        load
    }

    #[test]
    fn requests_under_way_are_nearly_levelled_by_weight() {
        let loads = taken(&[1; 10], 1000);
        assert!(loads.iter().all(|load| (95..=105).contains(load)), "{loads:?}");
        let loads = taken(&[1, 1, 2], 1000);
        assert!(loads.iter().zip([250, 250, 500]).all(|(l, of)| l.abs_diff(of) <= 10), "{loads:?}");
    }

    #[test]
    fn idle_targets_are_drawn_by_weight() {
        fastrand::seed(7);
        let mut counts = [0u32; 2];
        for _ in 0..10_000 {
            counts[choose(2, |i| Some([1, 3][i]), |_| 0).unwrap()] += 1;
        }
        assert!((2_300..=2_700).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn the_one_with_more_is_never_chosen_of_two() {
        assert!((0..100).all(|_| choose(2, |_| Some(1), |i| [5, 4][i]) == Some(1)));
        assert_eq!(choose(2, |i| (i == 0).then_some(1), |i| [5, 4][i]), Some(0));
        assert_eq!(choose(2, |_| None, |_| 0), None);
    }
}
