//! Bad values in every key: traffic stays as it is, and the refusal is there for all to see.

use std::time::Duration;

use demo::load::{Load, Running, Work};
use e2e::{Store, until};
use serde_json::Value;

use crate::site::{HOST, Site, answers, release};

/// A key of the app `web`, a value that is wrong there, and a word that the refusal says.
const TABLE: &[(&str, &[u8], &str)] = &[
    // Where new requests go.
    ("active", b"", "empty"),
    ("active", b" \n", "empty"),
    ("active", b"gren", "did you mean `green`?"),
    ("active", b"Green", "did you mean `green`?"),
    ("active", b"purple", "no slot"),
    ("active", b"\"green\"", "no slot"),
    ("active", b"{\"slot\":\"green\"}", "no s"),
    ("active", b"\xff\xfegreen", "UTF-8"),
    ("active", b"green\0", "no slot"),
    ("active", b"green:100,blue", "no split"),
    ("active", b"blue:90,green:20", "sum to 110"),
    ("active", b"blue:50,green:49", "sum to 99"),
    ("active", b"blue:50", "sum to 50"),
    ("active", b"blue:50,blue:50", "twice"),
    ("active", b"blue:-1,green:101", "no split"),
    ("active", b"blue:99.5,green:0.5", "no split"),
    ("active", b"blue:50,purple:50", "no slot"),
    // A release in the slot that serves.
    ("blue", b"", "empty"),
    ("blue", b",", "empty"),
    ("blue", b"10.0.0.1", "port is missing"),
    ("blue", b"10.0.0.1:0", "1 to 65535"),
    ("blue", b"10.0.0.1:99999", "1 to 65535"),
    ("blue", b":9001", "host"),
    ("blue", b"http://10.0.0.1:9001/", "10.0.0.1"),
    ("blue", b"{", "EOF"),
    ("blue", b"[]", "no JSON object"),
    ("blue", b"{}", "missing key `targets`"),
    ("blue", br#"{"targets":[]}"#, "empty"),
    ("blue", br#"{"targets":"10.0.0.1:9001"}"#, "targets"),
    ("blue", br#"{"targets":[9001]}"#, "targets"),
    ("blue", br#"{"targets":["a:1","a:1"]}"#, "named twice"),
    ("blue", br#"{"targets":["a:1"],"version":11}"#, "version"),
    ("blue", br#"{"target":["a:1"]}"#, "did you mean `targets`?"),
    ("blue", br#"{"targets":[{"address":"a:1","weight":0}]}"#, "1 to 1000"),
    ("blue", br#"{"targets":["a:1"],"protocol":"spdy"}"#, "spdy"),
    ("blue", br#"{"targets":["a:1"],"health":{"path":"up"}}"#, "`up`"),
    ("blue", br#"{"targets":["a:1"],"health":{"interval":"5"}}"#, "interval"),
    ("blue", br#"{"targets":["a:1"],"health":{"fall":0}}"#, "1 to 100"),
    ("blue", br#"{"targets":["a:1"],"timeouts":{"connect":-1}}"#, "connect"),
    ("blue", b"\x00\x01\x02\x03", "port is missing"),
    // A release in the slot that stands by.
    ("green", b"green", "port is missing"),
    ("green", br#"{"targets":["a:1"]}}"#, "trailing"),
    // The app itself.
    ("app", b"", "empty"),
    ("app", b"www.example.com", "no JSON object"),
    ("app", b"null", "no JSON object"),
    ("app", b"{}", "missing key `hosts`"),
    ("app", br#"{"hosts":[]}"#, "empty"),
    ("app", br#"{"hosts":"www.example.com"}"#, "hosts"),
    ("app", br#"{"hosts":["http://www.example.com"]}"#, "leave port and scheme away"),
    ("app", br#"{"hosts":["www example com"]}"#, "no host name"),
    ("app", br#"{"host":["www.example.com"]}"#, "did you mean `hosts`?"),
    ("app", br#"{"hosts":["a.b"],"paths":["api"]}"#, "`api`"),
    ("app", br#"{"hosts":["a.b"],"paths":[]}"#, "empty"),
    ("app", br#"{"hosts":["a.b"],"balance":"randm"}"#, "randm"),
    ("app", br#"{"hosts":["a.b"],"sticky":true}"#, "sticky"),
    ("app", br#"{"hosts":["a.b"],"strip_prefix":"yes"}"#, "strip_prefix"),
    ("app", b"\x89PNG\r\n\x1a\n", "UTF-8"),
    // Held or not.
    ("hold", b"yes", "no JSON object"),
    ("hold", br#"{"mode":"holt"}"#, "did you mean `hold`?"),
    // Keys that there are not.
    ("aktive", b"green", "did you mean `active`?"),
    ("active/green", b"100", "is no key"),
];

#[tokio::test]
async fn bad_values_in_a_directory_change_no_traffic_and_are_named_everywhere() {
    every_bad_value_is_refused(Store::directory()).await;
}

#[tokio::test]
async fn bad_values_in_etcd_change_no_traffic_and_are_named_everywhere() {
    every_bad_value_is_refused(Store::etcd().await).await;
}

async fn every_bad_value_is_refused(store: Store) {
    let site = Site::on(store).await;
    let load = gentle(&site);
    for (key, value, word) in TABLE {
        // In a directory there is no key below a key.
        if key.contains('/') && matches!(site.store, Store::Directory(_)) {
            continue;
        }
        refuse(&site, key, value, word).await;
    }
    let huge = vec![b' '; 300 * 1024];
    for key in ["active", "blue", "green", "app"] {
        refuse(&site, key, &huge, "larger than").await;
    }
    for key in ["active", "blue"] {
        site.store.delete(&format!("apps/web/{key}")).await;
        refused(&site, key, "delete").await;
        mend(&site, key).await;
    }
    only_release_one(&site, load).await;
}

#[tokio::test]
async fn a_host_that_another_app_has_is_refused_to_the_younger_one() {
    let site = Site::on(Store::directory()).await;
    let load = gentle(&site);
    let thief = format!(r#"{{"hosts":["free.example.com","{HOST}"]}}"#);
    site.store.put("apps/thief/app", thief).await;
    site.store.put("apps/thief/blue", release("2", &site.green)).await;
    site.store.put("apps/thief/active", "blue").await;
    let said = until("the refusal is shown", async || {
        let status = site.proxy.status().await["apps"]["thief"].to_string();
        status.contains(HOST).then_some(status)
    })
    .await;
    assert!(said.contains("web"), "the app that has it is not named: {said}");
    answers(&load, "1", 20).await;
    only_release_one(&site, load).await;
}

#[tokio::test]
async fn a_flip_to_a_dead_target_waits_for_its_proof_and_is_then_refused() {
    let site = Site::with(Store::directory(), "flip_timeout = \"1s\"\n").await;
    let load = gentle(&site);
    site.store.put("apps/web/green", "127.0.0.1:1").await;
    site.store.put("apps/web/active", "green").await;
    let status = until("the flip is pending or refused", async || {
        let status = site.status().await?;
        (!status["pending"].is_null() || !refusals(&status).is_empty()).then_some(status)
    })
    .await;
    assert!(status.to_string().contains("127.0.0.1:1"), "the target is not named: {status}");
    refused(&site, "active", "127.0.0.1:1").await;
    site.store.put("apps/web/active", "blue").await;
    nothing_refused(&site).await;
    only_release_one(&site, load).await;
}

#[tokio::test]
async fn a_store_that_is_suddenly_empty_is_not_believed() {
    let mut site = Site::on(Store::etcd().await).await;
    let load = gentle(&site);
    site.store.delete("apps/").await;
    refused(&site, "app", "fault of the store").await;
    answers(&load, "1", 20).await;
    // And one that is empty when the proxy starts is not believed either.
    only_release_one(&site, load).await;
    site.proxy.kill().await;
    site.proxy.run();
    site.proxy.serves(HOST, "1").await;
}

/// Light traffic, all the time.
fn gentle(site: &Site) -> Running {
    let load = Load::on(site.proxy.address()).host(HOST).kept_alive(4, [Work::Page]);
    load.pace(Duration::from_millis(5)).start().unwrap()
}

async fn refuse(site: &Site, key: &str, value: &[u8], word: &str) {
    site.store.put(&format!("apps/web/{key}"), value).await;
    refused(site, key, word).await;
    mend(site, key).await;
}

/// Waits until the refusal of `key` is in the store, and looks for it in the other places.
async fn refused(site: &Site, key: &str, word: &str) {
    let full = format!("apps/web/{key}");
    let reason = until(&format!("{full} is refused because of `{word}`"), async || {
        let status = site.status().await?;
        let found = refusals(&status).into_iter().find(|(refused, _)| *refused == full)?;
        found.1.contains(word).then_some(found.1)
    })
    .await;
    let shown = site.proxy.status().await["apps"]["web"].clone();
    assert!(refusals(&shown).contains(&(full.clone(), reason.clone())), "/status: {shown}");
    let log = site.proxy.log();
    let line = log.lines().rev().find(|line| line.contains(&full)).unwrap_or_default();
    assert!(line.contains("refused"), "{full} is not in the log as refused: {line}");
    let series = format!(r#"shunt_refused{{app="web",key="{key}"}}"#);
    let metric = site.proxy.metric(&series).await;
    assert_eq!(metric.as_deref(), Some("1"), "{series}");
}

/// Puts the good value back, and waits until nothing is refused.
async fn mend(site: &Site, key: &str) {
    let full = format!("apps/web/{key}");
    match key {
        "active" => site.store.put(&full, "blue").await,
        "blue" => site.store.put(&full, release("1", &site.blue)).await,
        "green" => site.store.put(&full, release("2", &site.green)).await,
        "app" => site.store.put(&full, format!(r#"{{"hosts":["{HOST}"]}}"#)).await,
        _ => site.store.delete(&full).await,
    }
    nothing_refused(site).await;
}

async fn nothing_refused(site: &Site) {
    until("nothing is refused any more", async || {
        let status = site.status().await?;
        (refusals(&status).is_empty() && status["pending"].is_null()).then_some(())
    })
    .await;
}

fn refusals(status: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = status["refused"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| (text(&one["key"]), text(&one["reason"]))).collect()
}

async fn only_release_one(site: &Site, load: Running) {
    answers(&load, "1", 1).await;
    let report = load.stop().await;
    site.judge(&report);
    assert_eq!(report.by_release().into_keys().collect::<Vec<_>>(), ["1"], "{report}");
}
