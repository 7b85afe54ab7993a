//! Containers of a release that get no requests, on a real engine.

use e2e::until;
use rustix::process::Signal;

use crate::shop::Shop;

/// The demo app is as good a worker as any. One that runs is known to go on only once a stop would be over.
const WORKERS: &str = "env = { A = \"run\", B = \"run\" }\n[workers.jobs]\ncommand = [\"--port\", \"9\"]\n\
    replicas = 2\nsettle = \"1s\"\nenv = { B = \"jobs\" }\nmemory = \"64MiB\"\n\
    [deploy]\nstop_timeout = \"100ms\"\n";

/// The workers there are: of which version, and whether they run.
async fn workers(shop: &Shop) -> Vec<String> {
    let mut all = Vec::new();
    for container in shop.engine.containers().await {
        if let Some(name) = container.labels.get("shunt.worker") {
            let version = shop.version(&container.id).await;
            all.push(format!("{name} {version} {}", container.state));
        }
    }
    all.sort();
    all
}

/// What `status` shows of the workers: in which slot, with which share, and whether they run.
async fn shown(shop: &Shop) -> Vec<String> {
    let status = shop.site.run(&["status", "web"]).await.ended_with(0);
    let slot = |line: &&str| ["blue", "green"].iter().any(|slot| line.trim().starts_with(slot));
    let short = |line: &str| {
        let words: Vec<_> = line.split_whitespace().take(2).collect();
        let workers = line.find("jobs").map(|at| line[at..].split("  ").next().unwrap());
        format!("{} {}", words.join(" "), workers.unwrap_or_default())
    };
    status.output.lines().filter(slot).map(short).collect()
}

#[tokio::test]
async fn workers_start_after_the_flip_and_the_old_ones_stop_after_that_and_undo_swaps_them() {
    let shop = Shop::open(&["1", "2", "3"], WORKERS).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    assert_eq!(workers(&shop).await, ["jobs 1 running", "jobs 1 running"]);
    let mut deploy = shop.stopped_at("before workers", "2").await;
    assert_eq!(shop.site.active().await, "green");
    let before = ["jobs 1 running", "jobs 1 running", "jobs 2 created", "jobs 2 created"];
    assert_eq!(workers(&shop).await, before);
    deploy.signal(Signal::USR1);
    assert!(deploy.ended().await.success(), "{}", deploy.log());
    let after = ["jobs 1 exited", "jobs 1 exited", "jobs 2 running", "jobs 2 running"];
    assert_eq!(workers(&shop).await, after);
    shop.site.run(&["status", "web"]).await.says("jobs ×2 (to be stopped)");
    shop.site.run(&["undo"]).await.ended_with(0).says("workers: 2 started, 2 stopped");
    let back = ["jobs 1 running", "jobs 1 running", "jobs 2 exited", "jobs 2 exited"];
    assert_eq!(workers(&shop).await, back);
    shop.site.run(&["flip", "web", "green"]).await.ended_with(0);
    assert_eq!(workers(&shop).await, after);
    shop.deploy("3").await.ended_with(0);
    let third = ["jobs 2 exited", "jobs 2 exited", "jobs 3 running", "jobs 3 running"];
    assert_eq!(workers(&shop).await, third);
    // Their variables and limits are those of [run], but for what they say themselves.
    let all = shop.engine.containers().await;
    let worker = all.iter().find(|c| c.labels.contains_key("shunt.worker")).unwrap();
    let format = "{{.Config.Env}} {{.HostConfig.Memory}} {{len .HostConfig.PortBindings}}";
    let made = shop.engine.docker(&["inspect", "--format", format, &worker.id]).await;
    assert!(made.contains("A=run B=jobs") && made.ends_with("67108864 0"), "{made}");
    // And a file without workers stops the old ones.
    shop.write_file("hosts = [\"www.example.com\"]", "");
    shop.deploy("2").await.ended_with(0);
    assert_eq!(workers(&shop).await, ["jobs 3 exited", "jobs 3 exited"]);
}

