//! `proxy.toml`: checked, and read again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::process::{attempt, program};
use e2e::{Proxy, Store};
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

async fn check(proxy: &Proxy, more: &[&str]) -> (Option<i32>, String) {
    let (program, file) = (program("shunt-proxy"), proxy.file().display().to_string());
    let words = [&["check", "--config", &file], more].concat();
    let (status, said) = attempt(program.to_str().unwrap(), &words).await;
    (status.code(), said)
}

#[tokio::test]
async fn check_passes_a_sound_file_and_makes_nothing() {
    let store = Store::directory();
    let mut proxy = Proxy::configured("lb1", "", &store.section());
    let sound = format!("{}: no mistakes\n", proxy.file().display());
    assert_eq!(check(&proxy, &[]).await, (Some(0), sound.clone()));
    assert!(!proxy.state().exists());
    // Where it runs, its ports are its own, and it is not disturbed.
    proxy.run();
    proxy.ready().await;
    let (code, said) = check(&proxy, &[]).await;
    assert!(code == Some(0) && said.contains(&sound), "{said}");
    let who = format!("note: it runs (proxy `lb1`, process {}): ", proxy.running().id());
    assert!(said.contains(&who), "{said}");
    proxy.stop().await;
}

#[tokio::test]
async fn check_names_all_that_would_end_run_on_this_machine_before_the_store_hears_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let key = at("preview.key");
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(at("file"), "").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let store = Store::directory();
    let settings = format!(
        "access_log = {{ path = '{}' }}\npages = {{ directory = '{}' }}\n\
         preview = {{ keys = ['{key}'] }}\ntls = {{ certificates = '{}' }}\n",
        at("logs/access.log"),
        at("pages"),
        at("certs"),
    );
    let mut proxy = Proxy::configured("lb1", &settings, &store.section());
    let text = fs::read_to_string(proxy.file()).unwrap();
    let text = text.replace(&proxy.state().display().to_string(), &at("file/state"));
    let text = text.replace(&proxy.admin().to_string(), &taken.local_addr().unwrap().to_string());
    fs::write(proxy.file(), text).unwrap();

    let (code, said) = check(&proxy, &[]).await;
    assert_eq!(code, Some(1), "{said}");
    for fault in [
        format!("[access_log] path = \"{}\": ", at("logs/access.log")),
        format!("[pages] directory = \"{}\": ", at("pages")),
        format!("[preview] keys: {key}: everybody may read this key"),
        format!("[state] directory = \"{}\": ", at("file/state")),
        format!("[tls] certificates = \"{}\": ", at("certs")),
        format!("admin listener {}: Address already in use", taken.local_addr().unwrap()),
    ] {
        assert!(said.contains(&fault), "{fault} is not in\n{said}");
    }
    assert!(!directory.path().join("logs").exists());
    let sound = format!("{}: no mistakes\n", proxy.file().display());
    assert_eq!(check(&proxy, &["--file-only"]).await, (Some(0), sound));

    proxy.run();
    assert_eq!(proxy.ended().await.code(), Some(1));
    assert_eq!(store.keys("fleet/").await, Vec::<String>::new());
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
