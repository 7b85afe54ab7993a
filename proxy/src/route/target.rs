//! One address that answers for a release.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use shunt_config::Address;
use shunt_config::eject::Eject;

use super::conduct::Conduct;
use super::moment;

/// One target of one announcement. The same address announced again is another `Target`: what was
/// proved of the old one says nothing about the container that stands there now.
#[derive(Debug)]
pub struct Target {
    /// Where it answers, as announced.
    pub address: Address,
    /// The same as text.
    pub name: String,
    /// Its share of requests relative to the release's other targets.
    pub weight: u16,
    /// What the health checks say; written by them, read by every request.
    usable: AtomicBool,
    /// When it became so, in milliseconds of [`moment::now`]; 0 if it never did.
    usable_since: AtomicU64,
    /// What requests have met here.
    conduct: Conduct,
    /// Only where requests on it are counted.
    load: OnceLock<Box<Load>>,
    /// Addresses the name stands for, kept up to date off the data threads; empty until resolved.
    resolved: ArcSwap<Vec<SocketAddr>>,
}

/// Requests on the target now, of all data threads; on cache lines of its own (two: adjacent lines
/// are fetched in pairs), since every thread writes it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Load(AtomicU32);

/// Percent of its weight that a slow start begins with: none at all would teach it nothing.
const LEAST_PERCENT: u64 = 10;

impl Target {
    /// A target that has proved nothing yet.
    pub fn new(target: &shunt_config::Target) -> Self {
        let known = match &target.address {
            Address::Tcp { host, port } => {
                host.parse().map(|ip| SocketAddr::new(ip, *port)).into_iter().collect()
            }
            Address::Unix(_) => Vec::new(),
        };
        Self {
            address: target.address.clone(),
            name: target.address.to_string(),
            weight: target.weight,
            usable: AtomicBool::new(false),
            usable_since: AtomicU64::new(0),
            conduct: Conduct::default(),
            load: OnceLock::new(),
            resolved: ArcSwap::from_pointee(known),
        }
    }

    /// Whether requests should be sent here. When no target of a release is usable, all are tried.
    pub fn is_usable(&self) -> bool {
        self.usable.load(Relaxed) && !self.conduct.is_out()
    }

    /// Records what the health checks say. Only they and the snapshot on disk may call this.
    pub fn set_usable(&self, usable: bool) {
        if !self.usable.swap(usable, Relaxed) && usable {
            self.usable_since.store(moment::now(), Relaxed);
        }
    }

    /// Whether it is left out for failing requests.
    pub fn is_ejected(&self) -> bool {
        self.conduct.is_out()
    }

    /// How often it was left out for failing requests.
    pub fn ejections(&self) -> u64 {
        self.conduct.times()
    }

    /// Percent of its weight that it has at `now`, while it starts slowly.
    pub(crate) fn percent(&self, slow_start: Duration, now: u64) -> u64 {
        let since = self.usable_since.load(Relaxed).max(self.conduct.back_since());
        if since == 0 {
            return 100;
        }
        let past = now.saturating_sub(since).saturating_mul(100);
        (past / moment::millis(slow_start).max(1)).clamp(LEAST_PERCENT, 100)
    }

    /// As if it had been usable for ever.
    #[cfg(test)]
    pub(crate) fn forget_slow_start(&self) {
        self.usable_since.store(0, Relaxed);
    }

    /// A request was answered.
    pub(crate) fn succeeded(&self) {
        self.conduct.succeeded();
    }

    /// A request failed; whether the target has failed often enough to be left out.
    pub(super) fn failed(&self, rules: &Eject) -> bool {
        self.conduct.failed(rules)
    }

    /// Leaves it out for a while; returns for how many milliseconds.
    pub(super) fn eject(&self, rules: &Eject) -> u64 {
        self.conduct.leave_out(rules, moment::now())
    }

    /// Requests counted here now.
    pub(crate) fn load(&self) -> u32 {
        self.load.get().map_or(0, |load| load.0.load(Relaxed))
    }

    /// Counts one more request, if there are fewer than `most`; 0 for any number.
    pub(crate) fn enter(&self, most: u32) -> bool {
        let more = |load: u32| (most == 0 || load < most).then_some(load + 1);
        self.load.get_or_init(Box::default).0.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    /// Ends what [`Self::enter`] began.
    pub(crate) fn leave(&self) {
        if let Some(load) = self.load.get() {
            load.0.fetch_sub(1, SeqCst);
        }
    }

    /// The addresses to connect to, the first one first; empty while a name is not resolved.
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.resolved.load_full()
    }

    /// Records what the name stands for now.
    pub fn set_addresses(&self, addresses: Vec<SocketAddr>) {
        self.resolved.store(Arc::new(addresses));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new(&shunt_config::Target::new("127.0.0.1:1".parse().unwrap()))
    }

    #[test]
    fn a_slow_start_begins_with_a_tenth_and_ends_with_all_of_its_weight() {
        let target = target();
        target.set_usable(true);
        let since = target.usable_since.load(Relaxed);
        let after = |ms| target.percent(Duration::from_secs(10), since + ms);
        assert_eq!([after(0), after(500), after(5_000), after(60_000)], [10, 10, 50, 100]);
        target.set_usable(true);
        assert_eq!(target.usable_since.load(Relaxed), since, "it goes on, it does not begin anew");
    }

    #[test]
    fn no_more_enter_than_may_and_who_leaves_makes_room() {
        let target = target();
        assert!(target.enter(2) && target.enter(2) && !target.enter(2));
        target.leave();
        assert!(target.enter(2));
        assert_eq!(target.load(), 2);
        assert!(target.enter(0), "0 is for any number");
    }

    #[test]
    fn no_thread_gets_a_place_that_another_has() {
        let target = target();
        let entered: usize = std::thread::scope(|scope| {
            let enter = || (0..1000).filter(|_| target.enter(100)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((entered, target.load()), (100, 100));
    }
}
