//! Releases that are drawn by lot, judged four times a second.

use shunt_config::latency::bucket;

use super::*;

/// How a release answers: the share of its errors, and how many times slower than usual it is.
#[derive(Clone, Copy)]
struct Release {
    errors: f64,
    slower: f64,
}

const GOOD: Release = Release { errors: 0.002, slower: 1.0 };

/// Adds a request to `tally`: most take some 20 ms, one in ten ten times as long.
fn request(tally: &mut Tally, release: Release, random: &mut fastrand::Rng) {
    let usual = 10.0 + 20.0 * random.f64();
    let millis = if random.f64() < 0.1 { usual * 10.0 } else { usual };
    tally.requests += 1;
    tally.errors += u64::from(random.f64() < release.errors);
    let index = bucket(Duration::from_secs_f64(millis * release.slower / 1000.0));
    *tally.latency.entry(index).or_default() += 1;
}

fn requests(n: u32, release: Release, random: &mut fastrand::Rng) -> Tally {
    let mut tally = Tally::default();
    (0..n).for_each(|_| request(&mut tally, release, random));
    tally
}

/// Requests until `release` is found worse after the flip, at `rate` a second; `None` within 5 min.
fn found(rate: u32, release: Release, seed: u64) -> Option<(u64, Worse)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let old = requests(600 * rate, GOOD, &mut random);
    let mut judge = Judge::after(Guard::default(), &old);
    let mut sample = Sample { old, ..Sample::default() };
    let looks = 4 * 300;
    (1..=looks).find_map(|look| {
        sample.at = Duration::from_millis(250 * look);
        (0..rate.div_ceil(4)).for_each(|_| request(&mut sample.new, release, &mut random));
        judge.look(&sample).map(|finding| (sample.new.requests, finding))
    })
}

#[test]
fn a_release_as_good_as_the_old_one_is_left_alone() {
    let alarms: Vec<_> = (0..50).filter_map(|seed| found(20, GOOD, seed)).collect();
    assert!(alarms.is_empty(), "{alarms:?}");
}

#[test]
fn a_release_with_5_percent_of_errors_is_found() {
    for seed in 0..20 {
        let (requests, finding) = found(20, Release { errors: 0.05, ..GOOD }, seed).unwrap();
        assert_eq!(finding.figure, Figure::Errors);
        assert!(requests < 2000, "{requests}: {finding}");
    }
}

#[test]
fn a_release_that_is_3_times_slower_is_found() {
    for seed in 0..20 {
        let (requests, finding) = found(20, Release { slower: 3.0, ..GOOD }, seed).unwrap();
        assert!(
            matches!(finding.figure, Figure::Slow(_)) && requests < 400,
            "{requests}: {finding}"
        );
    }
}

#[test]
fn a_release_that_answers_nothing_but_errors_is_found_within_a_few_requests() {
    let (requests, finding) = found(4, Release { errors: 1.0, ..GOOD }, 1).unwrap();
    assert!(requests < 20, "{requests}: {finding}");
}

#[test]
fn a_fault_that_hits_both_at_the_same_time_is_nobodys() {
    let mut random = fastrand::Rng::with_seed(3);
    let before = requests(1000, GOOD, &mut random);
    let mut judge = Judge::beside(Guard::default(), &before);
    let mut sample = Sample::default();
    for look in 1..2000 {
        // A database that stalls for ten seconds each minute.
        let stalled = look % 240 < 40;
        let release = if stalled { Release { errors: 0.3, slower: 5.0 } } else { GOOD };
        sample.at = Duration::from_millis(250 * look);
        (0..5).for_each(|_| request(&mut sample.new, release, &mut random));
        (0..5).for_each(|_| request(&mut sample.old, release, &mut random));
        assert_eq!(judge.look(&sample), None, "at {look}");
    }
}

#[test]
fn a_release_is_not_called_slow_while_its_caches_are_cold_or_for_what_nobody_notices() {
    let mut random = fastrand::Rng::with_seed(5);
    let old = requests(5000, GOOD, &mut random);
    let rules = Guard { settle: Duration::from_secs(3), ..Guard::default() };
    let new = requests(500, Release { slower: 10.0, ..GOOD }, &mut random);
    let mut judge = Judge::after(rules, &old);
    let cold = Sample { at: Duration::from_secs(2), new, old: old.clone() };
    assert_eq!(judge.look(&cold), None);
    let warm = Sample { at: Duration::from_secs(3), ..cold.clone() };
    assert_eq!(judge.look(&warm), None, "what was counted while they were cold does not count");
    let mut later = Sample { at: Duration::from_secs(9), ..warm };
    later.new.add(&cold.new);
    assert!(judge.look(&later).is_some());

    let rules = Guard { slower_by: Duration::from_secs(5), ..rules };
    let mut judge = Judge::after(rules, &old);
    assert_eq!((judge.look(&cold), judge.look(&later)), (None, None));
}

#[test]
fn a_tally_without_requests_is_no_reason_for_anything() {
    let mut judge = Judge::after(Guard::default(), &Tally::default());
    let at = Duration::from_mins(1);
    assert_eq!(judge.look(&Sample { at, ..Sample::default() }), None);
    let new = Tally { requests: 100, errors: 3, ..Tally::default() };
    assert_eq!(
        judge.look(&Sample { at, new, ..Sample::default() }),
        None,
        "nothing to compare with"
    );
}

#[test]
fn how_much_is_allowed_is_shown_and_is_the_more_the_fewer_requests_the_old_release_had() {
    let shown = |old: u64| {
        let sample = Sample {
            new: Tally { requests: 1760, errors: 175, ..Tally::default() },
            old: Tally { requests: old, ..Tally::default() },
            ..Sample::default()
        };
        let mut judge = Judge::after(Guard::default(), &sample.old);
        (judge.look(&sample).is_some(), judge.errors_shown(&sample))
    };
    let (found, said) = shown(200);
    let few = "1760 requests, 9.9 % errors, against 0.0 % of 200 of the old release (";
    assert!(!found && said.starts_with(few), "{said}");
    let (found, said) = shown(2000);
    assert!(found && said.ends_with("of 2000 of the old release (1.7 % are allowed)"), "{said}");
    assert!(shown(0).1.ends_with("(50.0 % are allowed)"), "as many as `max_errors` says");
}
