//! Claiming a release and a place on one of its targets, and waiting for one.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::request;
use shunt_config::AppName;
use tokio::time::timeout;

use super::super::clock::TICK;
use super::super::deadline::Deadline;
use super::super::error::ProxyError;
use super::super::forwarded::Client;
use super::super::local::{Local, Way};
use super::super::met::LocalRelease;
use super::super::request::pass;
use crate::route::Front;

/// A request that asks for a release.
#[derive(Debug)]
pub(in crate::data) struct Asker<'a> {
    /// Its head as the client sent it.
    pub(in crate::data) head: &'a request::Parts,
    /// The host it is for, in lower case and without a port.
    pub(in crate::data) host: &'a str,
    /// Who sent it.
    pub(in crate::data) client: Client,
    /// When it began.
    pub(in crate::data) began: Instant,
    /// The number drawn for its visitor, once one was.
    pub(in crate::data) drawn: Cell<Option<u16>>,
    /// What it met last.
    pub(in crate::data) seen: RefCell<Seen>,
}

/// What a request meets on its way to a release.
#[derive(Debug, Default)]
pub(in crate::data) struct Seen {
    /// What stands in front of its app.
    pub(in crate::data) front: Option<Arc<Front>>,
    /// The app that did not let it further.
    pub(in crate::data) app: Option<AppName>,
    /// The release that had no room.
    pub(in crate::data) release: Option<Rc<LocalRelease>>,
}

impl Asker<'_> {
    /// Whether it may pass `front`, which it has met now.
    pub(in crate::data) fn passes(&self, front: Option<&Arc<Front>>) -> Result<(), ProxyError> {
        self.seen.borrow_mut().front = front.cloned();
        front.map_or(Ok(()), |front| pass(self, front))
    }

    /// The same `error`, at which `app` lets it no further.
    pub(in crate::data) fn stopped(&self, app: &AppName, error: ProxyError) -> ProxyError {
        self.seen.borrow_mut().app = Some(app.clone());
        error
    }
}

/// What comes of asking.
#[derive(Debug)]
pub(in crate::data) enum Asked {
    /// A lease on a release, and a place on one of its targets.
    Way(Way),
    /// Every target of this release has as many requests as it may, or others wait already.
    Full(Rc<LocalRelease>),
}

impl Local {
    /// Finds the app that `asker` is for and claims a release of it, with a place on a target. If
    /// every target has as many requests as it may, it waits in line, up to the app's limits.
    ///
    /// # Cancel safety
    ///
    /// Cancelling leaves the line.
    pub(in crate::data) async fn admit(
        &self,
        asker: &Asker<'_>,
        deadline: &Deadline,
    ) -> Result<Way, ProxyError> {
        match self.ask(asker, false)? {
            Asked::Way(way) => Ok(way),
            // Rare, and large: it must not make every request's future larger.
            Asked::Full(release) => Box::pin(self.wait(asker, deadline, &release)).await,
        }
    }

    async fn wait(
        &self,
        asker: &Asker<'_>,
        deadline: &Deadline,
        local: &Rc<LocalRelease>,
    ) -> Result<Way, ProxyError> {
        let (release, queue) = (&local.release, local.release.spread.queue);
        let busy = || {
            asker.seen.borrow_mut().release = Some(Rc::clone(local));
            let cell = release.meters.cell(self.thread);
            cell.answered(503, asker.began.elapsed());
            ProxyError::Busy { retry_after: queue.timeout.as_secs().max(1) }
        };
        let waiting = release.line.join(queue.length).ok_or_else(busy)?;
        let turn = async {
            let _first = waiting.first().await;
            loop {
                // Before the look, so that nothing that happens after it is missed.
                let mut freed = pin!(waiting.freed());
                freed.as_mut().enable();
                if let Asked::Way(way) = self.ask(asker, true)? {
                    return Ok(way);
                }
                // A target that is proved again, or let in again, tells nobody; so it looks by
                // itself, too. Only who is first in line does.
                let _ = timeout(TICK, freed).await;
            }
        };
        deadline.within(queue.timeout, turn).await.unwrap_or_else(|| {
            waiting.gave_up();
            Err(busy())
        })
    }
}
