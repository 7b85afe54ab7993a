//! One health check of one target, from here: so that a release that cannot answer at all is never
//! announced, and its failure is shown with its container's output.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use shunt_config::Address;
use shunt_config::health::{Check, CheckKind, CheckMethod};
use shunt_config::protocol::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::time::show;

/// Docker's own forwarder accepts before the app listens, and closes at once.
const STAYS_OPEN: Duration = Duration::from_millis(100);

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// No connection came about, and nobody refused one: there may be no way from here.
    #[error("{0}")]
    OutOfReach(String),
    /// It answered, or its machine did, and that does not count as healthy.
    #[error("{0}")]
    Unhealthy(String),
}

/// How much of an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Whole,
}

/// Asks `address` once: what it answered, and whether that counts as healthy. Ends within the
/// check's timeout.
pub async fn probe(address: &Address, protocol: Protocol, check: &Check) -> Result<String, Down> {
    asked_once(address, protocol, check, Part::Head).await
}

/// The same, to the end of the answer's body, which is dropped.
pub async fn fetch(address: &Address, protocol: Protocol, check: &Check) -> Result<String, Down> {
    asked_once(address, protocol, check, Part::Whole).await
}

async fn asked_once(
    address: &Address,
    protocol: Protocol,
    check: &Check,
    part: Part,
) -> Result<String, Down> {
    let deadline = Instant::now() + check.timeout;
    let late = |_| format!("no answer within {}", show(check.timeout));
    let refused = |e: io::Error| {
        let said = format!("connect: {e}");
        match e.kind() {
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                Down::OutOfReach(said)
            }
            _ => Down::Unhealthy(said),
        }
    };
    let answer = match with_port(address, check.port) {
        Address::Tcp { host, port } => {
            let stream = timeout_at(deadline, TcpStream::connect((host.as_str(), port))).await;
            let stream = stream.map_err(|e| Down::OutOfReach(format!("connect: {}", late(e))))?;
            let asked = ask(stream.map_err(refused)?, address, (protocol, part), check);
            timeout_at(deadline, asked).await
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(refused)?;
            timeout_at(deadline, ask(stream, address, (protocol, part), check)).await
        }
    };
    answer.unwrap_or_else(|e| Err(late(e))).map_err(Down::Unhealthy)
}

fn with_port(address: &Address, port: Option<u16>) -> Address {
    match (address, port) {
        (Address::Tcp { host, .. }, Some(port)) => Address::Tcp { host: host.clone(), port },
        _ => address.clone(),
    }
}

async fn ask<S>(
    mut stream: S,
    address: &Address,
    (protocol, part): (Protocol, Part),
    check: &Check,
) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match check.kind {
        CheckKind::Http => request(stream, address, (protocol, part), check).await,
        CheckKind::Tcp => match timeout(STAYS_OPEN, stream.read_u8()).await {
            Ok(Err(error)) => Err(format!("connected, then closed: {error}")),
            // Some servers speak first.
            Ok(Ok(_)) | Err(_) => Ok("accepts connections".to_owned()),
        },
    }
}

async fn request<S>(
    stream: S,
    address: &Address,
    (protocol, part): (Protocol, Part),
    check: &Check,
) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = asked(address, protocol, check);
    let request = request.map_err(|e| format!("this check cannot be sent: {e}"))?;
    let (io, connect) = (TokioIo::new(stream), |e| format!("connect: {e}"));
    let answer = if protocol.is_http2() {
        let here = TokioExecutor::new();
        let (mut sender, connection) = http2::handshake(here, io).await.map_err(connect)?;
        answered(sender.send_request(request), connection, part).await
    } else {
        let (mut sender, connection) = http1::handshake(io).await.map_err(connect)?;
        answered(sender.send_request(request), connection, part).await
    };
    let status = answer.map_err(|e| format!("no answer: {e}"))?;
    let said = format!("{} {}", check.path, status);
    if check.status.contains(status.as_u16()) { Ok(said) } else { Err(said) }
}

fn asked(
    address: &Address,
    protocol: Protocol,
    check: &Check,
) -> http::Result<Request<Empty<Bytes>>> {
    let method = match check.method {
        CheckMethod::Get => http::Method::GET,
        CheckMethod::Head => http::Method::HEAD,
        CheckMethod::Options => http::Method::OPTIONS,
    };
    let host = check.host.clone().unwrap_or_else(|| match address {
        Address::Tcp { .. } => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    });
    let request = Request::builder().method(method);
    let request = if protocol.is_http2() {
        let uri = Uri::builder().scheme("http").authority(host).path_and_query(&*check.path);
        request.uri(uri.build()?)
    } else {
        request.uri(&check.path).header(header::HOST, host).header(header::CONNECTION, "close")
    };
    let agent = concat!("shuntctl/", env!("CARGO_PKG_VERSION"));
    request.header(header::USER_AGENT, agent).body(Empty::new())
}

/// The answer's status, once so much of it is there: the connection is dropped with this future.
async fn answered(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
    part: Part,
) -> hyper::Result<StatusCode> {
    let mut answer = std::pin::pin!(async {
        let (head, mut body) = answer.await?.into_parts();
        if part == Part::Whole {
            while let Some(frame) = body.frame().await {
                frame?;
            }
        }
        Ok(head.status)
    });
    tokio::select! {
        answer = &mut answer => answer,
        // It may be over in the same moment in which the answer has come.
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_config::Health;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    /// A server that reads a little and answers `answer` to one connection.
    async fn answering(answer: &'static str) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if answer.is_empty() {
                return;
            }
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    fn check(json: &str) -> Check {
        let health: Health = shunt_config::strict::json(json).unwrap();
        health.over(&Health::default())
    }

    #[tokio::test]
    async fn the_answer_decides_and_is_told() {
        let up = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(probe(&up, Protocol::Http1, &check("{}")).await.unwrap(), "/up 204 No Content");
        let down = answering("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        let said = probe(&down, Protocol::Http1, &check("{}")).await.unwrap_err();
        assert_eq!(said, Down::Unhealthy("/up 503 Service Unavailable".to_owned()));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_good_enough_for_a_check_and_not_for_a_fetch() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
        let up = answering(text).await;
        assert_eq!(probe(&up, Protocol::Http1, &check("{}")).await.unwrap(), "/up 200 OK");
        let up = answering(text).await;
        let said = fetch(&up, Protocol::Http1, &check("{}")).await.unwrap_err().to_string();
        assert!(said.starts_with("no answer: "), "{said}");
        let up = answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull").await;
        assert!(fetch(&up, Protocol::Http1, &check("{}")).await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_that_is_closed_at_once_is_not_healthy() {
        let closing = answering("").await;
        assert!(probe(&closing, Protocol::Http1, &check("{}")).await.is_err());
        let closing = answering("").await;
        let said = probe(&closing, Protocol::Http1, &check(r#"{"kind":"tcp"}"#)).await.unwrap_err();
        let said = said.to_string();
        assert!(said.starts_with("connected, then closed"), "{said}");
    }

    #[tokio::test]
    async fn nobody_listening_is_told_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let said = probe(&address, Protocol::Http1, &check("{}")).await.unwrap_err();
        assert!(matches!(&said, Down::Unhealthy(said) if said.contains("refused")), "{said}");
    }

    #[tokio::test]
    async fn a_target_that_says_nothing_is_given_up_after_the_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let said =
            probe(&address, Protocol::Http1, &check(r#"{"timeout":"50ms"}"#)).await.unwrap_err();
        assert_eq!(said, Down::Unhealthy("no answer within 50 ms".to_owned()));
    }
}
