//! A case: what the client sends, what the target does, and what must come of it.

use std::fmt;

use crate::h2;
use crate::outcome::Outcome;
use crate::peer::Peer;

/// What the client does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes, each in a write of its own.
    Bytewise(Vec<u8>),
    /// Waits until the target got these bytes.
    TargetSees(Vec<u8>),
    /// Waits until it got these bytes itself.
    ClientSees(Vec<u8>),
    /// Fails if it has got these bytes by now.
    ClientLacks(Vec<u8>),
    /// Waits until the target has played this many answers.
    Played(usize),
    /// Begins HTTP/2, and waits for the server's part.
    Greet,
    /// Sends no more: a FIN.
    Fin,
    /// Ends the connection with a reset.
    Reset,
}

/// What the target does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// Waits for the whole request; for its head it has waited before.
    Whole,
    /// Waits until it got these bytes.
    Sees(Vec<u8>),
    /// Waits until the client got these bytes.
    ClientSees(Vec<u8>),
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends no more: a FIN.
    Close,
    /// Ends the connection with a reset.
    Reset,
}

/// What the client waits for, after its steps and before it tries the connection once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// So many final responses.
    Answers(usize),
    /// Nothing.
    Now,
    /// The end of the connection.
    End,
    /// The same, and what comes until then is not read.
    UnreadEnd,
}

/// Whether something is as it must be, or what is wrong.
type Check = Box<dyn Fn(&Outcome) -> Result<(), String> + Send + Sync>;

/// One case.
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    /// Where it is written: RFC and section, CVE, or `ours` for what is a choice.
    pub rule: &'static str,
    /// Proxies that it is not fair to ask.
    except: &'static [Peer],
    pub(crate) http2: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) target: Vec<Vec<Play>>,
    pub(crate) until: Until,
    /// Responses that answer HEAD, by number.
    pub(crate) to_head: Vec<usize>,
    /// Requests the target must have got, where that is known.
    pub(crate) requests: Option<usize>,
    /// Whether the target's connection must be over in the end.
    pub(crate) cancelled: bool,
    /// Whether the proxy's memory is watched.
    pub(crate) bounded: bool,
    checks: Vec<Check>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A case named `name`, by the rule `rule`. Without more, one request is expected to be answered
/// with 200.
pub(crate) fn case(name: &'static str, rule: &'static str) -> Case {
    Case {
        name,
        rule,
        except: &[],
        http2: false,
        steps: Vec::new(),
        target: Vec::new(),
        until: Until::Answers(1),
        to_head: Vec::new(),
        requests: None,
        cancelled: false,
        bounded: false,
        checks: Vec::new(),
    }
}

/// A GET with more field lines, each ending in CRLF.
pub(crate) fn get(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: app.test\r\n", fields.as_ref(), b"\r\n"].concat()
}

/// A POST with more field lines, and what follows its head.
pub(crate) fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: app.test\r\n", fields.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// A chunked POST.
pub(crate) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A 200 with more field lines and a body.
pub(crate) fn ok(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Case {
    /// Whether `peer` is to be asked.
    pub fn applies_to(&self, peer: Peer) -> bool {
        !self.except.contains(&peer)
    }

    /// Whether the target must not hear of it.
    pub fn stays_outside(&self) -> bool {
        self.requests == Some(0)
    }

    /// What is wrong with `outcome`; empty if nothing is.
    pub(crate) fn faults(&self, outcome: &Outcome) -> Vec<String> {
        let mut faults = outcome.faults.clone();
        if let Some(requests) = self.requests
            && requests != outcome.requests.len()
        {
            faults.push(format!(
                "the target got {} requests, not {requests}",
                outcome.requests.len()
            ));
        }
        faults.extend(self.checks.iter().filter_map(|check| check(outcome).err()));
        faults
    }

    pub(crate) fn check(
        mut self,
        check: impl Fn(&Outcome) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    pub(crate) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Not fair to ask these.
    pub(crate) fn except(mut self, peers: &'static [Peer]) -> Self {
        self.except = peers;
        self
    }

    /// About what only shunt is configured to do.
    pub(crate) fn ours(self) -> Self {
        self.except(&[Peer::Nginx, Peer::Haproxy])
    }

    // What the client does.

    /// The client sends `bytes`.
    pub(crate) fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Send(bytes.as_ref().to_vec()))
    }

    /// The client sends `bytes` one by one.
    pub(crate) fn bytewise(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::Bytewise(bytes.as_ref().to_vec()))
    }

    /// The client waits until the target got `bytes`.
    pub(crate) fn target_sees(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::TargetSees(bytes.as_ref().to_vec()))
    }

    /// The client waits until it got `bytes`.
    pub(crate) fn client_sees(self, bytes: impl AsRef<[u8]>) -> Self {
        self.step(Step::ClientSees(bytes.as_ref().to_vec()))
    }

    /// The client waits until the target has played `n` answers.
    pub(crate) fn played(self, n: usize) -> Self {
        self.step(Step::Played(n))
    }

    /// The client ends its side.
    pub(crate) fn fin(self) -> Self {
        self.step(Step::Fin)
    }

    /// The client resets its connection.
    pub(crate) fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// The client speaks HTTP/2 from here on, and sends `frames` once the server has spoken.
    pub(crate) fn h2(self, frames: impl AsRef<[u8]>) -> Self {
        self.h2_raw().step(Step::Greet).send(frames)
    }

    /// The client speaks HTTP/2, but what it sends at first is the case's affair.
    pub(crate) fn h2_raw(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// An HTTP/2 GET with more fields.
    pub(crate) fn h2_get(self, fields: &[(&str, &str)]) -> Self {
        self.h2(h2::request(1, &[&h2::GET, fields].concat()))
    }

    /// The responses with these numbers answer HEAD.
    pub(crate) fn answering_head(mut self, numbers: &[usize]) -> Self {
        self.to_head = numbers.to_vec();
        self
    }

    // What the target does.

    /// The target answers the next request with `bytes`, when it is whole.
    pub(crate) fn answer(self, bytes: impl AsRef<[u8]>) -> Self {
        self.plays([Play::Whole, Play::Send(bytes.as_ref().to_vec())])
    }

    /// The same, and then it closes.
    pub(crate) fn last_answer(self, bytes: impl AsRef<[u8]>) -> Self {
        self.plays([Play::Whole, Play::Send(bytes.as_ref().to_vec()), Play::Close])
    }

    /// The target plays this when it has the head of the next request.
    pub(crate) fn plays(mut self, plays: impl Into<Vec<Play>>) -> Self {
        self.target.push(plays.into());
        self
    }
}
