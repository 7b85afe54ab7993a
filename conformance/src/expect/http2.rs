//! Ends of streams and connections of HTTP/2, and floods.

use super::unless;
use crate::case::{Case, Until};
use crate::h2;
use crate::outcome::Outcome;

/// Requests that may reach a target before a flood is noticed.
const PASSED: usize = 200;

impl Case {
    /// The request is malformed (RFC 9113 8.1.1): its stream or the connection ends with an error,
    /// or it is answered with one. The target hears nothing.
    pub(crate) fn malformed(mut self) -> Self {
        self.requests = Some(0);
        self.check(|outcome| {
            let answered: Vec<_> = outcome.responses.iter().map(|r| r.status).collect();
            let error = |code: u32| code != h2::NO_ERROR;
            let refused = answered.iter().any(|status| *status >= 400)
                || outcome.resets.iter().any(|(_, code)| error(*code))
                || outcome.goaway.is_some_and(error);
            let fine = answered.iter().all(|status| *status >= 400) && refused;
            unless(fine, || format!("answered {answered:?}, {}", ends(outcome)))
        })
    }

    /// The connection ends with one of these errors (RFC 9113 5.4.1).
    pub(crate) fn connection_error(mut self, codes: &'static [u32]) -> Self {
        self.until = Until::Now;
        self.closed().check(move |outcome| {
            let fine = outcome.goaway.is_some_and(|code| codes.contains(&code));
            unless(fine, || format!("no connection error of {codes:?}, {}", ends(outcome)))
        })
    }

    /// A stream ends with one of these errors (RFC 9113 5.4.2), or the connection does.
    pub(crate) fn stream_error(self, codes: &'static [u32]) -> Self {
        self.check(move |outcome| {
            let fine = outcome.resets.iter().any(|(_, code)| codes.contains(code))
                || outcome.goaway.is_some_and(|code| codes.contains(&code));
            unless(fine, || format!("no stream error of {codes:?}, {}", ends(outcome)))
        })
    }

    /// The request is malformed, but the target may have heard its head already.
    pub(crate) fn refused_late(self) -> Self {
        self.malformed().unfinished()
    }

    /// The stream ends with an error within its answer.
    pub(crate) fn cut(self) -> Self {
        self.check(|outcome| {
            let cut = outcome.responses.first().is_none_or(|first| !first.complete);
            let told = !outcome.resets.is_empty() || outcome.goaway.is_some_and(|code| code != 0);
            unless(cut && told, || format!("the answer looks complete, {}", ends(outcome)))
        })
    }

    /// The connection is tried once more without waiting for an answer.
    pub(crate) fn at_once(mut self) -> Self {
        self.until = Until::Now;
        self
    }

    /// The connection ends, or what was asked for in vain did not reach the target.
    pub(crate) fn stopped(mut self) -> Self {
        self.until = Until::Now;
        self.requests = None;
        self.check(|outcome| {
            let passed = outcome.requests.len();
            unless(!outcome.followed || passed <= PASSED, || {
                format!("the target got {passed} requests")
            })
        })
    }

    /// The connection goes on or ends; that others are served is checked after every case.
    pub(crate) fn harmless(mut self) -> Self {
        self.requests = None;
        self
    }

    /// The connection ends, whatever is said.
    pub(crate) fn ends(mut self) -> Self {
        self.until = Until::Now;
        self.closed()
    }

    /// What the client gets is not read, only waited for until its end.
    pub(crate) fn unread(mut self) -> Self {
        (self.until, self.requests) = (Until::UnreadEnd, Some(0));
        self
    }

    /// The proxy takes a bounded amount of memory for it.
    pub(crate) fn bounded(mut self) -> Self {
        self.bounded = true;
        self
    }
}

fn ends(outcome: &Outcome) -> String {
    format!("streams reset: {:?}, connection ended: {:?}", outcome.resets, outcome.goaway)
}
