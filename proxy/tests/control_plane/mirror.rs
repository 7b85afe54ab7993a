//! `mirror`: what is copied while it stands, and what is said of it.

use e2e::until;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::site::Site;

const ALL: &str = r#"{"slot":"green","percent":100,"for":"1h"}"#;

/// What is told of the mirror that was put as `token`, once it says what `wanted` asks for.
async fn told<T>(site: &Site, what: &str, token: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
    site.told(what, |status| {
        let mirror = &status["mirror"];
        (mirror["token"] == json!(token)).then(|| wanted(mirror))?
    })
    .await
}

/// Waits until requests are copied to a release, and returns its token.
async fn copied(site: &Site, token: &str) -> String {
    told(site, "requests are copied", token, |mirror| {
        mirror["until"].as_str()?;
        Some(mirror["release"].as_str()?.to_owned())
    })
    .await
}

/// Waits until no release gets copies.
async fn rests(site: &Site, token: &str, over: bool) {
    let rests =
        |mirror: &Value| mirror.get("release").is_none() && mirror.get("until").is_none() == over;
    told(site, "nothing is copied", token, |mirror| rests(mirror).then_some(())).await;
}

/// Waits until `n` pairs are counted.
async fn pairs(site: &Site, token: &str, n: u64) -> Value {
    told(site, &format!("{n} pairs are counted"), token, |mirror| {
        let counts = &mirror["counts"];
        let all = ["originals", "copies"].iter().all(|side| counts[side]["requests"] == json!(n));
        all.then(|| counts.clone())
    })
    .await
}

fn slot(status: &Value, slot: &str) -> Option<String> {
    let mut targets = status["targets"].as_array()?.iter();
    Some(targets.find(|target| target["slot"] == json!(slot))?["token"].as_str()?.to_owned())
}

/// A standby release is probed for the sake of old cookies, and gets no requests for that.
#[tokio::test]
async fn an_app_whose_visitors_stay_has_its_requests_copied_as_any_other() {
    let site = Site::start().await;
    let app = r#"{"hosts":["www.example.com"],"sessions":{"idle":"1h","deadline":"8h"}}"#;
    site.put("apps/web/app", app).await;
    let green = site.told("green is announced", |status| slot(status, "green")).await;
    let token = site.put("apps/web/mirror", ALL).await;
    assert_eq!(copied(&site, &token).await, green);
    site.get("/").await.unwrap();
    pairs(&site, &token, 1).await;
    // Once it serves, and once visitors may have stayed on it, it gets no copies.
    for active in ["green", "blue"] {
        site.put("apps/web/active", active).await;
        let what = format!("{active} serves");
        site.told(&what, |status| (status["serving"][0]["slot"] == active).then_some(())).await;
        rests(&site, &token, false).await;
    }
}

