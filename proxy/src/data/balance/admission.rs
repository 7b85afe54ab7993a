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
use crate::route::{Front, Hold};

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
    /// Whether it may pass `front`, which it has met now, as a `preview` or to the app itself.
    pub(in crate::data) fn passes(
        &self,
        front: Option<&Arc<Front>>,
        preview: bool,
    ) -> Result<(), ProxyError> {
        self.seen.borrow_mut().front = front.cloned();
        front.map_or(Ok(()), |front| pass(self, front, preview))
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
    /// The app is held.
    Held(Arc<Hold>),
}

impl Local {
    /// Finds the app that `asker` is for and claims a release of it, with a place on a target. If
    /// every target has as many requests as it may, it waits in line, up to the app's limits; while
    /// the app is held, in its hall.
    ///
    /// # Cancel safety
    ///
    /// Cancelling leaves line and hall.
    pub(in crate::data) async fn admit(
        &self,
        asker: &Asker<'_>,
        deadline: &Deadline,
    ) -> Result<Way, ProxyError> {
        match self.ask(asker, false)? {
            Asked::Way(way) => Ok(way),
            // Rare, and large: it must not make every request's future larger.
            waits => Box::pin(self.wait(asker, deadline, waits)).await,
        }
    }

    async fn wait(
        &self,
        asker: &Asker<'_>,
        deadline: &Deadline,
        mut found: Asked,
    ) -> Result<Way, ProxyError> {
        loop {
            found = match found {
                Asked::Way(way) => return Ok(way),
                Asked::Full(release) => {
                    let length = release.release.spread.queue.length;
                    self.in_line(asker, deadline, &release, length).await?
                }
                Asked::Held(hold) => return self.in_hall(asker, deadline, &hold).await,
            }
        }
    }

    /// Waits for a place on a target of `local`, if fewer than `length` do already.
    async fn in_line(
        &self,
        asker: &Asker<'_>,
        deadline: &Deadline,
        local: &Rc<LocalRelease>,
        length: u32,
    ) -> Result<Asked, ProxyError> {
        let (release, queue) = (&local.release, local.release.spread.queue);
        let busy = || {
            asker.seen.borrow_mut().release = Some(Rc::clone(local));
            let cell = release.meters.cell(self.thread);
            cell.answered(503, asker.began.elapsed());
            ProxyError::Busy { retry_after: queue.timeout.as_secs().max(1) }
        };
        let waiting = release.line.join(length).ok_or_else(busy)?;
        let turn = async {
            let _first = waiting.first().await;
            loop {
                // Before the look, so that nothing that happens after it is missed.
                let mut freed = pin!(waiting.freed());
                freed.as_mut().enable();
                match self.ask(asker, true)? {
                    Asked::Full(_) => {}
                    done => return Ok(done),
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

    /// Waits until `hold` is over, and until its turn has come. Who comes out of the hall and finds
    /// every target full waits as the only one of them, and the others wait for it.
    async fn in_hall(
        &self,
        asker: &Asker<'_>,
        deadline: &Deadline,
        hold: &Arc<Hold>,
    ) -> Result<Way, ProxyError> {
        let hall = &hold.hall;
        let waiting = hall.join(hold.length()).ok_or_else(|| ProxyError::Held(Arc::clone(hold)))?;
        let turn = async {
            let _first = waiting.first().await;
            loop {
                // It is the control plane that sees to it that a hold ends.
                deadline.restart(None);
                hall.turn(&waiting).await;
                let mut found = self.ask(asker, false)?;
                if let Asked::Full(release) = &found {
                    found = self.in_line(asker, deadline, release, u32::MAX).await?;
                }
                if let Asked::Way(way) = found {
                    hall.passed();
                    return Ok(way);
                }
            }
        };
        deadline.restart(None);
        tokio::select! {
            done = turn => done,
            () = self.left_long_ago() => Err(ProxyError::Stopping),
        }
    }
}
