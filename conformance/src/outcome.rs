//! What came of a case.

use crate::case::{Case, Until};
use crate::h2;
use crate::message::Message;
use crate::record::{Record, Side};
use crate::request::{self, is_own};
use crate::response;

/// What came of a case, read strictly.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What the client got, without the answer to the suite's own request at the end.
    pub(crate) responses: Vec<Message>,
    /// What came after a 101.
    pub(crate) tunnel: Vec<u8>,
    /// What the target got, without the suite's own requests.
    pub(crate) requests: Vec<Message>,
    /// Whether the request after all others was answered by the target.
    pub(crate) followed: bool,
    /// HTTP/2 only: error codes of streams that were reset, and of the connection.
    pub(crate) resets: Vec<(u32, u32)>,
    pub(crate) goaway: Option<u32>,
    /// What is wrong in any case.
    pub(crate) faults: Vec<String>,
    pub(crate) record: Record,
}

impl Outcome {
    /// Reads `record`.
    pub(crate) fn read(case: &Case, record: &Record) -> Self {
        let mut outcome = Self { record: record.clone(), ..Self::default() };
        if case.until != Until::UnreadEnd {
            outcome.client(case, &record.client);
        }
        for side in &record.target {
            match request::requests(side) {
                Ok(requests) => outcome.requests.extend(requests),
                Err(fault) => outcome.faults.push(format!("the target got {fault}")),
            }
        }
        outcome.requests.retain(|request| !is_own(request.start.as_bytes()));
        outcome
    }

    fn client(&mut self, case: &Case, side: &Side) {
        let fault = if case.http2 {
            match h2::responses(side) {
                Ok(mut read) => {
                    let own = read.streams.iter().position(|(id, _)| *id == h2::FOLLOWING);
                    self.followed = own.is_some_and(|at| followed(&read.streams.remove(at).1));
                    self.responses =
                        read.streams.into_iter().map(|(_, response)| response).collect();
                    (self.resets, self.goaway) = (read.resets, read.goaway);
                    return;
                }
                Err(fault) => fault,
            }
        } else {
            match response::responses(side, &case.to_head) {
                Ok((responses, tunnel)) => {
                    (self.responses, self.tunnel) = (responses, tunnel);
                    self.followed = self.responses.pop_if(|last| followed(last)).is_some();
                    return;
                }
                Err(fault) => fault,
            }
        };
        self.faults.push(format!("the client got {fault}"));
    }

    /// Whether there is nothing more to wait for before the connection is tried once more.
    pub(crate) fn enough(case: &Case, side: &Side) -> bool {
        let wanted = match case.until {
            _ if side.over.is_some() => return true,
            Until::Now => return true,
            Until::End | Until::UnreadEnd => return false,
            Until::Answers(wanted) => wanted,
        };
        if case.http2 {
            return h2::responses(side).map_or(true, |read| {
                let done = read.streams.iter().filter(|(_, response)| response.complete).count();
                // A connection error is followed by the end.
                read.goaway.is_none_or(|code| code == 0) && done + read.resets.len() >= wanted
            });
        }
        response::responses(side, &case.to_head).map_or(true, |(responses, _)| {
            responses.iter().filter(|response| response.complete).count() >= wanted
        })
    }
}

impl Case {
    /// Whether the client's connection is over, or the suite's own request on it answered.
    pub(crate) fn followed(case: &Self) -> impl Fn(&Record) -> bool {
        move |record| {
            if !case.http2 {
                return record.client.over.is_some();
            }
            let own = |read: h2::Read| {
                read.streams.iter().any(|(id, message)| *id == h2::FOLLOWING && message.complete)
                    || read.resets.iter().any(|(id, _)| *id == h2::FOLLOWING)
            };
            record.client.over.is_some() || h2::responses(&record.client).is_ok_and(own)
        }
    }
}

/// Whether this is the target's answer to the suite's own request.
fn followed(response: &Message) -> bool {
    response.status == 200 && response.complete && response.values("x-own") == [b"yes"]
}
