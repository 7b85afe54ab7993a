//! `proxy.toml`: checked, and read again.

use std::fs;

use e2e::process::{attempt, program};
use rustix::process::Signal;
use serde_json::json;

use crate::site::Site;

#[tokio::test]
async fn check_names_all_mistakes_with_their_lines_and_its_own_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.toml");
    fs::write(&file, "thread = 2\n[[listen]]\naddress = \"80\"\n[store]\netcd = []\n").unwrap();
    let (program, file) = (program("shunt-proxy"), file.display().to_string());
    for verb in ["check", "run"] {
        let (status, said) = attempt(program.to_str().unwrap(), &[verb, "--config", &file]).await;
        assert_eq!(status.code(), Some(2), "{said}");
        for mistake in [
            format!("{file}:1: thread: unknown key, did you mean `threads`?"),
            format!("{file}:3: listen[0].address: "),
            format!("{file}:4: store: "),
        ] {
            assert!(said.contains(&mistake), "{verb}: {mistake} is not in\n{said}");
        }
    }
}

#[tokio::test]
async fn check_passes_a_sound_file_and_starts_nothing() {
    let site = Site::start().await;
    let (program, file) = (program("shunt-proxy"), site.proxy.file().display().to_string());
    let (status, said) = attempt(program.to_str().unwrap(), &["check", "--config", &file]).await;
    assert!(status.success(), "{said}");
    assert_eq!(said, format!("{file}: no mistakes\n"));
}

#[tokio::test]
async fn a_file_read_again_holds_as_far_as_it_can_and_a_bad_one_changes_nothing() {
    let site = Site::with("flip_timeout = \"1h\"\n", "").await;
    let said = async |what: &str| {
        e2e::until(what, async || site.proxy.log().contains(what).then_some(())).await;
    };
    let text = fs::read_to_string(site.proxy.file()).unwrap();

    fs::write(site.proxy.file(), format!("flip_timout = \"1ms\"\n{text}")).unwrap();
    site.proxy.signal(Signal::HUP);
    said("read again and changes nothing").await;
    said("did you mean `flip_timeout`?").await;

    let text = text.replace("\"1h\"", "\"1ms\"").replace("threads = 2", "threads = 3");
    fs::write(site.proxy.file(), text).unwrap();
    site.proxy.signal(Signal::HUP);
    said("hold only after a restart: threads").await;
    site.put("apps/web/green", "127.0.0.1:1").await;
    site.put("apps/web/active", "green").await;
    site.told("the flip is refused by the new limit", |status| {
        let refused = &status["refused"][0];
        let why = refused["reason"].as_str()?.starts_with("not proved within 1ms");
        (refused["key"] == json!("apps/web/active") && why).then_some(())
    })
    .await;
    assert_eq!(site.get("/").await.unwrap().body, "one");
}

#[tokio::test]
async fn a_log_level_that_is_none_is_refused_with_the_right_ones() {
    let site = Site::start().await;
    let (program, file) = (program("shunt-proxy"), site.proxy.file().display().to_string());
    let run = ["run", "--config", &file, "--log-level", "lots"];
    let (status, said) = attempt(program.to_str().unwrap(), &run).await;
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("`lots` is no level; right are off, error, warn, info"), "{said}");
}
