//! What health checks decide.

use e2e::until;
use serde_json::{Value, json};
use shunt_config::store::Txn;

use crate::backend::Backend;
use crate::site::Site;

/// The state and last answer of each target of `slot`.
fn targets(status: &Value, slot: &str) -> Vec<(String, String)> {
    let of_slot = |target: &&Value| target["slot"] == json!(slot);
    let all = status["targets"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter().filter(of_slot).map(|t| (text(&t["state"]), text(&t["last"]))).collect()
}

fn states(status: &Value, slot: &str) -> Vec<String> {
    targets(status, slot).into_iter().map(|(state, _)| state).collect()
}

const QUICK: &str = r#","health":{"interval":"20ms","fall":2}"#;

#[tokio::test]
async fn a_release_gets_no_request_before_all_its_targets_are_proved() {
    let site = Site::with("", QUICK).await;
    let three = Backend::start("three").await;
    three.set_up(503);
    let text = format!("{} {}", site.two.address, three.address);
    site.put("apps/web/green", &text).await;
    site.put("apps/web/active", "green").await;
    let reason = site
        .told("the flip waits", |status| {
            let reason = status["pending"]["reason"].as_str()?;
            reason.contains("503").then(|| reason.to_owned())
        })
        .await;
    assert_eq!(reason, format!("green: target {}: 503 Service Unavailable: three", three.address));
    assert_eq!(site.get("/").await.unwrap().body, "one");
    three.set_up(200);
    site.told("the flip is applied", |status| {
        (status["serving"][0]["slot"] == json!("green")).then_some(())
    })
    .await;
    let answers: Vec<_> = [site.get("/").await.unwrap(), site.get("/").await.unwrap()]
        .map(|answer| answer.body)
        .into();
    assert!(answers.iter().all(|name| name == "two" || name == "three"), "{answers:?}");
}

#[tokio::test]
async fn a_failing_target_gets_no_request_and_the_last_one_gets_all() {
    let site = Site::with("", QUICK).await;
    let three = Backend::start("three").await;
    let text = format!("{} {}", site.one.address, three.address);
    let token = site.put("apps/web/blue", &text).await;
    site.told("both are served", |status| {
        let proved = states(status, "blue") == ["healthy", "healthy"];
        (proved && status["serving"][0]["token"] == json!(token)).then_some(())
    })
    .await;
    three.set_up(500);
    site.told("one fails", |status| {
        (states(status, "blue") == ["healthy", "failing"]).then_some(())
    })
    .await;
    for _ in 0..8 {
        assert_eq!(site.get("/").await.unwrap().body, "one");
    }
    // When all fail, all are tried: a check that is wrong must not take the app down.
    site.one.set_up(500);
    site.told("both fail", |status| {
        (states(status, "blue") == ["failing", "failing"]).then_some(())
    })
    .await;
    assert_eq!(site.get("/").await.unwrap().status, 200);
    three.set_up(200);
    site.told("one is back", |status| {
        (states(status, "blue") == ["failing", "healthy"]).then_some(())
    })
    .await;
    for _ in 0..8 {
        assert_eq!(site.get("/").await.unwrap().body, "three");
    }
}

#[tokio::test]
async fn a_changed_check_must_be_passed_before_the_next_flip() {
    let site = Site::start().await;
    site.told("green is proved", |status| (states(status, "green") == ["healthy"]).then_some(()))
        .await;
    // Both keys in one transaction: the old proof does not count for the new check.
    site.two.set_up(503);
    let app = r#"{"hosts":["www.example.com"],"health":{"status":"200"}}"#;
    site.commit(Txn::new().put("apps/web/app", app).put("apps/web/active", "green")).await;
    site.told("the flip waits", |status| {
        status["pending"]["reason"].as_str()?.contains("503").then_some(())
    })
    .await;
    assert_eq!(site.get("/").await.unwrap().body, "one");
    site.two.set_up(200);
    site.answers("two").await;
}

#[tokio::test]
async fn what_a_replaced_release_counted_stays_part_of_its_slots_sum() {
    let site = Site::start().await;
    let series = r#"shunt_requests_total{app="web",slot="blue",code="2xx"}"#;
    let count = async || site.proxy.metric(series).await?.parse::<u64>().ok();
    let before = count().await.unwrap();
    let token = site.put("apps/web/blue", &site.two.address.to_string()).await;
    site.told("the new release serves", |status| {
        (status["serving"][0]["token"] == json!(token)).then_some(())
    })
    .await;
    for _ in 0..3 {
        assert_eq!(site.get("/").await.unwrap().body, "two");
    }
    let after = until("all is counted", async || count().await.filter(|n| *n >= before + 3)).await;
    assert_eq!(after, before + 3);
}
