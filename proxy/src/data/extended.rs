//! WebSocket asked for over HTTP/2: an extended CONNECT (RFC 8441), which at its target is an upgrade
//! of HTTP/1.1.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, Method, Response, StatusCode, request};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::body::ResponseBody;
use super::connection::Peer;
use super::tunnel::Side;
use super::upgrade::{self, Upgraded};
use crate::websocket::handshake::{accept, new_key};

/// What an extended CONNECT asks for.
pub(super) const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// An extended CONNECT that is being answered.
#[derive(Debug)]
pub(super) struct Extended {
    stream: OnUpgrade,
    key: HeaderValue,
}

impl Extended {
    /// What `head` asks for, if it is an extended CONNECT for WebSocket. `head` becomes what a client
    /// of HTTP/1.1 would have sent, but for what speaks of the connection.
    pub(super) fn of(head: &mut request::Parts) -> Option<Self> {
        let asked = head.extensions.get::<Protocol>()?;
        if head.method != Method::CONNECT || !asked.as_str().eq_ignore_ascii_case("websocket") {
            return None;
        }
        let stream = head.extensions.remove::<OnUpgrade>()?;
        let key = new_key();
        head.method = Method::GET;
        head.headers.insert(SEC_WEBSOCKET_KEY, key.clone());
        // The one version that this way of asking is for (RFC 8441 5).
        head.headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
        Some(Self { stream, key })
    }

    /// Makes the target's `response`, a `101 Switching Protocols`, the one the client gets; or
    /// `false` if the target has not answered this very request (RFC 6455 4.1).
    pub(super) fn answer(&self, response: &mut Response<ResponseBody>) -> bool {
        let headers = response.headers_mut();
        if headers.remove(SEC_WEBSOCKET_ACCEPT) != Some(accept(&self.key)) {
            return false;
        }
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
        *response.status_mut() = StatusCode::OK;
        true
    }

    /// Carries bytes between the client's stream and its target until the tunnel is over, in a task of
    /// its own: the one of the request ends with the head of its answer.
    pub(super) fn carry(self, peer: &Rc<Peer>, upgraded: Upgraded) {
        let peer = Rc::clone(peer);
        tokio::task::spawn_local(async move {
            let watched = peer.local.deadlines.watch(None);
            if let Ok(stream) = self.stream.await {
                let client = Side { io: TokioIo::new(stream), early: Bytes::new() };
                upgrade::run(&peer, watched.deadline(), client, upgraded).await;
            }
        });
    }
}
