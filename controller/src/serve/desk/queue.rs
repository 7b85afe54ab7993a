//! Whose turn it is. Pure: what is written down and started is the desk's.

use std::collections::BTreeMap;

use shunt_config::AppName;

use super::record::{Order, Record, State};
use crate::history::new_id;

/// All runs, by their ids, which are in the order of time.
pub(super) type Runs = BTreeMap<String, Record>;

/// A name for a run that comes after all of `runs`.
pub(super) fn id_after(runs: &Runs) -> String {
    let id = new_id();
    match runs.keys().next_back().filter(|last| **last >= id) {
        // In the same millisecond, or the clock was set back.
        Some(last) => following(last).unwrap_or_else(|| format!("{last}0")),
        None => id,
    }
}

fn following(id: &str) -> Option<String> {
    let (time, number) = id.rsplit_once('-')?;
    let number = u32::from_str_radix(number, 16).ok()?.checked_add(1)?;
    Some(format!("{time}-{number:08x}"))
}

/// A run that does already what `order` asks for, if there is one.
pub(super) fn same<'a>(runs: &'a Runs, order: &Order) -> Option<&'a Record> {
    let mut live =
        of(runs, &order.app).filter(|run| !run.state.is_over() && run.order.verb == order.verb);
    live.find(|run| match order.verb.as_str() {
        // The same bytes. A tag alone says nothing of them: what runs may have pulled others.
        "deploy" if order.digest.is_some() => {
            run.order.digest == order.digest && run.order.version == order.version
        }
        "deploy" => run.state == State::Queued && run.order.flags == order.flags,
        _ => {
            run.state == State::Queued
                && (&run.order.flags, &run.order.words) == (&order.flags, &order.words)
        }
    })
}

/// The deploys of `app` that wait and are older than `newest`, which takes their place.
pub(super) fn outdone(runs: &Runs, app: &AppName, newest: &str) -> Vec<String> {
    let waiting =
        of(runs, app).filter(|run| run.state == State::Queued && run.order.verb == "deploy");
    waiting.filter(|run| run.id.as_str() < newest).map(|run| run.id.clone()).collect()
}

/// The newest deploy of `app` that waits.
pub(super) fn newest_deploy(runs: &Runs, app: &AppName) -> Option<String> {
    let waiting =
        of(runs, app).filter(|run| run.state == State::Queued && run.order.verb == "deploy");
    waiting.last().map(|run| run.id.clone())
}

/// The run of `app` whose turn it is, if none is under way.
pub(super) fn next(runs: &Runs, app: &AppName) -> Option<String> {
    let mut turns = of(runs, app).filter(|run| run.order.waits);
    if turns.clone().any(|run| run.state == State::Running) {
        return None;
    }
    turns.find(|run| run.state == State::Queued).map(|run| run.id.clone())
}

/// The runs of `app` that are over and older than the last `keep` of their kind: those that someone has
/// asked for, and those that nobody has.
pub(super) fn old(runs: &Runs, app: &AppName, keep: usize) -> Vec<String> {
    let over = of(runs, app).filter(|run| run.state.is_over());
    let (asked, own): (Vec<_>, Vec<_>) = over.partition(|run| run.order.why.is_none());
    let old = |all: Vec<&Record>| {
        let many = all.len().saturating_sub(keep);
        all.into_iter().take(many).map(|run| run.id.clone()).collect::<Vec<_>>()
    };
    [old(asked), old(own)].concat()
}

