//! The parts themselves do what the other tests rely on.

use e2e::Etcd;

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
