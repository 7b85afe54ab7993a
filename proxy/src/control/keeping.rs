//! The releases that new visitors no longer go to, and that their own stay on. Pure: neither network
//! nor a clock of its own.
//!
//! Which they are is said by the keys: the release in the standby slot, which a flip away from it has
//! left there warm, and those that later releases have pushed out of it to `draining/`. Since when, a
//! proxy knows of itself; one that was started later takes a cookie's word for it that the release has
//! served, and asks it for nothing else.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shunt_config::{Release, Slot, Token};

use super::desired::Wanted;
use super::served::{Flip, Moment, Put, Served};
use crate::route::epoch::MAX_KEPT;

/// A release that new visitors do not go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The slot it is in, or was.
    pub slot: Slot,
    /// The release.
    pub put: Put<Release>,
    /// When new visitors went elsewhere; `None` if they never came here, as far as this proxy knows.
    since: Option<Timestamp>,
    /// When the last of its own has to go; `None` for a release that may never have had any.
    until: Option<Timestamp>,
    /// Why they do not stay any more, if they do not.
    #[serde(skip)]
    over: Option<Over>,
}

/// Why nobody stays on a release any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Its deadline.
    Late,
    /// There are younger ones, as many as may be.
    Crowded,
}

/// The releases that visitors stay on.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    kept: Vec<Kept>,
    /// What served at the last look, by where its sessions are.
    serving: Vec<String>,
    next: Option<Instant>,
}

impl Keeping {
    /// What was saved beside what was `served`.
    pub fn restored(kept: Vec<Kept>, served: &Served, now: Moment) -> Self {
        let serving = homes(served.flip.as_ref());
        let mut keeping = Self { kept, serving, next: None };
        keeping.pass(now);
        keeping
    }

    /// Looks at the keys, after what is `served` was settled.
    pub fn step(&mut self, wanted: &Wanted, served: Option<&Served>, now: Moment) {
        let flip = served.and_then(|served| served.flip.as_ref());
        // What the store has lost is still there, as far as anyone knows.
        if !wanted.doubted {
            let stay = served.and_then(|served| served.settings.value.sessions.stay());
            self.kept = match (stay, flip) {
                (Some(stay), Some(flip)) => self.found(wanted, flip, stay.deadline, now),
                _ => Vec::new(),
            };
        }
        self.serving = homes(flip);
        self.pass(now);
    }

    /// Looks at the time alone.
    pub fn pass(&mut self, now: Moment) {
        for kept in &mut self.kept {
            let late = kept.until.is_some_and(|until| until <= now.shown);
            kept.over = late.then_some(Over::Late);
        }
        let stays = self.kept.iter_mut().filter(|kept| kept.over.is_none());
        stays.skip(MAX_KEPT).for_each(|kept| kept.over = Some(Over::Crowded));
        let left = |until: Timestamp| Duration::try_from(until.duration_since(now.shown)).ok();
        let next = self.stays().filter_map(|kept| kept.until).min();
        self.next = next.and_then(left).and_then(|left| now.at.checked_add(left));
    }

    /// What the keys say of, the youngest first.
    fn found(&self, wanted: &Wanted, flip: &Flip, deadline: Duration, now: Moment) -> Vec<Kept> {
        let serving = homes(Some(flip));
        let standby = Slot::BOTH.into_iter().filter_map(|slot| {
            let value = wanted.slot(slot)?;
            let release = value.read.as_ref().ok()?.clone();
            Some((slot, Put { token: value.token.clone(), value: release }, None))
        });
        let replaced = wanted.replaced.iter().map(|(token, replaced)| {
            let put = Put { token: token.clone(), value: replaced.release.clone() };
            (replaced.slot, put, Some(replaced.until))
        });
        let mut found: Vec<Kept> = Vec::new();
        for (slot, put, until) in standby.chain(replaced) {
            let home = home(&put);
            // A release that was put back into its slot is the same one.
            if serving.contains(&home) || found.iter().any(|kept| kept.home() == home) {
                continue;
            }
            let known = self.kept.iter().find(|kept| kept.home() == home);
            let left = || self.serving.contains(&home).then_some(now.shown);
            let since = known.and_then(|kept| kept.since).or_else(left);
            let own = || since?.checked_add(deadline).ok();
            found.push(Kept { slot, put, since, until: until.or_else(own), over: None });
        }
        found.sort_by_key(|kept| std::cmp::Reverse(kept.until.unwrap_or(Timestamp::MAX)));
        found
    }

