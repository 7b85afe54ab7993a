//! What the client can read.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, request};

use super::{Format, accept, grpc};

/// What is kept of a request head for the case that it must be answered with an error. Nothing is
/// read or copied before that case has come.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only the head of the answer.
    pub(super) head: bool,
    /// In the way of gRPC.
    pub(super) grpc: bool,
    accept: Option<HeaderValue>,
    /// Further lines of `Accept`, which hardly anybody sends.
    more: Vec<HeaderValue>,
}

impl Wanted {
    /// What the sender of `head` can read.
    pub fn of(head: &request::Parts) -> Self {
        let mut accept = head.headers.get_all(ACCEPT).iter().cloned();
        Self {
            head: head.method == Method::HEAD,
            // It knows no other method.
            grpc: head.method == Method::POST
                && head.headers.get(CONTENT_TYPE).is_some_and(grpc::is_grpc),
            accept: accept.next(),
            more: accept.collect(),
        }
    }

    /// The format it likes best.
    pub fn format(&self) -> Format {
        accept::choose(&self.accept.iter().chain(&self.more).map(HeaderValue::as_bytes))
    }
}
