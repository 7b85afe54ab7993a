//! Visitors who stay on replaced releases, and what is done for them and with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::Draining;
use shunt_config::status::{AppStatus, Stays};
use shunt_config::store::Txn;
use shunt_controller::app_keys::AppKeys;

use crate::shop::{Shop, versions_on};
use crate::site::Site;
use crate::words::{Obedient, Words};

/// How many visitors a proxy counts on releases that new ones do not go to, by their versions.
#[derive(Clone, Debug, Default)]
struct Visitors(Arc<Mutex<BTreeMap<String, u32>>>);

impl Visitors {
    /// A proxy that counts them.
    fn seen_by(&self, proxy: Words) -> Obedient {
        let visitors = self.clone();
        proxy.obeys_but(move |keys, status| Some(visitors.said(keys, status)))
    }

    /// So many of them are on `version` from now on.
    async fn are(&self, count: u32, version: &str, site: &Site) {
        self.0.lock().unwrap().insert(version.to_owned(), count);
        // Proxies look at the keys when one is put.
        site.store.commit(Txn::new().put("apps/other/active", "blue")).await.unwrap();
    }

    fn said(&self, keys: &AppKeys, mut status: AppStatus) -> AppStatus {
        let idle = |slot: &Slot| keys.active().is_some_and(|active| active.share(*slot) == 0);
        let standby = Slot::BOTH.into_iter().filter(idle).filter_map(|slot| {
            let kept = keys.slot(slot)?;
            Some((slot, kept.token.clone(), kept.ok()?.version.clone()?))
        });
        let draining = keys.draining.iter().filter_map(|(token, kept)| {
            let draining = kept.ok().filter(|draining| draining.sessions.is_some())?;
            Some((draining.slot, token.clone(), draining.release()?.version?))
        });
        let visitors = self.0.lock().unwrap();
        for (slot, token, version) in standby.chain(draining) {
            let Some(count) = visitors.get(&version) else { continue };
            let until = Timestamp::now() + SignedDuration::from_hours(8);
            let stays = Stays {
                slot,
                version: Some(version),
                visitors: *count,
                requests: 0,
                more_until: None,
                until,
            };
            status.sessions.insert(token, stays);
        }
        status
    }
}

const APP: &str = r#"{"hosts":["www.example.com"],"sessions":"drain"}"#;

/// Releases that are run by hand: 1.0 in blue serves, 1.1 is in green.
async fn by_hand() -> (Site, Visitors, Obedient) {
    let site = Site::with_two_releases().await;
    site.put(AppKey::App, APP).await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let visitors = Visitors::default();
    let proxy = visitors.seen_by(proxy);
    (site, visitors, proxy)
}

async fn announce(site: &Site, slot: &str, version: &str) {
    let target = ["announce", "web", slot, "127.0.0.1:9003", "--release", version];
    site.run(&target).await.ended_with(0);
}

/// The versions under `draining/` that visitors may stay on.
async fn kept(site: &Site) -> Vec<String> {
    let keys = site.keys().await;
    let draining = keys.draining.values().filter_map(|kept| kept.ok());
    let kept = draining.filter(|draining| draining.sessions.is_some());
    let mut versions: Vec<_> =
        kept.map(|draining| draining.release().unwrap().version.unwrap()).collect();
    versions.sort();
    versions
}

#[tokio::test]
async fn each_replaced_release_keeps_its_visitors_until_the_last_has_left() {
    let (site, visitors, _proxy) = by_hand().await;
    visitors.are(3, "1.0", &site).await;
    let waits = ["flip", "web", "--wait", "drained", "--timeout", "1s"];
    site.run(&waits).await.ended_with(5).says("not drained in time: 3 visitors stay");
    site.run(&["status", "web"]).await.says("standby  1.0").says("3 visitors stay, for another 7h");
    announce(&site, "blue", "1.2").await;
    visitors.are(1, "1.1", &site).await;
    site.run(&["flip", "web"]).await.ended_with(0);
    announce(&site, "green", "1.3").await;
    assert_eq!(kept(&site).await, ["1.0", "1.1"]);
    site.run(&["status", "web"])
        .await
        .says("draining 1.0, replaced")
        .says("3 visitors stay")
        .says("1 visitor stays");
    visitors.are(0, "1.0", &site).await;
    site.run(&["flip", "web"]).await.ended_with(0);
    assert_eq!(kept(&site).await, ["1.1"]);
    // What never served has no visitors to keep.
    announce(&site, "blue", "1.4").await;
    announce(&site, "blue", "1.5").await;
    assert_eq!(kept(&site).await, ["1.1"]);
}

