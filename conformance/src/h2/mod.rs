//! HTTP/2 as raw bytes: frames written whatever they may be, and what comes back read strictly.

mod frame;
mod read;

pub(crate) use frame::*;
pub(crate) use read::{Read, greeted, responses};

/// Stream of the suite's own request after all others.
pub(crate) const FOLLOWING: u32 = 0x0fff_ffff;

/// The pseudo-header fields of a GET.
pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "app.test"), (":path", "/")];

/// Those of a POST.
pub(crate) const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "app.test"), (":path", "/")];

/// The suite's own request.
pub(crate) fn following() -> Vec<u8> {
    let path = [(":path", "/following")];
    request(FOLLOWING, &[&GET[..3], &path].concat())
}
