//! What the store is told, and when.

use e2e::{Proxy, until};
use serde_json::json;

use crate::site::{HOST, Site};

#[tokio::test]
async fn an_ack_names_the_tokens_of_the_keys_it_speaks_of() {
    let site = Site::start().await;
    let green = site.put("apps/web/green", &site.two.address.to_string()).await;
    let flip = site.put("apps/web/active", "green").await;
    let status = site
        .told("the flip is acknowledged", |status| {
            (status["active"] == json!(flip)).then(|| status.clone())
        })
        .await;
    let serving = json!([{"slot": "green", "token": green, "share": 100, "version": null}]);
    assert_eq!(status["serving"], serving);
    assert_eq!(status["stale"], json!(false));
    // Never ahead of the traffic: what is acknowledged answers.
    assert_eq!(site.get("/").await.unwrap().body, "two");

    // The same text put again is another putting, and is acknowledged as such.
    let again = site.put("apps/web/active", "green").await;
    assert_ne!(again, flip);
    site.told("the second is acknowledged", |status| {
        (status["active"] == json!(again)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_on_the_old_release_is_counted_until_it_is_over() {
    let site = Site::start().await;
    let old = site
        .told("blue serves", |status| status["serving"][0]["token"].as_str().map(str::to_owned))
        .await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    let flip = site.put("apps/web/active", "green").await;
    site.told("the flip is acknowledged with one lease on the old release", |status| {
        let counted = status["draining"] == json!({ &old: 1 });
        (status["active"] == json!(flip) && counted).then_some(())
    })
    .await;
    site.one.let_go();
    assert_eq!(held.await.unwrap().unwrap().body, "one");
    site.told("the old release is drained", |status| {
        status.get("draining").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn settings_that_move_no_request_drain_nothing() {
    let site = Site::start().await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    let app = format!(r#"{{"hosts":["{HOST}","other.example.com"]}}"#);
    let token = site.put("apps/web/app", &app).await;
    let status = site
        .told("the settings are acknowledged", |status| {
            (status["app"] == json!(token)).then(|| status.clone())
        })
        .await;
    assert_eq!(status.get("draining"), None);
    site.one.let_go();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_app_that_is_removed_goes_from_the_store_when_its_last_request_is_over() {
    let site = Site::start().await;
    let held = site.meanwhile("/hold");
    site.one.holds(1).await;
    site.store.delete("apps/web/app").await;
    site.told("nothing is served, and one request is left", |status| {
        let left = status["draining"].as_object()?.values().next()?.as_u64();
        (status["serving"] == json!([]) && left == Some(1)).then_some(())
    })
    .await;
    assert_eq!(site.get("/").await.unwrap().status, 404);
    site.one.let_go();
    assert_eq!(held.await.unwrap().unwrap().body, "one");
    until("its status is gone", async || {
        let keys = site.store.keys("proxies/lb1/").await;
        (!keys.iter().any(|key| key.ends_with("/apps/web"))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_clean_stop_signs_off_and_a_kill_does_not() {
    let mut site = Site::start().await;
    let keys = async |prefix: &str| site.store.keys(prefix).await;
    site.told("it is there", |_| Some(())).await;
    assert_eq!(keys("fleet/").await, ["fleet/lb1"]);
    assert!(keys("proxies/lb1/").await.iter().any(|key| key.ends_with("/instance")));

    site.proxy.stop().await;
    assert_eq!(site.store.keys("fleet/").await, Vec::<String>::new());
    assert_eq!(site.store.keys("proxies/").await, Vec::<String>::new());

    site.proxy.run();
    site.answers("one").await;
    site.told("it is there again", |_| Some(())).await;
    site.proxy.kill().await;
    assert_eq!(site.store.keys("fleet/").await, ["fleet/lb1"]);
}

#[tokio::test]
async fn one_of_two_processes_of_one_name_that_stops_leaves_the_other_known() {
    let site = Site::start().await;
    site.told("it is there", |_| Some(())).await;
    let mut second = Proxy::configured("lb1", "", &site.store.section());
    second.run();
    second.ready().await;
    second.signal(rustix::process::Signal::TERM);
    let log = second.running().log_path();
    assert!(second.ended().await.success());
    let log = std::fs::read_to_string(log).unwrap();
    let admin = site.proxy.admin();
    assert!(
        log.contains("still known to the store: process ") && log.contains(&admin.to_string()),
        "{log}"
    );
    assert_eq!(site.store.keys("fleet/").await, ["fleet/lb1"]);
    site.answers("one").await;
    // The last one takes the name with it, and what a process before it left behind is no other one.
    let mut site = site;
    site.proxy.kill().await;
    site.proxy.run();
    site.proxy.ready().await;
    site.proxy.stop().await;
    assert_eq!(site.store.keys("fleet/").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_state_directory_that_a_process_uses_is_refused_to_another() {
    let site = Site::start().await;
    let mut second = Proxy::configured("lb2", "", &site.store.section());
    let text = std::fs::read_to_string(second.file()).unwrap();
    let [own, taken] = [&second, &site.proxy].map(|proxy| proxy.state().display().to_string());
    std::fs::write(second.file(), text.replace(&own, &taken)).unwrap();
    second.run();
    let log = second.running().log_path();
    assert_eq!(second.ended().await.code(), Some(1));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains(&format!("[state] directory = \"{taken}\": another process uses it")),
        "{log}"
    );
    assert!(log.contains("(proxy `lb1`, process "), "{log}");
    // It never was one of the fleet.
    assert_eq!(site.store.keys("fleet/").await, ["fleet/lb1"]);
    site.answers("one").await;
}
