//! Workers that run and may be ending: an engine goes on with a stop though whoever asked for it is gone.

use std::time::Duration;

use jiff::Timestamp;
use shunt_config::record::{Deploy, History, Outcome, Step, StepTime};

use crate::app_keys::{AppKeys, Kept};
use crate::time::{later, remaining};

/// What a stop may take beyond its grace: the engine's own part of it.
const SLACK: Duration = Duration::from_secs(2);

/// For how long yet a worker of what is active may be ending, if it was found running by one who has the
/// lock since `taken`, and who was granted `grace`. Only before that may another have stopped it, and only
/// while it was not active: so before the last change of `active` that the history tells of.
pub(super) fn left(taken: Timestamp, keys: &AppKeys, grace: Duration) -> Duration {
    let half_done = keys.record().is_some_and(Deploy::unfinished);
    let entries = keys.history.values().filter_map(Kept::ok);
    let changed = entries.filter_map(changed).max().filter(|_| !half_done);
    let stopped = changed.map_or(taken, |changed| changed.min(taken));
    remaining(later(stopped, grace.saturating_add(SLACK)))
}

/// Until when what `entry` tells of may have changed `active`, if it did.
fn changed(entry: &History) -> Option<Timestamp> {
    if entry.verb != "deploy" {
        return entry.active.as_ref().map(|_| entry.ended);
    }
    let flips = |time: &&StepTime| matches!(time.step, Step::Canary | Step::Flip);
    let flip = entry.steps.iter().rev().find(flips)?;
    // Where it was not done, on its way back, or by an `undo` meanwhile.
    flip.ended.filter(|_| entry.outcome == Outcome::Done).or(Some(entry.ended))
}

/// Whether a deploy was cut short in stopping all that ran: what is active, too, and at any moment.
pub(super) fn was_stopping(keys: &AppKeys) -> bool {
    keys.record().is_some_and(|record| record.unfinished() && left_stopping(record))
}

/// Whether the last stop of the deploy of `record` was not over when it was written: what it was to stop
/// may end at any moment.
pub(crate) fn left_stopping(record: &Deploy) -> bool {
    let stop = record.steps.iter().rev().find(|time| time.step == Step::Stop);
    stop.is_some_and(|time| time.ended.is_none())
}

#[cfg(test)]
mod tests {
    use shunt_config::key::AppKey;
    use shunt_config::store::{StoreConfig, Txn};

    use super::*;
    use crate::history;

    #[tokio::test]
    async fn a_worker_may_be_ending_only_as_long_as_a_stop_takes_from_the_last_change() {
        let directory = tempfile::tempdir().unwrap();
        let config = StoreConfig::directory(directory.path().join("store"));
        let store = shunt_config::store::open(&config).unwrap();
        let app = "web".parse().unwrap();
        let (now, minute) = (Timestamp::now(), Duration::from_mins(1));
        let keys = async || AppKeys::read(&*store, &app).await.unwrap();
        let ago = |time: Duration| now.checked_sub(jiff::SignedDuration::try_from(time).unwrap());
        let early = ago(minute * 2).unwrap();

        assert!(left(now, &keys().await, minute) > Duration::from_secs(30), "nothing tells");
        assert_eq!(left(early, &keys().await, minute), Duration::ZERO, "by the lock itself");
        for (at, doubtful) in [(early, false), (now, true)] {
            let (verb, active) = ("flip", Some("blue".to_owned()));
            let entry = History { ended: at, active, ..history::entry(verb, Outcome::Done) };
            let key = AppKey::History(history::new_id()).of(&app);
            let txn = Txn::new().put(key, serde_json::to_vec(&entry).unwrap());
            store.commit(txn).await.unwrap();
            assert_eq!(left(now, &keys().await, minute) > Duration::ZERO, doubtful);
        }
        assert_eq!(left(early, &keys().await, minute), Duration::ZERO);
    }

    #[test]
    fn a_deploy_has_changed_active_with_its_flip_or_until_its_way_back_was_over() {
        let ended = Timestamp::now();
        let flipped = ended.checked_sub(jiff::SignedDuration::from_mins(1)).unwrap();
        let entry = |outcome, step| {
            let time = StepTime { step, began: flipped, ended: Some(flipped) };
            History { ended, steps: vec![time], ..history::entry("deploy", outcome) }
        };
        assert_eq!(changed(&entry(Outcome::Done, Step::Flip)), Some(flipped));
        assert_eq!(changed(&entry(Outcome::Undone, Step::Flip)), Some(ended));
        assert_eq!(changed(&entry(Outcome::Failed, Step::Canary)), Some(ended));
        assert_eq!(changed(&entry(Outcome::Failed, Step::Check)), None);
        assert_eq!(
            changed(&History { active: None, ..history::entry("hold", Outcome::Done) }),
            None
        );
    }
}
