//! A release that looks healthy and is not is taken back by the deploy that brought it.

use std::time::Duration;

use demo::load::{Load, Work};
use e2e::shuntctl::Run;
use e2e::wait::within;
use e2e::{Prometheus, until};
use jiff::Timestamp;
use shunt_config::guard::Guard;
use shunt_config::record::{History, Step};
use shunt_controller::judge::{Judge, Sample};

use crate::shop::Shop;
use crate::site::{HOST, answers, soak};

/// How long an answer takes: far longer than what a busy machine adds to it, which is told from what the
/// release itself is slower by in no other way.
const USUAL: &str = "LATENCY=100ms";

/// Three times as long.
const SLOWER: &str = "LATENCY=300ms";

/// A bake that no test waits for.
const BAKE: &str = "[deploy]\nbake = \"5m\"\n";

/// Deploys a release with these faults under load, over one without: what became of it.
async fn deploy_bad(shop: &Shop, faults: &[&str]) -> Run {
    shop.engine.publish_demo("1", &[USUAL]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    shop.engine.publish_demo("2", faults).await;
    let load = shop.load(16);
    answers(&load, "1", 300).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(6);
    answers(&load, "1", 100).await;
    let bad = load.answered_by("2");
    load.stop().await;
    println!("the bad release was sent {bad} requests:\n{run}");
    assert_eq!(shop.active().await, "blue");
    assert_eq!(shop.proxies[0].release(HOST).await, "1");
    shop.only(&["1"]).await;
    run
}

#[tokio::test]
async fn a_release_that_answers_5_percent_errors_to_copies_never_gets_a_visitor_and_a_good_one_does()
 {
    // Of its errors alone: how long answers take is the machine's own while all of it runs on two cores.
    let mirror = |lasts: &str| {
        format!("[mirror]\npercent = 100\nfor = \"{lasts}\"\n[guard]\nsettle = \"1h\"\n")
    };
    let shop = Shop::with_settings(&mirror("5m")).await;
    let good = [USUAL];
    for (version, faults) in [("1", &good[..]), ("2", &[USUAL, "ERRORS=0.05"]), ("3", &good)] {
        shop.engine.publish_demo(version, faults).await;
    }
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let load = shop.load(16);
    answers(&load, "1", 100).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(3);
    println!("{run}");
    assert!(run.text().contains("does not stand copies of requests: errors (5xx)"), "{run}");
    assert_eq!((shop.active().await.as_str(), load.answered_by("2")), ("blue", 0));
    shop.only(&["1"]).await;
    assert_eq!(shop.store.get("apps/web/mirror").await, None);

    shop.write_file("acme/web", 8080, "/up", &mirror("1s"));
    let run = shop.run(&["deploy", "--tag", "3"]).await.ended_with(0);
    println!("{run}");
    assert!(run.text().contains("copies, 0 errors against 0"), "{run}");
    answers(&load, "3", 100).await;
    let report = load.stop().await;
    println!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().len(), 2, "{report}");
    assert_eq!(shop.store.get("apps/web/mirror").await, None);
}

#[tokio::test]
async fn a_release_that_is_3_times_slower_is_undone() {
    let shop = Shop::with_settings(BAKE).await;
    let run = deploy_bad(&shop, &[SLOWER]).await;
    assert!(run.text().contains("requests over"), "{run}");
}

#[tokio::test]
async fn a_release_that_crashes_after_the_flip_is_undone() {
    let shop = Shop::with_settings(BAKE).await;
    let after = if soak() { "EXIT_AFTER=20s" } else { "EXIT_AFTER=8s" };
    let run = deploy_bad(&shop, &[USUAL, after]).await;
    assert!(has_died(&run), "{run}");
}

/// Whether what undid the deploy is what a release looks like that ends again and again.
fn has_died(run: &Run) -> bool {
    let words =
        ["not gone on running", "errors (5xx)", "failed connections", "no target is healthy"];
    words.iter().any(|word| run.text().contains(word))
}

#[tokio::test]
async fn a_release_that_leaks_until_it_is_killed_is_undone() {
    let shop = Shop::with_settings(BAKE).await;
    let text = std::fs::read_to_string(shop.file()).unwrap();
    let memory = text.replace("port = 8080\n", "port = 8080\nmemory = \"24MiB\"\n");
    std::fs::write(shop.file(), memory).unwrap();
    let run = deploy_bad(&shop, &[USUAL, "LEAK=16384"]).await;
    assert!(has_died(&run), "{run}");
    let events = ["events", "--since", "1h", "--until", "0s", "--filter", "event=oom"];
    let killed = shop.engine.docker(&events).await;
    assert!(!killed.is_empty(), "nothing ran out of memory: {run}");
}

