//! One app's releases and shares between two changes, with the leases claimed on it.
//!
//! A request claims a release before it is sent, and the lease ends when its bodies are over. A
//! change stores the successor first and closes the epoch then, so a claim that is refused finds
//! the successor at its next look. Between the two there is no uncounted request (`route/leases.rs`).

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{COOKIE, HeaderName};
use shunt_config::{Slot, Token};

use super::division::Division;
use super::leases::Leases;
use super::release::Release;

/// A release and its percent of new requests.
#[derive(Clone, Debug)]
pub struct Share {
    /// The release.
    pub release: Arc<Release>,
    /// Percent of new requests; all shares of an epoch sum to 100. At 0 it is *kept*: only who has its
    /// cookie is sent to it.
    pub percent: u8,
}

/// One app's releases and shares between two changes.
#[derive(Debug)]
pub struct Epoch {
    shares: Box<[Share]>,
    /// How many of them get new requests; the kept ones come after them.
    open: usize,
    /// What else there is to go by; nothing where each request goes by itself.
    division: Option<Division>,
    leases: Leases,
}

/// One share per slot, and those that are kept: a row of leases is no longer than its 128 bytes.
pub(super) const MAX_SHARES: usize = 2 + MAX_KEPT;
/// Releases of one app at most that only their own visitors go to.
pub const MAX_KEPT: usize = 6;

impl Epoch {
    /// An open epoch for `threads` data threads.
    ///
    /// # Panics
    ///
    /// If no share, or more than two, get new requests, or one after a kept one, or more than
    /// [`MAX_KEPT`] are kept: a bug in the control plane, never input.
    pub fn new(shares: Vec<Share>, threads: usize) -> Self {
        let open = shares.iter().take_while(|share| share.percent > 0).count();
        assert!((1..=2).contains(&open), "an epoch has one share per slot");
        assert!(shares.len() - open <= MAX_KEPT, "an epoch keeps {MAX_KEPT} releases at most");
        assert!(shares.iter().skip(open).all(|share| share.percent == 0), "kept ones come last");
        Self { shares: shares.into(), open, division: None, leases: Leases::new(threads) }
    }

    /// The same with its requests divided as `division` says.
    #[must_use]
    pub fn divided(self, division: Division) -> Self {
        Self { division: Some(division), ..self }
    }

    /// How its requests are divided, if not each by itself.
    pub fn division(&self) -> Option<&Division> {
        self.division.as_ref()
    }

    /// The releases that requests go to, the kept ones last.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Those that new requests go to.
    pub fn open_shares(&self) -> &[Share] {
        self.shares.get(..self.open).unwrap_or_default()
    }

    /// The share for the `nth` request of a thread. 61 and 100 have no common divisor, so every
    /// hundred requests hold each share exactly, spread evenly.
    pub(crate) fn pick(&self, nth: usize) -> usize {
        match self.open_shares() {
            [first, _] => usize::from(nth.wrapping_mul(61) % 100 >= usize::from(first.percent)),
            _ => 0,
        }
    }

    /// Whether there is more than one release to go to.
    pub(crate) fn is_split(&self) -> bool {
        self.shares.len() > 1
    }

    /// The share that a request belongs to by what it brings: as a tester's, by the cookie of a
    /// release that its visitor stays with, or by the number of its visitor. `None` if it is to go
    /// where it is its turn.
    pub(crate) fn belongs(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        drawn: &Cell<Option<u16>>,
    ) -> Option<usize> {
        let division = self.division.as_ref();
        let tested = || self.tested(division?.tests(headers)?.slot);
        let number = || Some(self.holds(division?.number(headers, address, drawn)?));
        tested().or_else(|| self.stays(headers)).or_else(number)
    }

    /// The field of a request that decides which release answers it, where there is such a field and
    /// more than one release that new requests go to.
    pub(crate) fn varies(&self) -> Option<&HeaderName> {
        let field = self.division.as_ref()?.tester_field()?;
        (self.open_shares().len() > 1).then_some(field)
    }

    /// The share that testers go to: that of `slot`, or the smaller one.
    fn tested(&self, slot: Option<Slot>) -> Option<usize> {
        let shares = || self.open_shares().iter().enumerate().rev();
        let found = match slot {
            Some(slot) => shares().find(|(_, share)| share.release.slot == slot),
            None => shares().min_by_key(|(_, share)| share.percent),
        };
        found.map(|(index, _)| index)
    }

