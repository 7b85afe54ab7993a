//! What a case may expect, in words.

use crate::case::{Case, Step};
use crate::h2;
use crate::message::{Message, shown, values};
use crate::outcome::Outcome;
use crate::record::contains;

/// Requests that may reach a target before a flood is noticed.
const PASSED: usize = 200;

fn first(outcome: &Outcome) -> Result<&Message, String> {
    outcome.responses.first().ok_or_else(|| "the client got no response".to_owned())
}

fn asked(outcome: &Outcome) -> Result<&Message, String> {
    outcome.requests.first().ok_or_else(|| "the target got no request".to_owned())
}

fn unless(fine: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if fine { Ok(()) } else { Err(fault()) }
}

impl Case {
    /// The final responses have these statuses, and each of them a request at the target.
    pub(crate) fn answers(mut self, statuses: &'static [u16]) -> Self {
        self.answers = statuses.len();
        self.requests = self.requests.or(Some(statuses.len()));
        self.check(move |outcome| {
            let got: Vec<_> = outcome.responses.iter().map(|r| r.status).collect();
            unless(got == statuses, || format!("answered {got:?}, not {statuses:?}"))?;
            let whole = outcome.responses.iter().all(|r| r.complete);
            unless(whole, || "an answer is not complete".to_owned())
        })
    }

    /// One request, answered with 200, after which the connection goes on.
    pub(crate) fn passes(self) -> Self {
        self.answers(&[200]).kept()
    }

    /// Answered by the proxy with one of these; the target hears nothing.
    pub(crate) fn rejected(mut self, statuses: &'static [u16]) -> Self {
        self.requests = Some(0);
        self.status(statuses)
    }

    /// The first and only answer has one of these statuses.
    pub(crate) fn status(self, statuses: &'static [u16]) -> Self {
        self.check(move |outcome| {
            let got: Vec<_> = outcome.responses.iter().map(|r| r.status).collect();
            let fine = matches!(got[..], [status] if statuses.contains(&status));
            unless(fine, || format!("answered {got:?}, not one of {statuses:?}"))
        })
    }

    /// Answered by the proxy with one of these, and the connection closed: what else is on it
    /// cannot be trusted. The target hears nothing.
    pub(crate) fn refused(self, statuses: &'static [u16]) -> Self {
        self.rejected(statuses).closed()
    }

    /// The same, but the target may have heard the head already.
    pub(crate) fn broken_off(mut self, statuses: &'static [u16]) -> Self {
        self.requests = None;
        self.status(statuses).closed().check(|outcome| {
            let whole = outcome.requests.iter().any(|request| request.complete);
            unless(!whole, || "the target got a whole request".to_owned())
        })
    }

    /// The target got `n` requests.
    pub(crate) fn requests(mut self, n: usize) -> Self {
        self.requests = Some(n);
        self
    }

    /// A request after all others is answered on the same connection.
    pub(crate) fn kept(self) -> Self {
        self.check(|outcome| {
            unless(outcome.followed, || "a following request was not answered".to_owned())
        })
    }

    /// Nothing more is answered on the connection.
    pub(crate) fn closed(self) -> Self {
        self.check(|outcome| {
            unless(!outcome.followed, || "the connection was not closed".to_owned())
        })
    }

    /// The connection ends within an answer, or before it if nothing of it was sent yet; or the
    /// proxy says that the target's answer is none. Whatever it is, it does not look complete.
    pub(crate) fn broken(mut self) -> Self {
        self.answers = usize::MAX;
        self.check(|outcome| {
            let cut =
                outcome.responses.last().is_none_or(|last| !last.complete || last.status == 502);
            unless(cut && !outcome.followed, || "the answer is made to look complete".to_owned())
        })
    }

    /// The connection ends without an answer.
    pub(crate) fn silence(mut self) -> Self {
        self.answers = 0;
        self.check(|outcome| {
            let none = outcome.responses.is_empty();
            unless(none, || format!("answered {}", outcome.responses[0].status))
        })
    }

    /// The target's connection ends.
    pub(crate) fn cancels(mut self) -> Self {
        self.cancelled = true;
        self
    }

