//! Deploys on a real engine, with proxies that say what a test wants to hear: what takes a proxy
//! that refuses or keeps silent, someone who interferes, or a look at the keys in between.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod support;

use e2e::engine::REGISTRY;
use e2e::{Engine, Process, until};
use rustix::process::Signal;
use shunt_config::key::AppKey;
use shunt_config::record::{Outcome, Stage};
use shunt_config::status::{AppStatus, TargetState};
use shunt_config::{Active, Slot};
use shunt_controller::app_keys::AppKeys;

use support::{Obedient, Run, Site, Words, refusal};

/// A store, an engine with images, and a deploy file.
struct Shop {
    site: Site,
    engine: Engine,
}

impl Shop {
    /// Images of these versions; `settings` go to the end of the deploy file.
    async fn open(versions: &[&str], settings: &str) -> Self {
        let (site, engine) = (Site::empty(), Engine::start().await);
        for version in versions {
            engine.build_demo(version, &[]).await;
        }
        let shop = Self { site, engine };
        shop.write_file("hosts = [\"www.example.com\"]", settings);
        shop
    }

    fn write_file(&self, route: &str, settings: &str) {
        let (host, address) = (self.engine.host(), self.engine.address());
        let text = format!(
            "app = \"web\"\nimage = \"{REGISTRY}/acme/web\"\n[route]\n{route}\n\
             [run]\nport = 8080\nhosts = [\"{host}\"]\nbind = \"{address}\"\npull = \"never\"\n{settings}"
        );
        self.site.write("shunt.toml", &text);
    }

    async fn proxy(&self, name: &str) -> Words {
        Words::of(name, &self.site).await
    }

    async fn obedient(&self, name: &str) -> Obedient {
        self.proxy(name).await.obeys()
    }

    async fn deploy(&self, version: &str) -> Run {
        self.site.run(&["deploy", "--tag", version]).await
    }

    /// A deploy that stands still at `moment`.
    async fn stopped_at(&self, moment: &str, version: &str) -> Process {
        let mut deploy = self.site.begin(&["deploy", "--tag", version], Some(moment));
        deploy.said(&format!("paused {moment}")).await;
        deploy
    }

    /// The versions of all containers there are, by their images.
    async fn containers(&self) -> Vec<String> {
        let mut versions = Vec::new();
        for container in self.engine.containers().await {
            let format = "{{range .Config.Env}}{{println .}}{{end}}";
            let inspect = ["inspect", "--format", format, &container.id];
            let environment = self.engine.docker(&inspect).await;
            let version = environment.lines().find_map(|line| line.strip_prefix("VERSION="));
            versions.push(version.unwrap_or("none").to_owned());
        }
        versions.sort();
        versions
    }

    /// What is active, and the versions in both slots: `green: 1 2`.
    async fn slots(&self) -> String {
        let keys = self.site.keys().await;
        let version = |slot| keys.slot(slot)?.ok()?.version.clone();
        let [blue, green] = Slot::BOTH.map(|slot| version(slot).unwrap_or_else(|| "-".to_owned()));
        format!("{}: {blue} {green}", self.site.active().await)
    }

    async fn last_outcome(&self) -> Outcome {
        let keys = self.site.keys().await;
        keys.history.values().last().unwrap().ok().unwrap().outcome
    }
}

/// Whether new requests are to go to version 2.
fn asks_for_two(keys: &AppKeys) -> bool {
    let active = keys.active().map(Active::main);
    let release = active.and_then(|slot| keys.slot(slot)?.ok());
    release.is_some_and(|release| release.version.as_deref() == Some("2"))
}

#[tokio::test]
async fn what_one_proxy_applies_and_another_refuses_is_put_back_with_its_settings() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _one = shop.obedient("lb1").await;
    let _two = shop.proxy("lb2").await.obeys_but(|keys, status| {
        let Some(active) = keys.active.as_ref().filter(|_| asks_for_two(keys)) else {
            return Some(status);
        };
        let refused = vec![refusal("apps/web/active", &active.token, "no")];
        Some(AppStatus { active: None, serving: vec![], refused, ..status })
    });
    shop.deploy("1").await.ended_with(0);
    let before = shop.site.keys().await;
    shop.write_file("hosts = [\"www.example.com\", \"example.com\"]", "");
    shop.deploy("2").await.ended_with(6).says("lb2: no");
    let after = shop.site.keys().await;
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(after.app.unwrap().raw, before.app.unwrap().raw);
    assert!(after.deploy.is_none() && after.draining.is_empty() && after.lock.is_none());
    assert_eq!(shop.containers().await, ["1"]);
    assert_eq!(shop.last_outcome().await, Outcome::Undone);
}

