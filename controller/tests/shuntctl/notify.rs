//! Who is told of a deploy: a server of the test's own, and the pages of pipelines.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::shop::Shop;

/// A server that keeps what it is sent; it answers 500 as often as it is told to first.
struct Server {
    url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    async fn start(mut refusals: usize, status: StatusCode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/s3cret-path", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let refused = refusals > 0;
                refusals = refusals.saturating_sub(1);
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let kept = Arc::clone(&kept);
                    async move {
                        assert_eq!(request.uri(), "/hook/s3cret-path");
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let answer = if refused { status } else { StatusCode::OK };
                        if !refused {
                            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                        }
                        let answer = Response::builder().status(answer);
                        Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, bodies }
    }

    fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
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
