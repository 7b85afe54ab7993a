//! Commands of the operator's own around a deploy, on a real engine.

use rustix::process::Signal;
use shunt_config::record::Outcome;

use crate::shop::Shop;

/// A hook that writes down what it is told.
const NOTE: &str = "echo $SHUNT_STEP $SHUNT_APP $SHUNT_VERSION $SHUNT_SLOT >> said";

fn said(shop: &Shop) -> Vec<String> {
    let path = shop.site.directory.path().join("said");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn hooks_run_at_their_moments_and_finish_only_when_nothing_goes_back_any_more() {
    let hooks = format!(
        "[hooks]\nmigrate = '{NOTE}'\nverify = ['{NOTE}', 'test -n \"$SHUNT_TARGETS\"']\n\
         flipped = '{NOTE}'\nfailed = '{NOTE}'\nfinish = '{NOTE}'\n"
    );
    let shop = Shop::open(&["1", "2", "3"], &hooks).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    assert_eq!(said(&shop), ["migrate web 1 blue", "verify web 1 blue", "flipped web 1 blue"]);
    shop.deploy("2").await.ended_with(0);
    assert_eq!(said(&shop).len(), 6);
    // Undone, it is the second release that goes, and nothing is finished by that.
    shop.site.run(&["undo"]).await.ended_with(0);
    shop.site.run(&["retire"]).await.ended_with(0);
    assert_eq!(shop.containers().await, ["1"]);
    assert_eq!(said(&shop).len(), 6);
    // By the next deploy, after which nothing goes back to the first.
    shop.deploy("2").await.ended_with(0);
    shop.deploy("3").await.ended_with(0);
    let all = said(&shop);
    assert_eq!(
        all[9..],
        ["migrate web 3 blue", "verify web 3 blue", "flipped web 3 blue", "finish web 2 green"]
    );
    // And by hand.
    shop.site.run(&["retire"]).await.ended_with(0);
    assert_eq!(said(&shop)[13..], ["finish web 3 blue"]);
    shop.site.run(&["retire"]).await.ended_with(0);
    assert_eq!(said(&shop).len(), 14);
}

#[tokio::test]
async fn a_finish_that_fails_is_tried_again_by_whoever_looks_next() {
    let shop = Shop::open(&["1", "2"], "[hooks]\nfinish = \"echo at it; test -e ready\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.deploy("2").await.ended_with(0);
    shop.site.run(&["retire"]).await.ended_with(5).says("the hook `finish` ended with code 1");
    assert_eq!(shop.containers().await, ["2"]);
    assert_eq!(shop.site.keys().await.draining.len(), 1);
    shop.site.write("ready", "");
    shop.site.run(&["resume"]).await.ended_with(0).says("finish | at it");
    assert!(shop.site.keys().await.draining.is_empty());
}

#[tokio::test]
async fn a_hook_that_fails_stops_the_deploy_and_leaves_nothing_behind() {
    for (hook, started) in [("migrate", false), ("verify", true)] {
        let note = "echo because $SHUNT_REASON > reason";
        let hooks = format!("[hooks]\n{hook} = 'echo no such column; exit 7'\nfailed = '{note}'\n");
        let shop = Shop::open(&["1"], &hooks).await;
        let _proxy = shop.obedient("lb1").await;
        let run = shop.deploy("1").await.ended_with(9);
        let run = run.says(&format!("the hook `{hook}` ended with code 7"));
        let run = run.says(&format!("{hook} | no such column")).says("| no such column");
        assert_eq!(run.output.contains("container(s)"), started, "{}", run.output);
        assert!(shop.containers().await.is_empty());
        assert_eq!(shop.last_outcome().await, Outcome::Failed);
        let reason = std::fs::read_to_string(shop.site.directory.path().join("reason")).unwrap();
        assert_eq!(reason.trim(), format!("because the hook `{hook}` ended with code 7"));
        assert_eq!(shop.site.everything().await.len(), 1, "history alone is left");
    }
}

#[tokio::test]
async fn a_deploy_that_is_stopped_ends_its_hook() {
    let hooks = "[hooks]\nmigrate = \"trap 'seq 4000; echo cleaned; exit' TERM; echo at it; sleep 1000 & wait\"\n";
    let shop = Shop::open(&["1"], hooks).await;
    let _proxy = shop.obedient("lb1").await;
    let mut deploy = shop.site.begin(&["deploy", "--tag", "1"], None);
    deploy.said("     migrate | at it").await;
    deploy.signal(Signal::TERM);
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert!(deploy.log().contains("migrate | cleaned"), "{}", deploy.log());
    assert!(shop.containers().await.is_empty());
}