#[tokio::test]
async fn workers_that_end_leave_the_old_ones_running_and_the_flip_as_it_is() {
    let shop = Shop::open(&["1"], WORKERS).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.engine.build_demo("2", &[]).await;
    let workers_end =
        WORKERS.replace("\"--port\", \"9\"", "\"--exit-after\", \"10ms\"").replace("1s", "1h");
    shop.write_file("hosts = [\"www.example.com\"]", &workers_end);
    let run = shop.deploy("2").await.ended_with(10).says("shuntctl undo web");
    run.says("| Error: no configuration found in DATABASE_URL");
    let running = workers(&shop).await.into_iter().filter(|w| w.ends_with("running"));
    assert_eq!(running.collect::<Vec<_>>(), ["jobs 1 running", "jobs 1 running"]);
    assert_eq!(shop.slots().await, "green: 1 2");
    // What is shown is what is to run.
    assert_eq!(
        shown(&shop).await,
        ["blue standby jobs ×2 (to run)", "green 100% jobs ×2 (to be stopped)"]
    );
    let status = shop.site.run(&["status", "web"]).await;
    status.says("the workers of what is active do not run");
    shop.site.run(&["history", "web"]).await.says("done, without workers");
    shop.site.run(&["undo"]).await.ended_with(0);
    assert_eq!(shop.slots().await, "blue: 1 2");
    assert_eq!(
        shown(&shop).await,
        ["blue 100% jobs ×2 (to run)", "green standby jobs ×2 (to be stopped)"]
    );
}

#[tokio::test]
async fn a_deploy_killed_before_its_workers_is_finished_by_another_without_the_file() {
    let settings = format!("secrets = {{ KEY = \"echo hunter-two\" }}\n{WORKERS}");
    let shop = Shop::open(&["1", "2"], &settings).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.stopped_at("after acknowledge", "2").await.kill().await;
    std::fs::remove_file(shop.site.directory.path().join("shunt.toml")).unwrap();
    shop.site.run(&["resume", "web"]).await.ended_with(0).says("is finished");
    let after = ["jobs 1 exited", "jobs 1 exited", "jobs 2 running", "jobs 2 running"];
    assert_eq!(workers(&shop).await, after);
}

/// A worker that lives on for long enough to be taken for sound.
const ENDS: &str = "[workers.jobs]\ncommand = [\"--port\", \"9\", \"--exit-after\", \"1s\"]\n\
    settle = \"10ms\"\n";

/// Waits until the worker of `version` has ended so often that its engine takes its time to start it again.
async fn is_to_come_back(shop: &Shop, version: &str) {
    until("its engine waits", async || {
        for container in shop.engine.containers().await {
            let waits = container.state == "restarting"
                && container.labels.contains_key("shunt.worker")
                && shop.version(&container.id).await == version;
            if waits {
                let format = "{{.RestartCount}}";
                let count =
                    shop.engine.docker(&["inspect", "--format", format, &container.id]).await;
                return (count.parse::<u32>().unwrap() >= 5).then_some(());
            }
        }
        None
    })
    .await;
}

#[tokio::test]
async fn what_would_come_back_by_itself_is_stopped_like_what_runs() {
    let shop = Shop::open(&["1", "2", "3"], WORKERS).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    shop.write_file("hosts = [\"www.example.com\"]", ENDS);
    shop.deploy("2").await.ended_with(0);
    is_to_come_back(&shop, "2").await;
    shop.site.run(&["undo"]).await.ended_with(0).says("workers: 2 started, 1 stopped");
    let back = ["jobs 1 running", "jobs 1 running", "jobs 2 exited"];
    assert_eq!(workers(&shop).await, back);
    let all = shop.engine.containers().await;
    for container in all.iter().filter(|container| container.state == "running") {
        shop.engine.docker(&["pause", &container.id]).await;
    }
    let hold = "[hooks]\nmigrate = \"true\"\n[deploy]\nstrategy = \"hold\"\n";
    shop.write_file("hosts = [\"www.example.com\"]", hold);
    let deploy = shop.stopped_at("before migrate", "3").await;
    // Both releases, and the workers of the one that was active.
    assert!(deploy.log().contains(" 4 container(s) stopped"), "{}", deploy.log());
    let all = shop.engine.containers().await;
    assert!(all.iter().all(|container| container.state == "exited"), "{all:#?}");
}
