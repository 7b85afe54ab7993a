//! Copies of requests before the flip, on a real engine, with proxies that say what a test wants to hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::{Process, until};
use rustix::process::Signal;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::{Outcome, Step};
use shunt_config::status::{AppStatus, Mirrored, Tally};
use shunt_config::store::Txn;
use shunt_controller::app_keys::AppKeys;

use crate::shop::Shop;
use crate::site::Run;
use crate::words::{Obedient, refusal};

/// The end of a deploy file that asks for copies.
fn mirror(settings: &str) -> String {
    format!("[mirror]\nrequests = 200\nfor = \"100ms\"\n{settings}")
}

/// Some requests, so many of which failed.
fn tally(requests: u64, errors: u64) -> Tally {
    Tally { requests, errors, ..Tally::default() }
}

/// 200 pairs, of whose copies so many failed, and so many differ.
fn pairs(errors: u64, differ: u64) -> Mirrored {
    Mirrored { originals: tally(200, 0), copies: tally(200, errors), differ, left_out: 7 }
}

/// A proxy that counts this of the copies that it makes.
async fn counting(shop: &Shop, name: &str, counts: Mirrored) -> Obedient {
    shop.proxy(name).await.obeys_but(move |_, mut status| {
        status.mirror.iter_mut().for_each(|mirror| mirror.counts = counts.clone());
        Some(status)
    })
}

