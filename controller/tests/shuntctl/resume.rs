//! `shuntctl resume` where no deploy is half done: what it retires by the way, and what it does
//! not.

use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::Deploy;

use crate::retire::warm_record;
use crate::site::Site;
use crate::words::Words;

/// A site whose green release was kept warm, until long ago.
async fn cold() -> Site {
    let site = Site::with_two_releases().await;
    let green = site.keys().await.slot(Slot::Green).unwrap().token.clone();
    let mut record = Deploy::parse(warm_record(&green, "1s").as_bytes()).unwrap();
    record.warm_until = Some(record.began);
    site.put(AppKey::Deploy, &serde_json::to_string(&record).unwrap()).await;
    site
}

#[tokio::test]
async fn a_warm_release_past_its_time_goes_without_any_engine() {
    let site = cold().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["resume", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    assert!(keys.slot(Slot::Green).is_none() && keys.deploy.is_none(), "{keys:?}");
}

#[tokio::test]
async fn a_warm_release_that_someone_has_flipped_back_to_is_no_reason_to_fail_and_stays() {
    let site = cold().await;
    site.put(AppKey::Active, "green").await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["resume", "web"]).await.ended_with(0);
    assert!(site.keys().await.slot(Slot::Green).is_some());
    site.put(AppKey::Active, "gren").await;
    site.run(&["resume", "web"]).await.ended_with(0);
    assert!(site.keys().await.slot(Slot::Green).is_some());
}

#[tokio::test]
async fn what_someone_has_put_in_the_place_of_a_warm_release_is_not_taken_for_it() {
    let site = cold().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    site.run(&["announce", "web", "green", "127.0.0.1:9003"]).await.ended_with(0);
    site.run(&["resume", "web"]).await.ended_with(0);
    let keys = site.keys().await;
    let release = keys.slot(Slot::Green).unwrap().ok().unwrap();
    assert_eq!(release.targets[0].address.to_string(), "127.0.0.1:9003");
    let status = site.run(&["status", "web"]).await.ended_with(0);
    assert!(!status.output.contains("warm"), "{}", status.output);
}