    /// The releases that go on with their visitors, the youngest first, and no more than there may be.
    pub fn stays(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(|kept| kept.over.is_none())
    }

    /// Those of them that have visitors, as far as anyone knows, and until when.
    pub fn known(&self) -> impl Iterator<Item = (&Kept, Timestamp)> {
        self.stays().filter_map(|kept| Some((kept, kept.until?)))
    }

    /// Those whose visitors had to go since there are too many of them.
    pub fn crowded_out(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(|kept| kept.over == Some(Over::Crowded))
    }

    /// Whether visitors stay on the release announced as `token`.
    pub fn has(&self, token: &Token) -> bool {
        self.stays().any(|kept| kept.put.token == *token)
    }

    /// When to look again even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// What a restart goes on with: what has served, and those whose time is over by that.
    pub fn saved(&self) -> Vec<Kept> {
        self.kept.iter().filter(|kept| kept.until.is_some()).cloned().collect()
    }
}

impl Kept {
    fn home(&self) -> String {
        home(&self.put)
    }
}

fn home(put: &Put<Release>) -> String {
    put.value.home(&put.token).to_owned()
}

fn homes(flip: Option<&Flip>) -> Vec<String> {
    flip.into_iter().flat_map(|flip| &flip.releases).map(|(_, put)| home(put)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::SignedDuration;
    use shunt_config::{Active, App};

    use super::*;
    use crate::control::desired::{Replaced, Value};

    /// An app with sessions, its two slots, and where its requests go.
    struct Site {
        keeping: Keeping,
        wanted: Wanted,
        served: Served,
        now: Moment,
    }

    fn release(text: &str) -> Arc<Release> {
        Arc::new(Release::parse(text.as_bytes()).unwrap())
    }

    impl Site {
        /// Blue serves, announced as `b0`; green is empty.
        fn new(sessions: &str) -> Self {
            let app = format!(r#"{{"hosts":["*"],"sessions":{sessions}}}"#);
            let settings =
                Put { token: "a".into(), value: Arc::new(App::parse(app.as_bytes()).unwrap()) };
            let served = Served { settings, flip: None };
            let (keeping, wanted) = Default::default();
            let mut site = Self { keeping, wanted, served, now: Moment::now() };
            site.announce(Slot::Blue, "b0");
            site.flip(Slot::Blue);
            site
        }

        fn announce(&mut self, slot: Slot, token: &str) {
            self.put(slot, token, "a:1");
        }

        fn put(&mut self, slot: Slot, token: &str, text: &str) {
            let read = Ok(release(text));
            self.wanted.slots[slot as usize] =
                Some(Value { token: token.into(), created: 1, read });
            self.step();
        }

        fn flip(&mut self, slot: Slot) {
            let value = self.wanted.slot(slot).unwrap();
            let put = Put { token: value.token.clone(), value: value.read.clone().unwrap() };
            let active = Put { token: "f".into(), value: Arc::new(Active::all(slot)) };
            self.served.flip = Some(Flip { active, releases: vec![(slot, put)] });
            self.step();
        }

        /// A new release takes the place of what is in `slot`, which goes to `draining/`.
        fn replace(&mut self, slot: Slot, token: &str) {
            let old = self.wanted.slot(slot).unwrap().clone();
            let known = self.keeping.kept.iter().find(|kept| kept.put.token == old.token);
            let until = known.and_then(|kept| kept.until).unwrap();
            let (entry, release) = ("e".into(), old.read.unwrap());
            self.wanted.replaced.insert(old.token, Replaced { slot, release, until, entry });
            self.announce(slot, token);
        }

        fn pass(&mut self, minutes: i64) {
            self.now.shown += SignedDuration::from_mins(minutes);
            self.step();
        }

        fn step(&mut self) {
            self.keeping.step(&self.wanted, Some(&self.served), self.now);
        }

        fn stays(&self) -> Vec<&str> {
            self.keeping.stays().map(|kept| kept.put.token.as_str()).collect()
        }

        fn known(&self) -> Vec<&str> {
            self.keeping.known().map(|(kept, _)| kept.put.token.as_str()).collect()
        }
    }

    const HOUR: &str = r#"{"idle":"1m","deadline":"1h"}"#;

    #[test]
    fn what_was_flipped_away_from_is_kept_until_its_deadline_and_what_never_served_is_no_news() {
        let mut site = Site::new(HOUR);
        site.announce(Slot::Green, "g1");
        assert_eq!((site.stays(), site.known()), (vec!["g1"], vec![]), "for its cookies alone");
        site.flip(Slot::Green);
        assert_eq!(site.known(), ["b0"]);
        site.pass(59);
        assert_eq!(site.known(), ["b0"]);
        assert!(site.keeping.deadline().is_some());
        site.pass(1);
        assert_eq!((site.stays().len(), site.keeping.deadline()), (0, None));
        // Its time does not begin anew because the keys are looked at again.
        site.pass(1);
        assert_eq!(site.stays().len(), 0);
    }

    #[test]
    fn three_deploys_keep_three_releases_and_an_undo_brings_one_back() {
        let mut site = Site::new(HOUR);
        site.announce(Slot::Green, "g1");
        site.flip(Slot::Green);
        site.pass(1);
        site.replace(Slot::Blue, "b2");
        assert_eq!(site.known(), ["b0"], "in its slot or not");
        site.flip(Slot::Blue);
        site.pass(1);
        site.replace(Slot::Green, "g3");
        site.flip(Slot::Green);
        assert_eq!(site.known(), ["b2", "g1", "b0"]);
        site.flip(Slot::Blue);
        assert_eq!(site.known(), ["g3", "g1", "b0"], "who is on the newer one stays there");
        site.wanted.replaced.remove(&"b0".into());
        site.step();
        assert_eq!(site.known(), ["g3", "g1"], "nobody is left on that one");
        site.pass(59);
        assert_eq!(site.known(), ["g3"], "each has a deadline of its own");
    }

    #[test]
    fn more_than_there_may_be_cost_the_oldest_their_visitors() {
        let mut site = Site::new(HOUR);
        site.announce(Slot::Green, "g");
        site.flip(Slot::Green);
        let replaced = |n: i64| {
            let until = site.now.shown + SignedDuration::from_mins(n);
            let replaced =
                Replaced { slot: Slot::Blue, release: release("a:1"), until, entry: "e".into() };
            (Token::from(format!("r{n}").as_str()), replaced)
        };
        site.wanted.replaced = (1..=9).map(replaced).collect::<BTreeMap<_, _>>();
        site.step();
        assert_eq!(site.stays(), ["b0", "r9", "r8", "r7", "r6", "r5"]);
        let out: Vec<_> = site.keeping.crowded_out().map(|k| k.put.token.as_str()).collect();
        assert_eq!(out, ["r4", "r3", "r2", "r1"]);
    }

    #[test]
    fn a_release_put_back_into_its_slot_goes_on_as_the_same_one() {
        let mut site = Site::new(HOUR);
        site.put(Slot::Green, "g1", r#"{"targets":["a:1"],"deploy":"d1"}"#);
        site.flip(Slot::Green);
        site.flip(Slot::Blue);
        let until = |site: &Site| site.keeping.known().next().map(|(_, until)| until);
        let before = until(&site);
        assert!(before.is_some());
        site.pass(5);
        site.put(Slot::Green, "g1-again", r#"{"targets":["a:1"],"deploy":"d1"}"#);
        assert_eq!((site.known(), until(&site)), (vec!["g1-again"], before));
        site.put(Slot::Green, "g2", r#"{"targets":["a:1"],"deploy":"d2"}"#);
        assert_eq!(site.known().len(), 0, "that one is another");
    }

    #[test]
    fn a_restart_goes_on_with_what_was_saved_and_no_sessions_keep_nothing() {
        let mut site = Site::new(HOUR);
        site.announce(Slot::Green, "g1");
        assert!(site.keeping.saved().is_empty(), "nothing was proved of it yet");
        site.flip(Slot::Green);
        let saved = serde_json::to_string(&site.keeping.saved()).unwrap();
        let saved: Vec<Kept> = serde_json::from_str(&saved).unwrap();
        site.keeping = Keeping::restored(saved, &site.served, site.now);
        assert_eq!(site.known(), ["b0"]);
        site.step();
        assert_eq!(site.known(), ["b0"]);
        site.wanted.doubted = true;
        site.wanted.slots = [None, None];
        site.step();
        assert_eq!(site.known(), ["b0"], "the store has lost its keys");

        let mut plain = Site::new(r#""none""#);
        plain.announce(Slot::Green, "g1");
        plain.flip(Slot::Green);
        assert!(plain.stays().is_empty() && plain.keeping.saved().is_empty());
    }
}
