//! What a line tells.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header::{HOST, REFERER, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Version, request};

/// The longest text that is kept of a request; what is longer is cut.
const LONGEST: usize = 8192;

/// What is kept of a request head until its answer is over: its texts, copied one after the other.
/// That costs less than to share each of them, and holds on to nothing else that was read.
#[derive(Clone, Debug)]
pub struct Asked {
    text: Box<[u8]>,
    /// Where each of them ends.
    ends: [u16; TEXTS],
    version: Version,
}

/// The texts, in the order in which they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Method,
    Host,
    Path,
    Agent,
    Referer,
}

const TEXTS: usize = 5;

impl Asked {
    /// What is kept of `head`, as it came.
    pub fn of(head: &request::Parts) -> Self {
        let field = |name| head.headers.get(name).map(HeaderValue::as_bytes);
        // HTTP/2 has no `Host`.
        let authority = || head.uri.authority().map(Authority::as_str).map(str::as_bytes);
        // In the order of `Text`.
        let texts: [&[u8]; TEXTS] = [
            head.method.as_str().as_bytes(),
            field(HOST).or_else(authority).unwrap_or_default(),
            head.uri.path_and_query().map_or("", PathAndQuery::as_str).as_bytes(),
            field(USER_AGENT).unwrap_or_default(),
            field(REFERER).unwrap_or_default(),
        ];
        let texts = texts.map(|text| &text[..text.len().min(LONGEST)]);
        let mut kept = Vec::with_capacity(texts.iter().map(|text| text.len()).sum());
        let ends = texts.map(|text| {
            kept.extend_from_slice(text);
            u16::try_from(kept.len()).unwrap_or(u16::MAX)
        });
        Self { text: kept.into_boxed_slice(), ends, version: head.version }
    }

    /// One of its texts; empty if there was none.
    pub(super) fn text(&self, text: Text) -> &[u8] {
        let begin = (text as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[usize::from(begin)..usize::from(self.ends[text as usize])]
    }

    pub(super) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }
}

const _: () = assert!(LONGEST * TEXTS <= u16::MAX as usize && Text::Referer as usize + 1 == TEXTS);

/// One request and its answer. An empty text stands for something that there was not.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// What was asked for.
    pub asked: &'a Asked,
    /// When its head was there.
    pub began: Instant,
    /// Who asked: [`crate::data::forwarded::Client::address`].
    pub client: IpAddr,
    /// The version of TLS, such as `TLSv1.3`.
    pub tls: &'static str,
    /// The status of the answer; 0 if the client left before it began.
    pub status: u16,
    /// Bytes of the request body, or the tunnel, that came from the client.
    pub received: u64,
    /// Bytes of the answer's body, or the tunnel, that went to the client.
    pub sent: u64,
    /// The app.
    pub app: &'a str,
    /// The slot.
    pub slot: &'a str,
    /// The release: its version, or its token.
    pub release: &'a str,
    /// The target that answered, or was tried last.
    pub target: &'a str,
    /// Times it was sent again.
    pub retries: u8,
    /// What went wrong.
    pub error: &'a str,
    /// The request's id.
    pub request_id: &'a [u8],
    /// From the head to a connection to the target; `None` if a kept one was used.
    pub connect: Option<Duration>,
    /// From the head to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From the head to the end of both bodies.
    pub total: Duration,
}