    /// The share that a visitor's number falls into. The second share has the numbers from 0 on, the
    /// first those to the end: so whichever of them grows keeps the visitors that it has.
    fn holds(&self, number: u16) -> usize {
        match self.open_shares() {
            [_, second] => usize::from(number < u16::from(second.percent) * 100),
            _ => 0,
        }
    }

    /// The share whose cookie the visitor has, if visitors stay with one.
    fn stays(&self, headers: &HeaderMap) -> Option<usize> {
        let first = self.shares.first()?;
        first.release.marks.as_ref()?;
        if !headers.contains_key(COOKIE) {
            return None;
        }
        let is = |s: &Share| match s.percent {
            0 => s.release.keeps(headers),
            _ => s.release.marks.as_ref().is_some_and(|marks| marks.find(headers).is_some()),
        };
        self.shares.iter().position(is)
    }

    /// Claims a lease on share `share` for data thread `thread`; `false` if the epoch is closed and
    /// the caller must look for its successor.
    ///
    /// The caller owes one [`Self::end`]; `data::lease::Lease` is the only one and pays in `Drop`.
    pub(crate) fn claim(&self, thread: usize, share: usize) -> bool {
        self.leases.claim(thread, share)
    }

    /// Ends a lease of [`Self::claim`].
    pub(crate) fn end(&self, thread: usize, share: usize) {
        self.leases.end(thread, share);
    }

    /// Refuses all further claims. The successor must already be live.
    pub(crate) fn close(&self) {
        self.leases.close();
        // Who waits for a place here goes on to the successor.
        self.shares.iter().for_each(|share| share.release.line.freed());
    }

    /// Whether claims are refused.
    pub fn is_closed(&self) -> bool {
        self.leases.is_closed()
    }

    /// Leases on the release announced as `token`, over all threads.
    pub fn leases(&self, token: &Token) -> u64 {
        let shares = self.shares.iter().enumerate();
        shares.filter(|(_, s)| s.release.token == *token).map(|(i, _)| self.leases.count(i)).sum()
    }

    /// Leases on all releases.
    pub fn all_leases(&self) -> u64 {
        (0..self.shares.len()).map(|share| self.leases.count(share)).sum()
    }

    /// Waits until a lease ends on this closed epoch (or it is closed). One waiter at a time.
    ///
    /// # Cancel safety
    ///
    /// A notice that came while nobody waited is kept for the next call.
    pub async fn lease_ended(&self) {
        self.leases.ended().await;
    }

