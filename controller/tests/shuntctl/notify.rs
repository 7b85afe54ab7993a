//! Who is told of a deploy: a server of the test's own, and the pages of pipelines.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::shop::Shop;

/// A server that keeps what it is sent; it answers 500 as often as it is told to first.
struct Server {
    url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    async fn start(refusals: usize, status: StatusCode) -> Self {
        Self::with(refusals, status, None).await
    }

    async fn with(mut refusals: usize, status: StatusCode, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match tls {
            None => format!("http://127.0.0.1:{port}/hook/s3cret-path"),
            Some(_) => format!("https://localhost:{port}/hook/s3cret-path"),
        };
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = if refusals > 0 { status } else { StatusCode::OK };
                refusals = refusals.saturating_sub(1);
                let (kept, tls) = (Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer_one(stream, answer, kept).await,
                        // A client that trusts nobody here goes away.
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            answer_one(stream, answer, kept).await;
                        }
                    }
                });
            }
        });
        Self { url, bodies }
    }

    fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

/// Answers what comes on `stream`, and keeps it if the answer is that it is welcome.
async fn answer_one<S>(stream: S, answer: StatusCode, kept: Arc<Mutex<Vec<Value>>>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: http::Request<Incoming>| {
        let kept = Arc::clone(&kept);
        async move {
            assert_eq!(request.uri(), "/hook/s3cret-path");
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if answer.is_success() {
                kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
            let answer = Response::builder().status(answer).body(Full::new(Bytes::new()));
            Ok::<_, Infallible>(answer.unwrap())
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

const NOTIFY: &str = "[deploy]\nhealth_deadline = \"2s\"\n[notify.team]\nurl_from = \"TEAM_URL\"\n\
    [notify.pager]\nkind = \"json\"\nurl_file = \"pager\"\nseverity = \"warning\"\n";

#[tokio::test]
async fn whoever_is_named_is_told_of_what_they_want_to_know_and_again_if_it_did_not_arrive() {
    let shop = Shop::open(&["1", "2"], NOTIFY).await;
    shop.engine.build_demo("broken", &["BROKEN=true"]).await;
    let (team, pager) =
        (Server::start(1, StatusCode::BAD_GATEWAY).await, Server::start(0, StatusCode::OK).await);
    shop.site.write("pager", &format!("{}\n", pager.url));
    let _proxy = shop.obedient("lb1").await;
    let url = ("TEAM_URL", team.url.as_str());
    let run = async |arguments: &[&str]| shop.site.run_with(arguments, &[url]).await;
    let first = run(&["deploy", "--tag", "1"]).await.ended_with(0);
    run(&["deploy", "--tag", "broken", "-e", "test"]).await.ended_with(2);
    shop.site.write("shunt.test.toml", "");
    run(&["deploy", "--tag", "broken", "-e", "test"]).await.ended_with(3);
    run(&["deploy", "--tag", "2"]).await.ended_with(0);
    run(&["undo"]).await.ended_with(0);
    let mut texts: Vec<_> =
        team.bodies().iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect();
    for text in &mut texts {
        *text = text
            .split([',', ':'])
            .take(2)
            .collect::<Vec<_>>()
            .join(":")
            .split(" (by")
            .next()
            .unwrap()
            .to_owned();
    }
    texts.sort();
    assert_eq!(
        texts,
        [
            "web (test): broken is being deployed",
            "web (test): broken was not deployed",
            "web: 1 is being deployed",
            "web: 1 is deployed",
            "web: 2 is being deployed",
            "web: 2 is deployed",
            "web: 2 was undone",
        ]
    );
    let [failed, undone] = pager.bodies().try_into().unwrap();
    assert_eq!(
        (failed["event"].as_str(), failed["severity"].as_str()),
        (Some("failed"), Some("error"))
    );
    assert_eq!((failed["app"].as_str(), failed["env"].as_str()), (Some("web"), Some("test")));
    assert_eq!(undone["event"], "undone");
    let everything = format!("{:?}{}", shop.site.everything().await, first.output);
    assert!(!everything.contains("s3cret"), "{everything}");
}

#[tokio::test]
async fn whoever_cannot_be_told_holds_up_nothing_and_fails_nothing() {
    let shop = Shop::open(&["1"], NOTIFY).await;
    let team = Server::start(100, StatusCode::NOT_FOUND).await;
    let _proxy = shop.obedient("lb1").await;
    let url = ("TEAM_URL", team.url.as_str());
    let run = shop.site.run_with(&["deploy", "--tag", "1"], &[url]).await.ended_with(0);
    let run = run.says("notify.team was not told: 404 Not Found");
    let run = run.says("notify.pager is not told: ");
    assert!(!run.output.contains("s3cret"), "{}", run.output);
}

#[tokio::test]
async fn pipelines_get_sections_annotations_and_a_table_of_the_steps() {
    let shop = Shop::open(&[], "[deploy]\nhealth_deadline = \"2s\"\n").await;
    shop.engine.build_demo("1", &["BROKEN=true"]).await;
    let _proxy = shop.obedient("lb1").await;
    let summary = shop.site.write("summary", "before\n");
    let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let deploy = ["deploy", "--tag", "1"];
    let run = shop.site.run_with(&deploy, &github).await.ended_with(3);
    let run = run.says("::group::start: 1 container(s)").says("::endgroup::");
    run.says("::error title=shuntctl::the new release is not healthy");
    let page = std::fs::read_to_string(&summary).unwrap();
    assert!(page.starts_with("before\n| step |"), "{page}");
    assert!(page.contains("| start | done | 1 container(s)"), "{page}");
    assert!(page.contains("| check | **failed** | the new release is not healthy |"), "{page}");
    let run = shop.site.run_with(&deploy, &[("GITLAB_CI", "true")]).await.ended_with(3);
    run.says(":shunt_start\r\x1b[0Kstart: 1 container(s)").says(":shunt_start\r\x1b[0K\n");
    let run = shop.site.run_with(&[&deploy[..], &["--json"]].concat(), &github).await;
    assert!(run.output.lines().all(|line| line.starts_with('{')), "{}", run.output);
}

#[tokio::test]
async fn an_address_with_tls_is_told_if_its_certificate_is_trusted_and_not_otherwise() {
    let shop =
        Shop::open(&["1"], "[notify.team]\nurl_from = \"TEAM_URL\"\nevents = [\"done\"]\n").await;
    let directory = tempfile::tempdir().unwrap();
    let authority = e2e::Authority::new("test");
    let trusted = authority.write(directory.path(), "ca");
    authority.issue(directory.path(), "server", &["localhost"]);
    let file = |name: &str| directory.path().join(name);
    let certificate = CertificateDer::from_pem_file(file("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key);
    let tls = TlsAcceptor::from(Arc::new(config.unwrap()));
    let team = Server::with(0, StatusCode::OK, Some(tls)).await;
    let _proxy = shop.obedient("lb1").await;
    let url = ("TEAM_URL", team.url.as_str());
    let run = shop.site.run_with(&["deploy", "--tag", "1"], &[url]).await.ended_with(0);
    run.says("notify.team was not told: TLS: ");
    assert!(team.bodies().is_empty());
    let trust = ("SSL_CERT_FILE", trusted.to_str().unwrap());
    shop.site.run_with(&["deploy", "--tag", "1"], &[url, trust]).await.ended_with(0);
    assert_eq!(team.bodies().len(), 1);
}
