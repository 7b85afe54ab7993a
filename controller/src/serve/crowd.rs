//! Who is served at once. Whoever has shown a token keeps the place; of all others the one who came first
//! makes room for the next, so that nobody without a token keeps anybody out.

use std::collections::BTreeMap;
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
    strangers: BTreeMap<u64, AbortHandle>,
    known: BTreeMap<u64, AbortHandle>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    number: u64,
    known: AtomicBool,
}

impl Crowd {
    /// Serves one more as `serve` does; the oldest without a token goes, where there are too many.
    pub(super) fn enter(&self, serve: impl FnOnce(Place) -> AbortHandle) {
        let mut inner = self.inner();
        inner.count += 1;
        let number = inner.count;
        if inner.strangers.len() >= MOST
            && let Some((_, oldest)) = inner.strangers.pop_first()
        {
            debug!("connection: another one takes its place");
            oldest.abort();
        }
        // A place that is dropped at once waits for this to be there.
        let task = serve(Place { crowd: self.clone(), number, known: AtomicBool::new(false) });
        inner.strangers.insert(number, task);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It has shown a token.
    pub(super) fn shows_token(&self) {
        if self.known.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.crowd.inner();
        if inner.known.len() < MOST
            && let Some(task) = inner.strangers.remove(&self.number)
        {
            inner.known.insert(self.number, task);
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

    /// Whether the one who entered as `nth` is still there.
    fn stays(nth: u64, crowd: &Crowd) -> bool {
        let inner = crowd.inner();
        inner.strangers.contains_key(&nth) || inner.known.contains_key(&nth)
    }

    #[tokio::test]
    async fn the_first_without_a_token_makes_room_and_whoever_has_one_stays() {
        let crowd = Crowd::default();
        let places = Arc::new(Mutex::new(Vec::new()));
        let counts = || {
            let inner = crowd.inner();
            (inner.known.len(), inner.strangers.len())
        };
        let enter = || {
            crowd.enter(|place| {
                places.lock().unwrap().push(place);
                tokio::spawn(std::future::pending::<()>()).abort_handle()
            });
        };
        enter();
        places.lock().unwrap()[0].shows_token();
        (0..MOST).for_each(|_| enter());
        assert!(stays(1, &crowd) && stays(2, &crowd));
        enter();
        assert!(stays(1, &crowd) && !stays(2, &crowd) && stays(3, &crowd));
        // There is no end to those who are known either: beyond that they are as all others.
        places.lock().unwrap().iter().for_each(Place::shows_token);
        assert_eq!(counts(), (MOST, 1));
        places.lock().unwrap().clear();
        assert_eq!(counts(), (0, 0));
    }
}
