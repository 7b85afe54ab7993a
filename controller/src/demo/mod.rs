//! `shuntctl demo`: the whole main job on one machine, under load, in well under a minute.
//!
//! All of it is real: a proxy process, the directory store, releases as processes, and this very
//! program's own verbs. What it shows is judged by clients that never retry.

mod burst;
mod release;
mod site;
mod table;

use std::time::Duration;

use demo::load::{Load, Report as Judged, Running as Traffic, Work};
use serde_json::json;
use shunt_config::Slot;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Failure};
use crate::report::{Ended, Report};

pub use release::serve;

use burst::Burst;
use release::{Kind, Release};
use site::{APP, Site, unreachable, within};

/// Flips in a row at the end.
const FLIPS: usize = 60;

/// Failed requests that are shown.
const FAILURES: usize = 20;

/// What the broken release answers to its health check.
const BROKEN: &str = "release 3 is broken";

/// How long each release is left under load, so that there is something to see.
const BREATH: Duration = Duration::from_secs(2);

/// Runs it; leaves nothing behind, however it ends.
pub async fn run(report: &Report) -> Result<(), Failure> {
    let broken = |e: std::io::Error| unreachable(&e.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    tokio::select! {
        result = show(report) => result,
        _ = interrupt.recv() => Err(Failure::new(Exit::Undone, "interrupted")),
        _ = terminate.recv() => Err(Failure::new(Exit::Undone, "told to stop")),
    }
}

async fn show(report: &Report) -> Result<(), Failure> {
    report.begin("proxy", "starts");
    let site = Site::start().await?;
    let said = format!("listens on {}, on a directory store", site.proxy);
    report.end(Ended::Done, &said);

    let result = scenes(report, &site).await;
    if result.is_err() {
        report.line(&format!("the proxy's last log lines:\n{}", site.log_tail()));
    }
    report.begin("clean up", "stops the processes");
    site.stop().await;
    report.end(Ended::Done, "nothing is left");
    let (judged, burst) = result?;
    table::print(report, &judged, &burst);
    match judged.failed() {
        0 => Ok(()),
        failed => {
            let reasons = judged.failures().iter().take(FAILURES).map(ToString::to_string);
            let said = format!("{failed} of {} requests failed", judged.sent());
            Err(Failure::new(Exit::Failed, said).details(reasons))
        }
    }
}

async fn scenes(report: &Report, site: &Site) -> Result<(Judged, Burst), Failure> {
    report.begin("release 1", "is deployed");
    let one = site.release("1", Kind::Sound).await?;
    site.verb(&["announce", APP, "blue", &one.address(), "--release", "1"], Exit::Ok).await?;
    site.verb(&["flip", APP, "blue"], Exit::Ok).await?;
    report.end(Ended::Done, "announced in blue, proved by the proxy, flipped");

    report.begin("load", "begins");
    let load = Load::on(site.proxy).host("demo.localhost");
    let load = load.kept_alive(12, Work::QUICK).kept_alive(4, Work::SLOW).fresh(4, Work::QUICK);
    let load = load.start().map_err(|e| unreachable(&format!("no load: {e}")))?;
    // They outlive the load: it is not to find one of them gone.
    let mut running = vec![one];
    let played = under(report, site, &load, &mut running).await;
    let judged = load.stop().await;
    let burst = played.inspect_err(|_| {
        // Whatever stopped it: what its clients lost by then is the figure that counts.
        let (failed, sent) = (judged.failed(), judged.sent());
        report.line(&format!("by then {failed} of {sent} requests had failed"));
        for failure in judged.failures().iter().take(FAILURES) {
            report.line(&format!("       {failure}"));
        }
        report.event("figures", json!({ "sent": sent, "failed": failed }));
    })?;
    if judged.by_release().keys().any(|release| !["1", "2"].contains(release)) {
        return Err(Failure::new(Exit::Failed, "the broken release was served"));
    }
    Ok((judged, burst))
}

/// What is done while there is load.
async fn under(
    report: &Report,
    site: &Site,
    load: &Traffic,
    running: &mut Vec<Release>,
) -> Result<Burst, Failure> {
    answered(load, "1", 100).await?;
    report.end(Ended::Done, "20 clients: pages, downloads, uploads, kept and new connections");
    tokio::time::sleep(BREATH).await;

    report.begin("release 2", "is deployed");
    let two = site.release("2", Kind::Sound).await?;
    site.verb(&["announce", APP, "green", &two.address(), "--release", "2"], Exit::Ok).await?;
    running.push(two);
    site.verb(&["flip", APP, "--wait", "drained"], Exit::Ok).await?;
    answered(load, "2", 100).await?;
    report.end(Ended::Done, "announced in green, proved, flipped; release 1 drained, kept warm");
    tokio::time::sleep(BREATH).await;

    let warm = running.first().map(Release::address).unwrap_or_default();
    refused(report, site, &warm).await?;

    report.begin("undo", "goes back to release 1");
    site.verb(&["undo", APP], Exit::Ok).await?;
    answered(load, "1", 100).await?;
    report.end(Ended::Done, "release 1 answers again; no process was started");
    tokio::time::sleep(BREATH).await;

    report.begin("burst", "of flips");
    let burst = Burst::run(site, load, Slot::Green, FLIPS).await?;
    report.end(Ended::Done, &format!("{FLIPS} flips in a row"));
    Ok(burst)
}

/// A release whose health check fails gets no request, and the reason is said.
async fn refused(report: &Report, site: &Site, warm: &str) -> Result<(), Failure> {
    report.begin("release 3", "is broken");
    let three = site.release("3", Kind::Broken).await?;
    let announce = ["announce", APP, "blue", &three.address(), "--release", "3", "--timeout", "3s"];
    let said = site.verb(&announce, Exit::Unhealthy).await?;
    if !said.contains(BROKEN) {
        let why = "release 3 was refused for another reason than its own answer";
        return Err(Failure::new(Exit::Failed, why).details(said.lines().map(str::to_owned)));
    }
    report.end(Ended::Done, "refused, and no request was sent to it:");
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        report.line(&format!("       {line}"));
    }
    report.begin("put back", "puts release 1 back into its slot");
    site.verb(&["announce", APP, "blue", warm, "--release", "1"], Exit::Ok).await?;
    report.end(Ended::Done, "release 1 stands by again in blue");
    Ok(())
}

/// Waits until `release` has answered `more` requests.
async fn answered(load: &Traffic, release: &str, more: u64) -> Result<(), Failure> {
    let wanted = load.answered_by(release) + more;
    let what = format!("{more} more answers by release {release}");
    within(&what, || load.answered_by(release) >= wanted).await
}
