//! Who is served at once. Whoever has shown a token keeps the place; all others make room for the next, those
//! first who ask for nothing and come from where the most come from: nobody without a token keeps anybody out.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::debug;

/// Connections at once of those who have shown a token, and as many of those who have not.
const MOST: usize = 256;

/// How long a connection stays that shows no token.
const STAY: Duration = Duration::from_secs(30);

/// The connections that are served.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// How many have come.
    count: u64,
    /// In the order in which they came.
    strangers: BTreeMap<u64, Stranger>,
    known: BTreeMap<u64, AbortHandle>,
}

/// A connection without a token.
#[derive(Debug)]
struct Stranger {
    task: AbortHandle,
    from: IpAddr,
    /// Whether the head of a request is there that is not answered yet.
    asks: bool,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    number: u64,
    known: AtomicBool,
}

/// As long as it lives, a request is being answered.
#[derive(Debug)]
pub(super) struct Asking<'a>(&'a Place);

impl Crowd {
    /// Serves one more, who comes from `address`, as `serve` does; one without a token goes, where there are
    /// too many.
    pub(super) fn enter(&self, address: IpAddr, serve: impl FnOnce(Place) -> AbortHandle) {
        let (mut inner, from) = (self.inner(), origin(address));
        inner.count += 1;
        let number = inner.count;
        if inner.strangers.len() >= MOST
            && let Some(goes) = inner.in_the_way(from)
            && let Some(stranger) = inner.strangers.remove(&goes)
        {
            debug!("connection from {}: another one takes its place", stranger.from);
            stranger.task.abort();
        }
        // A place that is dropped at once waits for this to be there.
        let task = serve(Place { crowd: self.clone(), number, known: AtomicBool::new(false) });
        inner.strangers.insert(number, Stranger { task, from, asks: false });
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Who of those without a token goes for one that comes `from` there: the first of those who ask for
    /// nothing and come from where the most come from. Who is the only one from somewhere goes after those
    /// who are not, though these ask for something.
    fn in_the_way(&self, from: IpAddr) -> Option<u64> {
        let mut crowds: HashMap<IpAddr, usize> = HashMap::from([(from, 1)]);
        for stranger in self.strangers.values() {
            *crowds.entry(stranger.from).or_default() += 1;
        }
        let rank = |number: u64, stranger: &Stranger| {
            let crowd = crowds.get(&stranger.from).copied().unwrap_or_default();
            (crowd > 1, !stranger.asks, crowd, std::cmp::Reverse(number))
        };
        let ranks =
            self.strangers.iter().map(|(number, stranger)| (rank(*number, stranger), *number));
        ranks.max().map(|(_, number)| number)
    }
}

/// What counts as one address: whoever has an IPv6 address has all of its network.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

impl Place {
    /// The head of a request is there; until what is returned is dropped, it is being answered.
    #[must_use]
    pub(super) fn asks(&self) -> Asking<'_> {
        self.asking(true);
        Asking(self)
    }

    fn asking(&self, asks: bool) {
        if let Some(stranger) = self.crowd.inner().strangers.get_mut(&self.number) {
            stranger.asks = asks;
        }
    }

    /// It has shown a token.
    pub(super) fn shows_token(&self) {
        if self.known.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.crowd.inner();
        if inner.known.len() < MOST
            && let Some(stranger) = inner.strangers.remove(&self.number)
        {
            inner.known.insert(self.number, stranger.task);
            self.known.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until it has been here for long without a token.
    pub(super) async fn overstays(&self) {
        sleep(STAY).await;
        if self.known.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking(false);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.crowd.inner();
        inner.strangers.remove(&self.number);
        inner.known.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "10.0.0.1";
    const THERE: &str = "10.0.0.2";

    /// A crowd, and those in it.
    #[derive(Default)]
    struct Hall {
        crowd: Crowd,
        places: Mutex<Vec<Place>>,
    }

    impl Hall {
        /// So many come from `address`.
        fn enter(&self, address: &str, times: usize) {
            for _ in 0..times {
                self.crowd.enter(address.parse().unwrap(), |place| {
                    self.places.lock().unwrap().push(place);
                    tokio::spawn(std::future::pending::<()>()).abort_handle()
                });
            }
        }

        fn shows_token(&self, nth: usize) {
            self.places.lock().unwrap()[nth - 1].shows_token();
        }

        /// The one who entered as `nth` asks for something that is never answered.
        fn asks(&self, nth: usize) {
            std::mem::forget(self.places.lock().unwrap()[nth - 1].asks());
        }

        /// Whether the one who entered as `nth` is still there.
        fn stays(&self, nth: u64) -> bool {
            let inner = self.crowd.inner();
            inner.strangers.contains_key(&nth) || inner.known.contains_key(&nth)
        }

        /// How many are known, and how many are not.
        fn counts(&self) -> (usize, usize) {
            let inner = self.crowd.inner();
            (inner.known.len(), inner.strangers.len())
        }
    }

    #[tokio::test]
    async fn the_first_without_a_token_makes_room_and_whoever_has_one_stays() {
        let hall = Hall::default();
        hall.enter(HERE, 1);
        hall.shows_token(1);
        hall.enter(HERE, MOST);
        assert!(hall.stays(1) && hall.stays(2));
        hall.enter(HERE, 1);
        assert!(hall.stays(1) && !hall.stays(2) && hall.stays(3));
        // There is no end to those who are known either: beyond that they are as all others.
        hall.places.lock().unwrap().iter().for_each(Place::shows_token);
        assert_eq!(hall.counts(), (MOST, 1));
        hall.places.lock().unwrap().clear();
        assert_eq!(hall.counts(), (0, 0));
    }

    #[tokio::test]
    async fn many_from_one_address_make_room_among_themselves_whether_they_ask_or_not() {
        let hall = Hall::default();
        hall.enter(THERE, 1);
        hall.enter(HERE, 2 * MOST);
        assert!(hall.stays(1), "it came first, and alone");
        assert_eq!(hall.counts(), (0, MOST));
        // All of them ask for something, and never end to.
        (MOST..=2 * MOST).for_each(|nth| hall.asks(nth + 1));
        hall.enter("10.0.0.3", 1);
        assert!(hall.stays(1), "it asks for nothing yet, and is the only one from there");
        hall.enter(HERE, MOST);
        assert!(hall.stays(1) && hall.stays(2 * MOST as u64 + 2));
    }

    #[tokio::test]
    async fn whoever_asks_for_something_stays_before_those_who_do_not() {
        let hall = Hall::default();
        // As behind a proxy: all come from one address, and ask.
        hall.enter(HERE, MOST - 2);
        (1..=MOST - 2).for_each(|nth| hall.asks(nth));
        hall.enter(THERE, 200);
        let asking = |nth: usize| hall.stays(nth as u64);
        assert!((1..=MOST - 2).all(asking));
        // Who was answered does not ask any more.
        drop(hall.places.lock().unwrap()[0].asks());
        hall.enter(HERE, 1);
        assert!(!hall.stays(1) && (2..=MOST - 2).all(asking));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let is = |a: &str, b: &str| origin(a.parse().unwrap()) == origin(b.parse().unwrap());
        assert!(is("2001:db8::1", "2001:db8::ffff:1") && !is("2001:db8::1", "2001:db8:0:1::1"));
        assert!(is("::ffff:10.0.0.1", "10.0.0.1") && !is("10.0.0.1", "10.0.0.2"));
    }
}
