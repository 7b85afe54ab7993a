//! An engine that answers, and then does not.

use std::path::Path;

use e2e::until;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::site::Site;
use crate::words::Words;

/// Answers what is asked before a container is made, and never whether one is.
fn engine(path: &Path) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(tokio::spawn(answer(stream)));
        }
    })
}

async fn answer(mut stream: UnixStream) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let body = match text.split_whitespace().nth(1).unwrap_or_default() {
            path if path.ends_with("/version") => r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#,
            path if path.contains("/containers/json") => "[]",
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

#[tokio::test]
async fn a_step_that_lasts_says_so_and_so_does_a_signal_that_has_to_wait_for_it() {
    let site = Site::empty();
    let _proxy = Words::of("lb1", &site).await.obeys();
    let path = site.directory.path().join("engine.sock");
    let engine = engine(&path);
    let hosts = format!("hosts = [\"unix://{}\"]", path.display());
    site.write(
        "shunt.toml",
        &format!(
            "app = \"web\"\nimage = \"web\"\n[route]\nhosts = [\"www.example.com\"]\n\
             [run]\nport = 8080\npull = \"never\"\n{hosts}\n"
        ),
    );
    let mut deploy = site.begin(&["deploy", "--tag", "1"], None);
    let says = async |words: &str| {
        until(words, async || deploy.log().contains(words).then_some(())).await;
    };
    says("not over yet: 1 container(s) on unix://").await;
    deploy.signal(Signal::INT);
    says("stopping, once what is under way is over; Ctrl-C once more leaves at once").await;
    deploy.signal(Signal::INT);
    assert_eq!(deploy.ended().await.code(), Some(7), "{}", deploy.log());
    engine.abort();
}
