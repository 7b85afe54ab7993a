//! What one request asks for, and how its answer is checked.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::request::Builder;
use http::{Method, Request, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;

use crate::app::STREAM_PIECE;
use crate::pattern::{Digest, Pattern};

/// Bytes of an upload written at a time.
const PIECE: u64 = 16 * 1024;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// GET of the page that names the release.
    Page,
    /// GET of so many bytes.
    Download(u64),
    /// GET of so many pieces of 1 KiB, the server pausing before each.
    SlowDownload(u64, Duration),
    /// POST of so many bytes, answered with their checksum.
    Upload(u64),
    /// POST in so many pieces of 16 KiB, the client pausing before each.
    SlowUpload(u64, Duration),
    /// POST of so many bytes that come back while they are sent.
    Echo(u64),
}

impl Work {
    /// Small requests for the most part, both ways.
    pub const QUICK: [Self; 8] = [
        Self::Page,
        Self::Upload(1000),
        Self::Page,
        Self::Page,
        Self::Echo(2000),
        Self::Page,
        Self::Page,
        Self::Download(100_000),
    ];

    /// Bodies both ways that are on their way for longer than a flip takes.
    pub const SLOW: [Self; 3] = [
        Self::SlowDownload(10, Duration::from_millis(20)),
        Self::SlowUpload(10, Duration::from_millis(20)),
        Self::Echo(2_000_000),
    ];
}

/// Body of a request.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the answer's body must be.
#[derive(Debug)]
pub(super) enum Expected {
    /// Names the release that the head names.
    Page(Vec<u8>),
    /// So many bytes of a pattern.
    Pattern(Pattern, u64),
    /// This text.
    Text(String, Vec<u8>),
}

/// Longest text that is worth keeping to be compared.
const MAX_TEXT: usize = 4096;

impl Expected {
    /// Takes in the next piece of the answer's body.
    pub(super) fn piece(&mut self, piece: &[u8]) -> Result<(), String> {
        match self {
            Self::Pattern(pattern, left) => {
                pattern.check(piece).map_err(|e| e.to_string())?;
                *left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or_else(|| "the body is longer than it should be".to_owned())?;
            }
            Self::Page(got) | Self::Text(_, got) if got.len() + piece.len() > MAX_TEXT => {
                return Err(format!("the body is longer than {MAX_TEXT} bytes"));
            }
            Self::Page(got) | Self::Text(_, got) => got.extend_from_slice(piece),
        }
        Ok(())
    }

    /// Whether a body that ended here, under a head that named `release`, is right.
    pub(super) fn end(self, release: &str) -> Result<(), String> {
        match self {
            Self::Pattern(_, 0) => Ok(()),
            Self::Pattern(_, left) => Err(format!("the body ends {left} bytes too early")),
            Self::Page(got) if got.starts_with(format!("release {release},").as_bytes()) => Ok(()),
            Self::Text(expected, got) if got == expected.as_bytes() => Ok(()),
            Self::Page(got) => Err(format!("head of release {release}, body `{}`", shown(&got))),
            Self::Text(expected, got) => {
                Err(format!("answer `{}` instead of `{expected}`", shown(&got)))
            }
        }
    }
}

fn shown(got: &[u8]) -> String {
    String::from_utf8_lossy(got).trim_end().chars().take(120).collect()
}

/// The request for `work`, all of whose bytes follow from `seed`, and what is to come back.
pub(super) fn request(work: Work, seed: u64) -> Result<(Request<Body>, Expected), http::Error> {
    let get = |path: String| Request::get(path).body(Empty::new().boxed_unsync());
    let expected = match work {
        Work::Page => Expected::Page(Vec::new()),
        Work::Download(len) | Work::Echo(len) => Expected::Pattern(Pattern::new(seed), len),
        Work::SlowDownload(pieces, _) => {
            Expected::Pattern(Pattern::new(seed), pieces * STREAM_PIECE as u64)
        }
        Work::Upload(len) => Expected::Text(digest(seed, len), Vec::new()),
        Work::SlowUpload(pieces, _) => Expected::Text(digest(seed, pieces * PIECE), Vec::new()),
    };
    let request = match work {
        Work::Page => get("/".to_owned()),
        Work::Download(len) => get(format!("/bytes/{len}?seed={seed}")),
        Work::SlowDownload(pieces, pause) => {
            get(format!("/stream?n={pieces}&ms={}&seed={seed}", pause.as_millis()))
        }
        Work::Upload(len) => sized("/digest", len).body(upload(seed, len, Duration::ZERO)),
        Work::Echo(len) => sized("/echo", len).body(upload(seed, len, Duration::ZERO)),
        // Its length is not announced, so that both framings of a request are on the way.
        Work::SlowUpload(pieces, pause) => {
            let request = Request::builder().method(Method::PUT).uri("/digest");
            request.body(upload(seed, pieces * PIECE, pause))
        }
    }?;
    Ok((request, expected))
}

fn sized(path: &str, len: u64) -> Builder {
    Request::builder().method(Method::POST).uri(path).header(header::CONTENT_LENGTH, len)
}

fn digest(seed: u64, len: u64) -> String {
    let mut digest = Digest::default();
    for piece in pieces(seed, len) {
        digest.update(&piece);
    }
    digest.to_string()
}

fn upload(seed: u64, len: u64, pause: Duration) -> Body {
    let paced = stream::iter(pieces(seed, len)).then(move |piece| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(Frame::data(piece))
    });
    StreamBody::new(paced).boxed_unsync()
}

fn pieces(seed: u64, len: u64) -> impl Iterator<Item = Bytes> + Send {
    let mut pattern = Pattern::new(seed);
    let mut left = len;
    std::iter::from_fn(move || {
        let now = left.min(PIECE);
        left -= now;
        (now > 0).then(|| pattern.take(usize::try_from(now).unwrap_or_default()))
    })
}
