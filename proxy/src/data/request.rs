//! The walk of one request.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use http::header::{CONNECTION, EXPECT, HOST};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, request};
use hyper::body::{Body, Incoming};

use super::balance::{Asker, Seen};
use super::body::{RequestBody, ResponseBody};
use super::caches::Shared;
use super::client::Client;
use super::connection::Peer;
use super::deadline::Deadline;
use super::error::ProxyError;
use super::exchange::Exchange;
use super::expect::Gate;
use super::extended::{Extended, WEBSOCKET};
use super::hop::Coding;
use super::trail::Trail;
use super::{forward, headers, host, respond, strict, upgrade};
use crate::route::Front;

/// Answers `request`, by its app or with an error of the proxy's own.
pub(super) async fn handle(
    peer: Rc<Peer>,
    deadline: Rc<Deadline>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let began = Instant::now();
    let turn = Turn::begin(&peer.client);
    let (mut head, body) = request.into_parts();
    let http1 = head.version != Version::HTTP_2;
    let mut trail = Trail::of(&peer, &head, began);
    let answered = match front_health(&peer, &head) {
        _ if http1 && peer.client.is_ambiguous() => {
            Err(ProxyError::BadRequest("no request may follow one with trailers"))
        }
        Some(answered) => answered,
        None => answer(&peer, &deadline, (&mut head, body), began, &mut trail).await,
    };
    let mut response = answered.unwrap_or_else(|error| {
        // Nothing more is asked of the client or a target: what remains is to write the answer.
        deadline.restart(Some(peer.client.limits().client.idle));
        if trail.id.is_none() {
            // It has come no further than to here, and its client is told by what to ask for it.
            trail.identify(headers::request_id(&mut head.headers));
        }
        trail.ended(&error);
        respond::error(&error, &trail, &peer)
    });
    turn.pass_on();
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    // While the thread leaves, too: hyper is told so only after it was polled for what has come.
    let client = &peer.client;
    let last = client.is_used_up() || client.is_ambiguous() || peer.local.is_leaving();
    if http1 && last && !switched {
        // Said in the last answer, so that no request is on its way when the connection ends. HTTP/2
        // has GOAWAY for that.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The answer for a load balancer in front, which asks whether this proxy is there at all.
fn front_health(
    peer: &Peer,
    head: &request::Parts,
) -> Option<Result<Response<ResponseBody>, ProxyError>> {
    let path = peer.local.health.as_deref()?;
    (head.uri.path() == path).then(|| match peer.local.is_leaving() {
        true => Err(ProxyError::Stopping),
        false => Ok(Response::new(ResponseBody::own("ok\n".into(), &peer.client))),
    })
}

/// The client's turn to be answered. It ends with the answer's body, or here, if the client goes
/// away before there is one.
#[derive(Debug)]
struct Turn<'a>(Option<&'a Client>);

impl<'a> Turn<'a> {
    fn begin(client: &'a Client) -> Self {
        client.exchange_began();
        Self(Some(client))
    }

    /// The answer's body sees to the end from now on.
    fn pass_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.0 {
            client.exchange_over();
        }
    }
}

