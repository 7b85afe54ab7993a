//! The directory's hard cases: hands, crashes, locks and odd files.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use e2e::Scratch;
use e2e::process::tool;
use shunt_config::store::{Entry, StoreConfig, StoreError, Txn, WatchEvent};
use shunt_config::strict::MAX_VALUE;
use tempfile::TempDir;

use crate::child;
use crate::fixture::{Fixture, commits, open, put, value};
use crate::seen::Seen;

const ACTIVE: &str = "apps/web/active";

#[tokio::test]
async fn a_value_that_is_still_being_written_is_not_looked_at() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;

    let mut torn = File::create(fixture.path(ACTIVE)).unwrap();
    torn.write_all(b"gr").unwrap();
    // What is written next to it arrives, without the half of this.
    put(&store, "apps/web/blue", "h:1").await;
    assert_eq!(seen.changed().await.len(), 1);
    assert_eq!(seen.value("apps/web/blue"), Some("h:1"));
    seen.confirmed().await;
    assert_eq!(seen.value(ACTIVE), Some("blue"));

    torn.write_all(b"een\n").unwrap();
    drop(torn);
    assert_eq!(seen.changed().await.len(), 1);
    assert_eq!(seen.value(ACTIVE), Some("green"));
}

#[tokio::test]
async fn a_writer_killed_at_any_moment_leaves_all_of_a_transaction_or_nothing() {
    // In memory, where most of a writer's time is not spent waiting for the disk before it began.
    let (fixture, logs) = (Fixture::directory().in_memory(), TempDir::new().unwrap());
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "").await;
    for round in 0..30 {
        let mut writer = child::start("writer", &fixture.flag(), logs.path());
        writer.said("writing").await;
        // Each round is watched until another few transactions are over.
        let target = number(&seen) + 1 + round % 5;
        while number(&seen) < target {
            seen.next().await;
            assert_whole(&seen.entries);
        }
        writer.kill().await;
        // What a process sees that knows nothing of it.
        let after = fixture.store().read("").await.unwrap();
        assert_whole(&after.entries);
        seen.until(|seen| seen.entries == after.entries).await;
    }
    let own = fs::read_dir(fixture.path(".shunt")).unwrap();
    let left: Vec<_> = own.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "journal"), "{left:?}");
}

fn number(seen: &Seen) -> u64 {
    seen.value("all/0").map_or(0, |text| text.parse().unwrap())
}

/// All keys of the writer say the same; the last one is there every other time.
fn assert_whole(entries: &BTreeMap<String, Entry>) {
    let Some(first) = entries.get("all/0") else { return assert!(entries.is_empty()) };
    let odd = std::str::from_utf8(&first.value).unwrap().ends_with(['1', '3', '5', '7', '9']);
    assert_eq!(entries.len(), child::KEYS as usize + usize::from(odd));
    for (key, entry) in entries {
        assert_eq!(entry.value, first.value, "{key}");
    }
}

#[tokio::test]
async fn what_an_operator_does_with_files_and_directories_is_followed() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "apps/").await;
    let root = fixture.path("");
    for (command, wanted) in [
        ("mkdir -p apps/web && echo blue > apps/web/active", Some("blue")),
        ("echo green > apps/web/new && mv apps/web/new apps/web/active", Some("green")),
        ("mv apps/web apps/web.old", None),
        ("mv apps/web.old apps/web", Some("green")),
        ("mv apps elsewhere", None),
        ("echo blue > elsewhere/web/active && mv elsewhere apps", Some("blue")),
        ("rm -r apps", None),
        ("mkdir -p apps/web && printf green > apps/web/active", Some("green")),
        ("echo blue >> apps/web/active && echo blue > apps/web/active", Some("blue")),
        ("printf green | tee apps/web/active", Some("green")),
        ("sed -i s/green/blue/ apps/web/active", Some("blue")),
    ] {
        tool("sh", &["-c", &format!("cd '{}' && {command}", root.display())]).await;
        seen.until(|seen| seen.value(ACTIVE) == wanted).await;
        assert_eq!(store.read("apps/").await.unwrap().entries, seen.entries, "{command}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_passed_by() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "").await;
    let web = fixture.path("apps/web");
    fs::write(web.join(".active.swp"), "an editor's").unwrap();
    fs::write(web.join(OsStr::from_bytes(b"\xff\xfe")), "no text").unwrap();
    fs::create_dir(web.join("a directory")).unwrap();
    fs::create_dir(fixture.path(".hidden")).unwrap();
    fs::write(fixture.path(".hidden/active"), "green").unwrap();
    put(&store, "apps/web/last", "x").await;
    seen.until(|seen| seen.value("apps/web/last").is_some()).await;

    let keys: Vec<_> = seen.entries.keys().collect();
    assert_eq!(keys, [ACTIVE, "apps/web/last"]);
    assert_eq!(store.read("").await.unwrap().entries, seen.entries);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_handed_on_as_too_large() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    let mut seen = Seen::begin(&*store, "").await;
    put(&store, ACTIVE, "blue").await;
    let file = File::create(fixture.path("apps/web/green")).unwrap();
    file.set_len(1 << 40).unwrap();
    drop(file);
    seen.until(|seen| seen.entries.contains_key("apps/web/green")).await;
    assert_eq!(seen.entries["apps/web/green"].value.len(), MAX_VALUE + 1);
}

#[tokio::test]
async fn a_put_over_a_directory_or_below_a_file_changes_nothing() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let before = store.read("").await.unwrap().entries;
    for key in ["apps/web", "apps/web/active/x"] {
        let refused = store.commit(Txn::new().put("apps/web/blue", "h:1").put(key, "x")).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{key}: {refused:?}");
        assert_eq!(store.read("").await.unwrap().entries, before, "{key}");
    }
    put(&store, ACTIVE, "green").await;
}