#[tokio::test]
async fn settings_come_with_the_flip_and_go_with_undo() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let old = shop.site.keys().await.app.unwrap().raw;
    shop.write_file("hosts = [\"www.example.com\"]\npaths = [\"/shop\"]", "");
    let mut deploy = shop.stopped_at("before flip", "2").await;
    assert_eq!(shop.site.keys().await.app.unwrap().raw, old, "not before the flip");
    deploy.signal(Signal::USR1);
    assert!(deploy.ended().await.success());
    let new = shop.site.keys().await.app.unwrap().raw;
    assert_ne!(new, old);
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.site.keys().await.app.unwrap().raw, old);
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.site.keys().await.app.unwrap().raw, new);
    assert_eq!(shop.containers().await, ["1", "2"]);
}

#[tokio::test]
async fn a_flip_that_a_silent_proxy_never_acknowledges_stops_nothing_and_is_resumed() {
    let shop = Shop::open(&["1", "2", "3"], "[deploy]\nflip_deadline = \"2s\"\n").await;
    let _one = shop.obedient("lb1").await;
    let two = shop.proxy("lb2").await;
    let silent = two.obeys_but(|keys, status| (!asks_for_two(keys)).then_some(status));
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(5).says("lb2").says("shuntctl resume web");
    assert_eq!(shop.site.active().await, "green");
    assert_eq!(shop.containers().await, ["1", "2"]);
    shop.site.run(&["status", "web"]).await.says("half done").says("`acknowledge`");
    // The next deploy would need the slot that lb2 may still serve.
    shop.deploy("3").await.ended_with(5).says("lb2");
    assert_eq!(shop.containers().await, ["1", "2"]);
    drop(silent);
    let _two = shop.obedient("lb2").await;
    shop.site.run(&["resume"]).await.ended_with(0).says("is finished");
    assert_eq!(shop.last_outcome().await, Outcome::Done);
    assert_eq!(shop.containers().await, ["1", "2"]);
}

#[tokio::test]
async fn a_first_deploy_that_fails_leaves_nothing_behind() {
    let shop = Shop::open(&["1"], "[deploy]\nhealth_deadline = \"3s\"\n").await;
    let _proxy = shop.proxy("lb1").await.obeys_but(|_, mut status| {
        for target in &mut status.targets {
            (target.state, target.last) = (TargetState::Unproved, "connect: refused".to_owned());
        }
        Some(status)
    });
    let run = shop.deploy("1").await.ended_with(3);
    run.says("from lb1: connect: refused").says("| release 1 listens");
    let left = shop.site.everything().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].0.starts_with("apps/web/history/"));
    assert!(shop.containers().await.is_empty());
    shop.deploy("none").await.ended_with(2).says("there is no image");
    assert_eq!(shop.site.everything().await.len(), 2);
}

#[tokio::test]
async fn undo_before_the_flip_is_acknowledged_puts_everything_back() {
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    for moment in ["after start", "after announce", "before flip", "after flip"] {
        let mut deploy = shop.stopped_at(moment, "3").await;
        shop.site.run(&["undo"]).await.ended_with(0);
        assert_eq!(deploy.ended().await.code(), Some(6), "{moment}: {}", deploy.log());
        let slots = shop.slots().await;
        assert_eq!(slots, "green: 1 2", "{moment}");
        assert_eq!(shop.containers().await, ["1", "2"], "{moment}");
        assert_eq!(shop.last_outcome().await, Outcome::Undone, "{moment}");
    }
    // What undo went back to before is there again.
    let keys = shop.site.keys().await;
    assert_eq!(keys.record().unwrap().stage, Stage::Warm);
    shop.site.run(&["undo"]).await.ended_with(0).says("goes back to blue");
}

#[tokio::test]
async fn undo_after_the_flip_is_acknowledged_goes_back_and_keeps_the_new_release_warm() {
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    let mut deploy = shop.stopped_at("after acknowledge", "3").await;
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 3 2");
    assert_eq!(shop.containers().await, ["2", "3"], "1 was condemned with the acknowledgement");
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.site.active().await, "blue");
}

