//! An engine that answers, and then does not.

use std::path::Path;
use std::process::Stdio;

use e2e::until;
use rustix::process::{Pid, Signal, kill_process};
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Step, StepTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::fence::record;
use crate::outlet::full;
use crate::site::Site;
use crate::words::{Obedient, Words};

/// Answers what is asked before a container is made, and never whether one is; which there are only if it
/// `lists` them.
fn engine(path: &Path, lists: bool) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(answer(stream, lists));
        }
    })
}

async fn answer(mut stream: UnixStream, lists: bool) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let body = match text.split_whitespace().nth(1).unwrap_or_default() {
            path if path.ends_with("/version") => r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#,
            path if path.contains("/containers/json") && lists => "[]",
            path if path.contains("/images/") => r#"{"Id":"sha256:0123"}"#,
            _ => std::future::pending().await,
        };
        let length = body.len();
        let head_out = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        let answer = format!("{head_out}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        head.clear();
    }
}

/// A site whose deploys never come further than to their first container.
async fn site() -> (Site, Obedient, JoinHandle<()>) {
    let site = Site::empty();
    let proxy = Words::of("lb1", &site).await.obeys();
    let path = site.directory.path().join("engine.sock");
    let engine = engine(&path, true);
    let hosts = format!("hosts = [\"unix://{}\"]", path.display());
    site.write(
        "shunt.toml",
        &format!(
            "app = \"web\"\nimage = \"web\"\n[route]\nhosts = [\"www.example.com\"]\n\
             [run]\nport = 8080\npull = \"never\"\n{hosts}\n"
        ),
    );
    (site, proxy, engine)
}

#[tokio::test]
async fn a_step_that_lasts_says_so_and_so_does_a_signal_that_has_to_wait_for_it() {
    let (site, _proxy, _engine) = site().await;
    let mut deploy = site.begin(&["deploy", "--tag", "1"], None);
    let says = async |words: &str| {
        until(words, async || deploy.log().contains(words).then_some(())).await;
    };
    says("not over yet: 1 container(s) on unix://").await;
    deploy.signal(Signal::INT);
    says("stopping, once what is under way is over; Ctrl-C once more leaves at once").await;
    deploy.signal(Signal::INT);
    assert_eq!(deploy.ended().await.code(), Some(7), "{}", deploy.log());
    let log = deploy.log();
    assert!(log.contains("error: left at once, by a second signal: it is half done\n"), "{log}");
    let last = log.lines().last().unwrap();
    assert_eq!(last, "hint: `shuntctl resume web` finishes or undoes what is half done");
}

#[tokio::test]
async fn a_second_signal_ends_a_run_whose_words_nobody_takes() {
    let (site, _proxy, _engine) = site().await;
    let (reader, writer, _) = full();
    let mut deploy = {
        let mut command = site.command(&["deploy", "--tag", "1", "--json"]);
        command.stdout(writer).stderr(Stdio::null()).spawn().unwrap()
    };
    until("it waits for its container", async || {
        let keys = site.keys().await;
        (keys.record()?.step()?.step == Step::Start).then_some(())
    })
    .await;
    assert!(deploy.try_wait().unwrap().is_none(), "nobody has told it to end");
    let pid = Pid::from_raw(i32::try_from(deploy.id().unwrap()).unwrap()).unwrap();
    let ended = until("it leaves", async || {
        // Two that come at once are one, and the first is told of by nothing that can be seen.
        let _ = kill_process(pid, Signal::INT);
        deploy.try_wait().unwrap()
    })
    .await;
    assert_eq!(ended.code(), Some(7));
    drop(reader);
}

#[tokio::test]
async fn a_way_back_that_lasts_says_so_and_ends_without_an_engine_that_breaks_off() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let path = site.directory.path().join("engine.sock");
    let engine = engine(&path, false);
    let url = format!("unix://{}", path.display()).parse().unwrap();
    let engines = vec![shunt_config::Engine { url, files: None }];
    let steps = vec![StepTime { step: Step::Start, began: jiff::Timestamp::now(), ended: None }];
    let own = Deploy { engines, steps, ..record() };
    site.put(AppKey::Deploy, &serde_json::to_string(&own).unwrap()).await;
    let mut resume = site.begin(&["resume", "web"], None);
    resume.said("  …  put back     not over yet: traffic, keys and containers").await;
    engine.abort();
    resume.ended().await;
    let said = "as it was before; not all that was started is removed: ";
    assert!(resume.log().contains(said), "{}", resume.log());
}
