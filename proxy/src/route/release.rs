//! One announcement as the data plane sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use shunt_config::timeouts::Limits;
use shunt_config::{AppName, Slot, Token};

use super::line::Line;
use super::mark::{Key, Marks};
use super::moment;
use super::sessions::Sessions;
use super::spread::Spread;
use super::target::Target;
use crate::metrics::Meters;
use crate::reach::Reach;

/// One announcement of a release. It outlives its epochs: an app's settings may change around it,
/// and its upstream connections stay.
#[derive(Debug)]
pub struct Release {
    /// Identity within this process; cheaper to hash and compare than the token.
    pub id: u64,
    /// The app it belongs to.
    pub app: AppName,
    /// The slot it was announced in.
    pub slot: Slot,
    /// Identity everywhere else.
    pub token: Token,
    /// Where its visitors' sessions are ([`shunt_config::Release::home`]).
    pub home: Arc<str>,
    /// What people call it.
    pub version: Option<String>,
    /// Where it answers; never empty.
    pub targets: Vec<Arc<Target>>,
    /// How they are reached.
    pub reach: Arc<Reach>,
    /// How long the proxy waits for it.
    pub limits: Limits,
    /// How requests are spread over its targets.
    pub spread: Spread,
    /// Where requests wait while every target has as many as it may; its app's.
    pub line: Arc<Line>,
    /// The cookies that keep visitors with it, if any do.
    pub(crate) marks: Option<Arc<Marks>>,
    /// Who stays with it when new visitors do not come any more, if they do.
    pub sessions: Option<Arc<Sessions>>,
    /// Taken while a target is left out: of two threads that see the last two targets fail, only one
    /// may have its way.
    ejecting: Arc<Mutex<()>>,
    /// What is counted of it.
    pub meters: Arc<Meters>,
    /// Whether its upstream connections are to be dropped: nothing admits it any more.
    retired: AtomicBool,
    /// Whether new requests come to this announcement, under whatever limits.
    admitted: Arc<AtomicBool>,
}

