//! `shuntctl undo` without a deploy.

use shunt_config::Slot;
use shunt_config::key::AppKey;

use crate::site::Site;
use crate::words::Words;

#[tokio::test]
async fn undo_goes_to_the_other_release_and_back_again() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["flip", "web"]).await.ended_with(0);
    site.run(&["undo", "web"]).await.ended_with(0).says("undid 1.1");
    assert_eq!(site.active().await, "blue");
    site.run(&["undo", "web"]).await.ended_with(0).says("undid 1.0");
    assert_eq!(site.active().await, "green");
    site.delete(AppKey::Slot(Slot::Blue)).await;
    site.run(&["undo", "web"]).await.ended_with(2).says("`blue` is empty");
    assert_eq!(site.active().await, "green");
    site.put(AppKey::Active, "gren").await;
    site.run(&["undo", "web"]).await.ended_with(2).says("`apps/web/active` cannot be read");
}
