//! What answers tell the caches between here and whoever asked, where one path has two answers: a cache in
//! front of the proxy would give every visitor what one tester has seen.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, EXPIRES, HeaderValue, VARY};
use shunt_config::pass;

use super::local::Way;

/// What some caches obey before `Cache-Control`: RFC 9213, and what was there before it.
const TARGETED: [&str; 4] =
    ["cdn-cache-control", "surrogate-control", "cloudflare-cdn-cache-control", "x-accel-expires"];

/// What shared caches are told of the answer to a request.
#[derive(Debug)]
pub(super) struct Shared {
    /// Whether it has shown a pass to a preview.
    by_pass: bool,
    /// The field of it that has decided which release answers.
    varies: Option<HeaderValue>,
}

impl Shared {
    /// Of the request with these `headers`, which goes its `way`; to be asked before passes are taken off.
    pub(super) fn of(way: &Way, headers: &HeaderMap) -> Self {
        let by_pass = way.preview.as_ref().is_some_and(|preview| preview.is_shown(headers));
        Self { by_pass, varies: way.lease.varies() }
    }

    /// Tells them.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.varies {
            vary(headers, name);
        }
        if self.by_pass {
            keep_none(headers);
        }
    }
}

/// No cache keeps the answer, whatever the app says of it (RFC 9111 5.2.2), and one that keeps it all the same
/// is told what it was for.
fn keep_none(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.remove(EXPIRES);
    for name in TARGETED {
        headers.remove(name);
    }
    vary(headers, &HeaderValue::from_static(pass::HEADER));
    vary(headers, &HeaderValue::from_static("cookie"));
}

/// The answer depends on the request's field `name` (RFC 9110 12.5.5).
fn vary(headers: &mut HeaderMap, name: &HeaderValue) {
    let known = |line: &HeaderValue| {
        let mut names = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.any(|known| known == b"*" || known.eq_ignore_ascii_case(name.as_bytes()))
    };
    if !headers.get_all(VARY).iter().any(known) {
        headers.append(VARY, name.clone());
    }
}
