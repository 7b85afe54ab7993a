//! What is said in etcd, and what of it etcd's own limits and losses leave.

use e2e::{Etcd, Proxy, Relay, Store, ask, until};
use serde_json::json;
use shunt_config::store::{MAX_TXN_OPS, StoreConfig, Txn, open};

use crate::backend::Backend;
use crate::site::HOST;

fn etcd(store: &Store) -> &Etcd {
    let Store::Etcd(etcd) = store else { panic!("the store is etcd") };
    etcd
}

/// The first lease that etcd knows.
async fn lease(store: &Store) -> Option<String> {
    let listed = etcd(store).ctl(&["lease", "list"]).await;
    listed.lines().nth(1).map(|lease| lease.trim().to_owned())
}

/// All that is said of proxies.
async fn said(store: &Store) -> Vec<String> {
    [store.keys("fleet/").await, store.keys("proxies/").await].concat()
}

/// Waits until `lb1` has said that it is there, that its process runs, and what it serves of `web`.
async fn all_is_said(store: &Store) -> Vec<String> {
    until("all is said", async || {
        let keys = said(store).await;
        let own = |end: &str| {
            keys.iter().any(|key| key.starts_with("proxies/lb1/") && key.ends_with(end))
        };
        let known = keys.iter().any(|key| key == "fleet/lb1");
        (known && own("/instance") && own("/apps/web")).then(|| keys.clone())
    })
    .await
}

#[tokio::test]
async fn what_was_said_in_a_session_that_is_lost_is_said_again_in_the_next() {
    let store = Store::etcd().await;
    store.put("apps/web/app", r#"{"hosts":["www.example.com"]}"#).await;
    let proxy = Proxy::start("lb1", &store).await;
    all_is_said(&store).await;
    let first = lease(&store).await.unwrap();
    etcd(&store).ctl(&["lease", "revoke", &first]).await;
    assert_eq!(store.keys("fleet/").await, ["fleet/lb1"]);
    all_is_said(&store).await;
    assert_ne!(lease(&store).await.unwrap(), first);
    assert!(proxy.log().contains("beginning a new session"), "{}", proxy.log());
}

#[tokio::test]
async fn keys_that_are_deleted_by_hand_are_put_again_in_the_same_session() {
    let store = Store::etcd().await;
    store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
    let mut proxy = Proxy::start("lb1", &store).await;
    let keys = all_is_said(&store).await;
    let first = lease(&store).await.unwrap();
    // What is left of it goes with its lease, and so does what is put again.
    let leased = async || {
        let shown = etcd(&store).ctl(&["lease", "timetolive", "--keys", &first]).await;
        shown.matches("/shunt/proxies/lb1/").count()
    };
    assert_eq!(leased().await, 2);
    store.delete("proxies/").await;
    store.delete("fleet/").await;
    assert_eq!(all_is_said(&store).await, keys);
    // One app's alone, which no other write would bring back.
    let web = keys.iter().find(|key| key.ends_with("/apps/web")).unwrap();
    store.delete(web).await;
    assert_eq!(all_is_said(&store).await, keys);
    assert_eq!((lease(&store).await.unwrap(), leased().await), (first.clone(), 2));
    assert!(
        proxy.log().contains("is not in the store any more; it is said again"),
        "{}",
        proxy.log()
    );
    proxy.stop().await;
    assert_eq!(said(&store).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_was_forgotten_while_it_was_cut_off_is_known_again_when_it_is_back() {
    let mut store = Store::etcd().await;
    let relay = Relay::to(store.servers().address(0)).await;
    let backend = Backend::start("one").await;
    store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
    store.put("apps/web/blue", backend.address.to_string()).await;
    store.put("apps/web/active", "blue").await;
    let section = format!("[store]\netcd = [\"http://{}\"]\n", relay.address());
    let mut proxy = Proxy::configured("lb1", "", &section);
    proxy.run();
    proxy.ready().await;
    let keys = all_is_said(&store).await;
    relay.cut();
    until("it is cut off", async || {
        (proxy.status().await["store"]["connected"] == json!(false)).then_some(())
    })
    .await;
    let lease = lease(&store).await.unwrap();
    etcd(&store).ctl(&["lease", "revoke", &lease]).await;
    // As `shuntctl proxy forget` does where no process of a proxy is live.
    store.delete("fleet/lb1").await;
    assert_eq!(ask::get(proxy.address(), HOST, "/").await.unwrap().body, "one");
    assert_eq!(said(&store).await, Vec::<String>::new());
    relay.mend();
    assert_eq!(all_is_said(&store).await, keys);
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
