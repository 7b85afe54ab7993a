//! One announcement under probes: the release as the data plane sees it, and what is proved of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shunt_config::health::Check;
use shunt_config::status::{Counts, Tally, TargetState, TargetStatus};
use shunt_config::{App, AppName, Slot, Token};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::app::Context;
use super::served::Put;
use crate::health::{Checker, Limits, Report};
use crate::metrics::Meters;
use crate::route::{Line, Release, Spread};

/// What it takes to begin checks.
#[derive(Clone, Debug)]
pub struct Checks {
    /// Where checkers report to.
    pub reports: mpsc::Sender<Report>,
    /// How many may be under way at once.
    pub limits: Limits,
}

/// One announcement under probes. Dropping it ends its checks.
#[derive(Debug)]
pub struct Live {
    /// The release, shared with the data plane.
    pub release: Arc<Release>,
    check: Arc<Check>,
    /// Tells these checks from those made for an earlier `check`.
    round: u64,
    watched: Vec<Watched>,
    /// What it had counted at the last two calls of [`Self::remember`], the older one first.
    earlier: [Tally; 2],
}

/// The last [`Live::round`]: a token can be announced, withdrawn and announced again.
static ROUNDS: AtomicU64 = AtomicU64::new(0);

fn next_round() -> u64 {
    ROUNDS.fetch_add(1, Ordering::Relaxed) + 1
}

/// One target and what its checks say.
#[derive(Debug)]
struct Watched {
    state: TargetState,
    /// The last answer; `None` until there is one.
    last: Option<String>,
    /// Whether a check has passed. What an earlier life has proved may serve on without, and may not be
    /// flipped to.
    passed: bool,
    checker: AbortHandle,
}

impl Live {
    /// Begins to probe what was announced in `slot` of `app`. `proved`: it is served from the
    /// snapshot of an earlier life, which proved it.
    pub fn begin(
        app: &AppName,
        slot: Slot,
        put: &Put<shunt_config::Release>,
        settings: &App,
        queue: &Arc<Line>,
        proved: bool,
        context: &Context,
    ) -> Self {
        let limits = put.value.timeouts.over(&settings.timeouts);
        let meters = Arc::new(Meters::new(context.threads));
        let release = Release::new(app, slot, put.token.clone(), &put.value, limits, meters)
            .spread(Spread::of(settings), queue, &context.cookie_key);
        let state = if proved { TargetState::Healthy } else { TargetState::Unproved };
        let mut live = Self {
            release: Arc::new(release),
            check: Arc::new(put.value.health.over(&settings.health)),
            round: next_round(),
            watched: Vec::new(),
            earlier: Default::default(),
        };
        for target in &live.release.targets {
            target.set_usable(proved);
        }
        live.watched = live.watch(|_| state, &context.checks);
        live
    }

    /// Takes over the visitors of `other`, an announcement of the same containers.
    pub fn take_visitors_of(&mut self, other: &Release) {
        if let (Some(release), Some(sessions)) = (Arc::get_mut(&mut self.release), &other.sessions)
        {
            release.sessions = Some(Arc::clone(sessions));
        }
    }

    /// Takes over what changed `settings` mean for it. Returns the release it was before, if the
    /// data plane must use another now.
    pub fn adapt(
        &mut self,
        put: &Put<shunt_config::Release>,
        settings: &App,
        serves: bool,
        context: &Context,
    ) -> Option<Arc<Release>> {
        let check = put.value.health.over(&settings.health);
        if check != *self.check {
            self.check = Arc::new(check);
            self.round = next_round();
            let states: Vec<_> = self.watched.iter().map(|watched| watched.state).collect();
            // What serves goes on and fails by the new check or not. What does not serve yet was
            // never proved by it.
            let state = |index: usize| if serves { states[index] } else { TargetState::Unproved };
            if !serves {
                self.release.targets.iter().for_each(|target| target.set_usable(false));
            }
            self.watched = self.watch(state, &context.checks);
        }
        let limits = put.value.timeouts.over(&settings.timeouts);
        let spread = Spread::of(settings);
        if limits == self.release.limits && spread == self.release.spread {
            return None;
        }
        let line = &self.release.line;
        let changed = self.release.with_limits(limits).spread(spread, line, &context.cookie_key);
        if let (None, Some(sessions)) = (&self.release.sessions, &changed.sessions) {
            // Of those who were here before there were sessions.
            sessions.may_return();
        }
        Some(std::mem::replace(&mut self.release, Arc::new(changed)))
    }

