//! Processes of this machine: which one is meant, and whether it still runs.

use std::fs;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use shunt_config::record::Process;
use tokio::time::sleep;

/// How often a process that is not a child is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// A process: its number, and when it began, since numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it began, in the kernel's ticks since the machine did.
    pub began: u64,
}

impl ProcessId {
    /// The process with this number, if it runs.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(&pid.to_string())?;
        (!stat.waits_for_its_parent).then_some(Self { pid, began: stat.began })
    }

    /// Waits until it is gone.
    pub async fn gone(self) {
        while Self::of(self.pid) == Some(self) {
            sleep(LOOK).await;
        }
    }
}

/// What identifies this process to others; `None` where this machine does not tell.
pub fn own() -> Option<Process> {
    Some(Process {
        boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned(),
        namespaces: namespaces()?,
        pid: std::process::id(),
        began: Stat::of("self")?.began,
    })
}

/// Whether it is certain that `process` does not run any more. Not where it ran on another machine,
/// or before this one was started, or in a namespace that cannot be looked into from here.
pub fn has_ended(process: &Process) -> bool {
    let beside = |own: Process| own.boot == process.boot && own.namespaces == process.namespaces;
    if !own().is_some_and(beside) {
        return false;
    }
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return false };
    // The kernel's own word, since `/proc` may be mounted so that it hides processes of others.
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return true;
    }
    let Some(stat) = Stat::of(&process.pid.to_string()).filter(|_| proc_is_ours()) else {
        return false;
    };
    stat.began != process.began || (stat.waits_for_its_parent && stat.threads <= 1)
}

/// The namespaces of this process; that of times is not there before Linux 5.6.
fn namespaces() -> Option<String> {
    let link = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).ok();
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let pid = text(link("pid")?);
    Some(match link("time").map(text) {
        Some(time) => format!("{pid} {time}"),
        None => pid,
    })
}

/// Whether `/proc` shows the processes by the numbers that they have for this one: it may be mounted
/// for a namespace further out, and then tells this one's number there first.
fn proc_is_ours() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let own = std::process::id().to_string();
    numbers.is_some_and(|numbers| numbers.split_ascii_whitespace().eq([own.as_str()]))
}

/// What of `/proc/PID/stat` is of use here; see proc(5).
struct Stat {
    /// It has ended, and its parent has not asked how yet.
    waits_for_its_parent: bool,
    threads: u32,
    began: u64,
}

impl Stat {
    fn of(process: &str) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before it may hold anything, parentheses included.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        Some(Self {
            waits_for_its_parent: matches!(*fields.first()?, "Z" | "X"),
            threads: fields.get(17)?.parse().ok()?,
            began: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_beginning() {
        let own = ProcessId::of(std::process::id()).unwrap();
        assert_eq!(ProcessId::of(own.pid), Some(own));
        assert_ne!(ProcessId::of(own.pid), Some(ProcessId { began: own.began + 1, ..own }));
        assert_eq!(ProcessId::of(u32::MAX), None);
    }

    #[test]
    fn the_end_of_a_process_is_certain_only_where_one_can_look() {
        let own = own().unwrap();
        assert!(!has_ended(&own), "it runs");
        assert!(
            has_ended(&Process { began: own.began + 1, ..own.clone() }),
            "its number is another's"
        );

        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let began = ProcessId::of(child.id()).unwrap().began;
        let process = Process { pid: child.id(), began, ..own };
        assert!(!has_ended(&process), "it runs");
        drop(child.stdin.take());
        // Not waited for, it is still there as one that has ended.
        while !has_ended(&process) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(has_ended(&process));
        assert!(!has_ended(&Process { boot: "another".to_owned(), ..process.clone() }));
        assert!(!has_ended(&Process { namespaces: "pid:[1]".to_owned(), ..process.clone() }));
        assert!(!has_ended(&Process { pid: 0, ..process.clone() }), "no process has this number");
        assert!(!has_ended(&Process { pid: u32::MAX, ..process }), "nor this one");
    }
}