/// Something for the proxies to say anew what they say.
async fn nudge(shop: &Shop) {
    let txn = Txn::new().put("apps/other/app", r#"{"hosts":["other.example.com"]}"#);
    shop.site.store.commit(txn).await.unwrap();
}

/// A deploy of version 2 beside 1, whose requests are copied for longer than any test.
async fn copied(shop: &Shop) -> Process {
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    deploy.said("  →  mirror ").await;
    deploy
}

/// All is as it was before the deploy of version 2, which was never flipped to.
async fn as_before(shop: &Shop, what: &str) {
    assert_eq!(shop.slots().await, "blue: 1 -", "{what}");
    assert_eq!(shop.containers().await, ["1"], "{what}");
    let keys = shop.site.keys().await;
    assert!(keys.mirror.is_none(), "{what}");
    assert!(keys.deploy.is_none() && keys.draining.is_empty() && keys.lock.is_none(), "{what}");
}

/// The last entry of the app's history.
fn last(keys: &AppKeys) -> &shunt_config::record::History {
    keys.history.values().last().unwrap().ok().unwrap()
}

#[tokio::test]
async fn a_release_that_stands_copies_is_flipped_to_and_the_history_has_the_figures() {
    let shop = Shop::open(&["1", "2"], &mirror("")).await;
    let _one = counting(&shop, "lb1", pairs(0, 5)).await;
    let _two = counting(&shop, "lb2", pairs(1, 0)).await;
    let first = shop.deploy("1").await.ended_with(0);
    first.says("there is no old release whose requests could be copied");
    let plan = shop.site.run(&["deploy", "--tag", "2", "--dry-run"]).await.ended_with(0);
    plan.says("10% of GET requests to `green` as well, for 100 ms, 200 of them at least");
    let run = shop.deploy("2").await.ended_with(0).says("by 2 proxies");
    run.says("400 copies, 1 error against 0").says("5 answers of another class, 14 requests left");
    assert_eq!(shop.slots().await, "green: 1 2");
    let keys = shop.site.keys().await;
    assert!(keys.mirror.is_none());
    let entry = last(&keys);
    let compared = entry.mirrored.as_ref().unwrap();
    assert_eq!((compared.percent, compared.new.requests, compared.new.errors), (10, 400, 1));
    assert!(entry.steps.iter().any(|time| time.step == Step::Mirror && time.ended.is_some()));
    let history = shop.site.run(&["history", "--steps"]).await.ended_with(0);
    history.says("(400 copies, 1 error against 0");
}

/// Runs a deploy of version 2, of whose copies the only proxy counts this.
async fn deploy_counted(settings: &str, counts: Mirrored) -> (Shop, Run) {
    let shop = Shop::open(&["1", "2"], settings).await;
    let run = {
        let _proxy = counting(&shop, "lb1", counts).await;
        shop.deploy("1").await.ended_with(0);
        shop.deploy("2").await
    };
    (shop, run)
}

#[tokio::test]
async fn a_release_that_answers_copies_worse_never_gets_a_visitor_and_leaves_no_key() {
    let hour = mirror("").replace("100ms", "1h");
    let failed = "[hooks]\nfailed = 'echo because $SHUNT_REASON'\n";
    let (shop, run) = deploy_counted(&format!("{hour}{failed}"), pairs(60, 0)).await;
    let run = run.ended_with(3).says("does not stand copies of requests: errors (5xx): 30.0 %");
    run.says("because the new release does not stand").says("as it was before");
    as_before(&shop, "worse").await;
    let keys = shop.site.keys().await;
    assert_eq!(last(&keys).outcome, Outcome::Failed);
    assert_eq!(last(&keys).mirrored.as_ref().unwrap().new.errors, 60);
    let flips = keys.history.values().map(|entry| entry.ok().unwrap());
    let flipped = flips.flat_map(|entry| &entry.steps).filter(|time| time.step == Step::Flip);
    assert_eq!(flipped.count(), 1, "the first release's alone");
}

#[tokio::test]
async fn answers_of_another_class_are_too_many_only_by_the_files_own_bound() {
    let (_, run) = deploy_counted(&mirror(""), pairs(0, 100)).await;
    run.ended_with(0).says("100 answers of another class");
    let (shop, run) = deploy_counted(&mirror("max_differ = \"10%\"\n"), pairs(0, 100)).await;
    run.ended_with(3).says("answers of another class: 50.0 % of 200 requests (10.0 % are allowed)");
    as_before(&shop, "different").await;
}

#[tokio::test]
async fn what_is_not_to_be_judged_and_what_are_too_few_to_judge_go_on_and_say_so() {
    let (_, run) = deploy_counted(&mirror("judge = false\n"), pairs(100, 0)).await;
    run.ended_with(0).says("200 copies, 100 errors against 0");
    // Past the time that the last copy may take.
    let few = mirror("[timeouts]\nresponse = \"100ms\"\n").replace("200", "201");
    let (shop, run) = deploy_counted(&few, pairs(0, 0)).await;
    run.ended_with(0).says("-    mirror       too few to judge by, of 201 copies: 200 copies");
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn nothing_is_compared_before_every_proxy_copies() {
    let shop = Shop::open(&["1", "2"], &mirror("")).await;
    let _one = counting(&shop, "lb1", pairs(0, 0)).await;
    let ready = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&ready);
    let _two = shop.proxy("lb2").await.obeys_but(move |_, mut status| {
        let release = |status: &mut AppStatus| status.mirror.as_mut().map(|m| m.release.take());
        if !says.load(Ordering::SeqCst) {
            release(&mut status);
        }
        Some(status)
    });
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    deploy.said("  …  mirror       waiting for lb2 (does not copy to it yet)").await;
    assert!(!deploy.log().contains("→  mirror"), "{}", deploy.log());
    let keys = shop.site.keys().await;
    let asked = keys.mirror.as_ref().unwrap().ok().unwrap();
    assert_eq!((asked.slot, asked.percent()), (Slot::Green, 10));
    assert_eq!(asked.deploy.as_ref(), Some(&keys.record().unwrap().id));
    let status = shop.site.run(&["status", "web"]).await.ended_with(0);
    status
        .says("10% of GET requests are copied to green (2) for another")
        .says("200 copies, 0 errors against 0")
        .says("not yet by lb2");
    let json = shop.site.run(&["status", "web", "--json"]).await.json();
    let mirror = &json["mirror"];
    assert_eq!((&mirror["percent"], &mirror["missing"][0]), (&10.into(), &"lb2".into()));
    assert_eq!(mirror["counts"]["new"]["requests"], 200);
    ready.store(true, Ordering::SeqCst);
    nudge(&shop).await;
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    assert!(deploy.log().contains("→  mirror       10% of GET requests to `green` as well, by 2"));
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn a_proxy_that_refuses_to_copy_or_never_does_ends_the_deploy_before_its_flip() {
    let soon = mirror("[deploy]\nflip_deadline = \"1s\"\n");
    let shop = Shop::open(&["1", "2"], &soon).await;
    let unwilling = Arc::new(AtomicBool::new(true));
    let does = Arc::clone(&unwilling);
    let _one = shop.proxy("lb1").await.obeys_but(move |keys, status| {
        let Some(mirror) = &keys.mirror else { return Some(status) };
        let refused = match does.load(Ordering::SeqCst) {
            true => vec![refusal("apps/web/mirror", &mirror.token, "no room")],
            false => Vec::new(),
        };
        Some(AppStatus { mirror: None, refused, ..status })
    });
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(5).says("lb1: no room");
    as_before(&shop, "refused").await;
    unwilling.store(false, Ordering::SeqCst);
    shop.deploy("2").await.ended_with(5).says("not copied in time: waiting for lb1");
    as_before(&shop, "not in time").await;
}

#[tokio::test]
async fn however_a_deploy_ends_while_requests_are_copied_no_key_is_left_behind() {
    let shop = Shop::open(&["1", "2"], &mirror("").replace("100ms", "1h")).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    for how in ["undo", "signal", "resume", "deploy"] {
        let mut deploy = copied(&shop).await;
        assert!(shop.site.keys().await.mirror.is_some(), "{how}");
        if how == "undo" || how == "signal" {
            match how {
                "undo" => drop(shop.site.run(&["undo"]).await.ended_with(0)),
                _ => deploy.signal(Signal::TERM),
            }
            assert_eq!(deploy.ended().await.code(), Some(6), "{how}: {}", deploy.log());
            as_before(&shop, how).await;
            continue;
        }
        deploy.kill().await;
        until("its lock is gone", async || shop.site.keys().await.lock.is_none().then_some(()))
            .await;
        let status = shop.site.run(&["status", "web"]).await.ended_with(0);
        status.says("step `mirror`").says("half done").says("GET requests are copied to green (2)");
        if how == "resume" {
            shop.site.run(&["resume"]).await.ended_with(0);
            as_before(&shop, how).await;
        }
    }
    // The next one puts its own, after that of the killed one is gone.
    let gone = shop.site.keys().await.mirror.unwrap().token;
    let deploy = copied(&shop).await;
    let own = shop.site.keys().await.mirror.unwrap();
    let record = shop.site.keys().await.record().unwrap().id.clone();
    assert!(own.token != gone && own.ok().unwrap().deploy.as_ref() == Some(&record));
    drop(deploy);
}

#[tokio::test]
async fn a_mirror_that_someone_else_puts_stays_theirs() {
    const OWN: &str = r#"{"slot":"green","percent":1}"#;
    let shop = Shop::open(&["1", "2"], &mirror("").replace("100ms", "1h")).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = copied(&shop).await;
    shop.site.put(AppKey::Mirror, OWN).await;
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.site.keys().await.mirror.as_ref().unwrap().text(), OWN);
    assert_eq!(shop.slots().await, "blue: 1 -");
    shop.deploy("2").await.ended_with(2).says("`apps/web/mirror` was put by hand");
    assert_eq!(shop.containers().await, ["1"]);
    shop.site.delete(AppKey::Mirror).await;
    // A flip by hand is theirs as well.
    let mut deploy = copied(&shop).await;
    shop.site.put(AppKey::Active, "blue:99,green:1").await;
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.site.active().await, "blue:99,green:1");
    assert!(shop.site.keys().await.mirror.is_none());
}
