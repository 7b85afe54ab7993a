//! The connections that one thread's requests to one target share.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::super::clock::{Clock, Moment};
use super::http2::{Shared, Upstream};
use crate::reach::Stream;

/// A connection that nobody used for so long is closed.
const KEEP: Duration = Duration::from_mins(1);

/// Shared connections to one target.
#[derive(Debug, Default)]
pub(in crate::data) struct Sharing {
    connections: RefCell<Vec<Rc<Shared>>>,
    /// Held by whoever makes one: a burst of requests is to share it, not to make one each.
    making: Mutex<()>,
}

impl Sharing {
    /// A place on a connection, if one has room.
    pub(in crate::data) fn take(&self, clock: &Clock) -> Option<Upstream> {
        self.connections.borrow().iter().find_map(|shared| shared.place(clock.now()))
    }

    /// A place on a connection, which is made by `connect` if none has room.
    ///
    /// # Cancel safety
    ///
    /// Cancelling gives up the connection that was being made; whoever waits for it makes another.
    pub(in crate::data) async fn make(
        &self,
        clock: &Clock,
        connect: impl AsyncFnOnce() -> io::Result<Stream>,
    ) -> io::Result<Upstream> {
        let _alone = self.making.lock().await;
        if let Some(place) = self.take(clock) {
            return Ok(place);
        }
        let shared = Shared::handshake(connect().await?).await?;
        let place = shared.place(clock.now());
        self.connections.borrow_mut().push(shared);
        place.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }

    /// Since when nobody has used the connection that is idle for longest, if one is.
    pub(in crate::data) fn oldest(&self) -> Option<Moment> {
        self.connections.borrow().iter().filter_map(|shared| shared.idle_since()).min()
    }

    /// Lets go of that connection, which ends in a task of its own.
    pub(in crate::data) fn let_go(&self) {
        let Some(oldest) = self.oldest() else { return };
        let mut connections = self.connections.borrow_mut();
        if let Some(at) = connections.iter().position(|s| s.idle_since() == Some(oldest)) {
            connections.swap_remove(at);
        }
    }

    /// Lets go of connections that take no more requests, or have had none for long; of all of them if
    /// they are of a `retired` release. Whether there may be others: one may be in the making.
    pub(in crate::data) fn sweep(&self, now: Moment, retired: bool) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|shared| {
            let idle = shared.idle_since().map(|since| now.since(since));
            !retired && !shared.is_over() && idle.is_none_or(|idle| idle <= KEEP)
        });
        !connections.is_empty() || self.making.try_lock().is_err()
    }
}