#[tokio::test]
async fn retire_stops_nothing_that_has_visitors_until_they_leave_or_are_told_to() {
    let (site, visitors, _proxy) = by_hand().await;
    visitors.are(3, "1.0", &site).await;
    site.run(&["flip", "web"]).await.ended_with(0);
    let run = site.run(&["retire", "web"]).await.ended_with(5);
    let run = run.says("1.0: 3 visitors stay, for another 7h").says("--end-sessions");
    assert!(!run.errors.contains("proxy forget"), "{}", run.errors);
    assert_eq!(kept(&site).await, ["1.0"]);
    site.run(&["retire", "web", "--end-sessions"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());

    visitors.are(2, "1.1", &site).await;
    announce(&site, "blue", "1.2").await;
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["retire", "web"]).await.ended_with(5).says("2 visitors stay");
    visitors.are(0, "1.1", &site).await;
    site.run(&["retire", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn visitors_are_told_of_when_their_time_is_over() {
    let (site, visitors, _proxy) = by_hand().await;
    visitors.are(3, "1.0", &site).await;
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["retire", "web"]).await.ended_with(5);
    let keys = site.keys().await;
    let (token, entry) = keys.draining.first_key_value().unwrap();
    let past = Some(Timestamp::now() - SignedDuration::from_secs(1));
    let late = Draining { sessions: past, ..entry.ok().unwrap().clone() };
    site.put(AppKey::Draining(token.clone()), &serde_json::to_string(&late).unwrap()).await;
    let run = site.run(&["retire", "web"]).await.ended_with(0);
    run.says("the time of 3 visitors on 1.0 is over");
    assert!(site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn nothing_is_stopped_before_every_proxy_says_that_it_has_let_the_visitors_go() {
    let (site, visitors, _proxy) = by_hand().await;
    visitors.are(1, "1.0", &site).await;
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["retire", "web"]).await.ended_with(5);
    visitors.are(0, "1.0", &site).await;
    // Another one has not heard of it: it says what it said.
    let other = Words::of("lb2", &site).await;
    let keys = site.keys().await;
    let said = visitors.said(&keys, crate::words::obedient(&keys));
    assert_eq!(said.sessions.len(), 1);
    other.says(&said).await;
    site.write("shunt.toml", QUICK);
    site.run(&["retire", "web"]).await.ended_with(5).says("lb2 lets visitors stay");
    assert_eq!((kept(&site).await.len(), site.keys().await.draining.len()), (0, 1));
    let _other = visitors.seen_by(other);
    visitors.are(0, "1.0", &site).await;
    site.run(&["retire", "web"]).await.ended_with(0);
    assert!(site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn who_may_come_back_keeps_a_release_as_well_and_a_lost_proxy_does() {
    let site = Site::with_two_releases().await;
    site.put(AppKey::App, APP).await;
    site.put(AppKey::Active, "green").await;
    let proxy = Words::of("lb1", &site).await;
    let lost = Words::of("lb2", &site).await;
    let visitors = Visitors::default();
    visitors.0.lock().unwrap().insert("1.0".to_owned(), 0);
    let said = async |more: bool| {
        let keys = site.keys().await;
        let mut status = visitors.said(&keys, crate::words::obedient(&keys));
        let more = more.then(|| Timestamp::now() + SignedDuration::from_mins(29));
        status.sessions.values_mut().for_each(|stays| stays.more_until = more);
        status
    };
    proxy.says(&said(true).await).await;
    lost.says(&said(false).await).await;
    site.run(&["retire", "web"]).await.ended_with(5).says("visitors may come back for another 28m");
    lost.dies().await;
    proxy.says(&said(false).await).await;
    site.run(&["retire", "web"])
        .await
        .ended_with(5)
        .says("lb2 is lost, and is waited for for another");
    assert_eq!(kept(&site).await, ["1.0"]);
}

/// A deploy file with which nothing takes long.
const QUICK: &str =
    "app = \"web\"\nimage = \"web\"\n[run]\nport = 80\n[deploy]\ndrain_timeout = \"1s\"\n";

#[tokio::test]
async fn deploys_go_on_beside_the_visitors_of_old_releases_and_wait_for_them_if_told_to() {
    let shop = Shop::open(&["1", "2", "3", "4"], "").await;
    shop.write_file("hosts = [\"www.example.com\"]\nsessions = \"drain\"", "");
    let visitors = Visitors::default();
    let _proxy = visitors.seen_by(shop.proxy("lb1").await);
    shop.deploy("1").await.ended_with(0);
    visitors.are(1, "1", &shop.site).await;
    shop.deploy("2").await.ended_with(0).says("on the old release 1 visitor stays");
    visitors.are(2, "2", &shop.site).await;
    shop.deploy("3").await.ended_with(0).says("kept: 1 visitor stays, for another");
    assert_eq!(shop.containers().await, ["1", "2", "3"]);
    assert_eq!(kept(&shop.site).await, ["1"]);
    // One that fails leaves everybody where they are.
    let fails = shop.site.run(&["deploy", "--tag", "none"]).await;
    assert_ne!(fails.code, 0);
    assert_eq!(kept(&shop.site).await, ["1"]);

    visitors.are(0, "1", &shop.site).await;
    visitors.are(4, "3", &shop.site).await;
    let mut waits = shop.site.begin(&["deploy", "--tag", "4", "--wait-sessions"], None);
    let said = waits.said("  …  sessions").await;
    assert!(said.starts_with("4 visitors stay"), "{said}");
    assert_eq!(shop.slots().await, "green: 3 4", "it has flipped");
    visitors.are(0, "3", &shop.site).await;
    assert!(waits.ended().await.success(), "{}", waits.log());
    assert_eq!(shop.containers().await, ["2", "3", "4"], "nobody was left on 1");
    assert_eq!(kept(&shop.site).await, ["2"]);
    shop.site.run(&["undo"]).await.ended_with(0);
    visitors.are(0, "2", &shop.site).await;
    visitors.are(0, "4", &shop.site).await;
    shop.site.run(&["retire"]).await.ended_with(0);
    assert_eq!(shop.containers().await, ["3"]);

    // Whoever finishes one that was killed does not wait for hours, and says for whom.
    visitors.are(5, "3", &shop.site).await;
    let mut waits = shop.site.begin(&["deploy", "--tag", "1", "--wait-sessions"], None);
    waits.said("  …  sessions").await;
    waits.kill().await;
    shop.site.run(&["status", "web"]).await.says("step `sessions`").says("5 visitors stay");
    let run = shop.site.run(&["resume"]).await.ended_with(0);
    run.says("not waited for: 5 visitors stay").says("is finished");
    assert_eq!(
        (shop.containers().await, kept(&shop.site).await.len()),
        (vec!["1".into(), "3".into()], 0)
    );
    shop.site.run(&["retire"]).await.ended_with(5).says("5 visitors stay");
}

#[tokio::test]
async fn visitors_keep_a_replaced_release_running_on_all_its_hosts_until_they_leave() {
    let all = ["1", "2", "3"];
    let shop = Shop::open(&all, "").await;
    let route = "hosts = [\"www.example.com\"]\nsessions = \"drain\"";
    let two = shop.second_host(&all, route, "").await;
    let visitors = Visitors::default();
    let _proxy = visitors.seen_by(shop.proxy("lb1").await);
    shop.deploy("1").await.ended_with(0);
    visitors.are(2, "1", &shop.site).await;
    shop.deploy("2").await.ended_with(0);
    visitors.are(0, "2", &shop.site).await;
    shop.deploy("3").await.ended_with(0).says("kept: 2 visitors stay");
    let both = async || (shop.containers().await, versions_on(&two).await);
    let of = |versions: &[&str]| versions.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(both().await, (of(&all), of(&all)));
    visitors.are(0, "1", &shop.site).await;
    visitors.are(1, "2", &shop.site).await;
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(both().await, (of(&["2", "3"]), of(&["2", "3"])));
}
