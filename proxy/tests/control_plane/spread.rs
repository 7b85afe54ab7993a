//! What an app says of how its requests are spread, from its key to its requests, and what is shown.

use bytes::Bytes;
use e2e::ask::{self, Answer};
use e2e::{Proxy, until};
use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::site::{HOST, Site};

/// GET / with this `Cookie`.
pub(crate) async fn visit(proxy: &Proxy, cookie: &str) -> Answer {
    let request = Request::get("/").header("host", HOST).header("connection", "close");
    let request = request.header("cookie", cookie).body(Full::<Bytes>::default()).unwrap();
    ask::send(proxy.address(), request).await.unwrap()
}

/// The cookie that `answer` sets, as a visitor sends it back.
pub(crate) fn set(answer: &Answer) -> Option<String> {
    let set = answer.headers.get("set-cookie")?.to_str().unwrap();
    Some(set.split(';').next()?.to_owned())
}

#[tokio::test]
async fn a_visitor_stays_with_its_target_across_a_restart_of_the_proxy() {
    let mut site = Site::with("", r#","sticky":"target""#).await;
    let both = format!("{} {}", site.one.address, site.two.address);
    let token = site.put("apps/web/blue", &both).await;
    site.told("both serve, and that is saved", |status| {
        (status["serving"][0]["token"] == json!(token)).then_some(())
    })
    .await;
    let first = visit(&site.proxy, "").await;
    let cookie = set(&first).unwrap();
    site.proxy.stop().await;
    site.proxy.run();
    site.proxy.ready().await;
    for _ in 0..6 {
        let again = visit(&site.proxy, &cookie).await;
        assert_eq!((&again.body, set(&again)), (&first.body, None));
    }
    // The same file elsewhere makes the same cookies; a new one does not.
    site.proxy.stop().await;
    std::fs::remove_file(site.proxy.state().join("cookie.key")).unwrap();
    site.proxy.run();
    site.proxy.ready().await;
    assert!(set(&visit(&site.proxy, &cookie).await).is_some_and(|new| new != cookie));
}

#[tokio::test]
async fn a_limit_holds_as_soon_as_it_is_put_and_who_waits_is_shown() {
    let site = Site::start().await;
    assert_eq!(site.proxy.metric(r#"shunt_queued_requests{app="web"}"#).await, None);
    let settings = format!(r#"{{"hosts":["{HOST}"],"max_requests":1}}"#);
    let token = site.put("apps/web/app", &settings).await;
    site.told("it is served", |status| (status["app"] == json!(token)).then_some(())).await;
    let served = site.meanwhile("/hold");
    site.one.holds(1).await;
    let waits = site.meanwhile("/hold");
    until("one waits", async || {
        let status = site.proxy.status().await;
        (status["apps"]["web"]["queued"] == json!(1)).then_some(())
    })
    .await;
    let metric = site.proxy.metric(r#"shunt_queued_requests{app="web"}"#).await;
    assert_eq!(metric.as_deref(), Some("1"));
    site.one.holds(1).await;
    site.one.let_go();
    assert_eq!(served.await.unwrap().unwrap().status, 200);
    site.one.let_go();
    assert_eq!(waits.await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn a_target_left_out_for_failing_requests_is_shown_although_its_checks_pass() {
    let site = Site::start().await;
    let dead = e2e::Port::free();
    // The checks ask elsewhere, and know nothing of what requests meet.
    let port = site.one.address.port();
    let settings = format!(
        r#"{{"hosts":["{HOST}"],"health":{{"port":{port}}},"eject":{{"failures":2,"for":"1h"}}}}"#
    );
    site.put("apps/web/app", &settings).await;
    let both = format!("{} {}", dead.address(), site.one.address);
    let token = site.put("apps/web/blue", &both).await;
    site.told("both serve", |status| (status["serving"][0]["token"] == json!(token)).then_some(()))
        .await;
    until("it is left out", async || {
        assert_eq!(site.get("/").await.unwrap().status, 200, "a second try makes it good");
        let status = site.proxy.status().await;
        (status["apps"]["web"]["ejected"] == json!([dead.address().to_string()])).then_some(())
    })
    .await;
    let labels = format!(r#"{{app="web",slot="blue",target="{}"}}"#, dead.address());
    for family in ["shunt_target_ejected", "shunt_target_ejections_total", "shunt_target_up"] {
        let value = site.proxy.metric(&format!("{family}{labels}")).await;
        assert_eq!(value.as_deref(), Some("1"), "{family}");
    }
}

#[tokio::test]
pub(crate) async fn visitors_are_divided_from_the_settings_on_across_a_restart_and_until_the_flip()
{
    let mut site = Site::start().await;
    let split = site.put("apps/web/active", "blue:50,green:50").await;
    site.told("the split is served", |status| (status["active"] == json!(split)).then_some(()))
        .await;
    assert_eq!(set(&visit(&site.proxy, "").await), None, "each request goes by itself");
    let settings = format!(r#"{{"hosts":["{HOST}"],"split":"cookie"}}"#);
    let app = site.put("apps/web/app", &settings).await;
    site.told("the settings are served", |status| (status["app"] == json!(app)).then_some(()))
        .await;
    let first = visit(&site.proxy, "").await;
    let cookie = set(&first).unwrap();
    for _ in 0..2 {
        for _ in 0..6 {
            let again = visit(&site.proxy, &cookie).await;
            assert_eq!((&again.body, set(&again)), (&first.body, None));
        }
        site.proxy.stop().await;
        site.proxy.run();
        site.proxy.ready().await;
    }
    let flip = site.put("apps/web/active", "green").await;
    site.told("the flip is served", |status| (status["active"] == json!(flip)).then_some(())).await;
    let last = visit(&site.proxy, "").await;
    assert_eq!((last.body.as_str(), set(&last)), ("two", None));
}
