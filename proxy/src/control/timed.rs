//! A value and its time, which counts from the moment that this proxy saw it, since clocks of machines
//! differ. A restart goes on counting, by the clock of its own machine. Pure: neither clock nor network.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::Value;
use super::served::{Moment, Put};

/// What says itself how long it is in effect.
pub trait Lasts {
    /// For how long; `None` without an end.
    fn time(&self) -> Option<Duration>;
}

/// A value and its time.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// The value.
    pub put: Put<T>,
    /// When its time is over; `None` without an end.
    until: Option<Moment>,
    /// Whether it is.
    pub over: bool,
}

/// What is saved of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTimed<T> {
    put: Put<T>,
    until: Option<Timestamp>,
    #[serde(default)]
    over: bool,
}

impl<T: Lasts> Timed<T> {
    /// That of an earlier life of this proxy.
    pub fn restored(saved: SavedTimed<T>, now: Moment) -> Self {
        let SavedTimed { put, until, over } = saved;
        let time = put.value.time();
        // A clock that was set back must not make it longer than it ever was.
        let most = time.unwrap_or_default();
        // What has an end and is saved without one has come to it.
        let over = over || (until.is_none() && time.is_some());
        Self { until: until.and_then(|until| now.until(until, most)), put, over }
    }

    /// Puts `value` in the place of what is in effect, unless that is the same putting of it, or the
    /// value cannot be read.
    pub fn see(present: &mut Option<Self>, value: &Value<T>, now: Moment) {
        let known = present.as_ref().is_some_and(|timed| timed.put.token == value.token);
        if let Ok(read) = &value.read
            && !known
        {
            let until = read.time().and_then(|time| now.later(time));
            let put = Put { token: value.token.clone(), value: Arc::clone(read) };
            *present = Some(Self { put, until, over: false });
        }
    }

    /// Looks at the time.
    pub fn pass(&mut self, now: Moment) {
        self.over |= self.until.is_some_and(|until| now.at >= until.at);
    }

    /// When its time will be over; `None` once it is, and without an end.
    pub fn end(&self) -> Option<Moment> {
        self.until.filter(|_| !self.over)
    }
}

impl<T: Clone> Timed<T> {
    /// What a restart has to know.
    pub fn saved(&self) -> SavedTimed<T> {
        let (put, until) = (self.put.clone(), self.until.map(|until| until.shown));
        SavedTimed { put, until, over: self.over }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lasts for so many seconds.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Seconds(Option<u64>);

    impl Lasts for Seconds {
        fn time(&self) -> Option<Duration> {
            self.0.map(Duration::from_secs)
        }
    }

    fn seen(seconds: Option<u64>, now: Moment) -> Timed<Seconds> {
        let read = Ok(Arc::new(Seconds(seconds)));
        let mut present = None;
        Timed::see(&mut present, &Value { token: "t1".into(), created: 1, read }, now);
        present.unwrap()
    }

    #[test]
    fn one_with_an_end_comes_to_it_and_one_without_never_does() {
        let now = Moment::now();
        let day = Duration::from_hours(24);
        let (mut short, mut endless) = (seen(Some(2), now), seen(None, now));
        assert_eq!(short.end().map(|end| end.at), Some(now.at + Duration::from_secs(2)));
        assert!(endless.end().is_none());
        let later = now.later(day).unwrap();
        short.pass(later);
        endless.pass(later);
        assert!(short.over && short.end().is_none() && !endless.over);
        let restored = [short, endless].map(|timed| Timed::restored(timed.saved(), later));
        assert_eq!(restored.map(|timed| timed.over), [true, false]);
    }

    #[test]
    fn what_was_saved_before_it_was_said_to_be_over_is_over_where_it_has_no_end_left() {
        let saved = |seconds: &str| {
            let text = format!(r#"{{"put":{{"token":"t1","value":{seconds}}},"until":null}}"#);
            let saved: SavedTimed<Seconds> = serde_json::from_str(&text).unwrap();
            Timed::restored(saved, Moment::now()).over
        };
        assert_eq!((saved("5"), saved("null")), (true, false));
    }
}
