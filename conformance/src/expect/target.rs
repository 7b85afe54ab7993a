//! What the target gets.

use super::{asked, same, unless};
use crate::case::Case;
use crate::message::shown;

impl Case {
    /// The values of a field of the first request at the target.
    pub(crate) fn target_field(
        self,
        name: &'static str,
        expected: &'static [&'static str],
    ) -> Self {
        self.check(move |outcome| same(name, &asked(outcome)?.values(name), expected))
    }

    /// A field of the first request at the target is as it should be.
    pub(crate) fn target_field_is(
        self,
        name: &'static str,
        what: &'static str,
        fine: fn(&str) -> bool,
    ) -> Self {
        self.check(move |outcome| {
            let got = asked(outcome)?.values(name);
            let fine = matches!(got[..], [value] if fine(&String::from_utf8_lossy(value)));
            unless(fine, || format!("the target got {name} {}, not {what}", shown(&got)))
        })
    }

    /// The start line of the first request at the target.
    pub(crate) fn target_line(self, line: &'static str) -> Self {
        self.check(move |outcome| {
            let got = &asked(outcome)?.start;
            unless(got == line, || format!("the target got `{got}`, not `{line}`"))
        })
    }

    /// The body of the first request at the target, decoded.
    pub(crate) fn target_body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.check(move |outcome| {
            let got = &asked(outcome)?.body;
            unless(*got == body, || format!("the target got the body `{}`", got.escape_ascii()))
        })
    }

    /// The target got these bytes nowhere.
    pub(crate) fn target_lacks(self, bytes: &'static str) -> Self {
        self.check(move |outcome| {
            let found = outcome.record.target_saw(bytes.as_bytes());
            unless(!found, || format!("the target got `{bytes}`"))
        })
    }

    /// The target got these bytes.
    pub(crate) fn target_has(self, bytes: &'static str) -> Self {
        self.check(move |outcome| {
            let found = outcome.record.target_saw(bytes.as_bytes());
            unless(found, || format!("the target did not get `{bytes}`"))
        })
    }

    /// The target got `n` requests.
    pub(crate) fn requests(mut self, n: usize) -> Self {
        self.requests = Some(n);
        self
    }

    /// The target got at most so many requests.
    pub(crate) fn requests_at_most(mut self, n: usize) -> Self {
        self.requests = None;
        self.check(move |outcome| {
            let got = outcome.requests.len();
            unless(got <= n, || format!("the target got {got} requests, more than {n}"))
        })
    }

    /// The target got no whole request.
    pub(crate) fn unfinished(mut self) -> Self {
        self.requests = None;
        self.check(|outcome| {
            let whole = outcome.requests.iter().any(|request| request.complete);
            unless(!whole, || "the target got a whole request".to_owned())
        })
    }

    /// The same, but the target may have heard the head already.
    pub(crate) fn broken_off(mut self, statuses: &'static [u16]) -> Self {
        self.requests = None;
        self.status(statuses).closed().check(|outcome| {
            let whole = outcome.requests.iter().any(|request| request.complete);
            unless(!whole, || "the target got a whole request".to_owned())
        })
    }

    /// The target's connection ends.
    pub(crate) fn cancels(mut self) -> Self {
        self.cancelled = true;
        self
    }
}