#[tokio::test]
async fn a_signal_undoes_what_can_be_undone_and_frees_the_lock() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    for (moment, signal) in [("before check", Signal::INT), ("after flip", Signal::TERM)] {
        let mut deploy = shop.stopped_at(moment, "2").await;
        deploy.signal(signal);
        assert_eq!(deploy.ended().await.code(), Some(6), "{moment}: {}", deploy.log());
        assert_eq!(shop.slots().await, "blue: 1 -", "{moment}");
        assert!(shop.site.keys().await.lock.is_none());
        assert_eq!(shop.containers().await, ["1"], "{moment}");
    }
    let mut deploy = shop.stopped_at("after acknowledge", "2").await;
    deploy.signal(Signal::TERM);
    assert_eq!(deploy.ended().await.code(), Some(0), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn someone_elses_flip_or_announcement_in_the_middle_stays() {
    let shop = Shop::open(&["1", "2"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.stopped_at("before flip", "2").await;
    shop.site.put(AppKey::Slot(Slot::Green), "127.0.0.1:9002").await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    let keys = shop.site.keys().await;
    assert_eq!(keys.slot(Slot::Green).unwrap().text(), "127.0.0.1:9002");
    assert_eq!(shop.site.active().await, "blue");
    assert_eq!(shop.containers().await, ["1"]);

    let mut deploy = shop.stopped_at("before flip", "2").await;
    shop.site.put(AppKey::Active, "blue:99,green:1").await;
    deploy.signal(Signal::USR1);
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.site.active().await, "blue:99,green:1");
    assert_eq!(shop.containers().await, ["1", "2"], "both are asked for");
}

#[tokio::test]
async fn a_taken_port_is_passed_over_and_a_full_range_is_an_error() {
    let shop = Shop::open(&["1"], "port_range = \"25000-25002\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    let image = format!("{REGISTRY}/acme/web:1");
    let occupy = async |port: u16| {
        let publish = format!("{}:{port}:8080", shop.engine.address());
        shop.engine.docker(&["run", "--detach", "--publish", &publish, &image]).await
    };
    let (first, _) = (occupy(25000).await, occupy(25001).await);
    shop.deploy("1").await.ended_with(0);
    let keys = shop.site.keys().await;
    let address = keys.slot(Slot::Blue).unwrap().ok().unwrap().targets[0].address.to_string();
    assert!(address.ends_with(":25002"), "{address}");
    shop.deploy("1").await.ended_with(3).says("no port of 25000-25002 is free");
    assert_eq!(shop.containers().await.len(), 3);
    shop.engine.docker(&["rm", "--force", &first]).await;
    shop.deploy("1").await.ended_with(0);
}

#[tokio::test]
async fn containers_no_key_speaks_of_are_removed_and_those_of_another_store_are_not() {
    let shop = Shop::open(&["1"], "").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let image = format!("{REGISTRY}/acme/web:1");
    let own = format!("shunt.store={}", shop.site.keys().await.store);
    for store in [own.as_str(), "shunt.store=another"] {
        let app = "shunt.app=web";
        let deploy = "shunt.deploy=20260101T000000-00000000";
        let labels = ["--label", app, "--label", deploy, "--label", store];
        let all = [&["run", "--detach"][..], &labels, &[&image]].concat();
        shop.engine.docker(&all).await;
    }
    shop.site.run(&["resume"]).await.ended_with(0).says("1 container(s) that no key speaks of");
    let stores: Vec<String> = shop
        .engine
        .containers()
        .await
        .into_iter()
        .map(|c| c.labels["shunt.store"].clone())
        .collect();
    assert_eq!(stores.len(), 2);
    assert!(stores.contains(&"another".to_owned()));
}

#[tokio::test]
async fn a_warm_release_is_retired_by_the_next_run_past_its_time() {
    let shop = Shop::open(&["1", "2"], "[deploy]\nwarm = \"1s\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    assert_eq!(shop.containers().await, ["1", "2"]);
    until("the warm time is over", async || {
        let status = shop.site.run(&["status", "web"]).await;
        status.output.contains("warm time is over").then_some(())
    })
    .await;
    shop.site.run(&["resume"]).await.ended_with(0);
    assert_eq!(shop.slots().await, "green: - 2");
    assert_eq!(shop.containers().await, ["2"]);
    shop.site.run(&["undo"]).await.ended_with(2).says("`blue` is empty");
    shop.site.run(&["remove", "web", "--yes"]).await.ended_with(0);
    assert!(shop.containers().await.is_empty());
}
