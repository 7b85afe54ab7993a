//! Output that nobody takes.

use std::io::{ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::process::Stdio;

use e2e::until;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use shunt_config::record::Outcome;

use crate::site::Site;
use crate::words::Words;

/// A pipe that nothing more goes into, and how much is in it.
fn full() -> (PipeReader, PipeWriter, usize) {
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
