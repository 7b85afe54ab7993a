//! The same key to the same target, by the highest score (weighted rendezvous hashing, Thaler and
//! Ravishankar 1998): a target that comes or goes moves no key but its own, and there is no ring to
//! build. Scores depend on keys and addresses alone, so all proxies agree.

/// A hash of `bytes` that is the same in every process and version (FNV-1a, mixed).
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let fold = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Spreads every bit over all others (the finalizer of `SplitMix64`).
fn mix(mut n: u64) -> u64 {
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// The target for `key`, of those that `weight` gives a weight to; `seeds` stand for the targets.
pub(super) fn choose(
    key: u64,
    seeds: &[u64],
    weight: impl Fn(usize) -> Option<i64>,
) -> Option<usize> {
    let score = |i: usize| Some((i, score(mix(key ^ seeds[i]), weight(i)?)));
    let scores = (0..seeds.len()).filter_map(score);
    scores.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

/// A score by which each target is the highest as often as it has weight.
fn score(hash: u64, weight: i64) -> f64 {
    // 53 bits are what a double holds exactly; the half keeps it within 0 and 1, both excluded.
    #[expect(clippy::cast_precision_loss, reason = "both fit")]
    let (unit, weight) = (((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64, weight as f64);
    -weight / unit.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(count: usize) -> Vec<u64> {
        (0..count).map(|i| hash(format!("10.0.0.{i}:80").as_bytes())).collect()
    }

    fn keys() -> impl Iterator<Item = u64> {
        (0..10_000).map(|n| hash(format!("visitor-{n}").as_bytes()))
    }

    fn shares(weights: &[i64]) -> Vec<u32> {
        let seeds = seeds(weights.len());
        let mut shares = vec![0; weights.len()];
        keys().for_each(|key| shares[choose(key, &seeds, |i| Some(weights[i])).unwrap()] += 1);
        shares
    }

    #[test]
    fn keys_are_spread_by_weight() {
        let even = shares(&[1; 5]);
        assert!(even.iter().all(|share| share.abs_diff(2000) < 150), "{even:?}");
        let uneven = shares(&[1, 3]);
        assert!(uneven[0].abs_diff(2500) < 150, "{uneven:?}");
    }

    #[test]
    fn a_target_that_goes_moves_its_own_keys_alone() {
        let seeds = seeds(5);
        let mut moved = 0;
        for key in keys() {
            let before = choose(key, &seeds, |_| Some(1)).unwrap();
            let after = choose(key, &seeds, |i| (i != 2).then_some(1)).unwrap();
            assert!(before == after || before == 2);
            moved += u32::from(before != after);
        }
        assert!(moved.abs_diff(2000) < 150, "its share and no more: {moved}");
    }

    #[test]
    fn targets_in_another_order_get_the_same_keys() {
        let seeds = seeds(4);
        let turned: Vec<_> = seeds.iter().rev().copied().collect();
        for key in keys().take(1000) {
            let (a, b) = (choose(key, &seeds, |_| Some(1)), choose(key, &turned, |_| Some(1)));
            assert_eq!(a.map(|i| seeds[i]), b.map(|i| turned[i]));
        }
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        assert_eq!(hash(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash(b"10.0.0.1"), hash(b"10.0.0.1"));
        assert_ne!(hash(b"10.0.0.1"), hash(b"10.0.0.2"));
    }
}