async fn answer(
    peer: &Rc<Peer>,
    deadline: &Rc<Deadline>,
    (head, body): (&mut request::Parts, Incoming),
    began: Instant,
    trail: &mut Trail,
) -> Result<Response<ResponseBody>, ProxyError> {
    let mut bounds = peer.client.limits().bounds;
    let extended = Extended::of(head);
    strict::request(head, &bounds)?;
    let (way, told) = {
        let host = host::host(head.version, &head.uri, &head.headers)?;
        let asker = Asker {
            head,
            host: &host,
            client: peer.origin.client(&head.headers),
            began,
            drawn: Cell::default(),
            seen: RefCell::default(),
        };
        let admitted = peer.local.admit(&asker, deadline).await;
        Seen { front: trail.front, app: trail.app, release: trail.release } =
            asker.seen.into_inner();
        let way = admitted?;
        let told = way.preview.as_ref().and_then(|preview| preview.told(&host).cloned());
        (way, told)
    };
    let shared = Shared::of(&way, &head.headers);
    if let Some(preview) = &way.preview {
        preview.strip(&mut head.headers);
    }
    trail.release = Some(Rc::clone(way.lease.release()));
    if let Some(front) = &trail.front {
        bounds = front.limits.over(&bounds);
    }
    if body.size_hint().lower() > bounds.body.get() && bounds.body.get() > 0 {
        return Err(ProxyError::BodyTooLarge);
    }
    // Only HTTP/1.1 knows these (RFC 9113 8.2.2, RFC 9110 10.1.1).
    let http1 = head.version == Version::HTTP_11;
    let (hop, id) = headers::forward_request(head, (&peer.origin, &peer.certificate), way.strip);
    if let Some(host) = told {
        // What was asked for is in X-Forwarded-Host by now.
        head.headers.insert(HOST, host);
    }
    if hop.coding == Coding::Other {
        return Err(ProxyError::BadRequest("Transfer-Encoding must be chunked"));
    }
    if !strict::may_go_on(head)? {
        return Ok(Response::new(ResponseBody::empty(&peer.client)));
    }
    if let Some(front) = &trail.front {
        front.change_request(&mut head.headers);
    }
    let pair = way.copied.and_then(|candidate| {
        let plain = hop.upgrade.is_none() && extended.is_none() && body.is_end_stream();
        let ends = peer.client.ends();
        plain.then(|| candidate.copy(&peer.local, head, hop.trailers, ends)).flatten()
    });
    let target = way.lease.release().release.reach.protocol;
    if target.is_http2() {
        if extended.is_some() {
            return Err(ProxyError::Connect);
        }
        headers::for_http2(head, target.is_tls(), hop.trailers);
    }
    trail.identify(id);
    let record = trail.record.take();
    let side = (Rc::clone(&peer.client), Rc::clone(deadline));
    let exchange = Exchange::new(side, (way.lease, way.place), peer.local.thread, began, record);
    let mut body = RequestBody::new(body, &exchange, bounds.body.get());
    let bodyless = body.is_end_stream();
    let may_ask = http1 && bodyless && !target.is_http2();
    let upgrade = match extended {
        Some(_) => Some(WEBSOCKET),
        None => hop.upgrade.filter(|protocols| may_ask && upgrade::may_ask(protocols)),
    };
    if let Some(protocols) = &upgrade {
        headers::ask_upgrade(&mut head.headers, protocols);
    }
    if hop.expects_continue && http1 && !bodyless && !target.is_http2() {
        head.headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
        body.hold(Gate::new());
    }
    let mut answered = forward::forward(&peer.local, &exchange, head, body, upgrade.as_ref()).await;
    if let Some(extended) = extended {
        answered = answered.and_then(|response| tunnel(peer, extended, response, &exchange));
    }
    if let Some(pair) = pair {
        pair.told(answered.as_ref().map(Response::status));
    }
    match answered {
        Ok(mut response) => {
            if let Some(front) = &trail.front {
                front.change_response(response.headers_mut(), peer.is_secure());
            }
            shared.tell(response.headers_mut());
            Ok(response)
        }
        Err(error) => {
            exchange.ended(&error);
            Err(error)
        }
    }
}

/// Lets an extended CONNECT that its target has accepted become a tunnel.
fn tunnel(
    peer: &Rc<Peer>,
    extended: Extended,
    mut response: Response<ResponseBody>,
    exchange: &Exchange,
) -> Result<Response<ResponseBody>, ProxyError> {
    match (response.status(), peer.client.take_upgraded()) {
        (_, Some(upgraded)) if extended.answer(&mut response) => {
            extended.carry(peer, upgraded);
            Ok(response)
        }
        (status, None) if !status.is_success() => Ok(response),
        _ => {
            let target = forward::name(exchange, exchange.place.target());
            Err(ProxyError::Unswitched { target })
        }
    }
}

/// Whether the request may pass to its app, and is in the right place.
pub(super) fn pass(asker: &Asker<'_>, front: &Front, preview: bool) -> Result<(), ProxyError> {
    if !front.permits(asker.client.address) {
        return Err(ProxyError::Forbidden);
    }
    match front.location(asker.client.secure, asker.host, &asker.head.uri, preview) {
        Some(location) => Err(ProxyError::Redirect(location)),
        None if headers_over(front, asker.head) => Err(ProxyError::HeadTooLarge),
        None => Ok(()),
    }
}

/// Whether the head is larger than its app allows. What the proxy itself allows was looked at when it
/// was read.
fn headers_over(front: &Front, head: &request::Parts) -> bool {
    let most = |limit: Option<u32>| limit.map_or(usize::MAX, |n| n as usize);
    head.headers.len() > most(front.limits.headers)
        || front.limits.header_bytes.is_some_and(|limit| {
            let bytes =
                |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
            head.headers.iter().map(bytes).sum::<usize>() > limit.as_usize()
        })
        || front.limits.uri.is_some_and(|limit| head.uri.to_string().len() > limit.as_usize())
}
