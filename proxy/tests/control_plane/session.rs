//! What is said in etcd, and what of it etcd's own limits and losses leave.

use e2e::{Etcd, Proxy, Store, ask, until};
use shunt_config::store::{MAX_TXN_OPS, StoreConfig, Txn, open};

use crate::backend::Backend;
use crate::site::HOST;

fn etcd(store: &Store) -> &Etcd {
    let Store::Etcd(etcd) = store else { panic!("the store is etcd") };
    etcd
}

#[tokio::test]
async fn what_was_said_in_a_session_that_is_lost_is_said_again_in_the_next() {
    let store = Store::etcd().await;
    store.put("apps/web/app", r#"{"hosts":["www.example.com"]}"#).await;
    let proxy = Proxy::start("lb1", &store).await;
    let told = async || {
        let keys = store.keys("proxies/lb1/").await;
        let said = |end: &str| keys.iter().any(|key| key.ends_with(end));
        (said("/instance") && said("/apps/web")).then_some(())
    };
    until("all is said", told).await;
    let lease = async || {
        let listed = etcd(&store).ctl(&["lease", "list"]).await;
        listed.lines().nth(1).map(|lease| lease.trim().to_owned())
    };
    let first = lease().await.unwrap();
    etcd(&store).ctl(&["lease", "revoke", &first]).await;
    assert_eq!(store.keys("fleet/").await, ["fleet/lb1"]);
    until("all is said again", told).await;
    assert_ne!(lease().await.unwrap(), first);
    assert!(proxy.log().contains("beginning a new session"), "{}", proxy.log());
}

#[tokio::test]
async fn more_apps_than_fit_into_one_transaction_are_all_told() {
    const APPS: usize = 2 * MAX_TXN_OPS + 1;
    let store = Store::etcd().await;
    let writer = open(&StoreConfig::etcd(etcd(&store).endpoints())).unwrap();
    let apps: Vec<usize> = (0..APPS).collect();
    for some in apps.chunks(MAX_TXN_OPS) {
        let put = |txn: Txn, n: &usize| {
            txn.put(format!("apps/app{n}/app"), format!(r#"{{"hosts":["app{n}.example.com"]}}"#))
        };
        writer.commit(some.iter().fold(Txn::new(), put)).await.unwrap();
    }
    let _proxy = Proxy::start("lb1", &store).await;
    until("all apps are told", async || {
        let keys = store.keys("proxies/lb1/").await;
        (keys.iter().filter(|key| key.contains("/apps/app")).count() == APPS).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_proxy_cut_off_for_too_long_is_not_ready_and_goes_on_serving() {
    let mut store = Store::etcd().await;
    let backend = Backend::start("one").await;
    store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
    store.put("apps/web/blue", backend.address.to_string()).await;
    store.put("apps/web/active", "blue").await;
    let mut proxy = Proxy::configured("lb1", "lost_after = \"10s\"\n", &store.section());
    proxy.run();
    proxy.ready().await;
    store.servers().kill_all().await;
    let said = until("it is not ready", async || {
        let answer = proxy.ask("/readyz").await.ok()?;
        (answer.status == 503).then_some(answer.body)
    })
    .await;
    assert!(said.starts_with("cut off from the store for 1"), "{said}");
    let answer = ask::get(proxy.address(), HOST, "/").await.unwrap();
    assert_eq!(answer.body, "one");
    store.servers().start_all().await;
    proxy.ready().await;
}
