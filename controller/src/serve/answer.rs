//! What requests are answered with.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};

/// A body that comes piece by piece.
pub(super) type Pieces = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// What a request is answered with.
pub(super) type Answer = Response<Either<Full<Bytes>, Pieces>>;

/// The answer to what is not done. In a box, since it is rare and large.
pub(super) type Refused = Box<Answer>;

/// An answer of JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    let mut body = value.to_string();
    body.push('\n');
    whole(status, "application/json", body)
}

/// The answer to what cannot be done, in the words and with the code of the command line.
pub(super) fn failure(status: StatusCode, failure: &Failure) -> Answer {
    let Failure { exit, said, details, hint } = failure;
    json(
        status,
        &json!({ "error": said, "details": details, "hint": hint, "exit": exit.code(),
            "outcome": exit }),
    )
}

/// The same, with the status that goes with the code.
pub(super) fn failed(failed: &Failure) -> Answer {
    let status = match failed.exit {
        Exit::Usage => StatusCode::BAD_REQUEST,
        Exit::Locked | Exit::Superseded => StatusCode::CONFLICT,
        Exit::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    failure(status, failed)
}

/// A refusal in a word.
pub(super) fn refused(status: StatusCode, said: &str) -> Answer {
    failure(status, &Failure::usage(said))
}

/// An answer that is there as a whole.
pub(super) fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    typed(status, kind, Either::Left(Full::new(body.into())))
}

/// An answer that comes piece by piece.
pub(super) fn pieces(kind: &'static str, body: Pieces) -> Answer {
    typed(StatusCode::OK, kind, Either::Right(body))
}

fn typed(status: StatusCode, kind: &'static str, body: Either<Full<Bytes>, Pieces>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
