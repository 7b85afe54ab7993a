//! What `systemctl show` says, in our words.

use std::collections::BTreeMap;

use shunt_config::engine::is_unit;

use super::unit::Id;
use crate::engine::{Container, Labels, Life, State, label};

/// The units that `list.sh` tells of. What is no drop-in of ours is passed over.
pub(super) fn units(text: &str) -> Vec<Container> {
    let text = format!("\n{text}");
    let blocks = text.split("\nunit=").skip(1).filter_map(|block| block.split_once('\n'));
    let unit = |(name, rest): (&str, &str)| {
        let said: BTreeMap<&str, &str> = properties(rest);
        let labels: Labels = said
            .iter()
            .filter(|(key, _)| key.starts_with("shunt."))
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let deploy = labels.get(label::DEPLOY)?.clone();
        let id = Id { unit: name.to_owned(), deploy };
        is_unit(name).then(|| Container {
            id: id.to_string(),
            name: name.to_owned(),
            labels,
            life: life(&said),
        })
    };
    blocks.filter_map(unit).collect()
}

fn life(said: &BTreeMap<&str, &str>) -> Life {
    let get = |key: &str| said.get(key).copied().unwrap_or_default();
    match (get("ActiveState"), get("SubState")) {
        ("activating", sub) if waits(sub) => Life::Returns,
        ("active" | "reloading" | "refreshing" | "activating", _) => Life::Runs,
        // It may be on its way from an end to its next start.
        ("deactivating", _) => Life::Returns,
        ("inactive" | "failed", _) if is_queued(get("Job")) => Life::Returns,
        _ => Life::Over,
    }
}

/// Whether a unit in this sub-state waits until it is started again.
fn waits(sub: &str) -> bool {
    sub.starts_with("auto-restart")
}

fn is_queued(job: &str) -> bool {
    !matches!(job, "" | "0")
}

/// The state that `state.sh` tells of.
pub(super) fn state(text: &str) -> State {
    let said = properties(text);
    let get = |key: &str| said.get(key).copied().unwrap_or_default();
    let restarts: u32 = get("NRestarts").parse().unwrap_or_default();
    let again = match restarts {
        0 => String::new(),
        n => format!(", and was started again {n} time(s)"),
    };
    match (get("ActiveState"), get("SubState")) {
        ("", _) => State::Gone,
        _ if get("LoadState") != "loaded" => {
            State::Ended(format!("cannot be loaded: {}", get("LoadState")))
        }
        ("activating", sub) if waits(sub) => State::Ended(format!("{}{again}", ending(get))),
        ("active" | "reloading" | "activating", _) if restarts == 0 => State::Running,
        ("active" | "reloading" | "activating", _) => State::Ended(format!("ended{again}")),
        // Its start is in the queue.
        ("inactive", _) if is_queued(get("Job")) => State::Running,
        ("inactive", _) if get("ExecMainCode") == "0" => State::Ended("does not run".to_owned()),
        ("deactivating", _) => State::Ended("is being stopped".to_owned()),
        _ => State::Ended(format!("{}{again}", ending(get))),
    }
}

/// How its main process ended.
fn ending<'a>(get: impl Fn(&str) -> &'a str) -> String {
    let result = match get("Result") {
        // The code says it.
        "" | "success" | "exit-code" | "signal" => String::new(),
        "oom-kill" => " (out of memory)".to_owned(),
        other => format!(" ({other})"),
    };
    // waitid(2): CLD_EXITED, CLD_KILLED, CLD_DUMPED.
    match (get("ExecMainCode"), get("ExecMainStatus")) {
        ("1", code) => format!("ended with code {code}{}{result}", meaning(code)),
        ("2" | "3", signal) => format!("was ended by signal {signal}{result}"),
        _ => format!("failed{result}"),
    }
}

/// What systemd means by codes of its own: systemd.exec(5).
fn meaning(code: &str) -> &'static str {
    match code {
        "200" => " (its directory is not there)",
        "203" => " (its program does not run)",
        "216" => " (its group is not there)",
        "217" => " (its user is not there)",
        _ => "",
    }
}

fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As systemd 252 says it.
    fn shown(active: &str, sub: &str, more: &str) -> State {
        let text = format!(
            "Result=success\nNRestarts=0\nExecMainCode=0\nExecMainStatus=0\nLoadState=loaded\n\
             ActiveState={active}\nSubState={sub}\n{more}"
        );
        state(&text)
    }

    #[test]
    fn a_unit_that_starts_or_runs_is_told_from_one_that_has_ended() {
        assert_eq!(shown("active", "running", ""), State::Running);
        assert_eq!(shown("activating", "start", "Job=17\n"), State::Running);
        assert_eq!(shown("inactive", "dead", "Job=17\n"), State::Running);
        assert_eq!(state(""), State::Gone);
        let ended = |active: &str, sub: &str, more: &str| match shown(active, sub, more) {
            State::Ended(how) => how,
            other => panic!("{other:?}"),
        };
        let failed = "Result=exit-code\nExecMainCode=1\nExecMainStatus=7\n";
        assert_eq!(ended("failed", "failed", failed), "ended with code 7");
        let restarting = format!("{failed}NRestarts=2\n");
        let said = "ended with code 7, and was started again 2 time(s)";
        assert_eq!(ended("activating", "auto-restart", &restarting), said);
        let said = "ended, and was started again 2 time(s)";
        assert_eq!(ended("active", "running", "NRestarts=2\n"), said);
        assert_eq!(ended("inactive", "dead", ""), "does not run");
        assert_eq!(ended("inactive", "dead", "ExecMainCode=1\n"), "ended with code 0");
        let no_program = "Result=exit-code\nExecMainCode=1\nExecMainStatus=203\n";
        let said = "ended with code 203 (its program does not run)";
        assert_eq!(ended("failed", "failed", no_program), said);
        let killed = "Result=oom-kill\nExecMainCode=2\nExecMainStatus=9\n";
        assert_eq!(ended("failed", "failed", killed), "was ended by signal 9 (out of memory)");
        let late = "Result=timeout\nExecMainCode=2\nExecMainStatus=15\n";
        assert_eq!(ended("failed", "failed", late), "was ended by signal 15 (timeout)");
        let said = "cannot be loaded: not-found";
        assert_eq!(ended("inactive", "dead", "LoadState=not-found\n"), said);
    }

    #[test]
    fn units_are_listed_with_what_is_written_down_of_them_and_strangers_are_passed_over() {
        use Life::{Over, Returns, Runs};
        let text = "unit=web-blue@9001.service\nshunt.app=web\nshunt.deploy=20260101T000000-1\n\
                    shunt.port=9001\nActiveState=active\n\
                    unit=web-blue@9002.service\nshunt.app=web\nshunt.deploy=20260101T000000-1\n\
                    ActiveState=failed\n\
                    unit=web-blue@9003.service\nshunt.deploy=20260101T000000-1\n\
                    ActiveState=activating\nSubState=auto-restart\n\
                    unit=web-blue@9004.service\nshunt.deploy=20260101T000000-1\n\
                    ActiveState=activating\nSubState=start\nJob=17\n\
                    unit=web-blue@9005.service\nshunt.deploy=20260101T000000-1\n\
                    ActiveState=deactivating\nSubState=stop-sigterm\n\
                    unit=web-blue@9006.service\nshunt.deploy=20260101T000000-1\n\
                    ActiveState=inactive\nSubState=dead\nJob=18\n\
                    unit=web-blue@9007.service\nshunt.deploy=20260101T000000-1\n\
                    ActiveState=inactive\nSubState=dead\nJob=\n\
                    unit=other@1.service\nActiveState=active\n\
                    unit=we ird@1.service\nshunt.deploy=x\nActiveState=active\n";
        let all = units(text);
        assert_eq!(all.len(), 7, "{all:#?}");
        assert_eq!(all[0].id, "web-blue@9001.service/20260101T000000-1");
        let lives: Vec<_> = all.iter().map(|unit| unit.life).collect();
        assert_eq!(lives, [Runs, Over, Returns, Runs, Returns, Returns, Over]);
        assert_eq!(label::number(&all[0], label::PORT), Some(9001));
        assert!(units("").is_empty() && units("unit=").is_empty());
    }
}
