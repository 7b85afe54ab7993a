//! Where an app's requests wait while every target has as many as it may.
//!
//! A request that waits has claimed no release: it holds a client's connection and a place in the
//! line, nothing of a target. So a drain does not wait for it, and a flip does not strand it: it
//! claims when its turn has come, and is sent to the release that serves *then*. That is why the
//! line is the app's and not a release's.
//!
//! One line for all data threads, in the order of arrival. Only its head looks for a place; whoever
//! leaves a target wakes it. A request that arrives while someone waits goes to the end, even if a
//! target has room at that very moment.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// The requests of one app that wait for a place on a target.
#[derive(Debug)]
pub struct Line {
    waiting: AtomicU32,
    /// Whose turn it is: first come, first served.
    head: Semaphore,
    /// Told when a target may have room, or another release serves.
    freed: Notify,
    turned_away: AtomicU64,
    gave_up: AtomicU64,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            waiting: AtomicU32::new(0),
            head: Semaphore::new(1),
            freed: Notify::new(),
            turned_away: AtomicU64::new(0),
            gave_up: AtomicU64::new(0),
        }
    }
}

impl Line {
    /// Requests that wait now.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(SeqCst)
    }

    /// Requests that found the line full.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }

    /// Requests that waited for too long.
    pub fn gave_up(&self) -> u64 {
        self.gave_up.load(Relaxed)
    }

    /// Joins the end, unless `most` requests wait already.
    pub(crate) fn join(&self, most: u32) -> Option<Waiting<'_>> {
        let more = |waiting: u32| (waiting < most).then_some(waiting + 1);
        if self.waiting.fetch_update(SeqCst, SeqCst, more).is_err() {
            self.turned_away.fetch_add(1, Relaxed);
            return None;
        }
        Some(Waiting { line: self })
    }

    /// Says that a target may have room, or that another release serves.
    ///
    /// Whoever leaves a target counts down and *then* looks whether someone waits; who waits counts
    /// itself and *then* looks at the targets. In sequentially consistent order one of the two sees
    /// the other.
    pub(crate) fn freed(&self) {
        if self.waiting() > 0 {
            self.freed.notify_one();
        }
    }
}

/// A request in the line, until dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    line: &'a Line,
}

impl<'a> Waiting<'a> {
    /// Waits until it is first. What is returned keeps it there.
    ///
    /// # Cancel safety
    ///
    /// Cancelling gives up the place in the line.
    pub(crate) async fn first(&self) -> Option<SemaphorePermit<'a>> {
        // Nobody ever closes it.
        self.line.head.acquire().await.ok()
    }

    /// Told when a target may have room.
    pub(crate) fn freed(&self) -> tokio::sync::futures::Notified<'a> {
        self.line.freed.notified()
    }

    /// Counts that it waited for too long.
    pub(crate) fn gave_up(&self) {
        self.line.gave_up.fetch_add(1, Relaxed);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[test]
    fn a_full_line_turns_away_and_one_that_leaves_makes_room() {
        let line = Line::default();
        let (first, second) = (line.join(2), line.join(2));
        assert!(first.is_some() && second.is_some() && line.join(2).is_none());
        assert_eq!((line.waiting(), line.turned_away()), (2, 1));
        drop(first);
        assert!(line.join(2).is_some());
        assert!(line.join(0).is_none(), "a line without length takes nobody");
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_arrival_and_pass_over_who_has_left() {
        let line = Line::default();
        let waiting: Vec<_> = (0..3).filter_map(|_| line.join(3)).collect();
        let head = waiting[0].first().await;
        let mut third = Box::pin(waiting[2].first());
        {
            let mut second = pin!(waiting[1].first());
            assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
            // The second client hangs up here.
        }
        drop(head);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn a_notice_is_not_lost_between_two_looks() {
        let line = Line::default();
        let waiting = line.join(1).unwrap();
        line.freed();
        waiting.freed().await;
    }
}
