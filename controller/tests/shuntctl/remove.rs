//! `shuntctl remove`.

use std::time::Duration;

use e2e::until;
use shunt_config::Slot;

use crate::site::{Site, ended};
use crate::words::Words;

#[tokio::test]
async fn an_app_is_removed_after_every_proxy_has_dropped_it() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    site.run(&["remove", "web"]).await.ended_with(2).says("--yes");
    let mut remove = site.start(&["remove", "web", "--yes"]);
    until("the app's settings are gone", async || site.keys().await.app.is_none().then_some(()))
        .await;
    let waits = tokio::time::timeout(Duration::from_millis(300), remove.wait()).await;
    assert!(waits.is_err(), "it did not wait for lb1");
    assert!(site.keys().await.slot(Slot::Blue).is_some());
    let _proxy = proxy.obeys();
    ended(remove).await.ended_with(0);
    let left = site.everything().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].0.starts_with("apps/web/history/"));
    site.run(&["list"]).await.ended_with(0).says("no apps");
    site.run(&["remove", "web", "--yes"]).await.ended_with(2).says("no app `web`");
}
