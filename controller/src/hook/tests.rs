use std::convert::Infallible;
use std::future::pending;
use std::path::Path;

use super::*;

async fn run(line: &str, timeout: &str) -> Result<(), HookFailed> {
    let command = Command::Shell(line.to_owned());
    let timeout = shunt_config::duration::parse(timeout).unwrap();
    let variables = Variables::default().and("SHUNT_APP", "web").maybe("SHUNT_REASON", None);
    let hook = Hook { name: "verify", command: &command, timeout, variables };
    match hook.run(&Report::new(false), pending::<Infallible>()).await {
        Ok(ran) => ran,
        Err(never) => match never {},
    }
}

/// Whether the process whose number is in the file is over.
fn is_over(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    state.is_ok_and(|state| state.contains(") Z ")) || !Path::new("/proc").join(pid.trim()).exists()
}

#[tokio::test]
async fn a_hook_is_told_what_it_is_about_and_its_code_decides() {
    run("test \"$SHUNT_APP\" = web && test -z \"${SHUNT_REASON+set}\"", "1m").await.unwrap();
    let failed = run("echo one; echo two >&2; printf three; exit 7", "1m").await.unwrap_err();
    assert_eq!(failed.said, "the hook `verify` ended with code 7");
    assert_eq!(failed.last, ["one", "two", "three"]);
    let failed = run("kill -9 $$", "1m").await.unwrap_err();
    assert!(failed.said.contains("signal: 9"), "{failed:?}");
    let command = Command::Words(vec!["/no/such/program".to_owned()]);
    let variables = Variables::default();
    let hook = Hook { name: "migrate", command: &command, timeout: GRACE, variables };
    let ran = hook.run(&Report::new(false), pending::<Infallible>()).await.unwrap();
    assert!(ran.unwrap_err().said.starts_with("the hook `migrate` does not run: "));
}

#[tokio::test]
async fn a_hook_that_takes_too_long_is_ended_with_all_it_has_started() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let line = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let failed = run(&line, "1s").await.unwrap_err();
    assert_eq!(failed.said, "the hook `verify` was not over after 1.0 s");
    e2e::until("what it started is over", async || is_over(&file).then_some(())).await;
}

#[tokio::test]
async fn a_hook_that_is_stopped_is_ended_with_all_it_has_started_and_may_clean_up() {
    let directory = tempfile::tempdir().unwrap();
    let (file, cleaned) = (directory.path().join("pid"), directory.path().join("cleaned"));
    let line = format!(
        "trap 'touch {1}; exit 0' TERM; sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait",
        file.display(),
        cleaned.display()
    );
    let command = Command::Shell(line);
    let timeout = Duration::from_hours(1);
    let hook = Hook { name: "verify", command: &command, timeout, variables: Variables::default() };
    let stop = e2e::until("it runs", async || file.exists().then_some("stopped"));
    let stopped = hook.run(&Report::new(false), stop).await;
    assert_eq!(stopped.unwrap_err(), "stopped");
    assert!(cleaned.exists());
    e2e::until("what it started is over", async || is_over(&file).then_some(())).await;
}

/// A server that it leaves in the background is its own affair, and so is what that writes.
#[tokio::test]
async fn what_a_hook_leaves_running_does_not_hold_it_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    run(&format!("sleep 1000 & echo $! > {}", file.display()), "1h").await.unwrap();
    assert!(!is_over(&file));
    let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_line_that_is_too_long_to_be_shown_as_one_is_not_cut_within_a_secret() {
    let hidden = Hidden::default();
    hidden.add(&shunt_config::secret::Secret::new("hunter-two-and-three"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("text");
    // Wherever the cut comes, with what was read at once and what was not.
    for before in LINE - 25..LINE + 5 {
        let line = format!("{}hunter-two-and-three{}", "x".repeat(before), "y".repeat(2 * LINE));
        std::fs::write(&file, &line).unwrap();
        let command = Command::Shell(format!("cat {}", file.display()));
        let variables = Variables::default();
        let hook = Hook { name: "verify", command: &command, timeout: GRACE, variables };
        let mut shown = Vec::new();
        let each = |line: &str| shown.push(line.to_owned());
        hook.end(&hidden, each, pending::<Infallible>()).await.unwrap();
        assert!(shown.len() > 2, "{shown:?}");
        assert_eq!(shown.concat(), line.replace("hunter-two-and-three", "***"), "{before}");
    }
}
