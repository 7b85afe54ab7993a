//! What of an app's `hold` is in effect. Pure: neither clock nor network.
//!
//! Its time counts from when it was seen ([`super::timed`]). A value that is refused changes nothing,
//! and so does the loss of all keys at once.

use std::time::{Duration, Instant};

use shunt_config::hold::{Hold, Mode, Then};
use shunt_config::status::HoldState;

use super::desired::Wanted;
use super::served::{Moment, Put};
use super::timed::{Lasts, SavedTimed, Timed};
use crate::route::Stop;

/// A hold and its time.
pub type Held = Timed<Hold>;
/// What is saved of a hold.
pub type SavedHold = SavedTimed<Hold>;

/// What of an app's `hold` is in effect.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    now: Option<Held>,
    /// The last one, once its key is gone.
    before: Option<Put<Hold>>,
}

impl Lasts for Hold {
    fn time(&self) -> Option<Duration> {
        self.lasts()
    }
}

impl Holding {
    /// The hold of an earlier life of this proxy.
    pub fn restored(saved: Option<SavedHold>, now: Moment) -> Self {
        Self { now: saved.map(|saved| Held::restored(saved, now)), before: None }
    }

    /// Looks at the key.
    pub fn step(&mut self, wanted: &Wanted, now: Moment) {
        match &wanted.hold {
            Some(value) => Held::see(&mut self.now, value, now),
            None if wanted.doubted => {}
            None => {
                let gone = self.now.take().filter(|held| held.stop() == Some(Stop::Wait));
                self.before = gone.map(|held| held.put).or(self.before.take());
            }
        }
        self.pass(now);
    }

    /// Looks at the time.
    pub fn pass(&mut self, now: Moment) {
        if let Some(held) = &mut self.now {
            held.pass(now);
        }
    }

    /// The hold, over or not.
    pub fn held(&self) -> Option<&Held> {
        self.now.as_ref()
    }

    /// The hold that requests may still wait for the end of, though its key is gone.
    pub fn before(&self) -> Option<&Put<Hold>> {
        self.before.as_ref()
    }

    /// When to look again even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.now.as_ref()?.end().map(|end| end.at)
    }

    /// What a restart has to know.
    pub fn saved(&self) -> Option<SavedHold> {
        self.now.as_ref().map(Held::saved)
    }
}

impl Held {
    /// What happens to requests; `None` if they go through.
    pub fn stop(&self) -> Option<Stop> {
        match (self.put.value.mode, self.over) {
            (Mode::Hold, false) => Some(Stop::Wait),
            (Mode::Hold, true) if self.put.value.then() == Then::Refuse => Some(Stop::Refuse),
            (Mode::Maintenance, false) => Some(Stop::Maintenance),
            (_, true) => None,
        }
    }

    /// How far it has come.
    pub fn state(&self) -> HoldState {
        match self.stop() {
            Some(Stop::Wait | Stop::Maintenance) => HoldState::Stops,
            Some(Stop::Refuse) => HoldState::Refuses,
            None => HoldState::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use shunt_config::{Mistake, Token};

    use super::*;
    use crate::control::desired::Value;

    const SECOND: Duration = Duration::from_secs(1);

    fn wanted(token: &str, value: &str) -> Wanted {
        let read = Hold::parse(value.as_bytes()).map(Arc::new);
        let hold = Some(Value { token: token.into(), created: 1, read });
        Wanted { hold, ..Wanted::default() }
    }

    fn after(now: Moment, seconds: u32) -> Moment {
        now.later(SECOND * seconds).unwrap()
    }

    fn stop(holding: &Holding) -> Option<Stop> {
        holding.held().and_then(Held::stop)
    }

    #[test]
    fn its_time_counts_from_when_it_was_seen_and_each_putting_counts_anew() {
        let (mut holding, now) = (Holding::default(), Moment::now());
        let first = wanted("t1", r#"{"mode":"hold","for":"3s"}"#);
        holding.step(&first, now);
        assert_eq!(
            (stop(&holding), holding.deadline()),
            (Some(Stop::Wait), Some(after(now, 3).at))
        );
        holding.step(&first, after(now, 2));
        let second = wanted("t2", r#"{"mode":"hold","for":"3s","then":"refuse"}"#);
        holding.step(&second, after(now, 2));
        holding.pass(after(now, 4));
        assert_eq!(stop(&holding), Some(Stop::Wait));
        holding.pass(after(now, 5));
        assert_eq!((stop(&holding), holding.deadline()), (Some(Stop::Refuse), None));
        holding.step(&Wanted::default(), after(now, 6));
        assert_eq!(stop(&holding), None);
    }

    #[test]
    fn one_whose_time_is_over_lets_requests_through_and_does_not_begin_again() {
        let (mut holding, now) = (Holding::default(), Moment::now());
        let hold = wanted("t1", r#"{"mode":"hold","for":"1s"}"#);
        holding.step(&hold, now);
        holding.step(&hold, after(now, 1));
        assert_eq!(holding.held().unwrap().state(), HoldState::Over);
        holding.step(&hold, after(now, 2));
        let mut again = Holding::restored(holding.saved(), after(now, 3));
        again.step(&hold, after(now, 3));
        assert_eq!(stop(&again), None, "nor after a restart");
        again.step(&wanted("t2", r#"{"mode":"hold"}"#), after(now, 4));
        assert_eq!(stop(&again), Some(Stop::Wait));
    }

    #[test]
    fn a_restart_goes_on_counting_and_no_clock_makes_it_longer() {
        let (mut holding, now) = (Holding::default(), Moment::now());
        holding.step(&wanted("t1", r#"{"mode":"hold","for":"10s"}"#), now);
        let saved = holding.saved();
        let later = after(now, 4);
        let restored = Holding::restored(saved.clone(), later);
        assert_eq!(restored.deadline(), Some(after(now, 10).at));
        let set_back = Moment { shown: Timestamp::UNIX_EPOCH, ..later };
        let restored = Holding::restored(saved, set_back);
        assert_eq!(restored.deadline(), Some(after(later, 10).at));
    }

    #[test]
    fn a_bad_value_and_the_loss_of_all_keys_change_nothing() {
        let (mut holding, now) = (Holding::default(), Moment::now());
        let maintenance = wanted("t1", r#"{"mode":"maintenance"}"#);
        holding.step(&maintenance, now);
        assert_eq!((stop(&holding), holding.deadline()), (Some(Stop::Maintenance), None));
        let mut bad = maintenance;
        let refused = Value { token: Token::from("t2"), created: 1, read: Err(Mistake::new("no")) };
        bad.hold = Some(refused);
        holding.step(&bad, now);
        assert_eq!(stop(&holding), Some(Stop::Maintenance));
        holding.step(&Wanted { doubted: true, ..Wanted::default() }, now);
        assert_eq!(stop(&holding), Some(Stop::Maintenance));
        holding.step(&Wanted::default(), now);
        assert_eq!(stop(&holding), None);
    }
}
