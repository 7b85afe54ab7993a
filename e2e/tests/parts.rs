//! The parts themselves do what the other tests rely on.

use e2e::process::attempt;
use e2e::{Engine, Etcd, until};

#[tokio::test]
async fn etcd_keeps_its_keys_over_a_kill_and_forgets_what_is_younger_than_its_backup() {
    let mut etcd = Etcd::single().await;
    etcd.put("/shunt/a", "-1").await;
    let backup = etcd.backup().await;
    etcd.put("/shunt/a", "2").await;
    etcd.put("/shunt/b", "3").await;
    etcd.kill_all().await;
    etcd.start_all().await;
    assert_eq!(etcd.get("/shunt/a").await.as_deref(), Some("2"));
    etcd.restore(&backup).await;
    assert_eq!(etcd.get("/shunt/a").await.as_deref(), Some("-1"));
    assert_eq!(etcd.get("/shunt/b").await, None);
    etcd.delete("/shunt/").await;
    assert_eq!(etcd.get("/shunt/a").await, None);
}

#[tokio::test]
async fn a_cluster_goes_on_without_its_leader() {
    let mut etcd = Etcd::cluster(3).await;
    etcd.put("/shunt/a", "1").await;
    let leader = etcd.leader().await;
    etcd.kill(leader).await;
    etcd.ready().await;
    assert_eq!(etcd.get("/shunt/a").await.as_deref(), Some("1"));
    etcd.start(leader);
}

#[tokio::test]
async fn an_engine_of_its_own_pulls_from_its_registry_and_brings_containers_back() {
    let mut engine = Engine::start().await;
    engine.start_registry().await;
    let image = engine.publish_demo("1", &[]).await;
    let publish = format!("{}:20001:8080", engine.address());
    let run = ["run", "--detach", "--restart", "unless-stopped", "--publish", &publish, &image];
    let id = engine.docker(&run).await;
    let page = format!("http://{}:20001/", engine.address());
    until("the container answers", async || {
        attempt("curl", &["-sf", &page]).await.0.success().then_some(())
    })
    .await;
    engine.restart().await;
    until("it answers again", async || {
        attempt("curl", &["-sf", &page]).await.0.success().then_some(())
    })
    .await;
    let containers = engine.containers().await;
    assert_eq!(containers.len(), 1);
    assert_eq!((&containers[0].id, &containers[0].image), (&id, &image));
    assert_eq!(containers[0].state, "running");
}
