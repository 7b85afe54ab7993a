//! What a deploy would do, what it did, and how a release that is gone comes back.

use e2e::engine::REGISTRY;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::store::Txn;

use crate::shop::Shop;
use crate::site::Run;

#[tokio::test]
async fn a_dry_run_shows_what_is_and_what_would_be_done_and_changes_nothing() {
    let hooks = "[hooks]\nmigrate = \"touch migrated\"\nverify = \"true\"\n";
    let shop = Shop::open(&["1", "2"], hooks).await;
    let _proxy = shop.obedient("lb1").await;
    let dry = ["deploy", "--tag", "2", "--dry-run"];
    shop.site.run(&dry).await.ended_with(0).says("migrate").says("touch migrated");
    assert!(shop.site.everything().await.is_empty());
    assert!(!shop.site.directory.path().join("migrated").exists());
    shop.deploy("1").await.ended_with(0);
    let before = (shop.site.everything().await, shop.engine.containers().await);
    let token = shop.site.keys().await.slot(shunt_config::Slot::Blue).unwrap().token.to_string();
    let run = shop.site.run(&dry).await.ended_with(0).says(&token).says("lb1").says("blue   100%");
    run.says("as `green` of `web`");
    let json = shop.site.run(&[&dry[..], &["--json"]].concat()).await.ended_with(0);
    let lines = json.output.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    assert_eq!(lines[0]["present"]["slots"][0]["token"], token.as_str());
    let planned: Vec<_> = lines[1..].iter().map(|line| line["step"].as_str().unwrap()).collect();
    assert_eq!((shop.site.everything().await, shop.engine.containers().await), before);
    // And what is then done is what was shown.
    shop.deploy("2").await.ended_with(0);
    let keys = shop.site.keys().await;
    let last = keys.history.values().last().unwrap().ok().unwrap();
    assert_eq!(last.steps.iter().map(|time| time.step.as_str()).collect::<Vec<_>>(), planned);
    let history = shop.site.run(&["history", "--steps"]).await.ended_with(0);
    let line = history.output.lines().nth(2).unwrap();
    assert!(line.starts_with("  pull ") && line.contains(", flip "), "{line}");
}

#[tokio::test]
async fn undo_to_a_version_goes_back_while_it_is_warm_and_deploys_it_again_when_it_is_gone() {
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let _proxy = shop.obedient("lb1").await;
    for version in ["1", "2", "3"] {
        shop.deploy(version).await.ended_with(0);
    }
    let to = async |version: &str| shop.site.run(&["undo", "--to", version]).await;
    to("3").await.ended_with(2).says("3 serves `web` already");
    to("4").await.ended_with(2).says("knows no deploy of 4");
    let containers = shop.engine.containers().await;
    to("2").await.ended_with(0);
    assert_eq!(shop.slots().await, "green: 3 2");
    assert_eq!(shop.engine.containers().await, containers);
    to("1").await.ended_with(0).says("1 is gone: its image").says("is deployed again");
    assert_eq!(shop.slots().await, "blue: 1 2");
    assert_eq!(shop.containers().await, ["1", "2"]);
}

