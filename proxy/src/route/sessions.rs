//! The visitors who stay on a release, each by a number in its cookie.
//!
//! A cookie says which release and target it is for ([`super::mark`], signed), the number of its
//! visitor, and when it was written. So proxies that know nothing of each other agree on whose session
//! is over, without a word between them: that of a cookie which none has renewed for `idle`. Number and
//! time are not signed. With a cookie that is, a visitor may stay as long as it likes by asking for
//! something now and then, and whoever wants to be counted twice takes two: there is nothing to forge.
//!
//! What one proxy counts is a fixed table by number, without a lock: who is on a request now, and when
//! it was on one last. A visitor whose WebSocket has been open for a day shows an old cookie when it
//! comes back, and the table knows better.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As many numbers as there are, from 0: the visitors of one release that a proxy can tell apart, for
/// 64 KiB.
pub const NUMBERS: u16 = 8192;

/// Renewing a cookie whenever so much of `idle` is over keeps every session known to within that.
const RENEWALS: u64 = 8;

/// The visitors of one announcement who stay.
#[derive(Debug)]
pub struct Sessions {
    visitors: Box<[Visitor]>,
    /// The next number. In turn, so as many as there are come before one comes twice.
    next: AtomicU16,
    /// When a new visitor was given a cookie last; 0: none was.
    given: AtomicU32,
}

/// One number's visitor, as a rule.
#[derive(Debug, Default)]
struct Visitor {
    /// Its requests and tunnels.
    open: AtomicU32,
    /// When the last of them began or ended.
    seen: AtomicU32,
}

/// What a visitor's cookie says of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Below [`NUMBERS`].
    pub number: u16,
    /// When the cookie was written, in seconds since 1970.
    pub seen: u32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            visitors: (0..NUMBERS).map(|_| Visitor::default()).collect(),
            // Proxies begin at places of their own, or each would give its first visitor the same.
            next: AtomicU16::new(fastrand::u16(..NUMBERS)),
            given: AtomicU32::new(0),
        }
    }
}

impl Sessions {
    /// A session that begins now.
    pub(crate) fn begin(&self) -> Session {
        self.may_return();
        Session { number: self.next.fetch_add(1, Relaxed) % NUMBERS, seen: now() }
    }

    /// Takes note that visitors who are not in the table may have been given a cookie until now.
    pub fn may_return(&self) {
        let now = now();
        // Only read, as a rule: threads share this.
        if self.given.load(Relaxed) != now {
            self.given.store(now, Relaxed);
        }
    }

    /// A request of visitor `number` begins. The caller owes one [`Self::leave`].
    pub(crate) fn enter(&self, number: u16) {
        if let Some(visitor) = self.visitors.get(usize::from(number)) {
            visitor.open.fetch_add(1, Relaxed);
            visitor.seen.store(now(), Relaxed);
        }
    }

    /// It ends.
    pub(crate) fn leave(&self, number: u16) {
        if let Some(visitor) = self.visitors.get(usize::from(number)) {
            visitor.seen.store(now(), Relaxed);
            visitor.open.fetch_sub(1, Relaxed);
        }
    }

    /// Whether the visitor has done nothing for `idle`.
    pub(crate) fn is_over(&self, session: Session, idle: Duration) -> bool {
        let now = now();
        if is_within(session.seen, now, idle) {
            return false;
        }
        let visitor = self.visitors.get(usize::from(session.number));
        visitor.is_none_or(|visitor| !visitor.is_there(now, idle))
    }

    /// Visitors who were seen within `idle`, or are on a request now.
    pub fn count(&self, idle: Duration) -> u32 {
        let now = now();
        let there = self.visitors.iter().filter(|visitor| visitor.is_there(now, idle)).count();
        u32::try_from(there).unwrap_or(u32::MAX)
    }

    /// Until when one may come back who is not in the table, in seconds since 1970; `None` if nobody
    /// can.
    pub fn more_until(&self, idle: Duration) -> Option<u32> {
        let given = self.given.load(Relaxed);
        let until = given.saturating_add(seconds(idle));
        (given != 0 && now() <= until).then_some(until)
    }
}

