//! The walk of a request, step by step: `cargo bench -p shunt-proxy --bench walk`.
//!
//! For looking at one change; what a request costs as a whole is said by `make bench`.

#![allow(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

use std::sync::Arc;

use arc_swap::cache::Access;
use divan::{Bencher, black_box};
use http::{Request, Response, request, response};
use shunt_config::{Slot, Timeouts};
use shunt_proxy::data::forwarded::{Origin, Trust};
use shunt_proxy::data::measured;
use shunt_proxy::metrics::Meters;
use shunt_proxy::route::epoch::Share;
use shunt_proxy::route::router::{Change, Router};
use shunt_proxy::route::table::Site;
use shunt_proxy::route::{Epoch, Release};

const PLAIN: &[(&str, &str)] = &[("host", "app-7.example.com")];
const BROWSER: &[(&str, &str)] = &[
    ("host", "app-7.example.com"),
    ("connection", "keep-alive"),
    ("cache-control", "max-age=0"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.5"),
    ("referer", "http://app-7.example.com/"),
    ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
];

fn main() {
    divan::main();
}

/// A host and a path to an app.
#[divan::bench(args = [1, 100, 10_000])]
fn route(bencher: Bencher<'_, '_>, apps: usize) {
    let router = router(apps);
    let mut view = router.view();
    let mut n = 0;
    let hosts: Vec<_> = (0..apps).map(host).collect();
    bencher.bench_local(|| {
        n = (n + 7919) % apps;
        let table = Access::load(&mut view);
        table.find(black_box(&hosts[n]), black_box("/some/path")).is_some()
    });
}

/// A claim on a release, and the end of its lease.
#[divan::bench]
fn claim(bencher: Bencher<'_, '_>) {
    let epoch = epoch(0);
    bencher.bench_local(|| measured::claim(black_box(&epoch)));
}

/// What one app's change costs the snapshot.
#[divan::bench(args = [1, 100, 10_000])]
fn publish(bencher: Bencher<'_, '_>, apps: usize) {
    let router = router(apps);
    bencher
        .with_inputs(|| Change::Put(site(0)))
        .bench_local_values(|change| router.publish(vec![change]));
}

/// A client's head becomes the one that is forwarded.
#[divan::bench(args = ["plain", "browser"])]
fn request_headers(bencher: Bencher<'_, '_>, kind: &str) {
    let fields = if kind == "plain" { PLAIN } else { BROWSER };
    let client = "192.0.2.1".parse().unwrap();
    let origin = Origin::new(client, false, &Arc::new(Trust::nobody()));
    bencher.with_inputs(|| request(fields)).bench_local_refs(|head| {
        measured::forward_request(head, &origin);
    });
}

/// A target's head becomes the one the client gets.
#[divan::bench]
fn response_headers(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(response).bench_local_refs(measured::forward_response);
}

fn router(apps: usize) -> Router {
    let router = Router::default();
    router.publish((0..apps).map(|n| Change::Put(site(n))).collect());
    router
}

fn host(n: usize) -> String {
    format!("app-{n}.example.com")
}

fn site(n: usize) -> Arc<Site> {
    Arc::new(Site {
        app: format!("app-{n}").parse().unwrap(),
        routes: vec![(host(n).parse().unwrap(), "/".parse().unwrap())],
        strip_prefix: false,
        hold: None,
        front: None,
        epoch: Some(Arc::new(epoch(n))),
        preview: None,
        mirror: None,
    })
}

fn epoch(n: usize) -> Epoch {
    let app = format!("app-{n}").parse().unwrap();
    let spec = shunt_config::Release::parse(b"127.0.0.1:1").unwrap();
    let limits = Timeouts::default().over(&Timeouts::default());
    let meters = Arc::new(Meters::new(2));
    let release = Release::new(&app, Slot::Blue, "t".into(), &spec, limits, meters);
    Epoch::new(vec![Share { release: Arc::new(release), percent: 100 }], 2)
}

fn request(fields: &[(&'static str, &'static str)]) -> request::Parts {
    let builder = Request::get("/some/path?and=query");
    let builder =
        fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(()).unwrap().into_parts().0
}

fn response() -> response::Parts {
    let builder = Response::builder()
        .header("server", "nginx")
        .header("date", "Sat, 21 Nov 2026 20:00:00 GMT")
        .header("content-type", "text/html")
        .header("content-length", "1024")
        .header("connection", "keep-alive")
        .header("etag", "\"65f0-400\"");
    builder.body(()).unwrap().into_parts().0
}