    /// Takes in what a checker says. `None` if nothing came of it, otherwise whether the verdict
    /// itself changed.
    pub fn take(&mut self, report: &Report) -> Option<bool> {
        if report.round != self.round {
            return None;
        }
        let watched = self.watched.get_mut(report.index)?;
        let changed = watched.state != report.state || watched.last.is_none();
        watched.state = report.state;
        watched.last = Some(report.last.clone());
        watched.passed |= report.passed;
        if changed {
            self.log(report);
        }
        Some(changed)
    }

    fn log(&self, report: &Report) {
        let Some(target) = self.release.targets.get(report.index) else { return };
        let (app, slot, target) = (&self.release.app, self.release.slot, &target.address);
        match report.state {
            TargetState::Healthy => info!(%app, %slot, %target, "target passes: {}", report.last),
            TargetState::Failing => warn!(%app, %slot, %target, "target fails: {}", report.last),
            TargetState::Unproved => warn!(%app, %slot, %target, "not proved: {}", report.last),
        }
    }

    /// Whether every target passed since it was announced and none fails now, or what is missing.
    pub fn proof(&self) -> Result<(), String> {
        let targets = self.release.targets.iter().zip(&self.watched);
        let proved = |w: &Watched| w.state == TargetState::Healthy && w.passed;
        let open: Vec<_> = targets.filter(|(_, watched)| !proved(watched)).collect();
        let Some((target, watched)) = open.first() else { return Ok(()) };
        let last = watched.last.as_deref().unwrap_or("not checked yet");
        let more = match open.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more of {})", self.watched.len()),
        };
        Err(format!("target {}: {last}{more}", target.address))
    }

    /// Whether every target has passed since it was announced, whatever it says now.
    pub fn was_proved(&self) -> bool {
        self.watched.iter().all(|watched| watched.state != TargetState::Unproved)
    }

    /// What its requests came to.
    pub fn counts(&self) -> Counts {
        Counts { total: self.release.meters.totals().tally(), earlier: self.earlier[0].clone() }
    }

    /// Takes note of what it has counted so far.
    pub fn remember(&mut self) {
        self.earlier.swap(0, 1);
        self.earlier[1] = self.release.meters.totals().tally();
    }

    /// Whether a target still waits for its first answer.
    pub fn is_unseen(&self) -> bool {
        self.watched.iter().any(|watched| watched.last.is_none())
    }

    /// Its identity.
    pub fn token(&self) -> &Token {
        &self.release.token
    }

    /// What is shown of its targets.
    pub fn targets(&self) -> impl Iterator<Item = TargetStatus> {
        self.release.targets.iter().zip(&self.watched).map(|(target, watched)| TargetStatus {
            token: self.release.token.clone(),
            slot: self.release.slot,
            address: target.address.to_string(),
            state: watched.state,
            last: watched.last.clone().unwrap_or_else(|| "not checked yet".to_owned()),
        })
    }

    fn watch(&self, state: impl Fn(usize) -> TargetState, checks: &Checks) -> Vec<Watched> {
        let begin = |(index, target)| {
            let checker = Checker {
                app: self.release.app.clone(),
                token: self.release.token.clone(),
                index,
                round: self.round,
                target: Arc::clone(target),
                reach: Arc::clone(&self.release.reach),
                check: Arc::clone(&self.check),
                state: state(index),
            };
            let checker = checker.spawn(checks.reports.clone(), checks.limits.clone());
            Watched { state: state(index), last: None, passed: false, checker }
        };
        self.release.targets.iter().enumerate().map(begin).collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.checker.abort();
    }
}
