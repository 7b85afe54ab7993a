//! All cases of a list on one peer.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use crate::case::Case;
use crate::peer::{Peer, Running};
use crate::run::{Failure, run};

/// What came of a case; `None` if it does not apply.
pub type Result = Option<std::result::Result<(), Failure>>;

/// Runs `cases` on as many `lanes` of `peer` side by side; a lane is a process of its own with a
/// target of its own. The results are in the order of the cases.
pub async fn run_all(peer: Peer, cases: &[Case], lanes: usize) -> Vec<Result> {
    let next = AtomicUsize::new(0);
    let all = (0..lanes).map(|_| lane(peer, cases, &next));
    let mut results: Vec<_> = join_all(all).await.into_iter().flatten().collect();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn lane(peer: Peer, cases: &[Case], next: &AtomicUsize) -> Vec<(usize, Result)> {
    let mut results = Vec::new();
    let mut running = Running::start(peer).await;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = cases.get(number) else { return results };
        if !case.applies_to(peer) {
            results.push((number, None));
            continue;
        }
        let result = run(case, &running, peer.patience()).await;
        if result.as_ref().is_err_and(|failure| failure.dead) {
            running = Running::start(peer).await;
        }
        results.push((number, Some(result)));
    }
}
