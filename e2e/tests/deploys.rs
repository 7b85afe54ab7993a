//! Deploys with a real engine, a real registry and real etcd.

use crate::shop::Shop;
use crate::site::{HOST, answers, soak};

#[tokio::test]
async fn deploys_in_a_row_fail_no_request_and_each_is_answered_by_one_release() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    let load = shop.load(64);
    answers(&load, "1", 100).await;
    let count = if soak() { 20 } else { 4 };
    for number in 2..=count + 1 {
        let version = number.to_string();
        let run = shop.deploy(&version).await;
        assert!(run.output.contains("flip"), "the steps are not shown: {run}");
        answers(&load, &version, 100).await;
    }
    let report = load.stop().await;
    println!("{count} deploys: {report}");
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().len(), count + 1, "{report}");
    // The last one serves, the one before stands by; all others are gone.
    let mut left = [count.to_string(), (count + 1).to_string()];
    left.sort();
    shop.only(&[&left[0], &left[1]]).await;
    let history = shop.store.keys("apps/web/history/").await;
    assert_eq!(history.len(), count + 1, "{history:?}");
    assert!(shop.store.get("apps/web/lock").await.is_none());
}

#[tokio::test]
async fn a_release_that_is_never_healthy_changes_nothing_and_says_why() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    let (active, containers) = (shop.active().await, shop.engine.containers().await);
    let load = shop.load(8);
    shop.write_file("acme/web", 8080, "/up", "[deploy]\nhealth_deadline = \"5s\"\n");
    shop.engine.publish_demo("2", &["BROKEN=true"]).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(3);
    // The last health answer, and the container's own last words.
    assert!(run.text().contains("500"), "{run}");
    assert!(run.text().contains("release 2 listens on"), "{run}");
    answers(&load, "1", 50).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().into_keys().collect::<Vec<_>>(), ["1"]);
    assert_eq!(shop.active().await, active);
    assert_eq!(shop.engine.containers().await, containers);
}

/// The deadline is an hour: whoever waits for it is not done before the test is given up.
#[tokio::test]
async fn a_release_that_ends_by_itself_fails_the_deploy_at_once_with_its_last_words() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    shop.write_file("acme/web", 8080, "/up", "[deploy]\nhealth_deadline = \"1h\"\n");
    shop.engine.publish_demo("2", &["READY_AFTER=1h", "EXIT_AFTER=1s"]).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(3);
    assert!(run.text().contains("no configuration found in DATABASE_URL"), "{run}");
    shop.only(&["1"]).await;
    assert_eq!(shop.proxies[0].release(HOST).await, "1");
}

#[tokio::test]
async fn a_release_that_takes_its_time_to_start_is_waited_for() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    let load = shop.load(8);
    shop.engine.publish_demo("2", &["READY_AFTER=4s"]).await;
    let _ = shop.run(&["deploy", "--tag", "2"]).await.ended_with(0);
    answers(&load, "2", 50).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
}

#[tokio::test]
async fn undo_goes_back_and_forth_and_starts_no_container() {
    let shop = Shop::open().await;
    shop.deploy("1").await;
    shop.deploy("2").await;
    let containers = shop.engine.containers().await;
    let load = shop.load(8);
    answers(&load, "2", 50).await;
    let _ = shop.run(&["undo"]).await.ended_with(0);
    answers(&load, "1", 50).await;
    assert_eq!(shop.proxies[0].release(HOST).await, "1");
    let _ = shop.run(&["undo"]).await.ended_with(0);
    answers(&load, "2", 50).await;
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(shop.engine.containers().await, containers);
}

#[tokio::test]
async fn replicas_are_all_announced_and_all_answer() {
    let shop = Shop::open().await;
    let text = std::fs::read_to_string(shop.file()).unwrap();
    std::fs::write(shop.file(), text.replace("[run]\n", "[run]\nreplicas = 3\n")).unwrap();
    shop.deploy("1").await;
    shop.only(&["1", "1", "1"]).await;
    let mut instances = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let answer = e2e::ask::get(shop.proxies[0].address(), HOST, "/").await.unwrap();
        instances.insert(answer.headers[demo::app::INSTANCE].to_str().unwrap().to_owned());
    }
    assert_eq!(instances.len(), 3, "{instances:?}");
}
