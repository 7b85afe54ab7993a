//! The verbs that only look.

use e2e::until;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::{HISTORY_KEPT, Outcome};
use shunt_config::status::AppStatus;
use shunt_config::store::Txn;

use crate::site::{Run, Site, ended};
use crate::words::{Words, obedient, refusal};

#[tokio::test]
async fn status_names_bad_values_unknown_keys_and_who_differs() {
    let site = Site::with_two_releases().await;
    Words::of("lb1", &site).await.serves_what_is_asked().await;
    site.put(AppKey::Active, "gren").await;
    let key = "apps/web/aktive";
    site.store.commit(Txn::new().put(key, "green")).await.unwrap();
    let run = site.run(&["status", "web"]).await.ended_with(0);
    let run = run.says("did you mean `green`?").says("did you mean `active`?");
    assert!(run.output.contains("lb1"));
    let json = site.run(&["status", "web", "--json"]).await.ended_with(0).json();
    assert_eq!(json["active"], "gren");
    assert_eq!(json["problems"].as_array().unwrap().len(), 2);
    site.run(&["status", "shop"]).await.ended_with(2).says("no app `shop`");
}

#[tokio::test]
async fn the_last_fifty_entries_of_history_are_kept() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    let _proxy = proxy.obeys();
    let entry = r#"{"verb":"flip","who":{"user":"ann","host":"ci-7","pid":1},
        "began":"2026-01-01T00:00:00Z","ended":"2026-01-01T00:00:01Z","outcome":"done"}"#;
    for i in 0..60 {
        site.put(AppKey::History(format!("20260101T000000-{i:08}")), entry).await;
    }
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    assert_eq!(keys.history.len(), HISTORY_KEPT);
    let run = site.run(&["history", "web", "--limit", "2"]).await.ended_with(0).says("ann");
    assert!(run.output.contains("undo") && run.output.contains("flip"), "{}", run.output);
}

#[tokio::test]
async fn a_lost_store_is_told_with_its_own_code() {
    let site = Site::empty();
    let nobody = ["--store", "http://127.0.0.1:1", "list"];
    site.run(&nobody).await.ended_with(7).says("127.0.0.1:1");
    site.run(&["--store", "relative", "list"]).await.ended_with(2);
}

/// A deploy into a slot that proxies go on with would be served before its flip.
#[tokio::test]
async fn a_deploy_without_active_is_planned_only_where_nobody_serves() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    site.delete(AppKey::Active).await;
    site.write("shunt.toml", "app = \"web\"\nimage = \"web\"\n[run]\nport = 80\n");
    let run = site.run(&["deploy", "--dry-run"]).await.ended_with(2);
    run.says("lb1 goes on with `blue`").says("shuntctl flip web blue");
    proxy.says(&AppStatus::default()).await;
    let run = site.run(&["deploy", "--dry-run"]).await.says("`active` to `blue`");
    run.says("no tag is named: this is web:latest");
}

#[tokio::test]
async fn who_only_looks_makes_nothing_in_a_directory_store() {
    let site = Site::empty();
    let path = site.directory.path().join("store");
    let verbs: [&[&str]; 5] =
        [&["list"], &["status"], &["history", "web"], &["logs", "web"], &["proxy", "list"]];
    for verb in verbs {
        let run = site.run(verb).await.ended_with(7);
        run.says(path.to_str().unwrap()).says("no such directory");
        assert!(!path.exists(), "{verb:?} made {}", path.display());
    }
    // An operator's `mkdir` and `echo` are a store as well.
    std::fs::create_dir_all(path.join("apps/web")).unwrap();
    std::fs::write(path.join("apps/web/active"), "blue\n").unwrap();
    site.run(&["list"]).await.ended_with(0).says("blue");
    site.run(&["status"]).await.ended_with(0).says("`apps/web/app` is missing");
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["apps"]);
    site.put(AppKey::Active, "green").await;
    site.run(&["list"]).await.ended_with(0).says("green");
}

#[tokio::test]
async fn a_slot_that_proxies_go_on_with_is_shown_as_serving_whatever_active_says() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let slot = |run: &Run, slot: &str| {
        let start = format!("  {slot} ");
        let line = run.output.lines().find(|line| line.starts_with(&start)).unwrap();
        line.to_owned()
    };
    let run = site.run(&["status", "web"]).await.ended_with(0);
    assert!(slot(&run, "blue").contains("100%") && slot(&run, "green").contains("standby"));
    site.put(AppKey::Active, "gren").await;
    let run = site.run(&["status", "web"]).await.ended_with(0);
    assert!(slot(&run, "blue").contains("serving (`active` cannot be read)"), "{}", run.output);
    assert!(slot(&run, "green").contains("standby"), "{}", run.output);
    site.delete(AppKey::Active).await;
    let run = site.run(&["status", "web"]).await.ended_with(0);
    assert!(slot(&run, "blue").contains("serving (`active` is missing)"), "{}", run.output);
    site.put(AppKey::Active, "green").await;
    let run = site.run(&["status"]).await.ended_with(0);
    assert!(slot(&run, "blue").contains("not every proxy has flipped"), "{}", run.output);
    assert!(slot(&run, "green").contains("100%"), "{}", run.output);
}

