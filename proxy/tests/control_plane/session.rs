//! The lease that goes with a process.

use e2e::{Proxy, Store, until};

#[tokio::test]
async fn what_was_said_in_a_session_that_is_lost_is_said_again_in_the_next() {
    let store = Store::etcd().await;
    store.put("apps/web/app", r#"{"hosts":["www.example.com"]}"#).await;
    let proxy = Proxy::start("lb1", &store).await;
    let Store::Etcd(etcd) = &store else { unreachable!("it is etcd") };
    let told = async || {
        let keys = store.keys("proxies/lb1/").await;
        let said = |end: &str| keys.iter().any(|key| key.ends_with(end));
        (said("/instance") && said("/apps/web")).then_some(())
    };
    until("all is said", told).await;
    let lease = async || {
        let listed = etcd.ctl(&["lease", "list"]).await;
        listed.lines().nth(1).map(|lease| lease.trim().to_owned())
    };
    let first = lease().await.unwrap();
    etcd.ctl(&["lease", "revoke", &first]).await;
    assert_eq!(store.keys("fleet/").await, ["fleet/lb1"]);
    until("all is said again", told).await;
    assert_ne!(lease().await.unwrap(), first);
    assert!(proxy.log().contains("beginning a new session"), "{}", proxy.log());
}
