//! Flips in a row, and how long each took.

use std::time::{Duration, Instant};

use demo::load::{Report as Judged, Running as Traffic};
use shunt_config::Slot;

use super::answered;
use super::site::Site;
use crate::exit::Failure;

/// Answers by the new release that are waited for before the next flip.
const SETTLED: u64 = 30;

/// The moments of some flips in a row.
#[derive(Debug)]
pub(super) struct Burst {
    flips: Vec<Flip>,
    end: Instant,
}

#[derive(Debug)]
struct Flip {
    old: &'static str,
    began: Instant,
    returned: Instant,
}

impl Burst {
    /// Flips so many times, first to `first`, one key write each.
    pub(super) async fn run(
        site: &Site,
        load: &Traffic,
        first: Slot,
        count: usize,
    ) -> Result<Self, Failure> {
        let mut flips = Vec::with_capacity(count);
        let mut to = first;
        for _ in 0..count {
            let began = Instant::now();
            site.put_active(to.as_str()).await?;
            flips.push(Flip { old: release(to.other()), began, returned: Instant::now() });
            answered(load, release(to), SETTLED).await?;
            to = to.other();
        }
        Ok(Self { flips, end: Instant::now() })
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.flips.len()
    }

    /// From the return of the key write to the last answer by the old release to a request sent
    /// later than that, for each flip, the shortest first; zero if there was no such answer.
    pub(super) fn times(&self, judged: &Judged) -> Vec<Duration> {
        let ends = self.flips.iter().skip(1).map(|next| next.began).chain([self.end]);
        let time = |(flip, end): (&Flip, Instant)| {
            judged.last_answer_by(flip.old, flip.returned, end).unwrap_or_default()
        };
        let mut times: Vec<_> = self.flips.iter().zip(ends).map(time).collect();
        times.sort_unstable();
        times
    }
}

/// What runs in which slot.
fn release(slot: Slot) -> &'static str {
    match slot {
        Slot::Blue => "1",
        Slot::Green => "2",
    }
}
