//! The verbs that only look.

use e2e::until;
use shunt_config::key::{AppKey, Key};
use shunt_config::record::{HISTORY_KEPT, Outcome};
use shunt_config::status::{AppStatus, Instance, Pending, TargetState, TargetStatus};
use shunt_config::store::{LEASE_TTL, Txn};
use shunt_config::{ProxyName, Slot};

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

/// What visitors notice is a problem, though every key is as it should be.
#[tokio::test]
async fn what_no_target_answers_and_what_a_proxy_refuses_are_problems() {
    let site = Site::with_two_releases().await;
    let (one, two) = (Words::of("lb1", &site).await, Words::of("lb2", &site).await);
    one.serves_what_is_asked().await;
    two.serves_what_is_asked().await;
    let problems = async || {
        let json = site.run(&["status", "web", "--json"]).await.ended_with(0).json();
        let all = json["problems"].as_array().unwrap().clone();
        all.iter().map(|problem| problem.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(problems().await.is_empty());
    site.run(&["status", "web"]).await.says("1/1 healthy, by 2 proxies");
    let keys = site.keys().await;
    let mut status = obedient(&keys);
    for target in &mut status.targets {
        (target.state, target.last) = (TargetState::Failing, "connection refused".to_owned());
    }
    let token = keys.app.as_ref().unwrap().token.clone();
    status.refused = vec![refusal("apps/web/app", &token, "host `b.example.com` is `shop`'s")];
    two.says(&status).await;
    let refused = "lb2 refuses `apps/web/app`: host `b.example.com` is `shop`'s";
    let down = "no target of `blue` (1.0) is healthy, says lb2: 127.0.0.1:9001: connection refused";
    let said = problems().await;
    assert!(said.len() == 2 && said[0].starts_with(refused) && said[1] == down, "{said:?}");
    site.run(&["status", "web"]).await.says("healthy: 1/1 by lb1, 0/1 by lb2");

    // One of two targets; and a flip that is not proved.
    let mut status = obedient(&keys);
    let healthy = TargetStatus { address: "127.0.0.1:9009".into(), ..status.targets[0].clone() };
    for target in &mut status.targets {
        (target.state, target.last) = (TargetState::Failing, "connection refused".to_owned());
    }
    status.targets.push(healthy);
    let (reason, since) = ("green is not proved".to_owned(), jiff::Timestamp::now());
    status.pending = Some(Pending { active: None, tokens: Vec::new(), reason, since });
    two.says(&status).await;
    let said = problems().await;
    let one_of =
        "target 127.0.0.1:9001 of `blue` (1.0) is not healthy, says lb2: connection refused";
    let waits =
        "what is asked for is not served by lb2: green is not proved; what it served before stays";
    assert_eq!(said, [waits, one_of]);

    // Nobody serves.
    two.dies().await;
    assert!(problems().await.is_empty(), "lb1 is there");
    one.dies().await;
    assert_eq!(problems().await, ["no proxy is running: none gives a sign of life of lb1, lb2"]);
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

/// "No such directory" would send its operator to look for a slip of the pen.
#[tokio::test]
async fn a_directory_store_that_cannot_be_reached_is_not_told_to_be_missing() {
    let site = Site::empty();
    let file = site.write("file", "");
    let store = file.join("store").display().to_string();
    let run = site.run(&["--store", &store, "list"]).await.ended_with(7).says("Not a directory");
    assert!(!run.errors.contains("no such directory"), "{}", run.errors);
}

#[tokio::test]
async fn nobody_but_a_proxy_makes_a_directory_store_and_who_only_looks_makes_nothing_in_it() {
    let site = Site::empty();
    let path = site.directory.path().join("store");
    let verbs: [&[&str]; 5] =
        [&["list"], &["status"], &["history", "web"], &["logs", "web"], &["proxy", "list"]];
    for verb in verbs {
        let run = site.run(verb).await.ended_with(7);
        run.says(path.to_str().unwrap()).says("no such directory");
        assert!(!path.exists(), "{verb:?} made {}", path.display());
    }
    // Nor does one who writes: what this user makes may be closed to a proxy that is another.
    for verb in [&["announce", "web", "green", "127.0.0.1:9001", "--no-wait"][..], &["flip", "web"]]
    {
        let run = site.run(verb).await.ended_with(7);
        run.says("no such directory").says("`shunt-proxy` makes it");
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

#[tokio::test]
async fn two_proxies_of_one_name_are_told_and_ask_a_target_once() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let session = site.store.session(LEASE_TTL).await.unwrap();
    let (name, status): (ProxyName, _) = ("lb1".parse().unwrap(), obedient(&site.keys().await));
    let another = async |id: &str, pid: u32| {
        let started = "2026-01-01T00:00:00Z".parse().unwrap();
        let admin = Some(format!("10.0.0.{pid}:9180"));
        let instance = Instance { started, version: "1".into(), pid, admin };
        let txn = Txn::new()
            .put_leased(
                Key::Instance(name.clone(), id.into()),
                serde_json::to_vec(&instance).unwrap(),
            )
            .put_leased(
                Key::Status(name.clone(), id.into(), site.app.clone()),
                serde_json::to_vec(&status).unwrap(),
            );
        session.commit(txn).await.unwrap();
    };
    another("2", 7).await;
    // One of the two has just begun: that may be an upgrade.
    let run = site.run(&["status", "web"]).await.ended_with(0).says("1/1 healthy");
    assert!(!run.output.contains("are called"), "{}", run.output);
    another("3", 8).await;
    let said =
        "2 proxies are called `lb1` (process 7 at 10.0.0.7:9180, process 8 at 10.0.0.8:9180)";
    site.run(&["status", "web"]).await.ended_with(0).says(said).says("1/1 healthy");
    let run = site.run(&["proxy", "list"]).await.ended_with(0).says(said);
    assert_eq!(run.output.lines().filter(|line| line.starts_with("lb1 ")).count(), 3);
}