#[tokio::test]
async fn a_holder_of_the_lock_that_is_frozen_stops_nobody_for_good() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    let lock = File::open(fixture.path(".shunt/lock")).unwrap();
    lock.lock().unwrap();
    let reason = seen.lost().await;
    assert!(reason.contains("locked by another process"), "{reason}");
    for result in [
        store.read("").await.map(drop),
        store.commit(Txn::new().put(ACTIVE, "green")).await.map(drop),
    ] {
        assert!(matches!(result, Err(StoreError::Unreachable { .. })), "{result:?}");
    }
    lock.unlock().unwrap();
    seen.full().await;
    assert_eq!(seen.value(ACTIVE), Some("blue"));
    put(&store, ACTIVE, "green").await;
}

#[tokio::test]
async fn a_lock_file_that_was_removed_is_made_anew_and_keeps_others_out() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let removed = File::open(fixture.path(".shunt/lock")).unwrap();
    removed.lock().unwrap();
    fs::remove_file(fixture.path(".shunt/lock")).unwrap();
    put(&store, ACTIVE, "green").await;
    let anew = File::open(fixture.path(".shunt/lock")).unwrap();
    anew.lock().unwrap();
    assert!(store.commit(Txn::new().put(ACTIVE, "blue")).await.is_err());
}

#[tokio::test]
async fn a_flood_of_changes_loses_none() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, "a/0", "0").await;
    let mut seen = Seen::begin(&*store, "").await;
    // More events than the kernel keeps (fs.inotify.max_queued_events), while nobody reads them.
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let lock = File::open(fixture.path(".shunt/lock")).unwrap();
    lock.lock().unwrap();
    let files = limit / 2 + 1_000;
    for number in 0..files {
        fs::write(fixture.path(&format!("a/{number}")), "1").unwrap();
    }
    lock.unlock().unwrap();
    seen.until(|seen| seen.entries.len() == files && seen.value("a/0") == Some("1")).await;
    put(&store, "a/0", "2").await;
    seen.until(|seen| seen.value("a/0") == Some("2")).await;
}

#[tokio::test]
async fn a_directory_that_vanished_is_lost_and_not_made_anew() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    let (root, aside) = (fixture.path(""), fixture.path("").with_file_name("aside"));
    fs::rename(&root, &aside).unwrap();
    let reason = seen.lost().await;
    assert!(reason.contains("gone"), "{reason}");
    assert!(store.commit(Txn::new().put(ACTIVE, "green")).await.is_err());
    assert!(store.read("").await.is_err());
    assert!(!root.exists());

    fs::rename(&aside, &root).unwrap();
    seen.full().await;
    assert_eq!(seen.value(ACTIVE), Some("blue"));
}

#[tokio::test]
async fn another_directory_in_its_place_is_noticed() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    let root = fixture.path("");
    fs::rename(&root, root.with_file_name("aside")).unwrap();
    fs::create_dir(&root).unwrap();
    seen.lost().await;
    assert!(seen.full().await.entries.is_empty());
}

