//! The operator's own checks of a release that is watched.

use std::sync::{Arc, Mutex};

use e2e::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::shop::Shop;

/// A bake that no test waits for.
const BAKE: &str = "[deploy]\nbake = \"5m\"\n";

/// A check that notes what it is told, and is good until there is a file `bad`.
const STUCK: &str = "[guard.checks.stuck]\ninterval = \"100ms\"\n\
    command = 'echo \"$SHUNT_CHECK $SHUNT_VERSION $SHUNT_SHARE\" >> asked; echo 7 jobs; test ! -e bad'\n";

/// What the check was told, run by run.
fn asked(shop: &Shop) -> Vec<String> {
    let text = std::fs::read_to_string(shop.site.directory.path().join("asked"));
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

async fn asked_as(shop: &Shop, told: &str, times: usize) {
    until(&format!("it is asked as `{told}`"), async || {
        let n = asked(shop).iter().filter(|line| *line == told).count();
        (n >= times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_check_that_is_bad_three_times_in_a_row_undoes_the_bake_and_is_named() {
    let shop = Shop::open(&["1", "2"], &format!("{BAKE}{STUCK}")).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    assert!(asked(&shop).is_empty(), "there is nothing to go back to");
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    asked_as(&shop, "stuck 2 100", 4).await;
    assert_eq!(shop.site.active().await, "green");
    shop.site.write("bad", "");
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    let said = "the check `stuck`: ended with code 1 (`7 jobs`), 3 times in a row";
    assert!(deploy.log().contains(said), "{}", deploy.log());
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(shop.containers().await, ["1"]);
}

#[tokio::test]
async fn a_check_goes_on_over_the_shares_of_a_canary_and_takes_it_back() {
    let steps = "[deploy]\nstrategy = \"canary\"\n[canary]\nsteps = [{ percent = 10, for = \"500ms\" }, \
                 { percent = 50, pause = true }]\n";
    let shop = Shop::open(&["1", "2"], &format!("{steps}{STUCK}")).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    asked_as(&shop, "stuck 2 10", 1).await;
    asked_as(&shop, "stuck 2 50", 2).await;
    shop.site.write("bad", "");
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    assert!(deploy.log().contains("the check `stuck`"), "{}", deploy.log());
    assert_eq!(shop.slots().await, "blue: 1 -");
}

#[tokio::test]
async fn a_check_that_is_bad_while_requests_are_copied_keeps_the_release_from_every_visitor() {
    let shop = Shop::open(&["1", "2"], &format!("[mirror]\nfor = \"1h\"\n{STUCK}")).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    assert!(asked(&shop).is_empty(), "nothing is copied");
    let plan = shop.site.run(&["deploy", "--tag", "2", "--dry-run"]).await.ended_with(0);
    plan.says("for 1h, 100 of them at least, and the checks `stuck`");
    let mut deploy = shop.site.begin(&["deploy", "--tag", "2"], None);
    asked_as(&shop, "stuck 2 0", 4).await;
    assert!(shop.site.keys().await.mirror.is_some());
    shop.site.write("bad", "");
    assert_eq!(deploy.ended().await.code(), Some(3), "{}", deploy.log());
    let said = "the new release does not stand copies of requests: the check `stuck`: ended with \
                code 1 (`7 jobs`), 3 times in a row";
    assert!(deploy.log().contains(said), "{}", deploy.log());
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(shop.containers().await, ["1"]);
    assert!(shop.site.keys().await.mirror.is_none());
    let down = "[mirror]\nfor = \"100ms\"\nrequests = 0\n[guard.checks.down]\nquery = \"up\"\nmax = 1\n\
                prometheus = \"http://127.0.0.1:1\"\n";
    shop.write_file("hosts = [\"www.example.com\"]", down);
    let run = shop.deploy("2").await.ended_with(0).says("that counts for nothing");
    run.says("0 copies, 0 errors; no answer from the check `down`");
    assert_eq!(shop.slots().await, "green: 1 2");
}

#[tokio::test]
async fn a_query_without_an_answer_is_told_and_undoes_nothing_unless_the_file_says_so() {
    let checks = "[deploy]\nbake = \"1s\"\n[guard.checks.gone]\ninterval = \"100ms\"\n\
                  command = [\"/no/such/program\"]\non_no_answer = \"ignore\"\n[guard.checks.down]\ninterval = \"100ms\"\n\
                  query = \"up\"\nmax = 1\nprometheus = \"http://127.0.0.1:1\"\n";
    let shop = Shop::open(&["1", "2"], checks).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let run = shop.deploy("2").await.ended_with(0).says("no answer from the check");
    let run = run.says("`gone` has no answer: does not run: No such file");
    run.says("`down` has no answer: http://127.0.0.1:1: connect: Connection refused");
    assert_eq!(shop.slots().await, "green: 1 2");
    shop.site.run(&["undo"]).await.ended_with(0);
    shop.site.run(&["retire"]).await.ended_with(0);
    let strict = checks.replace("\"1s\"", "\"5m\"") + "on_no_answer = \"fail\"\n";
    shop.write_file("hosts = [\"www.example.com\"]", &strict);
    let run = shop.deploy("2").await.ended_with(6);
    run.says("the check `down`: no answer: http://127.0.0.1:1: connect");
    assert_eq!(shop.slots().await, "blue: 1 -");
}

#[tokio::test]
async fn a_check_whose_program_is_not_there_is_told_beforehand_and_undoes_the_deploy() {
    let smoke = "[guard.checks.smoke]\ninterval = \"100ms\"\ncommand = \"bin/still-good\"\n";
    let shop = Shop::open(&["1", "2"], &format!("{BAKE}{smoke}")).await;
    let _proxy = shop.obedient("lb1").await;
    let said = "guard.checks.smoke: `bin/still-good` is not to be had here";
    shop.site.run(&["check"]).await.ended_with(0).says(said);
    shop.deploy("1").await.ended_with(0).says(said);
    let run = shop.deploy("2").await.ended_with(6).says("the check `smoke`: no answer: ended");
    run.says("with code 127").says("3 times in a row");
    assert_eq!(shop.slots().await, "blue: 1 -");
}

#[tokio::test]
async fn whoever_goes_on_with_a_bake_goes_on_with_its_checks() {
    let shop = Shop::open(&["1", "2"], &format!("{BAKE}{STUCK}")).await;
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let deploy = shop.stopped_at("before bake", "2").await;
    assert!(asked(&shop).is_empty());
    deploy.kill().await;
    shop.site.write("bad", "");
    std::fs::remove_file(shop.site.directory.path().join("shunt.toml")).unwrap();
    let run = shop.site.run(&["resume", "web"]).await.ended_with(0);
    run.says("the check `stuck`: ended with code 1");
    assert_eq!(shop.slots().await, "blue: 1 -");
    assert_eq!(asked(&shop), ["stuck 2 100"; 3]);
}

/// A Prometheus that says the same to everyone, and keeps what it was asked.
async fn server(number: &'static str) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let text = answer(stream, number).await;
            *kept.lock().unwrap() = text;
        }
    });
    (url, asked)
}

async fn answer(mut stream: TcpStream, number: &str) -> String {
    let mut text = String::new();
    // What is asked for here has a body, whose last word is this one.
    while !text.ends_with("end") {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece).await.unwrap();
        assert!(n > 0, "{text}");
        text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
    }
    let series = format!(r#"[{{"metric":{{}},"value":[1,"{number}"]}}]"#);
    let body =
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{series}}}}}"#);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    text
}

