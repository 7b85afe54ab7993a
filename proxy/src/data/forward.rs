//! To a target and back, with at most one retry.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use http::header::SET_COOKIE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};

use super::body::{Download, RequestBody, ResponseBody};
use super::error::ProxyError;
use super::exchange::{Exchange, Sending};
use super::headers;
use super::local::Local;
use super::spare::Spare;
use super::tunnel::Side;
use super::upgrade::{self, Upgraded};
use super::upstream::{SendFailed, Upstream};
use crate::descriptors;
use crate::metrics::meters::Retry;

/// Sends `request` to a target of the release that `exchange` has claimed and returns its answer.
///
/// A request is sent a second time, once, on a fresh connection and to another target if there is
/// one, only where nobody can have acted on it twice: no connection was made, or nothing was sent,
/// or it was sent without a body on a kept connection that turned out dead before any byte of an
/// answer, with a method that may be repeated (RFC 9110 9.2.2).
pub(super) async fn forward(
    local: &Local,
    exchange: &Rc<Exchange>,
    mut request: Request<RequestBody>,
    upgrade: Option<&HeaderValue>,
) -> Result<Response<ResponseBody>, ProxyError> {
    let release = exchange.release();
    let mut target = exchange.place.target();
    let mut first = true;
    let repeatable = is_repeatable(&request);
    let bodyless = request.body().is_end_stream();
    loop {
        let kept = if first { kept(local, exchange, target, repeatable).await } else { None };
        let reused = kept.is_some();
        let mut upstream = match kept {
            Some(upstream) => upstream,
            None => match connect(local, exchange, target).await {
                Ok(upstream) => upstream,
                Err(error) if first && error.fault().is_some() => {
                    exchange.retried(Retry::Connect);
                    exchange.place.failed();
                    target = exchange.place.again();
                    first = false;
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        let once_more = match upstream.can_refuse() {
            true => bodyless && first,
            false => reused && repeatable,
        };
        let spare = once_more.then(|| Spare::of(&request));
        if let Some(record) = exchange.record() {
            record.target.set(target);
        }
        if matches!(exchange.sending(), Sending::Done | Sending::Held) {
            exchange.deadline.allow(release.release.limits.response);
        }
        let failed = match upstream.send(request, &exchange.deadline).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return switched(exchange, &response, upstream, upgrade)
                    .ok_or_else(|| ProxyError::Switched { target: name(exchange, target) });
            }
            Ok(response) => return answer(local, exchange, response, upstream, target),
            Err(failed) => failed,
        };
        request = match (failed, spare) {
            (SendFailed::Unsent(request), _) if reused => *request,
            (SendFailed::Refused(_), Some(spare)) => spare.request(),
            (SendFailed::Broken(error), Some(spare))
                if reused && repeatable && !error.is_parse() =>
            {
                spare.request()
            }
            (failed, _) => return Err(error(exchange, target, failed)),
        };
        exchange.retried(Retry::Stale);
        target = exchange.place.again();
        first = false;
    }
}

/// A kept connection to target number `target`, if there is one.
async fn kept(
    local: &Local,
    exchange: &Exchange,
    target: usize,
    repeatable: bool,
) -> Option<Upstream> {
    let pool = &exchange.release().pools[target];
    poll_fn(|cx| Poll::Ready(pool.take(&local.clock, repeatable, cx))).await
}

async fn connect(
    local: &Local,
    exchange: &Exchange,
    target: usize,
) -> Result<Upstream, ProxyError> {
    let release = exchange.release();
    let connecting = Upstream::connect(local, release, target, &exchange.client);
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

/// Whether the request may be sent again after it was sent.
fn is_repeatable(request: &Request<RequestBody>) -> bool {
    request.method().is_idempotent() && request.body().is_end_stream()
}

fn answer(
    local: &Local,
    exchange: &Rc<Exchange>,
    response: Response<Incoming>,
    upstream: Upstream,
    target: usize,
) -> Result<Response<ResponseBody>, ProxyError> {
    let (mut head, incoming) = response.into_parts();
    let keep = headers::forward_response(&mut head, incoming.size_hint().exact())
        .ok_or_else(|| ProxyError::Framing { target: name(exchange, target) })?;
    let keep = keep && exchange.release().release.reach.keeps();
    exchange.place.succeeded();
    if let Some(cookie) = exchange.place.cookie() {
        head.headers.append(SET_COOKIE, cookie);
    }
    exchange.answered(head.status.as_u16());
    if let Some(record) = exchange.record() {
        record.answered();
    }
    let download =
        Download::new(incoming, (upstream, keep), target, Rc::clone(exchange), &local.clock);
    Ok(Response::from_parts(head, ResponseBody::forward(download)))
}

/// The answer of a target that has switched to what the client asked for; `None` if it was asked
/// for nothing of the kind.
fn switched(
    exchange: &Rc<Exchange>,
    answer: &Response<Incoming>,
    upstream: Upstream,
    asked: Option<&HeaderValue>,
) -> Option<Response<ResponseBody>> {
    asked.filter(|asked| upgrade::is_accepted(asked, answer.headers()))?;
    let (io, early) = upstream.into_switched()?;
    exchange.switched();
    let mut response = Response::new(ResponseBody::empty(&exchange.client));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = answer.headers().clone();
    headers::forward_switch(response.headers_mut());
    exchange.place.succeeded();
    if let Some(cookie) = exchange.place.cookie() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    let target = Side { io, early };
    exchange.client.upgrade(Upgraded::new(target, answer.headers(), Rc::clone(exchange)));
    Some(response)
}

/// What target number `target` is called.
pub(super) fn name(exchange: &Exchange, target: usize) -> String {
    exchange.release().release.targets[target].address.to_string()
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
        SendFailed::Broken(source) if source.is_parse() => ProxyError::Protocol { target, source },
        SendFailed::Refused(source) | SendFailed::Broken(source) => {
            ProxyError::Reset { target, source }
        }
        SendFailed::Unsent(_) => {
            ProxyError::Unreachable { target, source: std::io::ErrorKind::ConnectionReset.into() }
        }
    }
}