impl Visitor {
    fn is_there(&self, now: u32, idle: Duration) -> bool {
        self.open.load(Relaxed) > 0 || is_within(self.seen.load(Relaxed), now, idle)
    }
}

impl Session {
    /// What a cookie says after its mark, if that is what a proxy writes there.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (number, seen) = std::str::from_utf8(text).ok()?.split_once('.')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(number) || !digits(seen) {
            return None;
        }
        let session = Self { number: number.parse().ok()?, seen: seen.parse().ok()? };
        (session.number < NUMBERS).then_some(session)
    }

    /// The same session, seen now.
    pub(crate) fn renewed(self) -> Self {
        Self { seen: now(), ..self }
    }

    /// Whether its cookie should be written again.
    pub(crate) fn is_due(self, idle: Duration) -> bool {
        u64::from(now().saturating_sub(self.seen)) > idle.as_secs() / RENEWALS
    }
}

/// Whether less than `idle` is over since `seen`. What another proxy's clock puts ahead of this one is
/// now.
fn is_within(seen: u32, now: u32, idle: Duration) -> bool {
    seen != 0 && now.saturating_sub(seen) <= seconds(idle)
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// By the clock that machines share, since cookies go from one to the other.
fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    /// A session whose cookie was written `ago` seconds ago.
    pub(crate) fn session(number: u16, ago: u32) -> Session {
        Session { number, seen: now() - ago }
    }

    impl Sessions {
        /// As if nothing had happened for `seconds`.
        pub(crate) fn pass(&self, seconds: u32) {
            let back = |at: &AtomicU32| at.store(at.load(Relaxed).saturating_sub(seconds), Relaxed);
            self.visitors.iter().for_each(|visitor| back(&visitor.seen));
            back(&self.given);
        }
    }

    #[test]
    fn a_visitor_is_idle_by_its_cookie_and_by_the_table_and_never_while_it_is_on_a_request() {
        let sessions = Sessions::default();
        let (fresh, old) = (session(7, 59), session(7, 120));
        assert!(!sessions.is_over(fresh, IDLE) && sessions.is_over(old, IDLE));
        sessions.enter(7);
        sessions.pass(1_000);
        assert!(!sessions.is_over(old, IDLE), "its tunnel is open");
        assert_eq!(sessions.count(IDLE), 1);
        sessions.leave(7);
        assert!(!sessions.is_over(old, IDLE), "its tunnel was open a moment ago");
        sessions.pass(61);
        assert!(sessions.is_over(old, IDLE));
        assert!(sessions.is_over(session(8, 120), IDLE), "another's requests are no sign of it");
        assert_eq!(sessions.count(IDLE), 0);
    }

    #[test]
    fn as_many_as_there_are_numbers_are_told_apart() {
        let sessions = Sessions::default();
        for _ in 0..NUMBERS {
            let session = sessions.begin();
            sessions.enter(session.number);
        }
        assert_eq!(sessions.count(IDLE), u32::from(NUMBERS));
        sessions.enter(sessions.begin().number);
        assert_eq!(sessions.count(IDLE), u32::from(NUMBERS), "one more is taken for another");
    }

    #[test]
    fn whoever_was_given_a_cookie_may_return_until_it_is_idle() {
        let sessions = Sessions::default();
        assert_eq!((sessions.more_until(IDLE), sessions.count(IDLE)), (None, 0));
        sessions.begin();
        assert!(sessions.more_until(IDLE).is_some());
        assert_eq!(sessions.count(IDLE), 0, "it has not come back");
        sessions.pass(62);
        assert_eq!(sessions.more_until(IDLE), None);
    }

    #[test]
    fn a_cookie_is_renewed_when_an_eighth_of_its_time_is_over() {
        assert!(!session(0, 7).is_due(IDLE) && session(0, 8).is_due(IDLE));
        assert!(!session(0, 8).renewed().is_due(IDLE));
    }

    #[test]
    fn what_no_proxy_writes_is_no_session() {
        assert_eq!(Session::parse(b"8191.17"), Some(Session { number: 8191, seen: 17 }));
        for text in ["", ".", "1", "1.", ".1", "8192.1", "+1.1", "1.-1", "1.2.3", "1.4294967296"] {
            assert_eq!(Session::parse(text.as_bytes()), None, "{text}");
        }
    }
}