#[tokio::test]
async fn a_figure_out_of_bounds_undoes_the_deploy_and_the_token_is_shown_nowhere() {
    let (url, seen) = server("0.5").await;
    let check = format!(
        "[guard.checks.errors]\nquery = 'x{{app=\"{{app}}\",slot=\"{{slot}}\",v=\"{{version}}\"}}/end'\n\
         prometheus = \"{url}\"\ntoken_file = \"token\"\nmax = 0.01\nfailures = 1\n"
    );
    let shop = Shop::open(&["1", "2"], &format!("{BAKE}{check}")).await;
    shop.site.write("token", "hunter-two\n");
    let _proxy = shop.obedient("lb1").await;
    shop.deploy("1").await.ended_with(0);
    let deploy = shop.stopped_at("before bake", "2").await;
    let record = shop.site.everything().await;
    deploy.signal(rustix::process::Signal::USR1);
    let mut deploy = deploy;
    assert_eq!(deploy.ended().await.code(), Some(6), "{}", deploy.log());
    let said = "the check `errors`: 0.5 is more than 0.01";
    assert!(deploy.log().contains(said), "{}", deploy.log());
    let seen = seen.lock().unwrap().clone();
    assert!(seen.starts_with("POST /metrics/api/v1/query HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("authorization: Bearer hunter-two\r\n"), "{seen}");
    let query = "query=x%7Bapp%3D%22web%22%2Cslot%3D%22green%22%2Cv%3D%222%22%7D%2Fend";
    assert!(seen.ends_with(query), "{seen}");
    let shown = format!("{}{record:?}{:?}", deploy.log(), shop.site.everything().await);
    assert!(shown.contains("token") && !shown.contains("hunter"), "{shown}");
}
