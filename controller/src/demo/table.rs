//! The figures at the end.

use std::time::Duration;

use demo::load::Report as Judged;
use serde_json::json;

use super::burst::Burst;
use crate::report::{Report, table};

pub(super) fn print(report: &Report, judged: &Judged, burst: &Burst) {
    let times = burst.times(judged);
    let (median, worst) = (times.get(times.len() / 2), times.last());
    let (median, worst) = (median.copied().unwrap_or_default(), worst.copied().unwrap_or_default());
    let releases = judged.by_release();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![row("requests sent", judged.sent().to_string())];
    for (release, count) in &releases {
        rows.push(row(&format!("answered by release {release}"), count.to_string()));
    }
    rows.push(row("median answer", ms(judged.permille(500))));
    rows.push(row("99 of 100 within", ms(judged.permille(990))));
    rows.push(row("slowest (bodies that pause on purpose)", ms(judged.slowest())));
    rows.push(row("flips in a row", burst.count().to_string()));
    rows.push(row("key written to last answer of the old: median", after(median)));
    rows.push(row("key written to last answer of the old: worst", after(worst)));
    report.line("");
    report.line(&table(&["", ""], &rows));
    report.line(&format!("\n{} failed", judged.failed()));
    report.event(
        "figures",
        json!({
            "sent": judged.sent(),
            "failed": judged.failed(),
            "answered": releases,
            "median_us": us(judged.permille(500)),
            "p99_us": us(judged.permille(990)),
            "slowest_us": us(judged.slowest()),
            "flips": burst.count(),
            "flip_median_us": us(median),
            "flip_worst_us": us(worst),
        }),
    );
}

/// Requests that were sent before the write had returned are no part of it, so that most often none is
/// left.
fn after(time: Duration) -> String {
    if time.is_zero() { "0: none came after the write".to_owned() } else { ms(time) }
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