/// The next [`Release::id`].
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Release {
    /// The release `spec`, announced as `token` in `slot` of `app`.
    pub fn new(
        app: &AppName,
        slot: Slot,
        token: Token,
        spec: &shunt_config::Release,
        limits: Limits,
        meters: Arc<Meters>,
    ) -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            app: app.clone(),
            slot,
            home: spec.home(&token).into(),
            token,
            version: spec.version.clone(),
            targets: spec.targets.iter().map(|t| Arc::new(Target::new(t))).collect(),
            reach: Arc::new(Reach::of(spec)),
            limits,
            spread: Spread::default(),
            line: Arc::default(),
            marks: None,
            sessions: None,
            ejecting: Arc::default(),
            meters,
            retired: AtomicBool::new(false),
            admitted: Arc::new(AtomicBool::new(true)),
        }
    }

    /// The same with its requests spread as `spread` says. `line` is its app's; `key` signs cookies.
    #[must_use]
    pub fn spread(self, spread: Spread, line: &Arc<Line>, key: &Key) -> Self {
        let identity = match spread.sessions {
            Some(_) => &*self.home,
            None => self.token.as_str(),
        };
        let marks = Marks::new(key, &spread.sticky, &self.app, identity, &self.targets);
        let sessions = self.sessions.filter(|_| spread.sessions.is_some());
        let sessions = sessions.or_else(|| spread.sessions.map(|_| Arc::default()));
        Self { spread, line: Arc::clone(line), marks: marks.map(Arc::new), sessions, ..self }
    }

    /// The same announcement under other limits: targets, what is known of them and counters stay,
    /// connections do not.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            app: self.app.clone(),
            slot: self.slot,
            home: Arc::clone(&self.home),
            token: self.token.clone(),
            version: self.version.clone(),
            targets: self.targets.clone(),
            reach: Arc::clone(&self.reach),
            limits,
            spread: self.spread.clone(),
            line: Arc::clone(&self.line),
            marks: self.marks.clone(),
            sessions: self.sessions.clone(),
            ejecting: Arc::clone(&self.ejecting),
            meters: Arc::clone(&self.meters),
            retired: AtomicBool::new(false),
            admitted: Arc::clone(&self.admitted),
        }
    }

    /// Whether the visitor who brings these headers stays here, though new ones go elsewhere. One that
    /// has been idle does not; and where no target answers, a lost session is better than no answer.
    pub(super) fn keeps(&self, headers: &HeaderMap) -> bool {
        let (Some(marks), Some(sessions), Some(stay)) =
            (&self.marks, &self.sessions, self.spread.sessions)
        else {
            return false;
        };
        let Some(found) = marks.find(headers) else { return false };
        let over = found.session.is_some_and(|session| sessions.is_over(session, stay.idle));
        !over && self.targets.iter().any(|target| target.is_usable())
    }

    /// The same announcement for those who look at it beside the app's own requests: they wait in
    /// `line`, are counted in `meters`, and no target is left out for what becomes of them.
    #[must_use]
    pub fn previewed(&self, line: &Arc<Line>, meters: &Arc<Meters>) -> Self {
        let mut spread = self.spread.clone();
        spread.eject.failures = 0;
        Self {
            spread,
            line: Arc::clone(line),
            meters: Arc::clone(meters),
            admitted: Arc::new(AtomicBool::new(true)),
            ..self.with_limits(self.limits)
        }
    }

    /// What each target weighs at this moment, by its index.
    pub(crate) fn weights(&self) -> impl Fn(usize) -> i64 {
        let slow = self.spread.slow_start.map(|lasts| (lasts, moment::now()));
        move |i| {
            let target = &self.targets[i];
            let percent = slow.map_or(1, |(lasts, now)| target.percent(lasts, now).cast_signed());
            i64::from(target.weight) * percent
        }
    }

    /// Counts a request on target number `target`, if it has room. The caller owes one
    /// [`Self::leave`]; `data::balance::Place` is the only one and pays in `Drop`.
    pub(crate) fn enter(&self, target: usize) -> bool {
        !self.spread.counts() || self.targets[target].enter(self.spread.max_requests)
    }

    /// Ends what [`Self::enter`] began.
    pub(crate) fn leave(&self, target: usize) {
        if self.spread.counts() {
            self.targets[target].leave();
            self.line.freed();
        }
    }

    /// Target number `target` has failed a request. It is left out for a while if it has done so too
    /// often, unless no other would be left.
    pub(crate) fn failed(&self, target: usize) {
        if self.spread.eject.failures == 0 {
            return;
        }
        let failing = &self.targets[target];
        if !failing.failed(&self.spread.eject) {
            return;
        }
        let _alone = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let others = || self.targets.iter().enumerate().filter(|(i, _)| *i != target);
        if failing.is_ejected() || !others().any(|(_, other)| other.is_usable()) {
            return;
        }
        let lasts = shunt_config::duration::show(std::time::Duration::from_millis(
            failing.eject(&self.spread.eject),
        ));
        let (app, slot, target) = (&self.app, self.slot, &failing.address);
        tracing::warn!(%app, %slot, %target, "target fails requests and is left out for {lasts}");
    }

    /// Says that nothing admits this release any more and its last lease is over: every data thread
    /// drops its pooled connections at its next sweep.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Says whether new requests come to it. While none do, its tunnels are asked to end.
    pub(super) fn set_admitted(&self, admitted: bool) {
        self.admitted.store(admitted, Ordering::Relaxed);
    }

    /// Whether new requests come to it.
    pub fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Relaxed)
    }

    /// Whether [`Self::retire`] was called.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use shunt_config::Timeouts;
    use shunt_config::eject::Eject;

    use super::*;

    /// A release announced as `token`, in blue, with one target nobody listens on.
    pub(crate) fn release(token: &str) -> Release {
        let app = "web".parse().unwrap();
        let spec = shunt_config::Release::parse(b"127.0.0.1:1").unwrap();
        let limits = Timeouts::default().over(&Timeouts::default());
        Release::new(&app, Slot::Blue, token.into(), &spec, limits, Arc::new(Meters::new(1)))
    }

    /// A release of `targets` proved targets, whose requests are spread as `spread` says.
    pub(crate) fn spread_over(targets: &str, spread: Spread) -> Release {
        let app = "web".parse().unwrap();
        let spec = shunt_config::Release::parse(targets.as_bytes()).unwrap();
        let limits = Timeouts::default().over(&Timeouts::default());
        let meters = Arc::new(Meters::new(1));
        let release = Release::new(&app, Slot::Blue, "t".into(), &spec, limits, meters).spread(
            spread,
            &Arc::default(),
            &Key::new(&[7; 32]),
        );
        release.targets.iter().for_each(|target| target.set_usable(true));
        release
    }

    #[test]
    fn the_last_usable_target_is_never_left_out() {
        let eject = Eject { failures: 2, ..Eject::default() };
        let release = spread_over("a:1 b:1 c:1", Spread { eject, ..Spread::default() });
        release.targets[2].set_usable(false);
        let fail = |target: usize| (0..9).for_each(|_| release.failed(target));
        fail(0);
        fail(1);
        let out: Vec<_> = release.targets.iter().map(|target| target.is_ejected()).collect();
        assert_eq!(out, [true, false, false]);
        release.targets[2].set_usable(true);
        fail(1);
        assert!(release.targets[1].is_ejected(), "now another is left");
    }

    #[test]
    fn of_two_threads_that_see_the_last_two_fail_only_one_has_its_way() {
        let eject = Eject { failures: 1, ..Eject::default() };
        for _ in 0..100 {
            let release = spread_over("a:1 b:1", Spread { eject, ..Spread::default() });
            std::thread::scope(|scope| {
                scope.spawn(|| release.failed(0));
                scope.spawn(|| release.failed(1));
            });
            let out = release.targets.iter().filter(|target| target.is_ejected()).count();
            assert_eq!(out, 1);
        }
    }
}
