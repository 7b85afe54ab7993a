//! The step in which each new container is sent requests that nobody waits for: so that its caches are
//! full and its code is compiled before somebody does.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use shunt_config::Health;
use shunt_config::app::HostPattern;
use shunt_config::deploy_file::WarmUp;
use shunt_config::health::{Check, CheckKind, CheckMethod};
use tokio::time::Instant;

use super::host::Replica;
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::probe::{Down, fetch};
use crate::report::Ended;
use crate::time::show;

/// Failures that are shown of each container.
const SHOWN: usize = 3;

impl Run<'_> {
    /// Sends them. They go to the containers, not through the proxies: no proxy has proved these yet,
    /// and one that did would send them to one target after the other by its own choice.
    pub(super) async fn warm_up(&mut self, job: &Job) -> Result<(Ended, String), Trouble> {
        let Some(wanted) = &job.file.warm_up else {
            return Ok((Ended::Skipped, "nothing is asked for".to_owned()));
        };
        let check = check(job, wanted);
        let all = self.replicas.iter().map(|replica| warm(replica, job, wanted, &check));
        let warmed = tokio::select! {
            warmed = join_all(all) => warmed,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        let (mut sum, mut details) = (Warmed::default(), Vec::new());
        for (replica, warmed) in self.replicas.iter().zip(warmed) {
            let failed = warmed.failed.iter().take(SHOWN);
            details.extend(failed.map(|said| format!("{} {said}", replica.address)));
            sum.add(warmed);
        }
        if wanted.required && !sum.failed.is_empty() {
            let said = format!("the new release fails requests to warm it up: {}", sum.text());
            return Err(Trouble::Unhealthy(said, details));
        }
        for said in &details {
            self.report.note(said);
        }
        let ended = if sum.done == 0 { Ended::Skipped } else { Ended::Done };
        Ok((ended, sum.text()))
    }
}

/// What came of the requests to one container, or to all of them.
#[derive(Debug, Default)]
struct Warmed {
    /// Those answered as they should be.
    done: usize,
    /// How long the slowest and the last took.
    slowest: Duration,
    last: Duration,
    /// What was wrong with the others.
    failed: Vec<String>,
    /// Containers that cannot be reached from here.
    out_of_reach: usize,
}

impl Warmed {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.slowest = self.slowest.max(other.slowest);
        self.last = self.last.max(other.last);
        self.failed.extend(other.failed);
        self.out_of_reach += other.out_of_reach;
    }

    fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.done > 0 {
            let (slowest, last) = (show(self.slowest), show(self.last));
            parts.push(format!(
                "{} answered, the slowest in {slowest}, the last in {last}",
                self.done
            ));
        }
        if !self.failed.is_empty() {
            parts.push(format!("{} failed", self.failed.len()));
        }
        if self.out_of_reach > 0 {
            parts.push(format!("{} container(s) out of reach from here", self.out_of_reach));
        }
        parts.join("; ")
    }
}

/// What makes a request a good one.
fn check(job: &Job, wanted: &WarmUp) -> Check {
    let health = Health::default().over(&Health::default());
    let hosts = job.file.route.iter().flat_map(|route| {
        let exact = |host: &HostPattern| match host {
            HostPattern::Exact(name) => Some(name.clone()),
            HostPattern::Wildcard(_) | HostPattern::Any => None,
        };
        route.canonical_host.iter().cloned().chain(route.hosts.iter().filter_map(exact))
    });
    Check {
        kind: CheckKind::Http,
        method: CheckMethod::Get,
        // As visitors ask for it.
        host: hosts.into_iter().next(),
        timeout: wanted.timeout,
        ..health
    }
}

async fn warm(replica: &Replica, job: &Job, wanted: &WarmUp, check: &Check) -> Warmed {
    let paths = wanted.paths.iter().cycle().take(wanted.requests as usize);
    let ask = async |path: &str| {
        let check = Check { path: path.to_owned(), ..check.clone() };
        let began = Instant::now();
        (fetch(&replica.address, job.file.run.protocol, &check).await, began.elapsed())
    };
    let asked = stream::iter(paths.map(|path| ask(path.as_str())));
    let mut answers = std::pin::pin!(asked.buffer_unordered(wanted.concurrency as usize));
    let mut warmed = Warmed::default();
    while let Some((answer, took)) = answers.next().await {
        match answer {
            Ok(_) => {
                warmed.done += 1;
                warmed.slowest = warmed.slowest.max(took);
                warmed.last = took;
            }
            // There may be no way from here, and the next one takes as long to show that.
            Err(Down::OutOfReach(_)) if replica.elsewhere && warmed.done == 0 => {
                return Warmed { out_of_reach: 1, ..Warmed::default() };
            }
            Err(down) => warmed.failed.push(down.to_string()),
        }
    }
    warmed
}
