//! What of an app's `mirror` is in effect. Pure: neither clock nor network.
//!
//! Its time counts from when it was seen ([`super::timed`]). A value that is refused changes nothing,
//! and so does the loss of all keys at once.

use std::time::{Duration, Instant};

use shunt_config::mirror::Mirror;

use super::desired::Wanted;
use super::served::Moment;
use super::timed::{Lasts, SavedTimed, Timed};

/// What is saved of a mirror.
pub type SavedMirror = SavedTimed<Mirror>;

/// What of an app's `mirror` is in effect.
#[derive(Clone, Debug, Default)]
pub struct Mirroring {
    now: Option<Timed<Mirror>>,
}

impl Lasts for Mirror {
    fn time(&self) -> Option<Duration> {
        Some(self.lasts())
    }
}

impl Mirroring {
    /// The mirror of an earlier life of this proxy.
    pub fn restored(saved: Option<SavedMirror>, now: Moment) -> Self {
        let mut mirroring = Self { now: saved.map(|saved| Timed::restored(saved, now)) };
        mirroring.pass(now);
        mirroring
    }

    /// Looks at the key.
    pub fn step(&mut self, wanted: &Wanted, now: Moment) {
        match &wanted.mirror {
            Some(value) => Timed::see(&mut self.now, value, now),
            None if wanted.doubted => {}
            None => self.now = None,
        }
        self.pass(now);
    }

    /// Looks at the time.
    pub fn pass(&mut self, now: Moment) {
        if let Some(timed) = &mut self.now {
            timed.pass(now);
        }
    }

    /// The mirror, over or not.
    pub fn timed(&self) -> Option<&Timed<Mirror>> {
        self.now.as_ref()
    }

    /// When to look again even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.now.as_ref()?.end().map(|end| end.at)
    }

    /// What a restart has to know.
    pub fn saved(&self) -> Option<SavedMirror> {
        self.now.as_ref().map(Timed::saved)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use shunt_config::Mistake;

    use super::*;
    use crate::control::desired::Value;

    fn wanted(token: &str, value: &str) -> Wanted {
        let read = Mirror::parse(value.as_bytes()).map(Arc::new);
        let mirror = Some(Value { token: token.into(), created: 1, read });
        Wanted { mirror, ..Wanted::default() }
    }

    fn after(now: Moment, seconds: u64) -> Moment {
        now.later(Duration::from_secs(seconds)).unwrap()
    }

    fn until(mirroring: &Mirroring) -> Option<Instant> {
        mirroring.timed()?.end().map(|end| end.at)
    }

    #[test]
    fn its_time_counts_from_when_it_was_seen_and_each_putting_counts_anew() {
        let (mut mirroring, now) = (Mirroring::default(), Moment::now());
        let first = wanted("t1", r#"{"slot":"green","for":"3s"}"#);
        mirroring.step(&first, now);
        mirroring.step(&first, after(now, 2));
        assert_eq!(until(&mirroring), Some(after(now, 3).at));
        assert_eq!(mirroring.deadline(), until(&mirroring));
        mirroring.pass(after(now, 3));
        assert_eq!((until(&mirroring), mirroring.deadline()), (None, None));
        mirroring.step(&first, after(now, 4));
        assert_eq!(until(&mirroring), None, "it does not begin again");
        assert!(mirroring.timed().is_some(), "and is still told of");
        mirroring.step(&wanted("t2", r#"{"slot":"green","for":"3s"}"#), after(now, 5));
        assert_eq!(until(&mirroring), Some(after(now, 8).at));
        mirroring.step(&Wanted::default(), after(now, 6));
        assert!(mirroring.timed().is_none());
    }

    #[test]
    fn a_restart_goes_on_counting_and_one_that_is_over_stays_so() {
        let (mut mirroring, now) = (Mirroring::default(), Moment::now());
        let value = wanted("t1", r#"{"slot":"green","for":"10s"}"#);
        mirroring.step(&value, now);
        let saved = mirroring.saved();
        assert_eq!(
            until(&Mirroring::restored(saved.clone(), after(now, 4))),
            Some(after(now, 10).at)
        );
        let set_back = Moment { shown: Timestamp::UNIX_EPOCH, ..after(now, 4) };
        let restored = Mirroring::restored(saved.clone(), set_back);
        assert_eq!(until(&restored), Some(after(now, 14).at));
        let mut late = Mirroring::restored(saved, after(now, 11));
        late.step(&value, after(now, 12));
        assert_eq!(until(&late), None);
        mirroring.pass(after(now, 10));
        let mut over = Mirroring::restored(mirroring.saved(), after(now, 11));
        over.step(&value, after(now, 12));
        assert_eq!(until(&over), None);
    }

    #[test]
    fn a_bad_value_and_the_loss_of_all_keys_change_nothing() {
        let (mut mirroring, now) = (Mirroring::default(), Moment::now());
        let good = wanted("t1", r#"{"slot":"green"}"#);
        mirroring.step(&good, now);
        let (bad, nothing) = (Err(Mistake::new("no")), Wanted::default());
        let bad = Value { token: "t2".into(), created: 1, read: bad };
        mirroring.step(&Wanted { mirror: Some(bad), ..Wanted::default() }, now);
        mirroring.step(&Wanted { doubted: true, ..nothing }, now);
        assert_eq!(mirroring.timed().unwrap().put.token.as_str(), "t1");
        assert!(until(&mirroring).is_some());
    }
}
