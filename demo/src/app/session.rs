//! Sessions as many an app has them: in memory, and gone with the process. A visitor has a page, which
//! counts its visits, and a WebSocket.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64;
use http::header::{CONNECTION, COOKIE, SET_COOKIE, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sha1_smol::Sha1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::State;
use super::answer::plain;
use super::body::{self, Body};

/// The cookie that names a session.
pub const SESSION: &str = "session";

/// What every server appends to the key of a WebSocket (RFC 6455 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
/// Longer messages say their length in more bytes, and no visitor here sends one.
const LONGEST: usize = 125;

/// The sessions of one instance: their visits by their names.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, u64>>);

impl Sessions {
    /// One more visit of the session `name`; `None` if there is no such session here.
    fn visit(&self, name: &str) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = all.get_mut(name)?;
        *visits += 1;
        Some(*visits)
    }

    fn begin(&self) -> String {
        let name = format!("{:016x}", fastrand::u64(..));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), 1);
        name
    }
}

/// The visitor's page: a new session for one who brings none, and 401 for one whose is not here.
pub(super) fn page(state: &State, headers: &HeaderMap) -> Response<Body> {
    let Some(name) = named(headers) else {
        let name = state.sessions.begin();
        let mut response = plain(StatusCode::OK, format!("session {name}, visit 1\n"));
        if let Ok(cookie) = HeaderValue::try_from(format!("{SESSION}={name}; Path=/; HttpOnly")) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        return response;
    };
    match state.sessions.visit(&name) {
        Some(visits) => plain(StatusCode::OK, format!("session {name}, visit {visits}\n")),
        None => plain(StatusCode::UNAUTHORIZED, "no such session\n"),
    }
}

/// The visitor's WebSocket: every message comes back, after the name of the release.
pub(super) fn socket(state: &State, mut request: Request<Incoming>) -> Response<Body> {
    if named(request.headers()).is_none_or(|name| state.sessions.visit(&name).is_none()) {
        return plain(StatusCode::UNAUTHORIZED, "no such session\n");
    }
    let Some(accept) = request.headers().get("sec-websocket-key").and_then(accept) else {
        return plain(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n");
    };
    let (upgrade, version) = (hyper::upgrade::on(&mut request), state.app.version.clone());
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            // Who goes away has heard enough.
            let _ = talk(TokioIo::new(upgraded), &version).await;
        }
    });
    let mut response = Response::new(body::text(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accept);
    response
}

async fn talk(mut stream: TokioIo<Upgraded>, version: &str) -> std::io::Result<()> {
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head).await?;
        let [kind, length, mask @ ..] = head;
        let length = usize::from(length & 0x7f);
        if kind & 0x0f != TEXT & 0x0f || length > LONGEST {
            return stream.write_all(&[CLOSE, 0]).await;
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        message.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let mut answer = format!("release {version}: ").into_bytes();
        answer.extend(message);
        answer.truncate(LONGEST);
        let length = u8::try_from(answer.len()).unwrap_or_default();
        answer.splice(..0, [TEXT, length]);
        stream.write_all(&answer).await?;
    }
}

/// The session that a visitor's cookie names.
fn named(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == SESSION).map(|(_, value)| value.trim().to_owned())
}

/// What answers the key of a WebSocket (RFC 6455 4.2.2).
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let sum = Sha1::from([key.as_bytes(), GUID.as_bytes()].concat()).digest().bytes();
    HeaderValue::try_from(BASE64.encode(&sum)).ok()
}
