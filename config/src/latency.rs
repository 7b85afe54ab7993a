//! Latency buckets at most 1.25 times apart, found by bit arithmetic instead of a search.
//!
//! Every power of two between 64 µs and 67 s is cut into four equal parts.

use std::time::Duration;

/// log2 of the lowest bound, in microseconds.
const LOW: u32 = 6;
/// Powers of two covered.
const OCTAVES: usize = 20;
/// Buckets: one below the lowest bound, four per octave, one above the highest.
pub const BUCKETS: usize = 1 + 4 * OCTAVES + 1;

/// The bucket of `elapsed`.
pub fn bucket(elapsed: Duration) -> usize {
    let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    if us < 1 << LOW {
        return 0;
    }
    let octave = us.ilog2();
    // The two bits below the leading one tell the quarter.
    let quarter = (us >> (octave - 2)) & 3;
    let index = 1 + 4 * (octave - LOW) as usize + quarter as usize;
    index.min(BUCKETS - 1)
}

/// The upper bound of bucket `index`, exclusive; the last bucket has none.
pub fn bound(index: usize) -> Option<Duration> {
    if index + 1 >= BUCKETS {
        return None;
    }
    let (octave, quarter) = (index / 4, index % 4);
    let low = 1u64 << (LOW as usize + octave);
    Some(Duration::from_micros(low + low / 4 * quarter as u64))
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
    fn bounds_are_at_most_a_quarter_apart() {
        let bounds: Vec<_> = (0..BUCKETS).map_while(bound).collect();
        assert_eq!(bounds.len(), BUCKETS - 1);
        assert!(
            bounds.windows(2).all(|w| w[0] < w[1] && w[1].as_micros() * 4 <= w[0].as_micros() * 5)
        );
    }
}