/// A name is what people deploy by; another image may have it by now.
#[tokio::test]
async fn undo_to_a_version_runs_the_very_image_that_ran_or_is_refused() {
    let shop = Shop::open(&["1", "2", "3"], "").await;
    let _proxy = shop.obedient("lb1").await;
    let ran = async |slot: Slot| {
        let all = shop.engine.containers().await;
        let release = shop.site.keys().await.slot(slot).unwrap().text();
        let own = all.iter().find(|c| release.contains(&c.labels["shunt.deploy"])).unwrap();
        shop.engine.docker(&["inspect", "--format", "{{.Image}}", &own.id]).await
    };
    shop.deploy("1").await.ended_with(0);
    let first = ran(Slot::Blue).await;
    // As unlike the first one as another build is.
    shop.engine.build_demo("1", &["OTHER=1"]).await;
    for version in ["2", "3"] {
        shop.deploy(version).await.ended_with(0);
    }
    shop.site.put(AppKey::Hold, r#"{"mode":"maintenance"}"#).await;
    let undo = shop.site.run(&["undo", "--to", "1"]).await.ended_with(0);
    undo.says(&first).says("`shuntctl maintenance web off`");
    shop.site.delete(AppKey::Hold).await;
    assert_eq!(shop.slots().await, "green: 3 1");
    assert_eq!(ran(Slot::Green).await, first);

    for version in ["2", "3"] {
        shop.deploy(version).await.ended_with(0);
    }
    shop.engine.docker(&["rmi", "--force", &first]).await;
    let before = (shop.slots().await, shop.engine.containers().await);
    let undo = shop.site.run(&["undo", "--to", "1"]).await.ended_with(2);
    undo.says("does not have any more").says("acme/web:1` deploys what it is");
    assert_eq!((shop.slots().await, shop.engine.containers().await), before);
}

async fn dry(shop: &Shop, tag: &str) -> Run {
    shop.site.run(&["deploy", "--tag", tag, "--dry-run"]).await
}

#[tokio::test]
async fn a_dry_run_says_what_would_stop_the_deploy_and_ends_with_the_code_that_would_come() {
    let mut shop = Shop::open(&["1"], "").await;
    // Somebody has had something in the store.
    shop.site.put(AppKey::Active, "blue").await;
    shop.site.delete(AppKey::Active).await;
    dry(&shop, "1")
        .await
        .ended_with(3)
        .says("`web` is new")
        .says("it would fail: no proxy is known");
    let _proxy = shop.obedient("lb1").await;
    let run = dry(&shop, "1").await.ended_with(0);
    assert!(!run.output.contains("missing"), "{}", run.output);
    let hint = "it has to be built or loaded there before";
    dry(&shop, "2")
        .await
        .ended_with(2)
        .says(&format!("there is no image {REGISTRY}/acme/web:2"))
        .says(hint);
    shop.deploy("2").await.ended_with(2).says(hint);

    // A registry that nobody answers for is asked by the engine, for a deploy and for a dry run.
    let path = shop.site.directory.path().join("shunt.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("pull = \"never\"", "pull = \"always\"")).unwrap();
    let way = "`pull = \"never\"` in [run] takes it";
    let would = dry(&shop, "1").await.says("it would fail: engine ").says(way);
    shop.deploy("1").await.ended_with(would.code).says(way);

    let gone = text.replace(&shop.engine.host(), "unix:///no/such/engine.sock");
    std::fs::write(&path, &gone).unwrap();
    dry(&shop, "1").await.ended_with(7).says("unix:///no/such/engine.sock is not reachable");
    assert!(shop.containers().await.is_empty());

    // Nothing is pulled to find out what the registry has.
    std::fs::write(&path, text.replace("pull = \"never\"", "pull = \"always\"")).unwrap();
    shop.engine.start_registry().await;
    let image = shop.engine.publish_demo("3", &[]).await;
    dry(&shop, "3").await.ended_with(0);
    dry(&shop, "4").await.ended_with(2).says(&format!("there is no image {REGISTRY}/acme/web:4"));
    assert!(shop.engine.docker(&["images", "--quiet", &image]).await.is_empty());
}

#[tokio::test]
async fn a_host_of_another_app_stops_a_deploy_before_anything_is_run_for_it() {
    let shop = Shop::open(&["1", "2"], "[hooks]\nmigrate = \"touch migrated\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    let put = async |hosts: &str| {
        let value = format!(r#"{{"hosts":["{hosts}"]}}"#);
        shop.site.store.commit(Txn::new().put("apps/shop/app", value)).await.unwrap();
    };
    put("www.example.com").await;
    let migrated = || shop.site.directory.path().join("migrated").exists();
    let said = "host `www.example.com` is app `shop`'s";
    for more in [&["--dry-run"][..], &[]] {
        let run = shop.site.run(&[&["deploy", "--tag", "1"][..], more].concat()).await;
        run.ended_with(2).says(said);
    }
    assert!(!migrated() && shop.containers().await.is_empty());
    put("shop.example.com").await;
    shop.deploy("1").await.ended_with(0);
    // What it has is its own, whoever else asks for it later.
    put("www.example.com").await;
    shop.deploy("2").await.ended_with(0);
    put("shop.example.com").await;
    std::fs::remove_file(shop.site.directory.path().join("migrated")).unwrap();
    let both = "hosts = [\"www.example.com\", \"shop.example.com\"]";
    shop.write_file(both, "[hooks]\nmigrate = \"touch migrated\"\n");
    shop.deploy("1").await.ended_with(2).says("host `shop.example.com` is app `shop`'s");
    assert!(!migrated());
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn who_names_the_wrong_port_is_asked_about_it() {
    let shop = Shop::open(&["1"], "[deploy]\nhealth_deadline = \"1s\"\n").await;
    let _proxy = shop.obedient("lb1").await;
    let path = shop.site.directory.path().join("shunt.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("port = 8080", "port = 8081")).unwrap();
    let said = "does the app listen on `port` 8081 in its container";
    shop.deploy("1").await.ended_with(3).says(said);
    // One that answers is not asked.
    std::fs::write(&path, text + "[health]\npath = \"/nowhere\"\n").unwrap();
    let run = shop.deploy("1").await.ended_with(3).says("404");
    assert!(!run.errors.contains("does the app listen"), "{}", run.errors);
}
