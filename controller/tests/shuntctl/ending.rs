//! Workers that were told to end by a run that was cut short, on an engine that ends them when the test lets
//! it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::until;
use serde_json::json;
use shunt_config::Slot;
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Limits, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::fence::record;
use crate::site::Site;
use crate::words::Words;

/// An engine with a worker of each slot's release. Green's ends only once it is let.
#[derive(Clone, Debug)]
struct Engine {
    running: Arc<Mutex<BTreeSet<String>>>,
    told: Arc<Mutex<BTreeSet<String>>>,
    lets: watch::Sender<bool>,
}

impl Engine {
    fn at(path: &Path) -> Self {
        let running = Arc::new(Mutex::new(["green".to_owned()].into()));
        let engine = Self { running, told: Arc::default(), lets: watch::Sender::new(false) };
        let (listener, accepting) = (UnixListener::bind(path).unwrap(), engine.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        engine
    }

    fn running(&self) -> Vec<String> {
        self.running.lock().unwrap().iter().cloned().collect()
    }

    async fn serve(self, mut stream: UnixStream) {
        let mut head = Vec::new();
        while let Ok(byte) = stream.read_u8().await {
            head.push(byte);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let text = String::from_utf8_lossy(&head).to_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length = length.map_or(0, |length| length.trim().parse().unwrap());
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            let body = self.answer(text.split_whitespace().nth(1).unwrap_or_default()).await;
            let answer = match body {
                Some(body) => format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                None => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            head.clear();
        }
    }

    async fn answer(&self, path: &str) -> Option<String> {
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            [.., "version"] => Some(r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#.to_owned()),
            [.., "containers", "json"] => Some(self.list()),
            [.., id, "start"] => {
                self.running.lock().unwrap().insert((*id).to_owned());
                None
            }
            [.., id, "stop"] => {
                // Whoever asked may be gone; it ends all the same.
                let (engine, id) = (self.clone(), (*id).to_owned());
                let ends = tokio::spawn(async move {
                    engine.told.lock().unwrap().insert(id.clone());
                    if id == "green" {
                        engine.lets.subscribe().wait_for(|lets| *lets).await.unwrap();
                    }
                    engine.running.lock().unwrap().remove(&id);
                });
                ends.await.unwrap();
                None
            }
            other => panic!("it is asked for {other:?}"),
        }
    }

    fn list(&self) -> String {
        let running = self.running();
        let one = |slot: &str| {
            let state = if running.iter().any(|id| id == slot) { "running" } else { "exited" };
            let labels =
                json!({ "shunt.worker": "jobs", "shunt.deploy": slot, "shunt.slot": slot });
            json!({ "Id": slot, "Names": [format!("/{slot}")], "Labels": labels, "State": state })
        };
        json!([one("blue"), one("green")]).to_string()
    }
}

#[tokio::test]
async fn a_worker_that_a_run_cut_short_told_to_end_is_waited_for_and_started_again() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let socket = site.directory.path().join("engine.sock");
    let engine = Engine::at(&socket);
    for (slot, port) in [(Slot::Blue, 9001), (Slot::Green, 9002)] {
        let engines = [format!("unix://{}", socket.display())];
        let targets = [format!("127.0.0.1:{port}")];
        let release = json!({ "deploy": slot, "targets": targets, "engines": engines,
            "workers": { "jobs": 1 } });
        site.put(AppKey::Slot(slot), &release.to_string()).await;
    }
    site.put(AppKey::Active, "green").await;
    let limits = Limits { stop: Duration::from_mins(1), ..Limits::default() };
    let warm = Deploy { stage: Stage::Warm, limits, ..record() };
    site.put(AppKey::Deploy, &serde_json::to_string(&warm).unwrap()).await;

    let first = site.begin(&["flip", "web", "blue"], None);
    until("green is told to end", async || {
        engine.told.lock().unwrap().contains("green").then_some(())
    })
    .await;
    first.kill().await;
    let mut back = site.begin(&["flip", "web", "green"], None);
    until("it waits for what may be ending", async || {
        let ended = !engine.running().contains(&"blue".to_owned());
        let waits = back.log().contains("run may have been told to end");
        (ended && waits).then_some(())
    })
    .await;
    assert_eq!(engine.running(), ["green"], "it is ending still");
    engine.lets.send_replace(true);
    assert!(back.ended().await.success(), "{}", back.log());
    assert!(back.log().contains("workers: 1 started, 1 stopped"), "{}", back.log());
    assert_eq!(engine.running(), ["green"]);
}