/// The judge is asked again, with what the deploy wrote down of the proxies' counts: it finds the same,
/// at the last of them and at none before, and `active` was put back within the time that is promised.
#[tokio::test]
async fn active_is_put_back_at_the_sample_at_which_a_replay_of_the_counters_crosses() {
    let shop = Shop::with_settings(BAKE).await;
    shop.engine.publish_demo("1", &[USUAL]).await;
    shop.engine.publish_demo("2", &[USUAL, "ERRORS=0.05"]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let load = shop.load(16);
    answers(&load, "1", 1000).await;
    let mut deploy = shop.begin(&["deploy", "--tag", "2", "--json"], None);
    until("it is flipped", async || (shop.active().await == "green").then_some(())).await;
    let back =
        until("it is put back", async || (shop.active().await == "blue").then(Timestamp::now))
            .await;
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    load.stop().await;

    let log = deploy.log();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let samples: Vec<Sample> = events
        .filter(|event| event["event"] == "sample")
        .map(|mut event| {
            event.as_object_mut().unwrap().remove("event");
            serde_json::from_value(event).unwrap()
        })
        .collect();
    let mut judge = Judge::after(Guard::default(), &samples[0].old);
    let crossing = samples.iter().position(|sample| judge.look(sample).is_some());
    assert_eq!(crossing, Some(samples.len() - 1), "of {} samples: {log}", samples.len());

    let entry = shop.store.keys("apps/web/history/").await.pop().unwrap();
    let entry = History::parse(shop.store.get(&entry).await.unwrap().as_bytes()).unwrap();
    let bake = entry.steps.iter().find(|time| time.step == Step::Bake).unwrap();
    let crossed = bake.began + samples[samples.len() - 1].at;
    let took = Duration::try_from(back.duration_since(crossed)).unwrap_or_default();
    println!(
        "`active` was seen to be put back {took:?} after the sample at which the judge crosses"
    );
    let promised = Duration::from_secs(if soak() { 2 } else { 10 });
    assert!(took < promised, "{took:?}");
}

#[tokio::test]
async fn a_query_of_a_real_prometheus_undoes_a_release_that_nothing_else_finds_worse() {
    let shop = Shop::open().await;
    let prometheus = Prometheus::of(&shop.proxies).await;
    let settings = |bake: &str| {
        let of = r#"sum(rate(shunt_requests_total{app="{app}",slot="{slot}"}[2s]))"#;
        let bad = of.replace("}\"}", "}\",code=\"5xx\"}");
        let settings = format!(
            "[deploy]\nbake = \"{bake}\"\n[guard]\nerrors = \"100%\"\nmax_errors = \"100%\"\n\
             [guard.checks.errors]\nquery = '({bad} or vector(0)) / {of}'\n\
             prometheus = \"{}\"\nmax = 0.1\ninterval = \"500ms\"\n",
            prometheus.url()
        );
        shop.write_file("acme/web", 8080, "/up", &settings);
    };
    settings("4s");
    for (version, faults) in [("1", None), ("2", None), ("3", Some("ERRORS=0.3"))] {
        shop.engine.publish_demo(version, &[USUAL, faults.unwrap_or("TAIL=0")]).await;
    }
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let load = shop.load(16);
    answers(&load, "1", 100).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(0);
    assert!(run.text().contains("no figure is worse  "), "it had an answer: {run}");
    settings("5m");
    let run = shop.run(&["deploy", "--tag", "3"]).await.ended_with(6);
    let said = run.text();
    let found =
        said.contains("the check `errors`: 0.") && said.contains("is more than 0.1, 3 times");
    assert!(found, "{run}");
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
}

/// Release 1 and 2 are the same: one answer in a hundred is an error, one in twenty takes ten times as
/// long as the others, and those come in bursts with pauses between them.
#[tokio::test]
async fn a_good_release_under_noisy_load_is_never_undone() {
    let (runs, bake) = if soak() { (50, "10s") } else { (1, "3s") };
    let shop = Shop::with_settings(&format!("[deploy]\nbake = \"{bake}\"\nwarm = \"1s\"\n")).await;
    let noise = ["LATENCY=20ms", "TAIL=0.05", "ERRORS=0.01"];
    for version in ["1", "2"] {
        shop.engine.publish_demo(version, &noise).await;
    }
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let steady = Load::on(shop.proxies[0].address()).host(HOST);
    let steady =
        steady.kept_alive(16, [Work::Page]).pace(Duration::from_millis(100)).start().unwrap();
    answers(&steady, "1", 300).await;
    let mut requests = 0;
    for run in 1..=runs {
        let version = if run % 2 == 0 { "1" } else { "2" };
        // Each time at another moment of it.
        let burst = Load::on(shop.proxies[0].address()).host(HOST);
        let burst = burst.kept_alive(8 * (run % 4), Work::QUICK).pace(Duration::from_millis(50));
        let burst = burst.start().unwrap();
        let deploy = shop.run(&["deploy", "--tag", version]).await;
        assert_eq!(deploy.code, 0, "run {run} of {runs}: {deploy}");
        assert!(deploy.text().contains("no figure is worse"), "{deploy}");
        requests += burst.stop().await.sent();
    }
    requests += steady.stop().await.sent();
    println!("{runs} deploys of a good release, {requests} requests: none was undone");
}

/// How soon a bad release is undone, and what that costs; the old one has answered for ten minutes.
#[tokio::test]
async fn a_bad_release_is_undone_at_every_rate_and_the_sooner_the_more_requests_there_are() {
    let rates: &[usize] = if soak() { &[10, 100, 1000] } else { &[100] };
    let all = [("5 % errors", "ERRORS=0.05"), ("3 times slower", SLOWER)];
    let faults = if soak() { &all[..] } else { &all[..1] };
    let shop = Shop::with_settings("[deploy]\nbake = \"30m\"\n").await;
    shop.engine.publish_demo("1", &[USUAL]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    for (_, fault) in faults {
        shop.engine.publish_demo(&fault.replace('=', "-"), &[USUAL, fault]).await;
    }
    let (mut before, mut table) = (0, Vec::new());
    for rate in rates {
        // Ten minutes' worth, but for what makes no difference any more.
        let wanted = if soak() { (rate * 600).min(60_000) } else { 1000 };
        let load = Load::on(shop.proxies[0].address()).host(HOST);
        let load =
            load.kept_alive(100, [Work::Page]).pace(Duration::from_millis(100)).start().unwrap();
        within(Duration::from_mins(5), "the old release has answered", async || {
            (before + load.finished() >= wanted as u64).then_some(())
        })
        .await;
        before += load.stop().await.sent();
        for (name, fault) in faults {
            let version = fault.replace('=', "-");
            let load = Load::on(shop.proxies[0].address()).host(HOST);
            let load = load.kept_alive(*rate / 2, [Work::Page]).pace(Duration::from_millis(500));
            let load = load.start().unwrap();
            answers(&load, "1", 10).await;
            let run = shop.run(&["deploy", "--tag", &version]).await.ended_with(6);
            let report = load.stop().await;
            before += report.by_release()["1"];
            let bad = report.answers().iter().filter(|answer| *answer.release == *version);
            let times: Vec<_> = bad.map(|answer| answer.sent).collect();
            let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
            let hurt =
                if fault.starts_with("ERRORS") { report.failed() } else { times.len() as u64 };
            let sent = times.len() as u64 + report.failed();
            let took = last.duration_since(*first).as_secs_f64();
            let why = run.errors.lines().next().unwrap_or_default().to_owned();
            table.push(format!("| {rate} | {name} | {took:.1} s | {sent} | {hurt} | {why} |"));
            println!("{}", table.last().unwrap());
        }
    }
    println!("| requests a second | fault | undone after | requests to it | hurt | |");
    println!("|---|---|---|---|---|---|\n{}", table.join("\n"));
}

#[tokio::test]
async fn a_good_release_bakes_and_is_kept_and_undo_in_between_is_no_fault_of_its() {
    let shop = Shop::with_settings("[deploy]\nbake = \"6s\"\n").await;
    shop.engine.publish_demo("1", &[USUAL]).await;
    shop.engine.publish_demo("2", &[USUAL]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let load = shop.load(16);
    answers(&load, "1", 300).await;
    let run = shop.run(&["deploy", "--tag", "2"]).await.ended_with(0);
    assert!(run.text().contains("no figure is worse"), "{run}");
    assert_eq!(shop.active().await, "green");
    let mut deploy = shop.stopped_at("before bake", "1").await;
    let _ = shop.run(&["undo"]).await;
    deploy.ended().await;
    println!("{}", deploy.log());
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(shop.active().await, "green");
}

#[tokio::test]
async fn a_bake_whose_controller_is_killed_is_gone_on_with() {
    let shop = Shop::with_settings("[deploy]\nbake = \"8s\"\n").await;
    shop.engine.publish_demo("1", &[]).await;
    shop.engine.publish_demo("2", &[]).await;
    let _ = shop.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    let deploy = shop.stopped_at("before bake", "2").await;
    deploy.kill().await;
    let run = shop.run(&["resume"]).await.ended_with(0);
    assert!(run.text().contains("bake"), "{run}");
    assert_eq!(shop.proxies[0].release(HOST).await, "2");
    shop.only(&["1", "2"]).await;
}
