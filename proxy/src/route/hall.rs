//! Where an app's requests wait while it is held, and how they are let go.
//!
//! Who waits has claimed nothing: it holds a client's connection and a place in a line, and asks again
//! when its turn has come, so it is sent to the release that serves *then*. One hall for all data
//! threads, in the order of arrival; only the first looks whether the door is open. When it is, each
//! waits for its moment, so that a release that has just begun is not met by all of them at once.
//! Who arrives then does not wait.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::line::{Line, Waiting};

/// How far the pace may be behind: timers are late by a millisecond or two, and what is missed by that
/// is made up for. What is missed because there was no room is not.
const BEHIND: Duration = Duration::from_millis(20);

/// The requests of one app that wait while it is held.
#[derive(Debug, Default)]
pub struct Hall {
    line: Line,
    door: Mutex<Door>,
    let_go: AtomicU64,
    expired: AtomicU64,
    in_maintenance: AtomicU64,
}

#[derive(Debug, Default)]
enum Door {
    #[default]
    Open,
    /// Open for one after the other: when the next may go, and the time between two.
    Paced(Instant, Duration),
    Shut,
}

impl Hall {
    /// Shuts it. To be done before the first request is told to wait.
    pub fn shut(&self) {
        *self.door() = Door::Shut;
    }

    /// Opens it: for `pace` requests a second, or for all at once, who are told then why they must not
    /// pass. To be done after what is asked next no longer tells to wait. One that is open stays so.
    pub fn open(&self, pace: Option<u32>) {
        let mut door = self.door();
        *door = match (&*door, pace) {
            (Door::Shut, Some(pace)) => {
                Door::Paced(Instant::now(), Duration::from_secs(1) / pace.max(1))
            }
            (Door::Shut | Door::Paced(..), None) => Door::Open,
            (Door::Open, _) | (Door::Paced(..), Some(_)) => return,
        };
        drop(door);
        self.line.freed();
    }

    /// Requests that wait.
    pub fn waiting(&self) -> u32 {
        self.line.waiting()
    }

    /// Requests that waited and were sent on.
    pub fn let_go(&self) -> u64 {
        self.let_go.load(Relaxed)
    }

    /// Requests that found as many waiting as may.
    pub fn turned_away(&self) -> u64 {
        self.line.turned_away()
    }

    /// Requests refused because the time of the hold was over.
    pub fn expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    /// Requests refused because of maintenance.
    pub fn in_maintenance(&self) -> u64 {
        self.in_maintenance.load(Relaxed)
    }

    /// Joins the end, unless `most` requests wait already.
    pub(crate) fn join(&self, most: u32) -> Option<Waiting<'_>> {
        self.line.join(most)
    }

    /// Waits until the first of those who wait may ask again.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub(crate) async fn turn(&self, first: &Waiting<'_>) {
        loop {
            // Before the look, so that nothing that happens after it is missed.
            let mut opened = std::pin::pin!(first.freed());
            opened.as_mut().enable();
            let due = match *self.door() {
                Door::Open => return,
                Door::Paced(next, _) => Some(next),
                Door::Shut => None,
            };
            match due {
                Some(next) if next <= Instant::now() => return,
                Some(next) => sleep_until(next.into()).await,
                None => opened.await,
            }
        }
    }

    /// Counts that the first of those who wait was sent on.
    pub(crate) fn passed(&self) {
        self.let_go.fetch_add(1, Relaxed);
        if let Door::Paced(next, every) = &mut *self.door() {
            *next = (*next + *every).max(Instant::now().checked_sub(BEHIND).unwrap_or(*next));
        }
    }

    /// Counts a request that was refused because the time of the hold is over.
    pub(crate) fn refused_late(&self) {
        self.expired.fetch_add(1, Relaxed);
    }

    /// Counts a request that was refused because of maintenance.
    pub(crate) fn refused_in_maintenance(&self) {
        self.in_maintenance.fetch_add(1, Relaxed);
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_turn_comes_when_the_door_is_open_and_not_before() {
        let hall = Hall::default();
        hall.shut();
        let waiting = hall.join(1).unwrap();
        let mut turn = pin!(hall.turn(&waiting));
        assert!(poll!(&mut turn).is_pending());
        hall.open(None);
        turn.await;
        hall.turn(&waiting).await;
    }

    #[tokio::test]
    async fn who_waits_is_let_go_one_after_the_other_and_a_door_shut_again_stops_them() {
        let hall = Hall::default();
        hall.shut();
        let waiting = hall.join(9).unwrap();
        hall.open(Some(1));
        hall.turn(&waiting).await;
        hall.passed();
        let mut second = pin!(hall.turn(&waiting));
        assert!(poll!(&mut second).is_pending(), "a second has to pass first");
        hall.shut();
        assert!(poll!(&mut second).is_pending());
        assert_eq!((hall.let_go(), hall.waiting()), (1, 1));
    }
}
