//! One check of one target.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri, Version, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use shunt_config::Address;
use shunt_config::health::{Check, CheckKind, CheckMethod};
use shunt_config::protocol::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::outcome::Outcome;
use crate::reach::{Reach, Stream};
use crate::route::Target;

/// How long a connection must stay open to count: a forwarder with nobody behind it accepts, and
/// closes at once.
const STAYS_OPEN: Duration = Duration::from_millis(100);
/// How much of an answer's body is read, and for how long: enough that the app is not cut off in
/// the middle of a small one.
const BODY_MAX: usize = 64 * 1024;
const BODY_WAIT: Duration = Duration::from_secs(1);

/// Checks `target` once, reached as `reach` says. Ends within the check's timeout.
pub async fn probe(target: &Target, reach: &Reach, check: &Check) -> Outcome {
    let limit = check.timeout;
    timeout(limit, ask(target, reach, check)).await.unwrap_or_else(|_| {
        let limit = shunt_config::duration::show(limit);
        Outcome::Failed(format!("no answer within {limit}"))
    })
}

async fn ask(target: &Target, reach: &Reach, check: &Check) -> Outcome {
    let with_port = |a: &SocketAddr| SocketAddr::new(a.ip(), check.port.unwrap_or(a.port()));
    let resolved: Vec<_> = target.addresses().iter().map(with_port).collect();
    let address = &target.address;
    match check.kind {
        CheckKind::Tcp => match reach.connect_in_the_clear(address, &resolved, None).await {
            Ok(stream) => stays_open(stream).await,
            Err(error) => Outcome::of_connecting(&error),
        },
        CheckKind::Http => match reach.connect(address, &resolved, None).await {
            Ok(stream) => on(stream, address, reach.protocol, check).await,
            Err(error) => Outcome::of_connecting(&error),
        },
    }
}

async fn on(stream: Stream, address: &Address, protocol: Protocol, check: &Check) -> Outcome {
    match answer(stream, address, protocol, check).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::of_asking(&error),
    }
}

async fn stays_open(mut stream: impl AsyncRead + Unpin) -> Outcome {
    match timeout(STAYS_OPEN, stream.read(&mut [0])).await {
        // A server that speaks first is open, too.
        Err(_) | Ok(Ok(1..)) => Outcome::Passed("connection open".to_owned()),
        Ok(Ok(0)) => Outcome::Failed("connection accepted and closed at once".to_owned()),
        Ok(Err(error)) => Outcome::of_reading(&error),
    }
}

async fn answer(
    stream: Stream,
    address: &Address,
    protocol: Protocol,
    check: &Check,
) -> hyper::Result<Outcome> {
    let request = match request(address, protocol, check) {
        Ok(request) => request,
        Err(error) => return Ok(Outcome::Unasked(error.to_string())),
    };
    let io = TokioIo::new(stream);
    if protocol.is_http2() {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        driven(async move { judge(sender.send_request(request).await?, check).await }, connection)
            .await
    } else {
        let (mut sender, connection) = http1::handshake(io).await?;
        driven(async move { judge(sender.send_request(request).await?, check).await }, connection)
            .await
    }
}

async fn judge(response: Response<Incoming>, check: &Check) -> hyper::Result<Outcome> {
    let status = response.status();
    let body = beginning(response).await;
    Ok(match check.status.contains(status.as_u16()) {
        true => Outcome::Passed(status.to_string()),
        false => Outcome::of_answer(status, &body),
    })
}

/// Runs `exchange` to its end while its connection is polled beside it.
async fn driven<T>(exchange: impl Future<Output = T>, connection: impl Future) -> T {
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut exchange => return done,
            // Whatever ended it, the exchange is told so by its own means.
            _ = &mut connection, if open => open = false,
        }
    }
}

