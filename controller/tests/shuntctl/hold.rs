//! `shuntctl hold`, `release` and `maintenance`, with proxies that say what a test wants to hear.

use std::time::Duration;

use e2e::until;
use shunt_config::hold::Mode;
use shunt_config::key::AppKey;
use shunt_config::status::{AppStatus, HoldState};

use crate::site::{Site, ended};
use crate::words::{Words, obedient, refusal};

/// Waits until the key is there, or gone.
async fn held(site: &Site, there: bool) {
    until("the hold", async || (site.keys().await.hold.is_some() == there).then_some(())).await;
}

#[tokio::test]
async fn a_hold_ends_when_every_live_proxy_holds_and_a_release_when_every_one_lets_go() {
    let site = Site::with_two_releases().await;
    let (one, two) = (Words::of("lb1", &site).await, Words::of("lb2", &site).await);
    one.serves_what_is_asked().await;
    two.serves_what_is_asked().await;
    for (verb, there) in [("hold", true), ("release", false)] {
        let mut run = site.start(&[verb, "web", "--json"]);
        held(&site, there).await;
        one.serves_what_is_asked().await;
        let waits = tokio::time::timeout(Duration::from_millis(300), run.wait()).await;
        assert!(waits.is_err(), "{verb} did not wait for lb2");
        two.serves_what_is_asked().await;
        let run = ended(run).await.ended_with(0).says("waiting for lb2");
        assert_eq!(run.json()["exit"], 0);
    }
    site.run(&["release", "web"]).await.ended_with(0);
    let history = site.run(&["history", "web"]).await.ended_with(0);
    history.says("hold").says("release").says("for 30.0 s, then release");
}

#[tokio::test]
async fn what_is_asked_for_is_what_is_put_and_shown() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let _proxy = proxy.obeys_but(|_, mut status| {
        let hold = status.hold.as_mut();
        if let Some(hold) = hold {
            hold.waiting = 7;
        }
        Some(status)
    });
    let hold = ["hold", "web", "--for", "2m", "--then", "refuse", "--pace", "9", "--length", "99"];
    site.run(&hold).await.ended_with(0);
    let text = site.keys().await.hold.unwrap().text();
    let put = r#"{"mode":"hold","for":"2m","then":"refuse","pace":9,"length":99}"#;
    assert_eq!(text, put);
    let status = site.run(&["status", "web"]).await.ended_with(0);
    status.says("held, then refuse, 7 requests wait");
    site.run(&["maintenance", "web", "on"]).await.ended_with(2).says("`shuntctl release web`");
    site.run(&["release", "web"]).await.ended_with(0);

    let on = ["maintenance", "web", "on", "--message", "back soon", "--allow", "10.0.0.0/8"];
    site.run(&on).await.ended_with(0);
    let kept = site.keys().await.hold.unwrap();
    let hold = kept.ok().unwrap();
    assert_eq!((hold.mode, hold.message.as_deref()), (Mode::Maintenance, Some("back soon")));
    site.run(&["status", "web"]).await.says("in maintenance: back soon");
    site.run(&["release", "web"]).await.ended_with(2).says("`shuntctl maintenance web off`");
    site.run(&["maintenance", "web", "off"]).await.ended_with(0);
    assert!(site.keys().await.hold.is_none());
    site.run(&["history", "web"]).await.says("on: back soon").says("off");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_it_is_written() {
    let site = Site::with_two_releases().await;
    let before = site.everything().await;
    site.run(&["hold", "web"]).await.ended_with(3).says("no proxy is known");
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["hold", "shop"]).await.ended_with(2).says("no app `shop`");
    site.run(&["hold", "web", "--for", "2h"]).await.ended_with(2).says("for 1h at most");
    site.run(&["hold", "web", "--pace", "0"]).await.ended_with(2).says("`pace`");
    site.run(&["maintenance", "web", "off", "--message", "x"]).await.ended_with(2);
    site.run(&["maintenance", "web", "on", "--allow", "10.0.0.1/8"]).await.ended_with(2);
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_keeps_silent_is_named_and_the_hold_stays() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let hold = site.start(&["hold", "web"]);
    held(&site, true).await;
    let keys = site.keys().await;
    let token = keys.hold.as_ref().unwrap().token.clone();
    let refused = vec![refusal("apps/web/hold", &token, "not supported")];
    proxy.says(&AppStatus { hold: None, refused, ..obedient(&keys) }).await;
    ended(hold).await.ended_with(5).says("lb1: not supported");
    assert!(site.keys().await.hold.is_some());

    proxy.serves_what_is_asked().await;
    let run = site.run(&["release", "web", "--timeout", "300ms"]).await.ended_with(5);
    run.says("lb1 (holds it still)");
    site.run(&["status", "web"]).await.says("not yet by lb1");
    // Those that wait are on their way: that is what was asked for.
    let mut status = obedient(&keys);
    let hold = status.hold.as_mut().unwrap();
    (hold.state, hold.waiting) = (HoldState::LettingGo, 3);
    proxy.says(&status).await;
    site.run(&["release", "web"]).await.ended_with(0);
    site.run(&["status", "web"]).await.says("held no more, 3 requests wait");
}

#[tokio::test]
async fn what_a_deploy_holds_is_released_by_nobody_else() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.put(AppKey::Hold, r#"{"mode":"hold","deploy":"20260101T000000-00000001"}"#).await;
    let before = site.everything().await;
    for verb in [&["release", "web"][..], &["hold", "web"], &["maintenance", "web", "on"]] {
        site.run(verb).await.ended_with(2).says("shuntctl resume web");
    }
    assert_eq!(site.everything().await, before);
}