#[tokio::test]
async fn keys_that_belong_to_no_app_are_named() {
    let site = Site::with_two_releases().await;
    let words = ["`Bad_App` is no name for an app", "`foo` is no key", "`apps/shop/aktive`"];
    for verb in ["status", "list"] {
        let run = site.run(&[verb]).await.ended_with(0);
        assert!(!run.output.contains("foo"), "{}", run.output);
    }
    for key in ["apps/Bad_App/app", "foo", "apps/shop/aktive"] {
        site.store.commit(Txn::new().put(key, "x")).await.unwrap();
    }
    for verb in ["status", "list"] {
        let run = site.run(&[verb]).await.ended_with(0).says("1.0");
        words.iter().fold(run, |run, word| run.says(word));
        let run = site.run(&[verb, "--json"]).await.ended_with(0);
        words.iter().fold(run, |run, word| run.says(word));
    }
}

#[tokio::test]
async fn history_says_how_a_flip_ended_and_how_long_it_took() {
    let site = Site::with_two_releases().await;
    site.run(&["history", "web"]).await.ended_with(0).says("`web` has no history yet");
    site.run(&["history", "shop"]).await.ended_with(2).says("no app `shop`");
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let wait = ["--timeout", "150ms"];
    site.run(&[&["flip", "web"][..], &wait].concat()).await.ended_with(5);
    site.run(&[&["undo", "web"][..], &wait].concat()).await.ended_with(5);
    for verb in ["flip", "undo"] {
        let keys = site.keys().await;
        let mut entries = keys.history.values().filter_map(|kept| kept.ok());
        let entry = entries.find(|entry| entry.verb == verb).unwrap();
        assert_eq!(entry.outcome, Outcome::Unacknowledged);
        assert!(entry.reason.as_ref().unwrap().contains("not acknowledged in time: "));
        let took = entry.ended.duration_since(entry.began);
        assert!(took.as_millis() >= 150, "{verb} took {took:?}");
    }
    // One that is not over yet, or was killed, is not called done.
    let flip = site.start(&["flip", "web"]);
    until("the flip", async || (site.active().await == "green").then_some(())).await;
    site.run(&["history", "web", "--limit", "1"]).await.says("not over yet, or cut short");
    proxy.serves_what_is_asked().await;
    ended(flip).await.ended_with(0);
    let run = site.run(&["history", "web", "--limit", "1"]).await.says("done");
    assert!(!run.output.contains("not over yet"), "{}", run.output);
    // What serves now is told by its version.
    let entry = run.output.lines().nth(1).unwrap();
    assert!(
        entry.contains(" flip ") && entry.contains(" 1.1 ") && !entry.contains("green"),
        "{entry}"
    );
}

#[tokio::test]
async fn nothing_that_is_written_into_keys_steers_a_terminal() {
    let site = Site::with_two_releases().await;
    let release = r#"{"version":"1.0\u001b[2J\nweb \u009b31m","targets":["127.0.0.1:9001"]}"#;
    site.put(AppKey::Slot(Slot::Blue), release).await;
    site.put(AppKey::Active, "bl\u{1b}]0;x\u{7}ue").await;
    let proxy = Words::of("lb1", &site).await;
    let token = site.keys().await.active.unwrap().token;
    let refused = vec![refusal("apps/web/active", &token, "no\u{1b}[31m\nslot")];
    proxy.says(&AppStatus { refused, ..obedient(&site.keys().await) }).await;
    let steers = |c: char| c.is_control() && c != '\n';
    let verbs: [&[&str]; 7] = [
        &["status", "web"],
        &["status", "web", "--json"],
        &["list"],
        &["list", "--json"],
        &["flip", "web"],
        &["undo", "web"],
        &["undo", "web", "--json"],
    ];
    for verb in verbs {
        let run = site.run(verb).await;
        let all = format!("{}{}", run.output, run.errors);
        assert!(!all.contains(steers), "{verb:?}: {all:?}");
        assert!(all.contains(r"\u{1b}") || all.contains(r"\u001b"), "{verb:?}: {all}");
    }
    // Nor does it make lines of its own.
    let run = site.run(&["status", "web"]).await;
    assert!(run.output.contains(r"1.0\u{1b}[2J\nweb"), "{}", run.output);
}
