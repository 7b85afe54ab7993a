//! When a new release is ready, on a real engine.

use e2e::engine::REGISTRY;
use shunt_config::status::TargetState;

use crate::shop::Shop;

#[tokio::test]
async fn a_command_has_to_end_well_in_each_container() {
    let settings = |flag: &str| {
        format!("[health]\ncommand = [\"/app\", \"{flag}\"]\n[deploy]\nhealth_deadline = \"3s\"\n")
    };
    let shop = Shop::open(&["1"], &settings("--nonsense")).await;
    let _proxy = shop.obedient("lb1").await;
    let run = shop.deploy("1").await.ended_with(3);
    run.says("`/app --nonsense` ended with code 2").says("waiting ");
    assert!(shop.containers().await.is_empty());
    shop.write_file("hosts = [\"www.example.com\"]", &settings("--help"));
    shop.deploy("1").await.ended_with(0);
}

#[tokio::test]
async fn what_the_images_own_health_check_refuses_is_not_ready() {
    let shop = Shop::open(&["1"], "[deploy]\nhealth_deadline = \"8s\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    let check = "HEALTHCHECK --interval=1s --retries=1 CMD [\"/app\", \"--nonsense\"]";
    let text = format!("FROM {REGISTRY}/acme/web:1\nENV READY_AFTER=4s\n{check}\n");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("Dockerfile"), text).unwrap();
    shop.engine.build(&format!("{REGISTRY}/acme/web:2"), directory.path(), &[]).await;
    shop.deploy("2").await.ended_with(3).says("the image's HEALTHCHECK fails");
    assert!(shop.containers().await.is_empty());
}

/// The deadline is an hour: whoever waits for it is not done before the test is given up.
#[tokio::test]
async fn a_container_that_ends_while_the_proxies_ask_it_fails_the_deploy_at_once() {
    let shop = Shop::open(&[], "[deploy]\nhealth_deadline = \"1h\"\n").await;
    shop.engine.build_demo("1", &["EXIT_AFTER=3s"]).await;
    let _proxy = shop.proxy("lb1").await.obeys_but(|_, mut status| {
        for target in &mut status.targets {
            (target.state, target.last) = (TargetState::Unproved, "connect: refused".to_owned());
        }
        Some(status)
    });
    shop.deploy("1").await.ended_with(3).says("no configuration found in DATABASE_URL");
    assert!(shop.containers().await.is_empty());
}

#[tokio::test]
async fn each_container_is_warmed_up_and_a_request_that_fails_stops_a_deploy_only_where_it_says_so()
{
    let settings = |required: bool| {
        format!("[warm_up]\npaths = [\"/\", \"/nowhere\"]\nrequests = 6\nrequired = {required}\n")
    };
    let shop = Shop::open(&["1"], &settings(true)).await;
    let _proxy = shop.obedient("lb1").await;
    let run = shop.deploy("1").await.ended_with(3);
    run.says("fails requests to warm it up").says("3 answered").says("/nowhere 404 Not Found");
    assert!(shop.containers().await.is_empty());
    assert_eq!(shop.site.everything().await.len(), 1, "nothing was announced");
    shop.write_file("hosts = [\"www.example.com\"]", &settings(false));
    let run = shop.deploy("1").await.ended_with(0);
    run.says("3 answered").says("3 failed").says("/nowhere 404 Not Found");
}
