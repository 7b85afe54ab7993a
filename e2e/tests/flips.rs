//! Flips by hand under load: `echo green > active`, `etcdctl put active green`.

use std::time::{Duration, Instant};

use e2e::Store;

use crate::site::{Site, answers, soak};

/// One flip: what was served before, and the moments that matter.
struct Flip {
    old: &'static str,
    began: Instant,
    returned: Instant,
    acknowledged: Instant,
}

#[tokio::test]
async fn flips_in_a_directory_fail_no_request_and_are_over_when_they_are_acknowledged() {
    flips_are_sound(Store::directory(), if soak() { 500 } else { 40 }).await;
}

#[tokio::test]
async fn flips_by_etcdctl_fail_no_request_and_are_over_when_they_are_acknowledged() {
    flips_are_sound(Store::etcd().await, if soak() { 500 } else { 40 }).await;
}

async fn flips_are_sound(store: Store, count: usize) {
    let site = Site::on(store).await;
    let load = site.load();
    answers(&load, "1", 20).await;
    let mut flips = Vec::new();
    for number in 0..count {
        let (slot, old, new) =
            if number % 2 == 0 { ("green", "1", "2") } else { ("blue", "2", "1") };
        let began = Instant::now();
        site.store.put("apps/web/active", slot).await;
        let returned = Instant::now();
        site.acknowledged(slot).await;
        flips.push(Flip { old, began, returned, acknowledged: Instant::now() });
        answers(&load, new, 20).await;
    }
    let end = Instant::now();
    let report = load.stop().await;
    site.judge(&report);

    let ends = flips.iter().skip(1).map(|next| next.began).chain([end]);
    let mut late = Vec::new();
    for (flip, end) in flips.iter().zip(ends) {
        let after = report.answered_between(flip.old, flip.acknowledged, end);
        assert!(!after, "release {} answers after the flip was acknowledged", flip.old);
        late.push(report.last_answer_by(flip.old, flip.returned, end).unwrap_or(Duration::ZERO));
    }
    late.sort_unstable();
    let (median, worst) = (late[late.len() / 2], late[late.len() - 1]);
    println!("{report}put to last answer of the old slot: median {median:.1?}, worst {worst:.1?}");
}
