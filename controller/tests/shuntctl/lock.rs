//! The deploy lock, as the verbs meet it.

use shunt_config::key::AppKey;
use shunt_config::store::{LEASE_TTL, Txn};

use crate::site::Site;
use crate::words::Words;

#[tokio::test]
async fn what_another_has_locked_is_not_flipped_or_announced() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let session = site.store.session(LEASE_TTL).await.unwrap();
    let lock = r#"{"who":{"user":"ben","host":"ci-7","pid":42},"since":"2026-01-01T00:00:00Z","verb":"deploy"}"#;
    let key = AppKey::Lock.of(&site.app);
    session.commit(Txn::new().put_leased(&key, lock)).await.unwrap();
    let before = site.everything().await;
    site.run(&["flip", "web"]).await.ended_with(4).says("ben@ci-7 (pid 42)").says("--lock-wait");
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(4);
    assert_eq!(site.everything().await, before);
    // Going back needs no free lock.
    site.run(&["undo", "web"]).await.ended_with(0).says("goes back to green");
    session.close().await.unwrap();
    site.run(&["flip", "web"]).await.ended_with(0);
}
