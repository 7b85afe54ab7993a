//! The walk of one request.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;

use super::body::{RequestBody, ResponseBody};
use super::connection::Peer;
use super::error::ProxyError;
use super::exchange::Exchange;
use super::{forward, headers, host, respond};

/// Answers `request`, by its app or with an error of the proxy's own.
pub(super) async fn handle(
    peer: Rc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let began = Instant::now();
    peer.client.exchange_began();
    let mut request_id = None;
    let answered = answer(&peer, request, began, &mut request_id).await;
    Ok(answered.unwrap_or_else(|error| {
        // Nothing more is asked of the client or a target: what remains is to write the answer.
        peer.client.allow_any();
        respond::error(&error, request_id, &peer.local, &peer.client)
    }))
}

async fn answer(
    peer: &Peer,
    request: Request<Incoming>,
    began: Instant,
    request_id: &mut Option<HeaderValue>,
) -> Result<Response<ResponseBody>, ProxyError> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(ProxyError::Connect);
    }
    let way = {
        let host = host::host(head.version, &head.uri, &head.headers)?;
        peer.local.claim(&host, head.uri.path())
    };
    let way =
        way.inspect_err(|error| peer.local.meters.unrouted(peer.local.thread, error.status()))?;
    let exchange = Exchange::new(Rc::clone(&peer.client), way.lease, peer.local.thread, began);
    *request_id = Some(headers::forward_request(&mut head, &peer.forwarded_for, way.strip));
    let request = Request::from_parts(head, RequestBody::new(body, &exchange));
    let answered = forward::forward(&peer.local, &exchange, request).await;
    answered.inspect_err(|error| {
        exchange.answered(error.status().as_u16());
        if let Some(fault) = error.fault() {
            exchange.failed(fault);
        }
    })
}