fn of<'a>(runs: &'a Runs, app: &AppName) -> impl Iterator<Item = &'a Record> + Clone {
    let app = app.clone();
    runs.values().filter(move |run| run.order.app == app)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(app: &str, verb: &str, version: &str, digest: Option<&str>) -> Order {
        Order {
            app: app.parse().unwrap(),
            verb: verb.to_owned(),
            flags: vec![format!("--tag={version}")],
            words: vec![],
            waits: verb != "undo",
            by: "test".to_owned(),
            why: None,
            version: Some(version.to_owned()),
            digest: digest.map(str::to_owned),
            delivery: vec![],
        }
    }

    fn put(runs: &mut Runs, id: &str, state: State, order: Order) {
        let record = Record { state, ..Record::new(id.to_owned(), order) };
        runs.insert(id.to_owned(), record);
    }

    #[test]
    fn one_run_of_an_app_is_under_way_and_those_without_a_turn_are_not_counted() {
        let (mut runs, web) = (Runs::new(), "web".parse().unwrap());
        put(&mut runs, "1", State::Running, order("shop", "deploy", "1", None));
        put(&mut runs, "2", State::Running, order("web", "undo", "1", None));
        put(&mut runs, "3", State::Queued, order("web", "resume", "1", None));
        put(&mut runs, "4", State::Queued, order("web", "deploy", "1", None));
        assert_eq!(next(&runs, &web).as_deref(), Some("3"));
        runs.get_mut("3").unwrap().state = State::Running;
        assert_eq!(next(&runs, &web), None);
        runs.get_mut("3").unwrap().state = State::Failed;
        assert_eq!(next(&runs, &web).as_deref(), Some("4"));
    }

    #[test]
    fn the_newest_deploy_takes_the_place_of_those_that_wait_and_of_no_other() {
        let (mut runs, web) = (Runs::new(), "web".parse().unwrap());
        put(&mut runs, "1", State::Running, order("web", "deploy", "1", None));
        put(&mut runs, "2", State::Queued, order("web", "deploy", "2", None));
        put(&mut runs, "3", State::Queued, order("shop", "deploy", "2", None));
        put(&mut runs, "4", State::Queued, order("web", "resume", "2", None));
        put(&mut runs, "5", State::Queued, order("web", "deploy", "3", None));
        assert_eq!(outdone(&runs, &web, "5"), ["2"]);
        assert_eq!(newest_deploy(&runs, &web).as_deref(), Some("5"));
    }

    #[test]
    fn names_are_in_order_whatever_the_clock_says() {
        let mut runs = Runs::new();
        put(&mut runs, "99990101T000000000-0000000f", State::Done, order("web", "undo", "1", None));
        assert_eq!(id_after(&runs), "99990101T000000000-00000010");
        put(&mut runs, "99990101T000000000-ffffffff", State::Done, order("web", "undo", "1", None));
        assert_eq!(id_after(&runs), "99990101T000000000-ffffffff0");
    }

    #[test]
    fn what_is_told_twice_is_one_run() {
        let mut runs = Runs::new();
        put(&mut runs, "1", State::Running, order("web", "deploy", "1", Some("sha256:aa")));
        put(&mut runs, "2", State::Queued, order("web", "deploy", "2", None));
        let id = |order: &Order| same(&runs, order).map(|run| run.id.clone());
        assert_eq!(id(&order("web", "deploy", "1", Some("sha256:aa"))).as_deref(), Some("1"));
        assert_eq!(id(&order("web", "deploy", "1", Some("sha256:bb"))), None);
        assert_eq!(id(&order("web", "deploy", "2", None)).as_deref(), Some("2"));
        // The tag may have been moved since that one pulled it.
        assert_eq!(id(&order("web", "deploy", "1", None)), None);
        assert_eq!(id(&order("shop", "deploy", "2", None)), None);
    }

    #[test]
    fn the_oldest_of_those_that_are_over_go_first() {
        let (mut runs, web) = (Runs::new(), "web".parse().unwrap());
        for id in ["1", "2", "3"] {
            put(&mut runs, id, State::Done, order("web", "deploy", "1", None));
        }
        put(&mut runs, "0", State::Queued, order("web", "deploy", "1", None));
        let own = Order { why: Some("due".to_owned()), ..order("web", "resume", "", None) };
        put(&mut runs, "4", State::Done, own);
        assert_eq!(old(&runs, &web, 2), ["1"]);
        assert!(old(&runs, &web, 3).is_empty());
    }
}
