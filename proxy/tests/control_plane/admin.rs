//! What the admin listener answers.

use bytes::Bytes;
use e2e::{Proxy, Store, ask};
use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::backend::Backend;
use crate::site::Site;

#[tokio::test]
async fn a_proxy_that_has_not_read_its_store_lives_but_is_not_ready_and_says_why() {
    // Nobody listens there.
    let port = e2e::Port::free();
    let store = format!("[store]\netcd = [\"http://{}\"]\n", port.address());
    let mut proxy = Proxy::configured("lb1", "", &store);
    proxy.run();
    let alive = async || proxy.ask("/healthz").await.ok().filter(|answer| answer.status == 200);
    e2e::until("it lives", alive).await;
    let answer = proxy.ask("/readyz").await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("the store was not read yet"), "{}", answer.body);
    let status = proxy.status().await;
    assert_eq!(status["store"]["connected"], json!(false));
    assert_eq!(status["not_ready"], json!(answer.body.trim_end()));
    proxy.stop().await;
}

#[tokio::test]
async fn only_its_own_pages_are_answered_and_only_to_readers() {
    let store = Store::directory();
    let proxy = Proxy::start("lb1", &store).await;
    assert_eq!(proxy.ask("/").await.unwrap().status, 404);
    assert_eq!(proxy.ask("/metrics/").await.unwrap().status, 404);
    let post = Request::post("/status").header("host", "x").body(Full::<Bytes>::default()).unwrap();
    let answer = ask::send(proxy.admin(), post).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn an_app_without_requests_has_no_series_of_requests() {
    let site = Site::start().await;
    let metrics = site.proxy.ask("/metrics").await.unwrap().body;
    let of = |family: &str, slot: &str| {
        let slot = format!("slot=\"{slot}\"");
        metrics.lines().any(|line| line.starts_with(family) && line.contains(&slot))
    };
    assert!(of("shunt_requests_total", "blue") && of("shunt_target_up", "green"), "{metrics}");
    assert!(!of("shunt_requests_total", "green"), "{metrics}");
    assert!(!of("shunt_request_duration_seconds", "green"), "{metrics}");
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_quiet_app_is_only_counted_until_a_target_of_it_fails() {
    let site = Site::start().await;
    let three = Backend::start("three").await;
    let app = r#"{"hosts":["quiet.example.com"],"health":{"interval":"20ms","fall":2}}"#;
    site.store.put("apps/quiet/app", app).await;
    site.store.put("apps/quiet/blue", three.address.to_string()).await;
    site.store.put("apps/quiet/active", "blue").await;
    let metric = async |series: &str| site.proxy.metric(series).await;
    let is = async |series: &str, value: Option<&str>| {
        let what = format!("{series} is {value:?}");
        e2e::until(&what, async || (metric(series).await.as_deref() == value).then_some(())).await;
    };
    is(r#"shunt_targets{state="healthy"}"#, Some("3")).await;
    is(r#"shunt_apps{state="serving"}"#, Some("2")).await;
    let metrics = site.proxy.ask("/metrics").await.unwrap().body;
    assert!(metrics.contains(r#"app="web""#) && !metrics.contains(r#"app="quiet""#), "{metrics}");

    let up = format!(r#"shunt_target_up{{app="quiet",slot="blue",target="{}"}}"#, three.address);
    three.set_up(503);
    is(&up, Some("0")).await;
    assert_eq!(metric(r#"shunt_targets{state="failing"}"#).await.as_deref(), Some("1"));
    three.set_up(200);
    is(&up, None).await;
}
