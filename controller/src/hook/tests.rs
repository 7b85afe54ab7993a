use std::convert::Infallible;
use std::future::pending;
use std::path::Path;

use super::output::LINE;
use super::*;

async fn run(line: &str, timeout: &str) -> Result<(), HookFailed> {
    let command = Command::Shell(line.to_owned());
    let timeout = shunt_config::duration::parse(timeout).unwrap();
    let variables = Variables::default().and("SHUNT_APP", "web").maybe("SHUNT_REASON", None);
    let hook = Hook { name: "verify", command: &command, timeout, variables, turn: None };
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
    let hook = Hook { name: "migrate", command: &command, timeout: GRACE, variables, turn: None };
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
    let variables = Variables::default();
    let hook = Hook { name: "verify", command: &command, timeout, variables, turn: None };
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
        let hook =
            Hook { name: "verify", command: &command, timeout: GRACE, variables, turn: None };
        let mut shown = Vec::new();
        let each = |line: &str| shown.push(line.to_owned());
        hook.end(&hidden, each, pending::<Infallible>()).await.unwrap();
        assert!(shown.len() > 2, "{shown:?}");
        assert_eq!(shown.concat(), line.replace("hunter-two-and-three", "***"), "{before}");
    }
}

/// A hook of the app `web` of the store in `directory`.
fn in_turn<'a>(directory: &Path, command: &'a Command, timeout: Duration) -> Hook<'a> {
    let turn = Turn::of(&directory.display().to_string(), &"web".parse().unwrap());
    Hook { name: "migrate", command, timeout, variables: Variables::default(), turn: Some(turn) }
}

/// What goes on when the run that began it is killed: a process of the hook's that has let go of what it
/// read, as a shell that becomes `psql < file` does, and one that has let go of the rest, as `sudo` does.
#[tokio::test]
async fn a_hook_waits_for_what_is_left_of_one_that_nobody_watches_any_more() {
    let report = Report::new(false);
    for lets_go in ["exec < /etc/passwd;", "for n in $(seq 3 99); do eval \"exec $n>&-\"; done;"] {
        let directory = tempfile::tempdir().unwrap();
        let [begun, go, over] = ["begun", "go", "over"].map(|name| directory.path().join(name));
        let line = format!(
            "{lets_go} touch {0}; until test -e {1}; do sleep 0.05; done; touch {2}",
            begun.display(),
            go.display(),
            over.display()
        );
        // Not each shell can let go of a file whose number has two digits.
        let first = Command::Words(["bash", "-c", &line].map(str::to_owned).into());
        let first = in_turn(directory.path(), &first, GRACE);
        let taken = first.turn.as_ref().unwrap().take("migrate", GRACE, &report).await.unwrap();
        let (mut group, _output) = first.start(&taken, report.hidden()).unwrap();
        // As when its run is killed: nobody lets go of the lock for it.
        drop(taken.forget());
        e2e::until("it runs", async || begun.exists().then_some(())).await;

        let command = Command::Shell(format!("test -e {}", over.display()));
        let short = in_turn(directory.path(), &command, Duration::from_millis(300));
        let ran = short.run(&report, pending::<Infallible>()).await.unwrap();
        let said = ran.unwrap_err().said;
        assert!(said.contains("did not begin: another hook of `web` runs"), "{lets_go} {said}");
        // Whoever is stopped waits no longer.
        let next = in_turn(directory.path(), &command, Duration::from_hours(1));
        let stopped = next.run(&report, std::future::ready("stopped")).await;
        assert_eq!(stopped.unwrap_err(), "stopped");
        let (ran, ()) = tokio::join!(next.run(&report, pending::<Infallible>()), async {
            std::fs::write(&go, "").unwrap();
        });
        ran.unwrap().expect("the first one is over");
        group.child.wait().await.unwrap();
        group.id = None;
    }
}

#[tokio::test]
async fn what_a_hook_leaves_running_does_not_keep_the_next_one_from_its_turn() {
    let (directory, report) = (tempfile::tempdir().unwrap(), Report::new(false));
    let file = directory.path().join("pid");
    let command = Command::Shell(format!("sleep 1000 <&0 & echo $! > {}", file.display()));
    let first = in_turn(directory.path(), &command, GRACE);
    first.run(&report, pending::<Infallible>()).await.unwrap().unwrap();
    assert!(!is_over(&file));
    let command = Command::Shell("true".to_owned());
    let next = in_turn(directory.path(), &command, GRACE);
    next.run(&report, pending::<Infallible>()).await.unwrap().unwrap();
    let pid = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}
