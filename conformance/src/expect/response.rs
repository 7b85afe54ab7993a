//! What the client gets, and what becomes of its connection.

use super::{first, same, unless};
use crate::case::{Case, Step, Until};
use crate::message::{shown, values};
use crate::record::contains;

impl Case {
    /// The final responses have these statuses, and each of them a request at the target.
    pub(crate) fn answers(mut self, statuses: &'static [u16]) -> Self {
        self.until = Until::Answers(statuses.len());
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
        self.until = Until::End;
        self.check(|outcome| {
            let cut =
                outcome.responses.last().is_none_or(|last| !last.complete || last.status == 502);
            unless(cut && !outcome.followed, || "the answer is made to look complete".to_owned())
        })
    }

    /// The connection ends without an answer.
    pub(crate) fn silence(mut self) -> Self {
        self.until = Until::End;
        self.check(|outcome| {
            let none = outcome.responses.is_empty();
            unless(none, || format!("answered {}", outcome.responses[0].status))
        })
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

    /// The values of a trailer of the first response.
    pub(crate) fn trailer(self, name: &'static str, expected: &'static [&'static str]) -> Self {
        self.check(move |outcome| same(name, &values(&first(outcome)?.trailers, name), expected))
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
