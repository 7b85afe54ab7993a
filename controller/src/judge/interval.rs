//! Bounds on a share that hold at every moment at once.
//!
//! A guard looks at its figures again and again and acts at the first look that is bad enough. An
//! interval that is right 99.9 % of the time at *one* look is wrong far more often at some of a
//! thousand. These are right at all looks together (a confidence sequence), by the oldest of the
//! always-valid tests: Robbins' mixture. Were `p` the true share, the likelihood of what was seen,
//! averaged over all shares (weighted by the Jeffreys prior), over its likelihood under `p` would be
//! a martingale that begins at 1, and by Ville's inequality it reaches `1/alpha` with probability
//! `alpha` at most, however long one looks and whenever one stops. The shares under which it has
//! not are the interval (H. Robbins, Ann. Math. Statist. 41, 1970; S. R. Howard et al., Ann. Statist.
//! 49, 2021).

use std::f64::consts::PI;

/// Halvings of the search for a bound: the error is below 1e-12.
const HALVINGS: u32 = 40;

/// The lowest share that `hits` of `all` speak for. It is above the true one at any time with
/// probability `alpha` at most.
pub(super) fn lower(hits: u64, all: u64, alpha: f64) -> f64 {
    bound(hits, all, alpha, 0.0)
}

/// The highest share that `hits` of `all` speak for. It is below the true one at any time with
/// probability `alpha` at most.
pub(super) fn upper(hits: u64, all: u64, alpha: f64) -> f64 {
    bound(hits, all, alpha, 1.0)
}

/// The end of the interval towards `end`, 0 or 1.
fn bound(hits: u64, all: u64, alpha: f64, end: f64) -> f64 {
    if all == 0 {
        return end;
    }
    let hits = hits.min(all);
    let limit = -alpha.ln();
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let (k, n) = (hits as f64, all as f64);
    let mixed = log_beta(k + 0.5, n - k + 0.5) - PI.ln();
    let log_martingale = |p: f64| mixed - log_likelihood(k, n, p);
    // It grows from the observed share towards both ends.
    let (mut inside, mut outside) = (k / n, end);
    if log_martingale(outside) < limit {
        return outside;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        match log_martingale(middle) < limit {
            true => inside = middle,
            false => outside = middle,
        }
    }
    outside
}

/// The logarithm of the likelihood of `k` hits of `n` in a fixed order, each with probability `p`.
fn log_likelihood(k: f64, n: f64, p: f64) -> f64 {
    let part = |count: f64, p: f64| if count == 0.0 { 0.0 } else { count * p.ln() };
    part(k, p) + part(n - k, 1.0 - p)
}

fn log_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_enclose_the_observed_share_and_close_in_on_it() {
        let mut before = (0.0, 1.0);
        for all in [10, 100, 1000, 10_000, 1_000_000] {
            let (low, high) = (lower(all / 10, all, 1e-3), upper(all / 10, all, 1e-3));
            assert!(low < 0.1 && 0.1 < high && low >= before.0 && high <= before.1, "{all}");
            before = (low, high);
        }
        assert!(before.0 > 0.098 && before.1 < 0.102, "{before:?}");
    }

    #[test]
    fn nothing_seen_says_nothing_and_the_ends_stay_within_0_and_1() {
        assert_eq!((lower(0, 0, 1e-3), upper(0, 0, 1e-3)), (0.0, 1.0));
        assert!(lower(0, 1000, 1e-3) <= 0.0);
        assert!(upper(0, 1000, 1e-3) < 0.02);
        assert!(upper(1000, 1000, 1e-3) >= 1.0);
        assert!(lower(1000, 1000, 1e-3) > 0.98);
        assert!(lower(u64::MAX, 3, 1e-3) > 0.0, "more hits than requests is a race, not a panic");
    }

    /// A fixed level of 1 % at one look would be broken in far more than 1 % of such series.
    #[test]
    fn a_series_that_is_looked_at_after_every_request_leaves_its_bound_as_rarely_as_was_said() {
        let mut random = fastrand::Rng::with_seed(7);
        let (share, alpha, series) = (0.03, 0.01, 1000);
        let left = (0..series).filter(|_| {
            let mut hits = 0;
            (1..=1000).any(|all| {
                hits += u64::from(random.f64() < share);
                lower(hits, all, alpha) > share
            })
        });
        let left = left.count();
        assert!(left <= 10, "{left} of {series} series went above their true share");
    }
}
