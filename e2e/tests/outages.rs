//! etcd away, back, frozen, cut off, and put back to an older state.

use std::time::Duration;

use demo::load::{Load, Running, Work};
use e2e::{Proxy, Relay, Store, shuntctl, until};

use crate::site::{HOST, Site, answers};

fn gentle(site: &Site) -> Running {
    let load = Load::on(site.proxy.address()).host(HOST).kept_alive(4, [Work::Page]);
    let load = load.fresh(1, [Work::Page]);
    load.pace(Duration::from_millis(5)).start().unwrap()
}

fn flag(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// Waits until the proxy says that what it serves is not confirmed by the store, or that it is.
async fn stale(proxy: &Proxy, stale: bool) {
    until(&format!("/status and metrics say stale: {stale}"), async || {
        let shown = proxy.status().await["stale"].as_bool()?;
        let metric = proxy.metric("shunt_snapshot_stale").await?;
        (shown == stale && metric == flag(stale)).then_some(())
    })
    .await;
}

async fn connected(proxy: &Proxy, connected: bool) {
    until(&format!("the proxy says that the store is connected: {connected}"), async || {
        let metric = proxy.metric("shunt_store_connected").await?;
        (metric == flag(connected)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_etcd_service_goes_on_and_a_restarted_proxy_serves_its_snapshot_and_says_so() {
    let mut site = Site::on(Store::etcd().await).await;
    stale(&site.proxy, false).await;
    let load = gentle(&site);
    answers(&load, "1", 20).await;
    site.store.servers().kill_all().await;
    connected(&site.proxy, false).await;
    answers(&load, "1", 50).await;
    site.judge(&load.stop().await);

    site.proxy.stop().await;
    site.proxy.run();
    site.proxy.serves(HOST, "1").await;
    stale(&site.proxy, true).await;
    connected(&site.proxy, false).await;

    let before = site.blue.seen() + site.green.seen();
    let load = gentle(&site);
    site.store.servers().start_all().await;
    site.store.put("apps/web/active", "green").await;
    answers(&load, "2", 20).await;
    stale(&site.proxy, false).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(site.blue.seen() + site.green.seen() - before, report.sent());
}

#[tokio::test]
async fn a_flip_made_while_the_proxy_is_cut_off_is_applied_when_it_is_back() {
    let (mut site, relay) = relayed().await;
    let load = gentle(&site);
    answers(&load, "1", 20).await;
    relay.cut();
    connected(&site.proxy, false).await;
    site.store.put("apps/web/active", "green").await;
    answers(&load, "1", 20).await;
    assert_eq!(load.answered_by("2"), 0);
    relay.mend();
    answers(&load, "2", 20).await;
    site.judge(&load.stop().await);
    site.proxy.stop().await;
}

#[tokio::test]
async fn a_connection_to_etcd_that_dies_in_silence_is_noticed() {
    let (site, relay) = relayed().await;
    let load = gentle(&site);
    relay.silence();
    site.store.put("apps/web/active", "green").await;
    connected(&site.proxy, false).await;
    assert_eq!(load.answered_by("2"), 0);
    relay.mend();
    answers(&load, "2", 20).await;
    site.judge(&load.stop().await);
}

#[tokio::test]
async fn changes_that_etcd_has_compacted_meanwhile_are_not_missed() {
    let (site, relay) = relayed().await;
    let load = gentle(&site);
    relay.cut();
    connected(&site.proxy, false).await;
    site.store.put("apps/web/active", "green").await;
    let Store::Etcd(etcd) = &site.store else { unreachable!("the site is on etcd") };
    let found = etcd.ctl(&["get", "--write-out=json", "none"]).await;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let revision = found["header"]["revision"].to_string();
    etcd.ctl(&["compact", "--physical", &revision]).await;
    relay.mend();
    answers(&load, "2", 20).await;
    site.judge(&load.stop().await);
}

#[tokio::test]
async fn keys_restored_from_an_older_backup_change_no_traffic_that_they_do_not_ask_for() {
    let mut site = Site::on(Store::etcd().await).await;
    site.store.put("apps/web/active", "green").await;
    site.proxy.serves(HOST, "2").await;
    let backup = site.store.servers().backup().await;
    // After the backup: other keys change, and so do the served ones, back and forth.
    site.store.put("apps/other/app", r#"{"hosts":["other.example.com"]}"#).await;
    site.store.put("apps/web/active", "blue").await;
    site.proxy.serves(HOST, "1").await;
    site.store.put("apps/web/active", "green").await;
    site.proxy.serves(HOST, "2").await;
    let load = gentle(&site);
    answers(&load, "2", 20).await;
    let answered = load.answered_by("1");
    site.store.servers().restore(&backup).await;
    connected(&site.proxy, true).await;
    let before = site.acknowledged("green").await["active"].clone();
    answers(&load, "2", 50).await;
    assert_eq!(load.answered_by("1"), answered, "the keys ask for green, before and after");

    // Acks are sound: the next flip is acknowledged by its own token, in a store whose revisions
    // have all been there before.
    let run = shuntctl(&site.store, &["flip", "web", "blue"]).await.ended_with(0);
    let after = site.acknowledged("blue").await["active"].clone();
    assert_ne!(before, after, "{run}");
    answers(&load, "1", 20).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
}

/// A site whose proxy reaches etcd over a relay.
async fn relayed() -> (Site, Relay) {
    let mut store = Store::etcd().await;
    let relay = Relay::to(store.servers().address(0)).await;
    let site = Site::through(store, &relay).await;
    (site, relay)
}
