//! Hosts that several apps ask for.

use e2e::ask;
use serde_json::json;

use crate::backend::Backend;
use crate::site::{HOST, Site};

#[tokio::test]
async fn a_host_goes_to_the_app_that_was_refused_it_when_its_owner_goes() {
    let site = Site::start().await;
    let three = Backend::start("three").await;
    site.put("apps/api/blue", &three.address.to_string()).await;
    site.put("apps/api/active", "blue").await;
    site.put("apps/api/app", &format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
    let status = e2e::until("the younger app is refused", async || {
        let status = site.proxy.status().await["apps"]["api"].clone();
        status["refused"].is_array().then_some(status)
    })
    .await;
    let reason = json!("host `www.example.com` is app `web`'s");
    assert_eq!(status["refused"][0]["reason"], reason);
    assert_eq!(site.get("/").await.unwrap().body, "one");

    site.store.delete("apps/web/app").await;
    site.answers("three").await;
    let status = site.proxy.status().await;
    assert_eq!(status["apps"]["api"].get("refused"), None);
}

#[tokio::test]
async fn other_hosts_and_paths_get_an_answer_that_names_no_app() {
    let site = Site::start().await;
    let answer = ask::get(site.proxy.address(), "unknown.example.com", "/").await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(!answer.body.contains("web") && !answer.body.contains(HOST), "{}", answer.body);
}
