//! A request on a target, from its choice to its end.

use std::cell::Cell;
use std::rc::Rc;

use http::HeaderValue;

use super::super::met::LocalRelease;
use super::wish::Wish;
use crate::route::sessions::Session;

/// A request on a target. While it lives, the request is counted there.
#[derive(Debug)]
pub(in crate::data) struct Place {
    release: Rc<LocalRelease>,
    target: Cell<usize>,
    hash: Option<u64>,
    /// Whether the visitor is to be told to stay here.
    tells: Cell<bool>,
    /// The visitor's session, where those outlive a flip.
    session: Option<Session>,
    /// Whether the client came over TLS.
    secure: bool,
}

impl Place {
    /// A place on a target of `release`, if one has room.
    pub(in crate::data) fn find(
        release: &Rc<LocalRelease>,
        wish: Wish,
        secure: bool,
    ) -> Option<Self> {
        let claimed = &release.release;
        let session = wish.session.filter(|_| claimed.sessions.is_some());
        let at = |target: usize, tells: bool| {
            if let (Some(sessions), Some(session)) = (&claimed.sessions, session) {
                sessions.enter(session.number);
            }
            Self {
                release: Rc::clone(release),
                target: Cell::new(target),
                hash: wish.hash,
                tells: Cell::new(tells),
                session,
                secure,
            }
        };
        let renew = claimed
            .spread
            .sessions
            .is_some_and(|stay| session.is_none_or(|session| session.is_due(stay.idle)));
        let tells = match &claimed.marks {
            None => false,
            Some(marks) if marks.are_of_targets() => {
                let home = wish.stays.filter(|home| claimed.targets[*home].is_usable());
                if let Some(home) = home.filter(|home| claimed.enter(*home)) {
                    return Some(at(home, renew));
                }
                // Nobody is moved for good because a target is full for a moment: the visitor goes
                // elsewhere this once and keeps the cookie. A target that fails gets nobody back.
                home.is_none()
            }
            Some(_) => wish.stays.is_none() || renew,
        };
        loop {
            let target = release.balancer.pick(claimed, wish.hash, None)?;
            // Another thread may have taken the last place meanwhile; then there is one less to try.
            if claimed.enter(target) {
                return Some(at(target, tells));
            }
        }
    }

    /// The index of the target.
    pub(in crate::data) fn target(&self) -> usize {
        self.target.get()
    }

    /// Moves to another target if one has room, for a second try; returns the target to try.
    pub(in crate::data) fn again(&self) -> usize {
        let (release, before) = (&self.release.release, self.target.get());
        let other = self.release.balancer.pick(release, self.hash, Some(before));
        if let Some(other) = other.filter(|other| *other != before && release.enter(*other)) {
            release.leave(before);
            self.target.set(other);
            if release.marks.as_ref().is_some_and(|marks| marks.are_of_targets()) {
                self.tells.set(true);
            }
        }
        self.target.get()
    }

    /// The target has answered.
    pub(in crate::data) fn succeeded(&self) {
        self.release.release.targets[self.target.get()].succeeded();
    }

    /// The target has failed the request.
    pub(in crate::data) fn failed(&self) {
        self.release.release.failed(self.target.get());
    }

    /// Whether the client came over TLS.
    pub(in crate::data) fn is_secure(&self) -> bool {
        self.secure
    }

    /// `Set-Cookie` that makes the visitor stay, if it does not already.
    pub(in crate::data) fn cookie(&self) -> Option<HeaderValue> {
        let marks = self.release.release.marks.as_ref().filter(|_| self.tells.get())?;
        let Some(sessions) = &self.release.release.sessions else {
            return marks.set(self.target.get(), self.secure);
        };
        let session = self.session.map_or_else(|| sessions.begin(), Session::renewed);
        marks.set_session(self.target.get(), session, self.secure)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let release = &self.release.release;
        if let (Some(sessions), Some(session)) = (&release.sessions, self.session) {
            sessions.leave(session.number);
        }
        release.leave(self.target.get());
    }
}
