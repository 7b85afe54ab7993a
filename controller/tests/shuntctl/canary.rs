//! Canaries on a real engine, with proxies that say what a test wants to hear.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use e2e::{Process, until};
use shunt_config::key::AppKey;
use shunt_config::record::Outcome;
use shunt_config::split::Split;
use shunt_config::status::{AppStatus, Counts, Tally};
use shunt_config::store::Txn;

use crate::shop::Shop;
use crate::words::refusal;

/// The end of a deploy file whose canary has these steps.
fn steps(steps: &str) -> String {
    format!("[deploy]\nstrategy = \"canary\"\n[canary]\nsteps = [{steps}]\n")
}

const TWO: &str = "{ percent = 10, pause = true }, { percent = 50, pause = true }";

/// A canary of version 2 beside 1, with `part` of the requests.
async fn tried(shop: &Shop, part: &str) -> Process {
    shop.deploy("1").await.ended_with(0);
    let deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    has(shop, part).await;
    deploy
}

/// Waits until `active` is `part` and every proxy serves that.
async fn has(shop: &Shop, part: &str) {
    until(part, async || {
        let keys = shop.site.keys().await;
        let served = keys.record().and_then(|r| r.running_canary()?.since).is_some();
        (served && keys.active.unwrap().text() == part).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_canary_goes_from_share_to_share_as_someone_says_and_then_to_the_flip() {
    let shop = Shop::open(&["1", "2"], &steps(TWO)).await;
    let _proxy = shop.obedient("lb1").await;
    shop.site.run(&["promote"]).await.ended_with(2).says("no canary of `web` runs");
    let mut deploy = tried(&shop, "blue:90,green:10").await;
    assert_eq!(shop.site.keys().await.app.unwrap().ok().unwrap().split, Some(Split::Cookie));
    let status = shop.site.run(&["status", "web"]).await.ended_with(0);
    status.says("canary green 10%, step 1 of 2").says("waits for `shuntctl promote web`");
    let json = shop.site.run(&["status", "web", "--json"]).await.json();
    assert_eq!(
        (&json["canary"]["share"], &json["canary"]["left"]["promote"]),
        (&10.into(), &true.into())
    );
    shop.site.run(&["promote"]).await.ended_with(0).says("10%, step 1 of 2 of `web` is over");
    has(&shop, "blue:50,green:50").await;
    assert_eq!(shop.containers().await, ["1", "2"]);
    shop.site.run(&["promote"]).await.ended_with(0);
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 1 2");
    let keys = shop.site.keys().await;
    let verbs = keys.history.values().map(|entry| entry.ok().unwrap().verb.as_str());
    let mut verbs: Vec<_> = verbs.collect();
    verbs.sort_unstable();
    assert_eq!(verbs, ["deploy", "deploy", "promote", "promote"]);
    // It is a deploy like any other: undo goes back to the release before.
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.slots().await, "blue: 1 2");
}

#[tokio::test]
async fn a_canary_promoted_in_full_passes_over_the_shares_that_are_left() {
    let shop = Shop::open(&["1", "2"], &steps(TWO)).await;
    let _proxy = shop.obedient("lb1").await;
    let mut deploy = tried(&shop, "blue:90,green:10").await;
    shop.site.run(&["promote", "--full"]).await.ended_with(0);
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 1 2");
    shop.site.run(&["abort"]).await.ended_with(2).says("no canary of `web` runs");
}

#[tokio::test]
async fn an_aborted_canary_leaves_all_as_it_was_before() {
    let shop = Shop::open(&["1", "2"], &steps(TWO)).await;
    let _proxy = shop.obedient("lb1").await;
    let mut deploy = tried(&shop, "blue:90,green:10").await;
    shop.site.run(&["abort"]).await.ended_with(0);
    assert_eq!(shop.site.active().await, "blue", "in one write, whatever the deploy does");
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(shop.containers().await, ["1"]);
    let keys = shop.site.keys().await;
    assert!(keys.deploy.is_none() && keys.draining.is_empty() && keys.lock.is_none());
    assert_eq!(shop.last_outcome().await, Outcome::Undone);
}

#[tokio::test]
async fn a_canary_whose_controller_was_killed_is_aborted_at_once_or_undone_by_the_next_run() {
    let shop = Shop::open(&["1", "2"], &steps(TWO)).await;
    let _proxy = shop.obedient("lb1").await;
    for verb in ["abort", "undo", "resume"] {
        let deploy = tried(&shop, "blue:90,green:10").await;
        deploy.kill().await;
        until("its lock is gone", async || shop.site.keys().await.lock.is_none().then_some(()))
            .await;
        let status = shop.site.run(&["status", "web"]).await.ended_with(0);
        status.says("step `canary`").says("half done").says("canary green 10%");
        shop.site.run(&["promote"]).await.ended_with(2).says("shuntctl resume web");
        shop.site.run(&[verb]).await.ended_with(0);
        assert_eq!(shop.slots().await, "blue: 1 -", "{verb}");
        assert_eq!(shop.containers().await, ["1"], "{verb}");
        // Back to an empty store's worth of slots, for the next round.
        shop.site.run(&["remove", "web", "--yes"]).await.ended_with(0);
    }
}

#[tokio::test]
async fn a_share_that_a_proxy_refuses_is_put_back() {
    let shop = Shop::open(&["1", "2"], &steps(TWO)).await;
    let _one = shop.obedient("lb1").await;
    let _two = shop.proxy("lb2").await.obeys_but(|keys, status| {
        let split = keys.active.as_ref().filter(|kept| kept.text().contains(':'));
        let Some(active) = split else { return Some(status) };
        let refused = vec![refusal("apps/web/active", &active.token, "no")];
        Some(AppStatus { active: None, serving: vec![], refused, ..status })
    });
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(6).says("lb2: no");
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(shop.containers().await, ["1"]);
}

#[tokio::test]
async fn an_active_that_someone_else_puts_meanwhile_stays_theirs() {
    let shop = Shop::open(&["1", "2"], &steps(TWO)).await;
    let _proxy = shop.obedient("lb1").await;
    let mut deploy = tried(&shop, "blue:90,green:10").await;
    shop.site.put(AppKey::Active, "blue:70,green:30").await;
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.slots().await, "blue:70,green:30: 1 2");
    assert_eq!(shop.containers().await, ["1", "2"]);
    assert_eq!(shop.last_outcome().await, Outcome::Superseded);
    shop.site.run(&["flip", "web", "blue"]).await.ended_with(0);
    // Where theirs sends it nothing, there is no reason to keep it.
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    has(&shop, "blue:90,green:10").await;
    shop.site.put(AppKey::Active, "blue").await;
    assert_eq!(deploy.ended().await.code(), Some(8), "{}", deploy.log());
    assert_eq!(shop.site.active().await, "blue");
}

#[tokio::test]
async fn a_share_waits_for_as_many_answers_as_it_names() {
    let text = steps("{ percent = 10, requests = 5 }");
    let shop = Shop::open(&["1", "2"], &text).await;
    let answered = Arc::new(AtomicU64::new(3));
    let says = Arc::clone(&answered);
    let _proxy = shop.proxy("lb1").await.obeys_but(move |_, mut status| {
        let requests = says.load(Ordering::SeqCst);
        let total = Tally { requests, ..Tally::default() };
        let count = |token| (token, Counts { total: total.clone(), ..Counts::default() });
        let tokens = status.targets.iter().map(|target| target.token.clone());
        status.counts = tokens.map(count).collect::<BTreeMap<_, _>>();
        Some(status)
    });
    let mut deploy = tried(&shop, "blue:90,green:10").await;
    let status = shop.site.run(&["status", "web"]).await;
    status.says("0 of 5 requests answered");
    answered.store(8, Ordering::SeqCst);
    // Something for the proxy to say it with.
    let nudge = Txn::new().put("apps/other/app", r#"{"hosts":["other.example.com"]}"#);
    shop.site.store.commit(nudge).await.unwrap();
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn a_share_that_had_its_time_is_followed_by_the_next_and_a_first_release_has_none() {
    let text = steps("{ percent = 1, for = \"100ms\" }, { percent = 99, for = \"100ms\" }");
    let shop = Shop::open(&["1", "2"], &text).await;
    let _proxy = shop.obedient("lb1").await;
    let first = shop.deploy("1").await.ended_with(0);
    assert!(!first.output.contains("canary"), "{}", first.output);
    let plan = shop.site.run(&["deploy", "--tag", "2", "--dry-run"]).await.ended_with(0);
    plan.says("1%, 99% of the requests");
    let run = shop.deploy("2").await.ended_with(0);
    run.says("1%, step 1 of 2").says("99%, step 2 of 2");
    assert_eq!(shop.slots().await, "green: 1 2");
}
