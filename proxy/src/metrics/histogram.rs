//! Latency buckets, one for each power of two: found by bit arithmetic instead of a search.

use std::time::Duration;

/// log2 of the lowest bound, in microseconds.
const LOW: u32 = 6;
/// Powers of two covered: from 64 µs to 67 s.
const OCTAVES: usize = 20;
/// Buckets: one below the lowest bound, one per octave, one above the highest.
pub const BUCKETS: usize = 1 + OCTAVES + 1;

/// The bucket of `elapsed`.
pub fn bucket(elapsed: Duration) -> usize {
    let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let octave = (us >> LOW).checked_ilog2();
    octave.map_or(0, |octave| (1 + octave as usize).min(BUCKETS - 1))
}

/// The upper bound of bucket `index`, exclusive; the last bucket has none.
pub fn bound(index: usize) -> Option<Duration> {
    (index + 1 < BUCKETS).then(|| Duration::from_micros(1 << (LOW as usize + index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_below_the_bound_of_its_bucket_and_not_below_the_one_before() {
        let mut us = 1;
        while us < 200_000_000 {
            let elapsed = Duration::from_micros(us);
            let index = bucket(elapsed);
            assert!(bound(index).is_none_or(|b| elapsed < b), "{us}");
            let before = index.checked_sub(1).and_then(bound);
            assert!(before.is_none_or(|b| elapsed >= b), "{us}");
            us += 1 + us / 50;
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn bounds_go_from_64_microseconds_to_over_a_minute_by_two() {
        let bounds: Vec<_> = (0..BUCKETS).map_while(bound).collect();
        assert_eq!(bounds.len(), BUCKETS - 1);
        assert_eq!(bounds[0], Duration::from_micros(64));
        assert!(bounds[BUCKETS - 2] > Duration::from_secs(60));
        assert!(bounds.windows(2).all(|w| w[1] == w[0] * 2));
    }
}
