//! One release's counters.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use shunt_config::latency::{BUCKETS, bucket};
use shunt_config::status::Tally;

use crate::data::tunnel::End;

/// Why a request to a target failed, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection: refused, unreachable, name unknown.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// The connection broke off before the response head.
    Reset,
    /// No response head in time.
    ResponseTimeout,
    /// The response broke off in its body.
    Body,
    /// What came was not HTTP.
    Protocol,
}

impl Fault {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::Reset,
        Self::ResponseTimeout,
        Self::Body,
        Self::Protocol,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Reset => "reset",
            Self::ResponseTimeout => "response_timeout",
            Self::Body => "body",
            Self::Protocol => "protocol",
        }
    }
}

/// Why a request was sent a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No connection to the first target.
    Connect,
    /// A kept connection turned out to be dead.
    Stale,
}

impl Retry {
    /// Both, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Connect, Self::Stale];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Stale => "stale",
        }
    }
}

/// Code classes: 1xx to 5xx, and answers that never began because the client went away.
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];

/// One release's counters, in a cell per data thread that appears with the first request: an idle
/// app costs nothing.
#[derive(Debug)]
pub struct Meters {
    cells: Box<[OnceLock<Box<Cell>>]>,
}

impl Meters {
    /// Counters for `threads` data threads.
    pub fn new(threads: usize) -> Self {
        Self { cells: (0..threads).map(|_| OnceLock::new()).collect() }
    }

    /// The cell of data thread `thread`, which alone may count in it.
    pub(crate) fn cell(&self, thread: usize) -> &Cell {
        self.cells[thread].get_or_init(Box::default)
    }

    /// The sum over all threads.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.add_to(&mut sum);
        sum
    }

    /// Adds the sum over all threads to `sum`.
    pub fn add_to(&self, sum: &mut Totals) {
        self.cells.iter().filter_map(OnceLock::get).for_each(|cell| cell.add_to(sum));
    }
}

/// One thread's counters. One thread writes, so a count is a load and a store, not a locked add.
#[derive(Debug)]
pub(crate) struct Cell {
    classes: [AtomicU64; CLASSES.len()],
    faults: [AtomicU64; Fault::ALL.len()],
    retries: [AtomicU64; Retry::ALL.len()],
    tunnels: [AtomicU64; End::ALL.len()],
    latency: [AtomicU64; BUCKETS],
    latency_us: AtomicU64,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            classes: Default::default(),
            faults: Default::default(),
            retries: Default::default(),
            tunnels: Default::default(),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
            latency_us: AtomicU64::new(0),
        }
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

impl Cell {
    /// Counts an answer with `status`, over after `elapsed`; 0 for one that never began.
    pub(crate) fn answered(&self, status: u16, elapsed: Duration) {
        let class = match status {
            100..=599 => usize::from(status / 100 - 1),
            _ => CLASSES.len() - 1,
        };
        add(&self.classes[class], 1);
        add(&self.latency[bucket(elapsed)], 1);
        add(&self.latency_us, u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a failure of a target.
    pub(crate) fn failed(&self, fault: Fault) {
        add(&self.faults[fault as usize], 1);
    }

    /// Counts a second try.
    pub(crate) fn retried(&self, retry: Retry) {
        add(&self.retries[retry as usize], 1);
    }

    /// Counts the end of a tunnel.
    pub(crate) fn tunnel_ended(&self, end: End) {
        add(&self.tunnels[end as usize], 1);
    }

    fn add_to(&self, sum: &mut Totals) {
        let each = |to: &mut [u64], from: &[AtomicU64]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from.load(Relaxed));
        };
        each(&mut sum.classes, &self.classes);
        each(&mut sum.faults, &self.faults);
        each(&mut sum.retries, &self.retries);
        each(&mut sum.tunnels, &self.tunnels);
        each(&mut sum.latency, &self.latency);
        sum.latency_us += self.latency_us.load(Relaxed);
    }
}

/// Counters summed over all threads at about one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Answers by [`CLASSES`].
    pub classes: [u64; CLASSES.len()],
    /// Failures of targets by [`Fault::ALL`].
    pub faults: [u64; Fault::ALL.len()],
    /// Second tries by [`Retry::ALL`].
    pub retries: [u64; Retry::ALL.len()],
    /// Tunnels that are over, by [`End::ALL`].
    pub tunnels: [u64; End::ALL.len()],
    /// Answers by latency bucket.
    pub latency: [u64; BUCKETS],
    /// Sum of all latencies, in microseconds.
    pub latency_us: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            classes: Default::default(),
            faults: Default::default(),
            retries: Default::default(),
            tunnels: Default::default(),
            latency: [0; BUCKETS],
            latency_us: 0,
        }
    }
}

impl Totals {
    /// Answers of all classes.
    pub fn requests(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// What a deploy is judged by.
    pub fn tally(&self) -> Tally {
        let some = self.latency.iter().enumerate().filter(|(_, n)| **n > 0);
        Tally {
            requests: self.requests(),
            errors: self.classes[4],
            connects: self.faults[Fault::Connect as usize]
                + self.faults[Fault::ConnectTimeout as usize],
            latency: some.map(|(index, n)| (index, *n)).collect(),
        }
    }

    /// Adds `other`: what a retired release counted stays part of its slot's sums.
    pub fn add(&mut self, other: &Self) {
        // Taken apart, so that a counter that is added later is not forgotten here.
        let Self { classes, faults, retries, tunnels, latency, latency_us } = other;
        let each = |to: &mut [u64], from: &[u64]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        each(&mut self.classes, classes);
        each(&mut self.faults, faults);
        each(&mut self.retries, retries);
        each(&mut self.tunnels, tunnels);
        each(&mut self.latency, latency);
        self.latency_us += latency_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_sum_what_all_threads_counted() {
        let meters = Meters::new(2);
        assert_eq!(meters.totals().requests(), 0);
        meters.cell(0).answered(204, Duration::from_millis(1));
        meters.cell(1).answered(502, Duration::from_millis(2));
        meters.cell(1).answered(0, Duration::ZERO);
        meters.cell(1).failed(Fault::Body);
        let totals = meters.totals();
        assert_eq!(totals.classes, [0, 1, 0, 0, 1, 1]);
        assert_eq!(totals.faults[Fault::Body as usize], 1);
        assert_eq!(totals.latency_us, 3000);
        assert_eq!(totals.latency.iter().sum::<u64>(), 3);
    }

    #[test]
    fn a_slots_sum_has_every_counter_of_its_releases() {
        let meters = Meters::new(1);
        let cell = meters.cell(0);
        cell.answered(101, Duration::from_millis(1));
        cell.failed(Fault::Body);
        cell.retried(Retry::Stale);
        cell.tunnel_ended(End::Drained);
        let one = meters.totals();
        assert_eq!(one.tunnels.iter().sum::<u64>(), 1);
        let mut sum = Totals::default();
        sum.add(&one);
        assert_eq!(sum, one);
    }
}
