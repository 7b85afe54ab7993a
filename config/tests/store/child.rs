//! Another process: this very test program, told by its environment what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use e2e::Process;
use shunt_config::store::{Condition, Outcome, Store, Txn, WatchEvent};
use tokio::process::Command;

use crate::fixture::{commits, open, value};
use crate::seen::Seen;

const ROLE: &str = "SHUNT_TEST_ROLE";
const STORE: &str = "SHUNT_TEST_STORE";

/// Starts this program in another process as `role` on the store that `flag` names.
pub(crate) fn start(role: &str, flag: &str, logs: &Path) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child::entry", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(STORE, flag);
    Process::start(role, command, logs)
}

/// Nobody's user and group, who may do nothing that others may not.
pub(crate) const NOBODY: u32 = 65534;

/// Starts this program as [`start`] does, but as nobody. Needs root.
pub(crate) fn start_as_nobody(role: &str, flag: &str, logs: &Path) -> Process {
    // Where the program was built, nobody may not be let in.
    let program = logs.join(role);
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [logs, &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command.args(["--exact", "child::entry", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(STORE, flag).current_dir("/").uid(NOBODY).gid(NOBODY);
    Process::start(role, command, logs)
}

/// Where the other process begins.
#[tokio::test]
#[ignore = "only a part of other tests"]
async fn entry() {
    let (Ok(role), Ok(flag)) = (std::env::var(ROLE), std::env::var(STORE)) else { return };
    let store = open(&flag.parse().unwrap());
    match role.as_str() {
        "holder" => hold(&store).await,
        "counter" => count(&store, "the child").await,
        "writer" => write_all(&store).await,
        "reader" => read_on(&store).await,
        other => panic!("no role {other}"),
    }
}

/// Says after each event what it knows of every key: its value, or `!` and its fault.
async fn read_on(store: &Arc<dyn Store>) {
    let mut seen = Seen::begin(&**store, "apps/").await;
    loop {
        let said = seen.entries.values().map(|entry| match &entry.fault {
            Some(fault) => format!("{} !{fault}", entry.key),
            None => format!("{} {}", entry.key, String::from_utf8_lossy(&entry.value).trim()),
        });
        println!("\nsees: {}", said.collect::<Vec<_>>().join(" | "));
        if let WatchEvent::Lost(reason) = seen.next().await {
            println!("\nlost: {reason}");
        }
    }
}

/// How often each process counts.
pub(crate) const COUNTS: u32 = 500;
/// In how many tasks at once.
pub(crate) const TASKS: u32 = 8;

/// Time to live of its lease.
const TTL: Duration = Duration::from_secs(5);

/// Holds a leased key until it is killed.
async fn hold(store: &Arc<dyn Store>) {
    let session = store.session(TTL).await.unwrap();
    let txn = Txn::new()
        .when(Condition::Absent("apps/web/lock".to_owned()))
        .put_leased("apps/web/lock", "the child")
        .put("apps/web/deploy", "durable");
    assert_ne!(session.commit(txn).await.unwrap(), Outcome::Refused);
    println!("\nholding");
    session.lost().await;
    println!("\nlost");
}

/// Counts one key up by compare and put, from several tasks at once. Each also counts for itself in
/// the same transaction.
pub(crate) async fn count(store: &Arc<dyn Store>, name: &'static str) {
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(store);
        let own = format!("own/{name}/{task}");
        tokio::spawn(async move {
            let mut counted = 0;
            while counted < COUNTS.div_ceil(TASKS) {
                counted = count_once(&store, &own).await.unwrap_or(counted);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Tries to count; returns how often it has. On a busy disk a call may end without an outcome: then
/// what is there says how it ended.
async fn count_once(store: &Arc<dyn Store>, own: &str) -> Option<u32> {
    let view = store.read("").await.ok()?;
    let number = |key: &str| {
        let entry = view.entries.get(key)?;
        std::str::from_utf8(&entry.value).unwrap().parse::<u32>().ok()
    };
    let (count, mine) = (number("count").unwrap_or(0), number(own).unwrap_or(0));
    let condition = match view.entries.get("count") {
        None => Condition::Absent("count".to_owned()),
        Some(entry) => Condition::Is("count".to_owned(), entry.token.clone()),
    };
    let txn = Txn::new().when(condition).put("count", (count + 1).to_string());
    match store.commit(txn.put(own, (mine + 1).to_string())).await {
        Ok(Outcome::Committed(_)) => Some(mine + 1),
        Ok(Outcome::Refused) | Err(_) => Some(mine),
    }
}

/// Keys of one transaction of the writer that is killed: so many that it is often killed among them.
pub(crate) const KEYS: u32 = 100;

/// Puts the same number under all keys, for as long as it lives; every other time it deletes the
/// last one instead.
async fn write_all(store: &Arc<dyn Store>) {
    let last = value(store, "all/0").await.map_or(0, |text| text.parse().unwrap());
    println!("\nwriting");
    for number in last + 1_u64.. {
        let put = |txn: Txn, key| txn.put(format!("all/{key}"), number.to_string());
        let all = (0..KEYS).fold(Txn::new(), put);
        let last = format!("all/{KEYS}");
        let all =
            if number % 2 == 1 { all.put(last, number.to_string()) } else { all.delete(last) };
        commits(store, all).await;
    }
}
