//! Transfers that are on their way for longer than a flip takes, by curl.

use std::time::Duration;

use demo::pattern::{Digest, Pattern};
use tokio::task::JoinSet;

use crate::house::{House, short_or_long};
use crate::way::Way;

const LENGTH: usize = 2_000_000;

#[tokio::test]
async fn downloads_uploads_and_events_go_on_to_their_end_while_releases_change() {
    let house = House::open().await;
    let apps = house.serve_demo("").await;
    let (sent, mut digest) = (house.file("sent"), Digest::default());
    let pattern = Pattern::new(7).take(LENGTH);
    digest.update(&pattern);
    std::fs::write(&sent, &pattern).unwrap();

    let rounds = short_or_long(1, 20);
    let mut transfers = JoinSet::new();
    for (number, way) in Way::all(&house).into_iter().cycle().take(16).enumerate() {
        let (sent, got) = (sent.display().to_string(), house.file(&format!("got{number}")));
        let (pattern, digest) = (pattern.clone(), digest.to_string());
        transfers.spawn(async move {
            let counted = ["--header", "x-counted: 1"];
            for _ in 0..rounds {
                let slow = ["--limit-rate", "1M", "--output", got.to_str().unwrap()];
                let path = format!("/bytes/{LENGTH}?seed=7");
                way.curl(&path, &[&slow[..], &counted].concat()).await;
                assert!(std::fs::read(&got).unwrap() == pattern, "download by {way:?}");

                let slow = ["--limit-rate", "1M", "--request", "POST", "--upload-file", &sent];
                let said = way.curl("/digest", &[&slow[..], &counted].concat()).await;
                assert_eq!(said, digest, "upload by {way:?}");

                let events = way.curl("/sse?n=100&ms=10", &counted).await;
                let release = if events.contains("release 1") { 1 } else { 2 };
                let all = (0..100).map(|id| format!("id: {id}\ndata: release {release}\n\n"));
                assert_eq!(events, all.collect::<String>(), "events by {way:?}");
            }
        });
    }
    let (count, flips) = house
        .flips_until(Duration::from_millis(50), async {
            let mut count = 0;
            while let Some(ended) = transfers.join_next().await {
                ended.unwrap();
                count += 3 * rounds;
            }
            count
        })
        .await;
    let [one, two] = apps.map(|app| app.seen());
    println!("{count} transfers, {flips} flips; release 1: {one}, release 2: {two}");
    assert_eq!(one + two, count);
    assert!(one > 0 && two > 0 && flips > 1);
}
