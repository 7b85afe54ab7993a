//! Output that nobody takes.

use std::io::{ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::process::Stdio;

use e2e::until;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use shunt_config::record::Outcome;

use crate::site::Site;
use crate::words::Words;

/// A pipe that nothing more goes into, and how much is in it.
pub(crate) fn full() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    loop {
        match writer.write(&[b'x'; 4096]) {
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer, filled)
}

#[tokio::test]
async fn a_reader_who_stands_still_holds_nothing_up_and_gets_all_of_it_later() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let (mut reader, writer, filled) = full();
    let mut flip = {
        // Its own end of the pipe goes with the command.
        let mut command = site.command(&["flip", "web", "--json"]);
        command.stdout(writer).stderr(Stdio::null()).spawn().unwrap()
    };
    until("the flip is done", async || {
        let keys = site.keys().await;
        let last = keys.history.values().last()?.ok()?.outcome;
        (last == Outcome::Done).then_some(())
    })
    .await;
    assert_eq!(site.active().await, "green");
    assert!(flip.try_wait().unwrap().is_none(), "it waits until all that it said is taken");
    let read = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        String::from_utf8(text.split_off(filled)).unwrap()
    });
    assert!(flip.wait().await.unwrap().success());
    let text = read.await.unwrap();
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["state"], "running", "{text}");
    assert_eq!(events.last().unwrap()["outcome"], "ok", "{text}");
}

#[tokio::test]
async fn a_run_that_is_over_and_whose_words_nobody_takes_ends_when_it_is_told_to() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let (reader, writer, _) = full();
    let mut flip = {
        let mut command = site.command(&["flip", "web", "--json"]);
        command.stdout(writer).stderr(Stdio::null()).spawn().unwrap()
    };
    until("the flip is done, and its lock let go of", async || {
        let keys = site.keys().await;
        let last = keys.history.values().last()?.ok()?.outcome;
        (last == Outcome::Done && keys.lock.is_none()).then_some(())
    })
    .await;
    assert!(flip.try_wait().unwrap().is_none(), "it waits until all that it said is taken");
    let pid = Pid::from_raw(i32::try_from(flip.id().unwrap()).unwrap()).unwrap();
    // One that comes while the run ends is taken for the run's.
    until("it ends", async || {
        let _ = kill_process(pid, Signal::TERM);
        flip.try_wait().unwrap()
    })
    .await;
    drop(reader);
}
