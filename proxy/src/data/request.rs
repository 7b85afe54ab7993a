//! The walk of one request.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::{Body, Incoming};

use super::body::{RequestBody, ResponseBody};
use super::client::Client;
use super::connection::Peer;
use super::deadline::Deadline;
use super::error::ProxyError;
use super::exchange::Exchange;
use super::expect::Gate;
use super::{forward, headers, host, respond, upgrade};

/// Answers `request`, by its app or with an error of the proxy's own.
pub(super) async fn handle(
    peer: Rc<Peer>,
    deadline: Rc<Deadline>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let began = Instant::now();
    let turn = Turn::begin(&peer.client);
    let mut request_id = None;
    let answered = answer(&peer, &deadline, request, began, &mut request_id).await;
    let response = answered.unwrap_or_else(|error| {
        // Nothing more is asked of the client or a target: what remains is to write the answer.
        deadline.restart(Some(peer.client.limits().idle));
        respond::error(&error, request_id, &peer.local, &peer.client)
    });
    turn.pass_on();
    Ok(response)
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
    peer: &Peer,
    deadline: &Rc<Deadline>,
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
    let side = (Rc::clone(&peer.client), Rc::clone(deadline));
    let exchange = Exchange::new(side, way.lease, peer.local.thread, began);
    // Only HTTP/1.1 knows these (RFC 9113 8.2.2, RFC 9110 10.1.1).
    let http1 = head.version == Version::HTTP_11;
    let (hop, id) = headers::forward_request(&mut head, &peer.origin, way.strip);
    *request_id = Some(id);
    let mut request = Request::from_parts(head, RequestBody::new(body, &exchange));
    let bodyless = request.body().is_end_stream();
    let upgrade = hop.upgrade.filter(|protocols| http1 && bodyless && upgrade::may_ask(protocols));
    if let Some(protocols) = &upgrade {
        headers::ask_upgrade(request.headers_mut(), protocols);
    }
    if hop.expects_continue && http1 && !bodyless {
        let gate = Gate::new(&mut request);
        request.body_mut().hold(gate);
    }
    let answered = forward::forward(&peer.local, &exchange, request, upgrade.as_ref()).await;
    answered.inspect_err(|error| {
        exchange.answered(error.status().as_u16());
        if let Some(fault) = error.fault() {
            exchange.failed(fault);
        }
    })
}
