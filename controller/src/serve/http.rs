//! The listener, and the way of a request to its answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::answer::{self, Answer};
use super::crowd::{Crowd, Place};
use super::loaded::{Loaded, Token};
use super::route::{Found, Route, What, find, routes};
use super::{Serve, act, hooks, look};

/// Time for a request's head, and again for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request's body at most.
const LARGEST: usize = 1 << 20;
/// How long a client may take nothing of its answer, or be gone without a word.
const STALLED: Duration = Duration::from_secs(30);

/// A request that was read whole.
#[derive(Debug)]
pub(super) struct Asked {
    /// The parts of its path that a name stands for.
    pub(super) parts: BTreeMap<String, String>,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    /// The part of the path that `name` stands for.
    pub(super) fn part(&self, name: &str) -> &str {
        self.parts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A value of the query, as it stands there.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }
}

/// Serves on `listener` until it is dropped.
pub(super) async fn serve(serve: Arc<Serve>, listener: TcpListener) {
    let (crowd, routes) = (Crowd::default(), Arc::new(routes()));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("listener: {error}");
                // For want of descriptors: the next accept would fail at once, too.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (serve, routes) = (Arc::clone(&serve), Arc::clone(&routes));
        crowd.enter(peer.ip(), |place| {
            tokio::spawn(async move { one(&serve, &routes, stream, &place).await }).abort_handle()
        });
    }
}

/// Serves one connection.
async fn one(serve: &Arc<Serve>, routes: &[Route], stream: TcpStream, place: &Place) {
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED)) {
        debug!("connection: {error}");
    }
    let service = service_fn(move |request| async move {
        Ok::<_, Infallible>(answer(serve, routes, place, request).await)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let over = tokio::select! {
        over = &mut connection => over,
        () = place.overstays() => {
            connection.as_mut().graceful_shutdown();
            timeout(PATIENCE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = over {
        debug!("connection: {error}");
    }
}

async fn answer(
    serve: &Arc<Serve>,
    routes: &[Route],
    place: &Place,
    request: Request<Incoming>,
) -> Answer {
    let _asking = place.asks();
    let (head, body) = request.into_parts();
    let (what, parts) = match find(routes, head.method.as_str(), head.uri.path()) {
        Found::Route(what, parts) => (what, parts),
        Found::Method(method) => {
            let mut answer = answer::refused(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
            return answer;
        }
        Found::Nothing => return answer::refused(StatusCode::NOT_FOUND, "there is nothing here"),
    };
    let loaded = serve.loaded();
    // Who one is comes first: a stranger's body is not even read.
    let who = match what {
        What::Health | What::OpenApi | What::Hook => None,
        _ => match bearer(&head.headers).and_then(|shown| loaded.who(shown)) {
            Some(token) => {
                place.shows_token();
                Some(token)
            }
            None => return unknown(),
        },
    };
    let body = match timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let said = format!("the body is larger than {LARGEST} bytes");
            return answer::refused(StatusCode::PAYLOAD_TOO_LARGE, &said);
        }
        Ok(Err(error)) => {
            return answer::refused(StatusCode::BAD_REQUEST, &format!("no body: {error}"));
        }
        Err(_) => return answer::refused(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
    };
    let query = head.uri.query().map(str::to_owned);
    let asked = Asked { parts, query, headers: head.headers, body };
    match (what, who) {
        (What::Health, _) => answer::whole(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
        (What::OpenApi, _) => {
            answer::whole(StatusCode::OK, "application/json", super::look::OPENAPI)
        }
        (What::Hook, _) => hooks::answer(serve, &loaded, &asked),
        (what, Some(token)) => api(serve, &loaded, token, what, &asked).await,
        (_, None) => unknown(),
    }
}

async fn api(
    serve: &Arc<Serve>,
    loaded: &Arc<Loaded>,
    token: &Token,
    what: What,
    asked: &Asked,
) -> Answer {
    let done = match what {
        What::Metrics => Ok(look::metrics(serve, token)),
        What::Apps => look::apps(serve, loaded, token).await,
        What::Overview => look::overview(serve, loaded, token).await,
        What::Status => look::status(serve, loaded, token, asked).await,
        What::History => look::history(serve, loaded, token, asked).await,
        What::Runs => look::runs(serve, token, asked),
        What::Run => look::run(serve, token, asked),
        What::Events => look::events(serve, token, asked),
        What::Act(verb) => act::act(serve, loaded, token, verb, asked).await,
        What::Health | What::OpenApi | What::Hook => Err(look::nothing()),
    };
    done.unwrap_or_else(|refused| *refused)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn unknown() -> Answer {
    let said = "show a token: `Authorization: Bearer …`";
    let mut answer = answer::refused(StatusCode::UNAUTHORIZED, said);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}