#[tokio::test]
async fn a_store_that_cannot_be_there_says_why_and_is_taken_up_when_it_can() {
    let directory = Scratch::new("shunt-store-");
    let parent = directory.path().join("parent");
    fs::write(&parent, "in the way").unwrap();
    let store = open(&StoreConfig::directory(parent.join("store")));
    let mut watch = store.watch("");
    let Some(WatchEvent::Lost(reason)) = watch.next().await else { panic!("there is none") };
    assert!(reason.contains("parent/store"), "{reason}");
    fs::remove_file(&parent).unwrap();
    assert!(matches!(watch.next().await, Some(WatchEvent::Full(_))));
}

#[tokio::test]
async fn a_leased_file_is_read_like_any_other_and_its_remains_are_cleared_away() {
    let (fixture, logs) = (Fixture::directory(), TempDir::new().unwrap());
    let store = fixture.store();
    let mut holder = child::start("holder", &fixture.flag(), logs.path());
    holder.said("holding").await;
    let cat = tool("cat", &[fixture.path("apps/web/lock").to_str().unwrap()]).await;
    assert_eq!(cat, "the child");
    holder.kill().await;
    // Nobody watched: the file is still there, and is no key.
    assert!(fixture.path("apps/web/lock").exists());
    assert_eq!(value(&store, "apps/web/lock").await, None);
    let seen = Seen::begin(&*store, "").await;
    assert_eq!(seen.value("apps/web/lock"), None);
    let gone = async || (!fixture.path("apps/web/lock").exists()).then_some(());
    e2e::until("the remains are cleared away", gone).await;
}

#[tokio::test]
async fn a_leased_key_lives_as_long_as_any_handle_of_its_session() {
    let fixture = Fixture::directory();
    let store = fixture.store();
    let session = store.session(shunt_config::store::LEASE_TTL).await.unwrap();
    session
        .commit(Txn::new().put_leased("fleet/lb1", "1").put_leased("fleet/lb2", "1"))
        .await
        .unwrap();
    // Another store's session takes one of them over; closing the first leaves it alone.
    let other = fixture.store();
    let heir = other.session(shunt_config::store::LEASE_TTL).await.unwrap();
    heir.commit(Txn::new().put_leased("fleet/lb1", "2")).await.unwrap();
    session.close().await.unwrap();
    let entries = store.read("fleet/").await.unwrap().entries;
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["fleet/lb1"]);
    drop(heir);
    assert!(store.read("fleet/").await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn what_is_written_is_as_open_to_others_as_the_directory_is() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("store");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o2770)).unwrap();
    let store = open(&StoreConfig::directory(&root));
    commits(&store, Txn::new().put(ACTIVE, "blue").put("fleet/lb1", "x")).await;
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("apps/web"), 0o2770);
    assert_eq!(mode(".shunt"), 0o2770);
    assert_eq!(mode(ACTIVE), 0o660);
    assert_eq!(mode(".shunt/lock"), 0o660);
}

#[tokio::test]
async fn what_is_written_belongs_to_whom_the_directory_belongs() {
    use std::os::unix::fs::{MetadataExt, chown};
    let directory = TempDir::new().unwrap();
    let root = directory.path().join("store");
    fs::create_dir(&root).unwrap();
    let nobody = Some(child::NOBODY);
    chown(&root, nobody, nobody).unwrap();
    let store = open(&StoreConfig::directory(&root));
    commits(&store, Txn::new().put(ACTIVE, "blue").put("fleet/lb1", "x")).await;
    let session = store.session(shunt_config::store::LEASE_TTL).await.unwrap();
    session.commit(Txn::new().put_leased("apps/web/lock", "me")).await.unwrap();
    for path in ["apps", "apps/web", ACTIVE, "apps/web/lock", ".shunt", ".shunt/lock"] {
        let meta = fs::metadata(root.join(path)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (child::NOBODY, child::NOBODY), "{path}");
    }
}

/// The store of `fixture` for nobody, who watches it.
async fn watched_by_nobody(fixture: &Fixture, logs: &TempDir) -> e2e::Process {
    let (store, nobody) = (fixture.path(""), Some(child::NOBODY));
    fs::create_dir(&store).unwrap();
    std::os::unix::fs::chown(&store, nobody, nobody).unwrap();
    mode(store.parent().unwrap(), 0o755);
    mode(&store, 0o750);
    commits(&fixture.store(), Txn::new().put(ACTIVE, "blue").put("apps/api/active", "blue")).await;
    let mut reader = child::start_as_nobody("reader", &fixture.flag(), logs.path());
    reader.said("sees: apps/api/active blue | apps/web/active blue").await;
    reader
}

fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_a_fault_of_its_key_and_of_no_other() {
    let (fixture, logs) = (Fixture::directory(), TempDir::new().unwrap());
    let mut reader = watched_by_nobody(&fixture, &logs).await;
    let (secret, active) = (fixture.path("apps/web/new"), fixture.path(ACTIVE));
    fs::write(fixture.path(".new"), "green").unwrap();
    mode(&fixture.path(".new"), 0o600);
    fs::rename(fixture.path(".new"), &active).unwrap();
    let said = reader.said("sees: apps/api/active blue | apps/web/active !").await;
    assert!(said.contains(active.to_str().unwrap()), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    // Others are heard of as before, and one that is new and cannot be read stops none either.
    put(&fixture.store(), "apps/api/active", "green").await;
    reader.said("sees: apps/api/active green | apps/web/active !").await;
    fs::write(fixture.path(".new"), "green").unwrap();
    mode(&fixture.path(".new"), 0o600);
    fs::rename(fixture.path(".new"), &secret).unwrap();
    // Nothing tells of a change of the mode; it is looked at all the same.
    mode(&active, 0o644);
    mode(&secret, 0o644);
    reader.said("sees: apps/api/active green | apps/web/active green | apps/web/new green").await;
    assert!(!reader.log().contains("lost:"), "{}", reader.log());
    reader.kill().await;
}

#[tokio::test]
async fn a_directory_that_may_not_be_read_deletes_none_of_its_apps_keys() {
    let (fixture, logs) = (Fixture::directory(), TempDir::new().unwrap());
    let mut reader = watched_by_nobody(&fixture, &logs).await;
    let web = fixture.path("apps/web");
    mode(&web, 0);
    fs::rename(&web, fixture.path("web")).unwrap();
    fs::rename(fixture.path("web"), &web).unwrap();
    let said = reader.said("sees: apps/api/active blue | apps/web/active !").await;
    for key in ["app", "blue", "green"] {
        assert!(said.contains(&format!("apps/web/{key} !cannot be read")), "{said}");
    }
    // A process that begins now has nothing else to go by.
    reader.kill().await;
    let mut reader = child::start_as_nobody("reader", &fixture.flag(), logs.path());
    reader.said("sees: apps/api/active blue | apps/web/active !").await;
    mode(&web, 0o750);
    reader.said("sees: apps/api/active blue | apps/web/active blue").await;
    put(&fixture.store(), ACTIVE, "green").await;
    reader.said("sees: apps/api/active blue | apps/web/active green").await;
    reader.kill().await;
}

#[tokio::test]
async fn what_stands_in_the_place_of_a_file_is_a_fault_of_its_key_until_a_file_is_put() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::directory();
    let store = fixture.store();
    put(&store, ACTIVE, "blue").await;
    put(&store, "apps/api/active", "blue").await;
    let mut seen = Seen::begin(&*store, "apps/").await;
    let active = fixture.path(ACTIVE);
    for (kind, what) in ["link", "loop", "pipe", "directory"].into_iter().zip([
        "a symbolic link",
        "a symbolic link",
        "a pipe",
        "a directory",
    ]) {
        fs::remove_file(&active).unwrap();
        match kind {
            "link" => symlink("/etc/hostname", &active).unwrap(),
            "loop" => symlink(&active, &active).unwrap(),
            "pipe" => drop(tool("mkfifo", &[active.to_str().unwrap()]).await),
            _ => fs::create_dir(&active).unwrap(),
        }
        let faulty = |seen: &Seen| {
            let fault = seen.entries.get(ACTIVE).and_then(|entry| entry.fault.as_ref());
            fault.is_some_and(|fault| fault.to_string().contains(what))
        };
        seen.until(faulty).await;
        assert_eq!(store.read("apps/").await.unwrap().entries, seen.entries, "{kind}");
        put(&store, "apps/api/active", kind).await;
        seen.until(|seen| seen.value("apps/api/active") == Some(kind)).await;
        if kind == "directory" {
            assert!(store.commit(Txn::new().delete(ACTIVE)).await.is_err());
            fs::remove_dir(&active).unwrap();
        }
        put(&store, ACTIVE, "green").await;
        seen.until(|seen| seen.value(ACTIVE) == Some("green")).await;
    }
    // In the place of an app's directory, it speaks of the app's keys.
    fs::rename(fixture.path("apps/web"), fixture.path("web")).unwrap();
    symlink("../web", fixture.path("apps/web")).unwrap();
    let all = ["app", "active", "blue", "green"].map(|key| format!("apps/web/{key}"));
    let faulty = |entry: &Entry| entry.fault.is_some();
    seen.until(|seen| all.iter().all(|key| seen.entries.get(key).is_some_and(faulty))).await;
    assert_eq!(store.read("apps/").await.unwrap().entries, seen.entries);
}
