//! One request, one answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::body::{self, Body};
use super::{COUNTED, INSTANCE, RELEASE, STREAM_PIECE, State, session};
use crate::pattern::Pattern;

pub(super) async fn answer(state: &State, request: Request<Incoming>) -> Response<Body> {
    if request.headers().contains_key(COUNTED) {
        state.seen.fetch_add(1, Ordering::Relaxed);
    }
    let mut response = match state.app.faults.strike(state, request.uri().path()).await {
        Some(failure) => failure,
        None => route(state, request).await,
    };
    for (name, value) in [(RELEASE, &state.app.version), (INSTANCE, &state.app.instance)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn route(state: &State, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let upload = matches!(*request.method(), Method::POST | Method::PUT);
    let pause = Duration::from_millis(number(&query, "ms").unwrap_or(0));
    let count = number(&query, "n").unwrap_or(10);
    match path.as_str() {
        "/up" => health(state),
        "/" => page(state),
        "/seen" => plain(StatusCode::OK, state.seen.load(Ordering::Relaxed).to_string()),
        "/echo" if upload => echo(request),
        "/digest" if upload && query == "early" => ok(body::digest_of(request.into_body())),
        "/digest" if upload => digest(request).await,
        "/headers" => headers(&request),
        "/session" => session::page(state, request.headers()),
        "/socket" => session::socket(state, request),
        "/slow" => {
            tokio::time::sleep(pause).await;
            page(state)
        }
        "/stream" => {
            let mut pattern = Pattern::new(number(&query, "seed").unwrap_or(0));
            ok(body::paced(count, pause, move |_| pattern.take(STREAM_PIECE)))
        }
        "/sse" => events(state, count, pause),
        _ => match path.strip_prefix("/bytes/").map(str::parse) {
            Some(Ok(len)) => bytes(number(&query, "seed").unwrap_or(0), len),
            _ => plain(StatusCode::NOT_FOUND, format!("nothing at {path}\n")),
        },
    }
}

fn health(state: &State) -> Response<Body> {
    if state.broken.load(Ordering::Relaxed) {
        let said = format!("release {} is broken: it finds no database\n", state.app.version);
        return plain(StatusCode::INTERNAL_SERVER_ERROR, said);
    }
    match state.app.ready_after.checked_sub(state.started.elapsed()) {
        Some(left) if !left.is_zero() => {
            let said = format!("starting: {} ms of migrations left\n", left.as_millis());
            plain(StatusCode::SERVICE_UNAVAILABLE, said)
        }
        _ => plain(StatusCode::OK, "up\n"),
    }
}

fn page(state: &State) -> Response<Body> {
    let (version, instance) = (&state.app.version, &state.app.instance);
    plain(StatusCode::OK, format!("release {version}, from {instance}\n"))
}

fn bytes(seed: u64, len: u64) -> Response<Body> {
    let mut response = ok(body::pattern(seed, len));
    response.headers_mut().insert(CONTENT_LENGTH, len.into());
    response
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let length = request.headers().get(CONTENT_LENGTH).cloned();
    let mut response = ok(request.into_body().boxed_unsync());
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

async fn digest(request: Request<Incoming>) -> Response<Body> {
    match body::digest(request.into_body()).await {
        Ok(digest) => plain(StatusCode::OK, digest.to_string()),
        Err(e) => plain(StatusCode::BAD_REQUEST, format!("the upload broke off: {e}\n")),
    }
}

/// The request's head as it arrived: header lines in order, names in lower case.
fn headers(request: &Request<Incoming>) -> Response<Body> {
    let lines: Vec<[String; 2]> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()]
        })
        .collect();
    let head = serde_json::json!({
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "version": format!("{:?}", request.version()),
        "headers": lines,
    });
    let mut response = ok(body::text(head.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn events(state: &State, count: u64, pause: Duration) -> Response<Body> {
    let version = state.app.version.clone();
    let event = move |number| Bytes::from(format!("id: {number}\ndata: release {version}\n\n"));
    let mut response = ok(body::paced(count, pause, event));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn ok(body: Body) -> Response<Body> {
    Response::new(body)
}

pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(body::text(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn number(query: &str, name: &str) -> Option<u64> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}
