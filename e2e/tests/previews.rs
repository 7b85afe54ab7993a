//! A release is looked at through the proxy before anybody is sent to it.

use std::os::unix::fs::PermissionsExt;

use demo::app::RELEASE;
use e2e::{Proxy, Store};

use crate::shop::Shop;
use crate::site::HOST;

/// A hook that asks the new release by its preview host and by its pass, and the app as visitors do;
/// then its preview for `page`.
fn hook(proxy: &Proxy, page: &str) -> String {
    let curl = format!("curl -sS --connect-to ::{} -o /dev/null", proxy.address());
    let release = |of: &str| format!("$({curl} -w '%header{{{RELEASE}}}' {of})");
    let (host, visitors) = (release("$SHUNT_PREVIEW_URL"), release(&format!("http://{HOST}/")));
    let pass = release(&format!("-H \"$SHUNT_PREVIEW_HEADER\" http://{HOST}/"));
    format!("echo seen: {host} {pass} {visitors}; {curl} -f ${{SHUNT_PREVIEW_URL}}{page}")
}

#[tokio::test]
async fn a_verify_hook_sees_the_new_release_while_visitors_see_the_old_and_stops_a_bad_one() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("preview.key");
    std::fs::write(&key, "0a".repeat(32)).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let mut shop = Shop::with(Store::etcd().await, &[], "").await;
    let section = format!("{}[preview]\nkeys = [{key:?}]\n", shop.store.section());
    let mut proxy = Proxy::configured("lb1", "", &section);
    proxy.run();
    proxy.ready().await;
    shop.proxies.push(proxy);
    let write = |page: &str| {
        let hook = hook(&shop.proxies[0], page);
        let settings = format!("[hooks]\nverify = '''{hook}'''\n[preview]\nkey_file = {key:?}\n");
        shop.write_file("acme/web", 8080, "/up", &settings);
        let text = std::fs::read_to_string(shop.file()).unwrap();
        let route = "[route]\npreview = { host = \"{slot}.{host}\" }\n";
        std::fs::write(shop.file(), text.replace("[route]\n", route)).unwrap();
    };
    shop.deploy("1").await;
    write("up");
    let run = shop.deploy("2").await;
    assert!(run.text().contains("seen: 2 2 1"), "{run}");
    assert_eq!(shop.proxies[0].release(HOST).await, "2");

    write("nowhere");
    shop.engine.publish_demo("3", &[]).await;
    let run = shop.run(&["deploy", "--tag", "3"]).await.ended_with(9);
    assert!(run.text().contains("seen: 3 3 2"), "{run}");
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
    shop.only(&["1", "2"]).await;
    // What previews came to is counted apart.
    let series = |family: &str| format!("{family}{{app=\"web\",slot=\"blue\",code=\"4xx\"}}");
    let previews = shop.proxies[0].metric(&series("shunt_preview_requests_total")).await;
    assert_eq!(previews.as_deref(), Some("1"));
    assert_eq!(shop.proxies[0].metric(&series("shunt_requests_total")).await, None);
}
