//! The last good state on disk.

use std::fs;

use e2e::{Proxy, ask};
use serde_json::json;

use crate::backend::Backend;
use crate::site::{HOST, Site};

/// The site's proxy, started on a store that cannot be reached.
pub(crate) async fn without_store(site: &mut Site) {
    let text = fs::read_to_string(site.proxy.file()).unwrap();
    let (top, _) = text.split_once("[store]").unwrap();
    let nobody = e2e::Port::free();
    let store = format!("{top}[store]\netcd = [\"http://{}\"]\n", nobody.address());
    fs::write(site.proxy.file(), store).unwrap();
    site.proxy.run();
    alive(&site.proxy).await;
}

async fn alive(proxy: &Proxy) {
    e2e::until("the proxy is there", async || proxy.ask("/healthz").await.ok()).await;
}

#[tokio::test]
async fn a_proxy_without_its_store_serves_what_it_served_and_says_that_it_is_stale() {
    let mut site = Site::start().await;
    site.put("apps/web/active", "green").await;
    site.answers("two").await;
    site.told("it is acknowledged, and so it is saved", |status| {
        (status["serving"][0]["slot"] == json!("green")).then_some(())
    })
    .await;
    site.proxy.kill().await;
    without_store(&mut site).await;
    site.answers("two").await;
    site.proxy.ready().await;
    let status = site.proxy.status().await;
    assert_eq!(status["stale"], json!(true));
    assert_eq!(status["apps"]["web"]["stale"], json!(true));
    assert_eq!(site.proxy.metric("shunt_snapshot_stale").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_torn_file_costs_its_app_alone_and_is_named() {
    let mut site = Site::start().await;
    let three = Backend::start("three").await;
    site.put("apps/api/app", r#"{"hosts":["api.example.com"]}"#).await;
    site.put("apps/api/blue", &three.address.to_string()).await;
    site.put("apps/api/active", "blue").await;
    let api = async |site: &Site| {
        ask::get(site.proxy.address(), "api.example.com", "/").await.map(|answer| answer.body)
    };
    e2e::until("three answers", async || (api(&site).await.ok()? == "three").then_some(())).await;
    site.proxy.stop().await;
    let file = site.proxy.state().join("apps/web.json");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 7]).unwrap();
    without_store(&mut site).await;
    e2e::until("three answers", async || (api(&site).await.ok()? == "three").then_some(())).await;
    // Its host is somebody's, and this proxy cannot tell whose.
    assert_eq!(site.get("/").await.unwrap().status, 503);
    let refused = site.proxy.status().await["snapshot_refused"].to_string();
    assert!(refused.contains("apps/web.json: torn"), "{refused}");
    assert!(site.proxy.log().contains("snapshot refused"), "{}", site.proxy.log());
}

#[tokio::test]
async fn a_host_is_unknown_only_to_a_proxy_that_knows_its_apps() {
    let mut site = Site::start().await;
    site.told("it is acknowledged, and so it is saved", |status| {
        (status["serving"][0]["slot"] == json!("blue")).then_some(())
    })
    .await;
    let other =
        async |site: &Site| ask::get(site.proxy.address(), "other.test", "/").await.unwrap();
    assert_eq!(other(&site).await.status, 404);
    site.proxy.kill().await;
    let sound = fs::read_to_string(site.proxy.file()).unwrap();
    without_store(&mut site).await;
    site.answers("one").await;
    assert_eq!(other(&site).await.status, 404, "the snapshot is whole");
    site.proxy.kill().await;
    fs::remove_dir_all(site.proxy.state()).unwrap();
    without_store(&mut site).await;
    let answer = site.get("/").await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");
    assert!(answer.body.contains("does not know yet what it serves"), "{}", answer.body);
    let unread = "shunt_unrouted_requests_total{reason=\"unread\"}";
    assert_eq!(site.proxy.metric(unread).await.as_deref(), Some("1"));
    site.proxy.kill().await;
    fs::write(site.proxy.file(), sound).unwrap();
    site.proxy.run();
    site.answers("one").await;
    assert_eq!(other(&site).await.status, 404, "the store is read");
}

#[tokio::test]
async fn an_app_removed_while_the_proxy_was_away_is_gone_when_it_is_back() {
    let mut site = Site::start().await;
    site.put("apps/api/app", r#"{"hosts":["api.example.com"]}"#).await;
    site.proxy.stop().await;
    site.store.delete("apps/web/app").await;
    site.proxy.run();
    site.proxy.ready().await;
    e2e::until("the app is gone", async || (site.get("/").await?.status == 404).then_some(()))
        .await;
    let file = site.proxy.state().join("apps/web.json");
    e2e::until("its file is gone", async || (!file.exists()).then_some(())).await;
    assert_eq!(site.proxy.status().await["apps"].get("web"), None);
}

#[tokio::test]
async fn a_snapshot_of_another_proxy_is_not_served() {
    let mut site = Site::start().await;
    site.proxy.stop().await;
    let text = fs::read_to_string(site.proxy.file()).unwrap();
    fs::write(site.proxy.file(), text.replacen("lb1", "lb2", 1)).unwrap();
    without_store(&mut site).await;
    let answer = site.proxy.ask("/readyz").await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.body);
    let refused = site.proxy.status().await["snapshot_refused"].to_string();
    assert!(refused.contains("saved by proxy `lb1`, this is `lb2`"), "{refused}");
    assert!(!refused.contains(HOST), "{refused}");
}

#[tokio::test]
async fn what_is_not_on_disk_is_not_acknowledged() {
    let site = Site::start().await;
    site.told("blue is acknowledged", |status| {
        (status["serving"][0]["slot"] == json!("blue")).then_some(())
    })
    .await;
    let (apps, aside) = (site.proxy.state().join("apps"), site.proxy.state().join("aside"));
    // Nothing can be written below a file, not even by root.
    fs::rename(&apps, &aside).unwrap();
    fs::write(&apps, "").unwrap();
    site.put("apps/web/active", "green").await;
    site.answers("two").await;
    e2e::until("a write has failed", async || {
        let failures = site.proxy.metric("shunt_snapshot_write_failures_total").await?;
        (failures != "0").then_some(())
    })
    .await;
    let acked =
        site.told("what is acknowledged", |status| Some(status["serving"][0]["slot"].clone()));
    assert_eq!(acked.await, json!("blue"));
    fs::remove_file(&apps).unwrap();
    fs::rename(&aside, &apps).unwrap();
    site.told("it is saved now", |status| {
        (status["serving"][0]["slot"] == json!("green")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_is_named_and_so_is_the_end_of_it() {
    let site = Site::start().await;
    let file = site.proxy.state().join("apps/web.json");
    // With what serves: it was saved before that was proved, too.
    let whole = |text: String| (!text.contains("\"flip\":null")).then_some(());
    e2e::until("it is saved", async || whole(fs::read_to_string(&file).ok()?)).await;
    assert!(!site.proxy.log().contains("snapshot"), "{}", site.proxy.log());
    // Nothing can be renamed over a directory that is not empty.
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("full")).unwrap();
    site.put("apps/web/active", "green").await;
    site.answers("two").await;
    let failures = async || {
        let count = site.proxy.metric("shunt_snapshot_write_failures_total").await?;
        count.parse::<u32>().ok()
    };
    e2e::until("it was tried again", async || (failures().await? >= 2).then_some(())).await;
    let said = format!("snapshot not written: app web ({}): ", file.display());
    assert_eq!(site.proxy.log().matches(&said).count(), 1, "{}", site.proxy.log());
    fs::remove_dir_all(&file).unwrap();
    e2e::until("it says that it is over", async || {
        site.proxy.log().contains("snapshot written again, after ").then_some(())
    })
    .await;
    assert!(file.is_file());
}

#[tokio::test]
async fn a_file_of_the_store_that_cannot_be_read_is_refused_and_costs_nobody_else_anything() {
    let site = Site::start().await;
    let e2e::Store::Directory(directory) = &site.store else { panic!("it is on a directory") };
    let active = directory.path().join("apps/web/active");
    let unlinked = active.with_file_name("elsewhere");
    fs::write(&unlinked, "green").unwrap();
    fs::remove_file(&active).unwrap();
    std::os::unix::fs::symlink(&unlinked, &active).unwrap();
    // The moment between the two may be seen, too: then it is refused for being deleted, first.
    site.told("it is refused as what it is", |status| {
        let refused = status["refused"].as_array()?;
        let of = |key: &str| refused.iter().find(|one| one["key"] == json!(key));
        of("apps/web/elsewhere")?;
        of("apps/web/active")?["reason"].as_str()?.contains("is a symbolic link").then_some(())
    })
    .await;
    assert_eq!(site.get("/").await.unwrap().body, "one", "the last good stays");
    let metric = "shunt_refused{app=\"web\",key=\"active\"}";
    assert_eq!(site.proxy.metric(metric).await.as_deref(), Some("1"));
    assert!(site.proxy.log().contains("is a symbolic link"), "{}", site.proxy.log());
    // Other keys are heard of, and a put over it is a put like any other.
    site.put("apps/web/active", "green").await;
    site.answers("two").await;
}
