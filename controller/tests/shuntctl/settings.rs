//! What `[run]` says of a container, as the engine has it.

use e2e::engine::REGISTRY;
use serde_json::{Value, json};

use crate::shop::Shop;

/// The only container there is, as the engine describes it.
async fn inspected(shop: &Shop) -> Value {
    let containers = shop.engine.containers().await;
    let [container] = containers.as_slice() else { panic!("{containers:?}") };
    let text = shop.engine.docker(&["inspect", &container.id]).await;
    serde_json::from_str::<Value>(&text).unwrap()[0].take()
}

#[tokio::test]
async fn a_container_is_made_as_the_file_says() {
    let settings = r#"
env = { GREETING = "hello world", INSTANCE = "made" }
env_file = [".env", "more.env"]
volumes = ["uploads:/uploads", "/srv/assets:/assets:ro"]
networks = ["backend", "metrics"]
entrypoint = ["/app"]
command = ["--ready-after", "0s"]
user = "1000:1000"
memory = "64MiB"
cpus = 0.5
log = { driver = "json-file", options = { max-size = "1m" } }
ulimits = { nofile = 4096, nproc = { soft = 100, hard = 200 } }
extra_hosts = { "db.internal" = "10.0.0.5" }
stop_signal = "SIGINT"
restart = "on-failure:3"
labels = { team = "shop" }
[deploy]
stop_timeout = "7s"
"#;
    let shop = Shop::open(&["1"], settings).await;
    let _proxy = shop.obedient("lb1").await;
    shop.site.write(".env", "# of all\nCOLOUR=blue\nGREETING=of the file\n");
    shop.site.write("more.env", "COLOUR=green # as it is\n");
    for network in ["backend", "metrics"] {
        shop.engine.docker(&["network", "create", network]).await;
    }
    shop.deploy("1").await.ended_with(0);
    let made = inspected(&shop).await;
    let (config, host) = (&made["Config"], &made["HostConfig"]);
    let variables = config["Env"].as_array().unwrap();
    for variable in ["GREETING=hello world", "COLOUR=green # as it is", "VERSION=1"] {
        assert!(variables.contains(&json!(variable)), "{variable}: {variables:?}");
    }
    assert_eq!(config["Entrypoint"], json!(["/app"]));
    assert_eq!(config["Cmd"], json!(["--ready-after", "0s"]));
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(config["StopTimeout"], 7);
    assert_eq!(config["Labels"]["team"], "shop");
    assert_eq!(config["Labels"]["shunt.app"], "web");
    assert_eq!(host["Binds"], json!(["uploads:/uploads", "/srv/assets:/assets:ro"]));
    assert_eq!(host["Memory"], 64 << 20);
    assert_eq!(host["NanoCpus"], 500_000_000);
    assert_eq!(host["LogConfig"], json!({ "Type": "json-file", "Config": { "max-size": "1m" } }));
    assert_eq!(host["ExtraHosts"], json!(["db.internal:10.0.0.5"]));
    assert_eq!(host["RestartPolicy"], json!({ "Name": "on-failure", "MaximumRetryCount": 3 }));
    let ulimits = host["Ulimits"].as_array().unwrap();
    assert!(ulimits.contains(&json!({ "Name": "nproc", "Soft": 100, "Hard": 200 })), "{ulimits:?}");
    let networks = made["NetworkSettings"]["Networks"].as_object().unwrap();
    assert_eq!(networks.keys().collect::<Vec<_>>(), ["backend", "metrics"]);
}

#[tokio::test]
async fn secrets_reach_the_container_and_nothing_else() {
    let settings = r#"
env_from = ["SHUNT_TEST_URL"]
secret_command = "printf 'LICENCE=licence-hunter\nSHORT=x\n'"
secrets = { KEY = ["cat", "key"] }
"#;
    let shop = Shop::open(&["1"], settings).await;
    shop.site.write("key", "first-hunter\nsecond-hunter\n");
    let _proxy = shop.obedient("lb1").await;
    let url = ("SHUNT_TEST_URL", "postgres://hunter@db/web");
    let dry = ["deploy", "--tag", "1", "--dry-run"];
    let run = shop.site.run(&dry).await.ended_with(2).says("it would fail: not all variables");
    run.says("run.env_from: `SHUNT_TEST_URL`");
    let deploy = shop.site.run_with(&["deploy", "--tag", "1", "--json"], &[url]).await;
    let said = deploy.ended_with(0);
    let everything = shop.site.everything().await;
    let made = inspected(&shop).await;
    let variables = made["Config"]["Env"].as_array().unwrap().clone();
    for variable in [
        "SHUNT_TEST_URL=postgres://hunter@db/web",
        "LICENCE=licence-hunter",
        "KEY=first-hunter\nsecond-hunter",
        "SHORT=x",
    ] {
        assert!(variables.contains(&json!(variable)), "{variable}: {variables:?}");
    }
    let labels = made["Config"]["Labels"].to_string();
    let shown = format!("{}{}{everything:?}{labels}", said.output, said.errors);
    assert!(!shown.contains("hunter"), "{shown}");
}

#[tokio::test]
async fn what_is_missing_of_the_variables_is_named_at_once_and_nothing_is_started() {
    let settings = r#"
env_from = ["SHUNT_TEST_A", "SHUNT_TEST_B"]
env_file = [".env", "none.env"]
secret_command = "echo hunter-two"
secrets = { KEY = "echo hunter-two >&2; exit 3", EMPTY = "true" }
"#;
    let shop = Shop::open(&["1"], settings).await;
    let _proxy = shop.obedient("lb1").await;
    shop.site.write(".env", "A=1\nPASS WORD=hunter-two\n");
    let before = shop.site.everything().await;
    let run = shop.deploy("1").await.ended_with(2);
    let run = run.says("`SHUNT_TEST_A` is not set").says("`SHUNT_TEST_B` is not set");
    let run = run.says(".env:2: ").says("none.env: No such file").says("a line without `=`");
    let run = run.says("run.secrets.KEY: the command ended with exit status: 3");
    let run = run.says("run.secrets.EMPTY: printed nothing");
    assert!(!run.output.contains("hunter"), "{}", run.output);
    assert_eq!(shop.site.everything().await, before);
    assert!(shop.engine.containers().await.is_empty());
    shop.site.run(&["check"]).await.ended_with(2).says(".env:2: ");
}

#[tokio::test]
async fn what_an_app_says_of_its_own_secrets_is_covered() {
    let settings =
        "secrets = { VERSION = \"echo hunter-two\" }\n[deploy]\nhealth_deadline = \"2s\"\n";
    let shop = Shop::open(&[], settings).await;
    shop.engine.build_demo("1", &["BROKEN=true"]).await;
    let _proxy = shop.obedient("lb1").await;
    let run = shop.deploy("1").await.ended_with(3).says("| release *** listens");
    assert!(!run.errors.contains("hunter"), "{}", run.errors);
}

#[tokio::test]
async fn a_network_that_is_not_there_leaves_no_container_behind() {
    let shop = Shop::open(&["1"], "networks = [\"bridge\", \"nowhere\"]\n").await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(3).says("nowhere");
    assert!(shop.engine.containers().await.is_empty());
    assert!(
        !shop
            .engine
            .docker(&["images", "--quiet", &format!("{REGISTRY}/acme/web")])
            .await
            .is_empty()
    );
}