    /// Waits until this epoch is closed and its last lease is over.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub async fn drained(&self) {
        while !self.is_closed() || self.all_leases() > 0 {
            self.leases.ended().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Spread;
    use crate::route::release::tests::{release, spread_over};
    use crate::route::sessions::tests::session;

    fn two(blue: u8) -> Epoch {
        let share = |token: &str, percent| Share { release: Arc::new(release(token)), percent };
        Epoch::new(vec![share("b", blue), share("g", 100 - blue)], 2)
    }

    #[test]
    fn a_closed_epoch_refuses_claims_and_forgets_the_refused_ones() {
        let epoch = two(50);
        assert!(epoch.claim(0, 0));
        epoch.close();
        assert!(!epoch.claim(1, 0));
        assert_eq!(epoch.all_leases(), 1);
        epoch.end(0, 0);
        assert_eq!(epoch.all_leases(), 0);
    }

    #[tokio::test]
    async fn drained_waits_for_the_last_lease_and_no_longer() {
        let epoch = two(50);
        assert!(epoch.claim(0, 0) && epoch.claim(1, 1));
        let mut drained = Box::pin(epoch.drained());
        epoch.close();
        epoch.end(0, 0);
        assert!(futures_util::poll!(&mut drained).is_pending());
        epoch.end(1, 1);
        drained.await;
    }

    #[test]
    fn a_split_is_exact_over_every_hundred_requests() {
        for percent in [1, 10, 50, 99] {
            let epoch = two(percent);
            let to_green = (700..800).map(|n| epoch.pick(n)).sum::<usize>();
            assert_eq!(to_green, 100 - usize::from(percent));
        }
    }

    #[test]
    fn whichever_release_grows_keeps_the_visitors_that_it_has() {
        let epochs: Vec<_> = (1..100).rev().map(two).collect();
        for number in 0..10_000 {
            // From all in blue to all in green: each visitor moves once, and the same way.
            let homes: Vec<_> = epochs.iter().map(|epoch| epoch.holds(number)).collect();
            assert!(homes.is_sorted(), "{number}");
        }
        for percent in 1..100 {
            let epoch = two(percent);
            let green = (0..10_000).filter(|number| epoch.holds(*number) == 1).count();
            assert_eq!(green, 10_000 - usize::from(percent) * 100);
        }
    }

    #[test]
    fn testers_go_to_the_slot_that_is_named_or_to_the_smaller_share() {
        assert_eq!([1, 50, 51, 99].map(|blue| two(blue).tested(None)), [0, 1, 1, 1].map(Some));
        assert_eq!(
            two(99).tested(Some(Slot::Blue)).map(|at| two(99).shares[at].release.slot),
            Some(Slot::Blue)
        );
        assert_eq!(two(99).tested(Some(Slot::Green)), None, "it gets no requests");
    }

    /// All of the new requests to the first, and the others kept.
    fn keeping(releases: &[&Arc<Release>]) -> Epoch {
        let share = |(n, release): (usize, &&Arc<Release>)| Share {
            release: Arc::clone(release),
            percent: if n == 0 { 100 } else { 0 },
        };
        Epoch::new(releases.iter().enumerate().map(share).collect(), 1)
    }

    fn with_sessions(target: &str) -> Arc<Release> {
        let app = br#"{"hosts":["*"],"sessions":{"idle":"1m"}}"#;
        let spread = Spread::of(&shunt_config::App::parse(app).unwrap());
        let mut release = spread_over(target, spread.clone());
        // Marks are made of this.
        release.home = target.into();
        let key = crate::route::Key::new(&[7; 32]);
        Arc::new(release.spread(spread, &Arc::default(), &key))
    }

    fn shows(release: &Release, ago: u32) -> HeaderMap {
        let marks = release.marks.as_ref().unwrap();
        let set = marks.set_session(0, session(5, ago), false).unwrap();
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())])
    }

    #[test]
    fn who_has_the_cookie_of_a_kept_release_stays_until_it_is_idle_and_nobody_else_goes_there() {
        let (new, old, older) = (with_sessions("a:1"), with_sessions("b:1"), with_sessions("c:1"));
        let epoch = keeping(&[&new, &old, &older]);
        let address = IpAddr::from([192, 0, 2, 1]);
        let belongs = |headers: &HeaderMap| epoch.belongs(headers, address, &Cell::new(None));
        assert_eq!([&new, &old, &older].map(|r| belongs(&shows(r, 9))), [0, 1, 2].map(Some));
        assert_eq!(belongs(&shows(&old, 120)), None, "it was idle");
        assert_eq!(belongs(&HeaderMap::new()), None);
        assert!((0..1_000).all(|nth| epoch.pick(nth) == 0));
        assert!((0..10_000).all(|number| epoch.holds(number) == 0));
        assert_eq!([None, Some(Slot::Blue)].map(|slot| epoch.tested(slot)), [Some(0); 2]);
        old.targets[0].set_usable(false);
        assert_eq!(belongs(&shows(&old, 9)), None, "nothing answers there");
        assert_eq!(belongs(&shows(&with_sessions("d:1"), 9)), None, "that one is gone");
    }

    #[test]
    fn kept_releases_change_nothing_of_a_split() {
        let all: Vec<_> = ["b:1", "g:1", "o:1"].map(with_sessions).into();
        let percent = [90, 10, 0];
        let share = |(release, percent): (&Arc<Release>, u8)| Share {
            release: Arc::clone(release),
            percent,
        };
        let epoch = Epoch::new(all.iter().zip(percent).map(share).collect(), 1);
        assert_eq!((0..100).map(|nth| epoch.pick(nth)).sum::<usize>(), 10);
        assert_eq!((0..10_000).filter(|number| epoch.holds(*number) == 1).count(), 1_000);
        assert_eq!(epoch.tested(None), Some(1), "the smaller of those that are open");
        assert_eq!(epoch.stays(&shows(&all[2], 1)), Some(2));
    }
}
