//! The verbs that only look.

use shunt_config::key::AppKey;
use shunt_config::record::HISTORY_KEPT;
use shunt_config::status::AppStatus;
use shunt_config::store::Txn;

use crate::site::Site;
use crate::words::Words;

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
    site.run(&["deploy", "--dry-run"]).await.ended_with(0);
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