#[tokio::test]
async fn what_copies_came_to_is_told_and_is_in_no_other_figure() {
    let site = Site::start().await;
    let green = site.told("green is announced", |status| slot(status, "green")).await;
    let token = site.put("apps/web/mirror", ALL).await;
    assert_eq!(copied(&site, &token).await, green);
    for _ in 0..5 {
        assert_eq!(site.get("/").await.unwrap().body, "one");
    }
    let counts = pairs(&site, &token, 5).await;
    assert_eq!((&counts["differ"], &counts["left_out"]), (&json!(0), &json!(0)));
    let shown = site.proxy.status().await["apps"]["web"]["mirror"]["counts"].clone();
    assert_eq!(shown, counts);
    let metric = async |series: &str| site.proxy.metric(series).await;
    let of = |family: &str, more: &str| format!(r#"{family}{{app="web",slot="green"{more}}}"#);
    let code = r#",code="2xx""#;
    let mirrored = of("shunt_mirrored_requests_total", code);
    assert_eq!(metric(&mirrored).await.as_deref(), Some("5"));
    let count = of("shunt_mirrored_request_duration_seconds_count", "");
    assert_eq!(metric(&count).await.as_deref(), Some("5"));
    for none in ["shunt_mirror_differences_total", "shunt_mirror_left_out_total"] {
        assert_eq!(metric(&of(none, "")).await.as_deref(), Some("0"), "{none}");
    }
    assert_eq!(metric(&of("shunt_requests_total", code)).await, None);

    // Put anew, it counts from nothing; gone, nothing is told.
    let again = site.put("apps/web/mirror", ALL).await;
    assert_eq!(copied(&site, &again).await, green);
    site.get("/").await.unwrap();
    pairs(&site, &again, 1).await;
    site.store.delete("apps/web/mirror").await;
    site.told("it is gone", |status| status.get("mirror").is_none().then_some(())).await;
    assert_eq!(metric(&of("shunt_mirror_left_out_total", "")).await, None);
}

#[tokio::test]
async fn a_release_gets_copies_while_it_is_proved_and_gets_no_requests() {
    let site = Site::start().await;
    let token = site.put("apps/web/mirror", ALL).await;
    let first = copied(&site, &token).await;
    // Another one in the slot is proved first.
    let three = Backend::start("three").await;
    three.set_up(500);
    let second = site.put("apps/web/green", &three.address.to_string()).await;
    rests(&site, &token, false).await;
    three.set_up(200);
    assert_eq!(copied(&site, &token).await, second);
    assert_ne!(first, second);
    // A part of the requests is as much as all of them.
    for active in ["blue:90,green:10", "green"] {
        site.put("apps/web/active", active).await;
        rests(&site, &token, false).await;
        site.put("apps/web/active", "blue").await;
        assert_eq!(copied(&site, &token).await, second);
    }
    // What hangs there keeps no flip waiting, nor the drain after it.
    let asked = site.meanwhile("/hold");
    site.one.holds(1).await;
    three.holds(1).await;
    site.one.let_go();
    assert_eq!(asked.await.unwrap().unwrap().body, "one");
    site.put("apps/web/active", "green").await;
    site.answers("three").await;
    rests(&site, &token, false).await;
    site.told("nothing drains", |status| {
        let left = [status.get("draining"), status.get("previews_left")];
        (status["serving"][0]["slot"] == json!("green") && left == [None, None]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn when_its_time_is_over_nothing_is_copied_and_its_counts_stay_until_it_is_gone() {
    let site = Site::start().await;
    let token = site.put("apps/web/mirror", r#"{"slot":"green","percent":100,"for":"1ms"}"#).await;
    rests(&site, &token, true).await;
    assert_eq!(site.get("/").await.unwrap().body, "one");
    let counts = pairs(&site, &token, 0).await;
    assert_eq!(counts["left_out"], json!(0));
    site.store.delete("apps/web/mirror").await;
    site.told("it is gone", |status| status.get("mirror").is_none().then_some(())).await;
}

#[tokio::test]
async fn a_restart_goes_on_with_what_is_left_of_its_time() {
    let mut site = Site::start().await;
    let token = site.put("apps/web/mirror", ALL).await;
    let before = told(&site, "its end is told", &token, |mirror| {
        mirror["release"].as_str()?;
        Some(mirror["until"].clone())
    })
    .await;
    site.proxy.kill().await;
    site.proxy.run();
    site.proxy.ready().await;
    let after = until("it goes on", async || {
        let mirror = site.proxy.status().await["apps"]["web"]["mirror"].clone();
        mirror["release"].is_string().then(|| mirror["until"].clone())
    })
    .await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_bad_value_is_refused_by_name_and_the_last_good_one_stays() {
    let site = Site::start().await;
    let good = site.put("apps/web/mirror", ALL).await;
    copied(&site, &good).await;
    let bad = site.put("apps/web/mirror", r#"{"slot":"green","percent":200}"#).await;
    let reason = site
        .told("it is refused", |status| {
            let refused = &status["refused"][0];
            let named =
                refused["key"] == json!("apps/web/mirror") && refused["token"] == json!(bad);
            named.then(|| refused["reason"].as_str().map(str::to_owned))?
        })
        .await;
    assert_eq!(reason, "`percent`: 200 is not within 1 to 100");
    copied(&site, &good).await;
    site.get("/").await.unwrap();
    pairs(&site, &good, 1).await;
    site.store.delete("apps/web/mirror").await;
    site.told("both are gone", |status| {
        (status.get("mirror").is_none() && status.get("refused").is_none()).then_some(())
    })
    .await;
}
