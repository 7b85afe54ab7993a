//! How late a flip is: from the return of `etcdctl put` to the last answer that the old slot gave to
//! a request sent after it, at half the rate that saturates the proxy. Part of `make bench`.
//!
//! `bench-flips [COUNT]`, 500 by default. Prints one line of JSON. Exit code 1 if a request failed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends where it cannot go on"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use demo::app::App;
use demo::load::{Load, Report, Running, Work};
use e2e::{Proxy, Store, until};

const CLIENTS: u32 = 16;
const HOST: &str = "www.example.com";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let count = std::env::args().nth(1).map_or(500, |count| count.parse().unwrap());
    let store = Store::etcd().await;
    let loopback = "127.0.0.1:0".parse().unwrap();
    let (blue, green) =
        (App::new("1").start(loopback).unwrap(), App::new("2").start(loopback).unwrap());
    store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
    store.put("apps/web/blue", blue.address().to_string()).await;
    store.put("apps/web/green", green.address().to_string()).await;
    store.put("apps/web/active", "blue").await;
    let proxy = Proxy::start("bench", &store).await;
    proxy.serves(HOST, "1").await;

    let full = loaded(&proxy, Duration::ZERO, Duration::from_secs(3)).await;
    let rate = f64::from(u32::try_from(full.sent()).unwrap()) / full.took().as_secs_f64();
    let pace = Duration::from_secs_f64(f64::from(CLIENTS) / (rate / 2.0));
    let calm = loaded(&proxy, pace, Duration::from_secs(10)).await;

    let load = start(&proxy, pace);
    let late = flips(&store, &load, count).await;
    let report = load.stop().await;
    let late = late.measure(&report);
    let late = |share: usize| ms(late[(late.len() * share / 1000).min(late.len() - 1)]);
    let figures = serde_json::json!({
        "flips": count,
        "saturated_requests_per_second": rate,
        "requests": report.sent(),
        "failed": report.failed(),
        "late_ms": { "p50": late(500), "p90": late(900), "p99": late(990), "worst": late(1000) },
        "answers_p99.9_ms": { "calm": ms(calm.permille(999)), "flips": ms(report.permille(999)) },
    });
    println!("{figures}");
    if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn start(proxy: &Proxy, pace: Duration) -> Running {
    let load = Load::on(proxy.address()).host(HOST).pace(pace);
    load.kept_alive(CLIENTS as usize, [Work::Page]).start().unwrap()
}

async fn loaded(proxy: &Proxy, pace: Duration, time: Duration) -> Report {
    let load = start(proxy, pace);
    tokio::time::sleep(time).await;
    load.stop().await
}

/// What was served before each flip, when its put began and when it returned.
struct Flips(Vec<(&'static str, Instant, Instant)>, Instant);

async fn flips(store: &Store, load: &Running, count: usize) -> Flips {
    let mut flips = Vec::new();
    for number in 0..count {
        let (slot, old, new) =
            if number % 2 == 0 { ("green", "1", "2") } else { ("blue", "2", "1") };
        let began = Instant::now();
        store.put("apps/web/active", slot).await;
        flips.push((old, began, Instant::now()));
        let wanted = load.answered_by(new) + 200;
        until("the new slot answers", async || (load.answered_by(new) >= wanted).then_some(()))
            .await;
    }
    Flips(flips, Instant::now())
}

impl Flips {
    /// How late each flip was, in order of size.
    fn measure(self, report: &Report) -> Vec<Duration> {
        let ends = self.0.iter().skip(1).map(|(_, began, _)| *began).chain([self.1]);
        let late = |((old, _, returned), end): (&(&str, Instant, Instant), Instant)| {
            report.last_answer_by(old, *returned, end).unwrap_or_default()
        };
        let mut late: Vec<_> = self.0.iter().zip(ends).map(late).collect();
        late.sort_unstable();
        late
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