    /// The interim statuses before the first response.
    pub(crate) fn interim(self, statuses: &'static [u16]) -> Self {
        self.check(move |outcome| {
            let got = &first(outcome)?.interim;
            unless(got == statuses, || format!("interim statuses are {got:?}, not {statuses:?}"))
        })
    }

    /// The bodies of the responses.
    pub(crate) fn bodies(self, bodies: &'static [&'static str]) -> Self {
        self.check(move |outcome| {
            let got: Vec<_> = outcome.responses.iter().map(|r| r.body.as_slice()).collect();
            let same =
                got.iter().eq(bodies.iter().map(|body| body.as_bytes()).collect::<Vec<_>>().iter());
            unless(same, || format!("bodies are {}, not {bodies:?}", shown(&got)))
        })
    }

    /// The values of a field of the first response.
    pub(crate) fn field(self, name: &'static str, expected: &'static [&'static str]) -> Self {
        self.check(move |outcome| same(name, &first(outcome)?.values(name), expected))
    }

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

    /// The values of a trailer of the first request at the target.
    pub(crate) fn target_trailer(
        self,
        name: &'static str,
        expected: &'static [&'static str],
    ) -> Self {
        self.check(move |outcome| same(name, &values(&asked(outcome)?.trailers, name), expected))
    }

    /// The values of a trailer of the first response.
    pub(crate) fn trailer(self, name: &'static str, expected: &'static [&'static str]) -> Self {
        self.check(move |outcome| same(name, &values(&first(outcome)?.trailers, name), expected))
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

    /// The client got these bytes nowhere.
    pub(crate) fn client_lacks(self, bytes: &'static str) -> Self {
        self.check(move |outcome| {
            let found = contains(&outcome.record.client.got, bytes.as_bytes());
            unless(!found, || format!("the client got `{bytes}`"))
        })
    }

    /// The client got these bytes nowhere by the time of the last step but this one.
    pub(crate) fn client_lacks_now(self, bytes: &'static str) -> Self {
        self.step(Step::ClientLacks(bytes.into()))
    }

    /// What came to the client through the tunnel.
    pub(crate) fn tunnelled(self, bytes: &'static str) -> Self {
        self.check(move |outcome| {
            let got = &outcome.tunnel;
            unless(got == bytes.as_bytes(), || format!("the tunnel gave `{}`", got.escape_ascii()))
        })
    }
}

fn same(name: &str, got: &[&[u8]], expected: &[&str]) -> Result<(), String> {
    let expected: Vec<_> = expected.iter().map(|value| value.as_bytes()).collect();
    unless(got == expected, || format!("{name} is {}, not {}", shown(got), shown(&expected)))
}

// HTTP/2.

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
        self.at_once = true;
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

    /// The target got at most so many requests.
    pub(crate) fn requests_at_most(mut self, n: usize) -> Self {
        self.requests = None;
        self.check(move |outcome| {
            let got = outcome.requests.len();
            unless(got <= n, || format!("the target got {got} requests, more than {n}"))
        })
    }

    /// The request is malformed, but the target may have heard its head already.
    pub(crate) fn refused_late(self) -> Self {
        self.malformed().unfinished()
    }

    /// The target got no whole request.
    pub(crate) fn unfinished(mut self) -> Self {
        self.requests = None;
        self.check(|outcome| {
            let whole = outcome.requests.iter().any(|request| request.complete);
            unless(!whole, || "the target got a whole request".to_owned())
        })
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
        self.at_once = true;
        self
    }

    /// The proxy takes a bounded amount of memory for it.
    pub(crate) fn bounded(mut self) -> Self {
        self.bounded = true;
        self
    }

    /// The connection ends, or what was asked for in vain did not reach the target.
    pub(crate) fn stopped(mut self) -> Self {
        self.at_once = true;
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
        self.at_once = true;
        self.closed()
    }

    /// What the client gets is not read, only waited for until its end.
    pub(crate) fn unread(mut self) -> Self {
        (self.answers, self.opaque, self.requests) = (0, true, Some(0));
        self
    }
}

fn ends(outcome: &Outcome) -> String {
    format!("streams reset: {:?}, connection ended: {:?}", outcome.resets, outcome.goaway)
}