fn request(
    address: &Address,
    protocol: Protocol,
    check: &Check,
) -> http::Result<Request<Empty<Bytes>>> {
    let method = match check.method {
        CheckMethod::Get => http::Method::GET,
        CheckMethod::Head => http::Method::HEAD,
        CheckMethod::Options => http::Method::OPTIONS,
    };
    let host = match (&check.host, address) {
        (Some(host), _) => host.clone(),
        (None, Address::Unix(_)) => "localhost".to_owned(),
        (None, tcp) => tcp.to_string(),
    };
    let request = Request::builder().method(method);
    let request = if protocol.is_http2() {
        let scheme = if protocol.is_tls() { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(&*check.path);
        request.version(Version::HTTP_2).uri(uri.build()?)
    } else {
        request.uri(&check.path).header(header::HOST, host).header(header::CONNECTION, "close")
    };
    request
        .header(header::USER_AGENT, "shunt-health")
        .header(header::ACCEPT, "*/*")
        .body(Empty::new())
}

/// The beginning of the body, as far as it comes in time.
async fn beginning(response: Response<Incoming>) -> Vec<u8> {
    let mut body = response.into_body();
    let mut read = Vec::new();
    let reading = async {
        while read.len() < BODY_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            read.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    };
    // An endless body is no failure: the status said what was asked.
    let _ = timeout(BODY_WAIT, reading).await;
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_config::Health;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, UnixListener};

    fn check(text: &str) -> Check {
        let health: Health = shunt_config::strict::json(text).unwrap();
        health.over(&Health::default())
    }

    fn target(address: &Address) -> Target {
        Target::new(&shunt_config::Target::new(address.clone()))
    }

    /// A listener that answers its first connection with `answer` and returns what it was asked.
    async fn answering(
        answer: &'static str,
    ) -> (Address, SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let read = stream.read_buf(&mut asked).await.unwrap();
                assert!(read > 0, "closed before a whole request");
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        (at.to_string().parse().unwrap(), at, task)
    }

    #[tokio::test]
    async fn a_healthy_answer_passes_and_the_request_names_itself() {
        let (address, _, asked) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        let check = check(r#"{"path":"/ready?deep=1","host":"www.example.com"}"#);
        let outcome = probe(&target(&address), &Reach::default(), &check).await;
        assert_eq!(outcome, Outcome::Passed("204 No Content".into()));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("GET /ready?deep=1 HTTP/1.1\r\nhost: www.example.com\r\n"));
        assert!(asked.contains("user-agent: shunt-health\r\n"), "{asked}");
        assert!(asked.contains("connection: close\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_target_of_http_2_is_asked_in_http_2() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut served = h2::server::handshake(stream).await.unwrap();
            let (request, mut answer) = served.accept().await.unwrap().unwrap();
            answer.send_response(Response::new(()), true).unwrap();
            while served.accept().await.is_some() {}
            request.uri().to_string()
        });
        let text = format!(r#"{{"protocol":"h2c","targets":["{at}"]}}"#);
        let reach = Reach::of(&shunt_config::Release::parse(text.as_bytes()).unwrap());
        let outcome = probe(&target(&at.to_string().parse().unwrap()), &reach, &check("{}")).await;
        assert_eq!(outcome, Outcome::Passed("200 OK".into()));
        assert_eq!(asked.await.unwrap(), format!("http://{at}/up"));
    }

    #[tokio::test]
    async fn a_bad_status_fails_with_the_status_and_the_first_line_of_the_answer() {
        let (address, _, _) = answering(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 14\r\n\r\n\nno database\n!",
        )
        .await;
        let outcome = probe(&target(&address), &Reach::default(), &check("{}")).await;
        assert_eq!(outcome, Outcome::Failed("503 Service Unavailable: no database".into()));
    }

    #[tokio::test]
    async fn the_wanted_statuses_decide() {
        let (address, _, _) = answering("HTTP/1.1 404 Not Found\r\n\r\n").await;
        let outcome =
            probe(&target(&address), &Reach::default(), &check(r#"{"status":"404"}"#)).await;
        assert!(matches!(outcome, Outcome::Passed(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn what_is_no_http_and_what_closes_without_an_answer_fails() {
        let (address, _, _) = answering("SSH-2.0-OpenSSH_9.2\r\n").await;
        let outcome = probe(&target(&address), &Reach::default(), &check("{}")).await;
        assert!(matches!(&outcome, Outcome::Failed(said) if said.starts_with("no HTTP answer")));
        let (address, _, _) = answering("").await;
        let outcome = probe(&target(&address), &Reach::default(), &check("{}")).await;
        assert_eq!(outcome, Outcome::Failed("connection closed before the answer".into()));
    }

    #[tokio::test]
    async fn a_target_that_is_not_there_or_does_not_answer_fails_with_the_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let address: Address = at.to_string().parse().unwrap();
        let silent =
            probe(&target(&address), &Reach::default(), &check(r#"{"timeout":"50ms"}"#)).await;
        assert_eq!(silent, Outcome::Failed("no answer within 50ms".into()));
        drop(listener);
        let refused = probe(&target(&address), &Reach::default(), &check("{}")).await;
        assert_eq!(refused, Outcome::Failed("connection refused".into()));
    }

    #[tokio::test]
    async fn a_tcp_check_wants_the_connection_to_stay_open() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let address: Address = at.to_string().parse().unwrap();
        let tcp = check(r#"{"kind":"tcp"}"#);
        let held = probe(&target(&address), &Reach::default(), &tcp).await;
        assert_eq!(held, Outcome::Passed("connection open".into()));
        let closing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let closed = probe(&target(&address), &Reach::default(), &tcp).await;
        assert_eq!(closed, Outcome::Failed("connection accepted and closed at once".into()));
        closing.abort();
    }

    #[tokio::test]
    async fn a_unix_socket_is_asked_on_its_path_and_another_port_on_that_port() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.sock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        });
        let outcome = probe(&target(&Address::Unix(path)), &Reach::default(), &check("{}")).await;
        assert_eq!(outcome, Outcome::Passed("200 OK".into()));

        let (_, at, asked) = answering("HTTP/1.1 200 OK\r\n\r\n").await;
        let elsewhere = SocketAddr::new(at.ip(), 1);
        let check = check(&format!(r#"{{"port":{}}}"#, at.port()));
        let outcome =
            probe(&target(&elsewhere.to_string().parse().unwrap()), &Reach::default(), &check)
                .await;
        assert_eq!(outcome, Outcome::Passed("200 OK".into()));
        assert!(asked.await.unwrap().contains("host: 127.0.0.1:1\r\n"));
    }
}
