//! To a target and back, and to a target again where nobody can have acted on it twice.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use http::{HeaderValue, Response, StatusCode, request, response};
use hyper::body::Body;

use super::body::{Download, RequestBody, ResponseBody};
use super::error::ProxyError;
use super::exchange::{Exchange, Sending};
use super::headers;
use super::local::Local;
use super::tunnel::Side;
use super::upgrade::{self, Upgraded};
use super::upstream::{Break, SendFailed, Upstream};
use crate::descriptors;
use crate::metrics::meters::Retry;

/// Sends a request to a target of the release that `exchange` has claimed and returns its answer.
///
/// It is sent again, once for each of these, on a fresh connection and to another target if there is
/// one, only where nobody can have acted on it twice: no connection was made; or nothing was sent, or
/// it was sent without a body on a kept connection that turned out dead before any byte of an answer,
/// with a method that may be repeated (RFC 9110 9.2.2); or the target says that it has done nothing
/// with it (RFC 9113 8.7).
pub(super) async fn forward(
    local: &Local,
    exchange: &Rc<Exchange>,
    head: &request::Parts,
    mut body: RequestBody,
    upgrade: Option<&HeaderValue>,
) -> Result<Response<ResponseBody>, ProxyError> {
    let release = exchange.release();
    let mut target = exchange.place.target();
    let bodyless = body.is_end_stream();
    let repeatable = bodyless && head.method.is_idempotent();
    // Whether a kept connection will not do; whether no connection was made; whether it was turned down.
    let (mut fresh, mut unreachable, mut turned_down) = (false, false, false);
    loop {
        if let Some(record) = exchange.record() {
            record.target.set(target);
        }
        let kept = if fresh { None } else { kept(local, exchange, target, repeatable).await };
        let reused = kept.is_some();
        let mut upstream = match kept {
            Some(upstream) => upstream,
            None => match connect(local, exchange, target).await {
                Ok(upstream) => upstream,
                Err(error) if !unreachable && error.fault().is_some() => {
                    exchange.retried(Retry::Connect);
                    exchange.place.failed();
                    target = exchange.place.again();
                    (fresh, unreachable) = (true, true);
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        if matches!(exchange.sending(), Sending::Done | Sending::Held) {
            exchange.deadline.allow(release.release.limits.response);
        }
        let failed = match upstream.send(head, body, &exchange.terms()).await {
            Ok(answer) if answer.status == StatusCode::SWITCHING_PROTOCOLS => {
                return switched(exchange, answer, upstream, upgrade)
                    .ok_or_else(|| ProxyError::Switched { target: name(exchange, target) });
            }
            Ok(head) => return Ok(answer(local, exchange, head, upstream, target)),
            Err(failed) => failed,
        };
        body = match failed {
            SendFailed::Unsent(body) if reused => body,
            SendFailed::Silent(_) if reused && repeatable => RequestBody::default(),
            SendFailed::Refused(_) if bodyless && !turned_down => {
                turned_down = true;
                RequestBody::default()
            }
            failed => return Err(error(exchange, target, failed)),
        };
        exchange.retried(Retry::Stale);
        target = exchange.place.again();
        fresh = true;
    }
}

/// A kept connection to target number `target`, if there is one.
async fn kept(
    local: &Local,
    exchange: &Exchange,
    target: usize,
    repeatable: bool,
) -> Option<Upstream> {
    let pool = exchange.release().pool(target);
    poll_fn(|cx| Poll::Ready(pool.take(&local.clock, repeatable, cx))).await
}

async fn connect(
    local: &Local,
    exchange: &Exchange,
    target: usize,
) -> Result<Upstream, ProxyError> {
    let release = exchange.release();
    let place = || local.target_place();
    let connecting = Upstream::connect(local, release, target, exchange.client.ends(), place);
    match exchange.deadline.within(release.release.limits.connect, connecting).await {
        Some(Ok(upstream)) => {
            if let Some(record) = exchange.record() {
                record.connected();
            }
            Ok(upstream)
        }
        Some(Err(source)) if descriptors::is_none_left(&source) => {
            local.no_room();
            Err(ProxyError::NoRoom)
        }
        Some(Err(source)) => {
            Err(ProxyError::Unreachable { target: name(exchange, target), source })
        }
        None => Err(ProxyError::ConnectTimeout { target: name(exchange, target) }),
    }
}

fn answer(
    local: &Local,
    exchange: &Rc<Exchange>,
    mut head: response::Parts,
    upstream: Upstream,
    target: usize,
) -> Response<ResponseBody> {
    let keep = headers::forward_response(&mut head) && exchange.release().release.reach.keeps();
    exchange.place.succeeded();
    exchange.add_cookies(&mut head.headers);
    exchange.answered(head.status.as_u16());
    if let Some(record) = exchange.record() {
        record.answered();
    }
    let download = Download::new(upstream, keep, target, Rc::clone(exchange), &local.clock);
    Response::from_parts(head, ResponseBody::forward(download))
}

/// The answer of a target that has switched to what the client asked for; `None` if it was asked
/// for nothing of the kind.
fn switched(
    exchange: &Rc<Exchange>,
    answer: response::Parts,
    upstream: Upstream,
    asked: Option<&HeaderValue>,
) -> Option<Response<ResponseBody>> {
    asked.filter(|asked| upgrade::is_accepted(asked, &answer.headers))?;
    let (io, early) = upstream.into_switched()?;
    exchange.switched();
    let mut response = Response::new(ResponseBody::empty(&exchange.client));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let upgraded = Upgraded::new(Side { io, early }, &answer.headers, Rc::clone(exchange));
    *response.headers_mut() = answer.headers;
    headers::forward_switch(response.headers_mut());
    exchange.place.succeeded();
    exchange.add_cookies(response.headers_mut());
    exchange.client.upgrade(upgraded);
    Some(response)
}

/// What target number `target` is called.
pub(super) fn name(exchange: &Exchange, target: usize) -> String {
    exchange.release().release.targets[target].name.clone()
}

/// Whose fault it was that no response head came.
fn error(exchange: &Exchange, target: usize, failed: SendFailed) -> ProxyError {
    let target = name(exchange, target);
    let sending = exchange.sending();
    match failed {
        _ if sending == Sending::TooLarge => ProxyError::BodyTooLarge,
        _ if sending == Sending::Failed => ProxyError::RequestBody,
        SendFailed::Overdue if sending == Sending::WaitsForClient => ProxyError::RequestTimeout,
        SendFailed::Overdue => ProxyError::ResponseTimeout { target },
        SendFailed::Broken(Break::Malformed(source)) => ProxyError::Protocol { target, source },
        SendFailed::Refused(source) | SendFailed::Silent(source) | SendFailed::Broken(source) => {
            ProxyError::Reset { target, source }
        }
        SendFailed::Unsent(_) => {
            ProxyError::Unreachable { target, source: std::io::ErrorKind::ConnectionReset.into() }
        }
    }
}
