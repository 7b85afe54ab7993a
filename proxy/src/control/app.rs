//! One app as it runs: its state, its announcements under probes, its site and its drains.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shunt_config::status::{Refusal, Stays};
use shunt_config::{App, AppName, Mistake, Slot, Token};
use tracing::{info, warn};

use super::desired::Wanted;
use super::drain::Drain;
use super::holding::Holding;
use super::keeping::Keeping;
use super::live::{Checks, Live};
use super::mirroring::Mirroring;
use super::served::{Flip, Moment, Put, Served};
use super::serving::{Look, State, Verdict};
use crate::health::Report;
use crate::route::router::Change;
use crate::route::{Epoch, Hall, Key, Line, Release, Site, Visitors};
use crate::saved::SavedApp;

mod aside;
mod held;
mod kept;
mod mirrored;
mod previews;
mod site;
mod status;

/// What every app's work needs.
#[derive(Clone, Debug)]
pub struct Context {
    /// How checks begin.
    pub checks: Checks,
    /// Data threads.
    pub threads: usize,
    /// How long a flip may wait for its proof.
    pub flip_timeout: Duration,
    /// What sticky cookies are signed with.
    pub cookie_key: Key,
}

/// Flips since this process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Taken over.
    pub applied: u64,
    /// Refused, for whatever reason.
    pub refused: u64,
}

/// One app as it runs.
#[derive(Debug)]
pub struct AppRun {
    name: AppName,
    state: State,
    verdict: Verdict,
    holding: Holding,
    mirroring: Mirroring,
    keeping: Keeping,
    /// Who stays on those, when they were counted last.
    stays: BTreeMap<Token, Stays>,
    lives: Vec<Live>,
    /// Where its requests wait for a place on a target, whatever release serves.
    line: Arc<Line>,
    /// Where they wait while it is held.
    hall: Arc<Hall>,
    /// Its visitors, once its requests were split.
    visitors: Option<Arc<Visitors>>,
    /// What is reached beside its own requests, if that is asked for.
    previews: Option<Box<previews::Previews>>,
    /// What its requests are copied to, while that is asked for.
    copies: Option<Box<mirrored::Copies>>,
    /// The site as published, and the settings it was made of.
    site: Option<(Arc<Site>, Token)>,
    /// Drains of this app.
    pub drain: Drain,
    /// Flips of this app.
    pub flips: Flips,
    /// Whether a deploy of it runs.
    deploying: bool,
}

impl AppRun {
    /// An app nothing is known of.
    pub fn new(name: AppName) -> Self {
        Self {
            name,
            state: State::default(),
            verdict: Verdict::default(),
            holding: Holding::default(),
            mirroring: Mirroring::default(),
            keeping: Keeping::default(),
            stays: BTreeMap::new(),
            lives: Vec::new(),
            line: Arc::default(),
            hall: Arc::default(),
            visitors: None,
            previews: None,
            copies: None,
            site: None,
            drain: Drain::default(),
            flips: Flips::default(),
            deploying: false,
        }
    }

    /// An app as it was saved: it is served at once, and checked again meanwhile.
    pub fn restored(name: AppName, saved: SavedApp, context: &Context) -> (Self, Option<Change>) {
        let mut app = Self::new(name);
        app.state = State::restored(saved.served, saved.refused);
        app.holding = Holding::restored(saved.hold, Moment::now());
        app.mirroring = Mirroring::restored(saved.mirror, Moment::now());
        if let Some(served) = app.state.served() {
            app.keeping = Keeping::restored(saved.kept, served, Moment::now());
            let releases = served.flip.iter().flat_map(|flip| &flip.releases);
            let releases = releases.map(|(slot, put)| (*slot, put));
            let releases = releases.chain(app.keeping.stays().map(|kept| (kept.slot, &kept.put)));
            let settings = &served.settings.value;
            let begin = |(slot, put): (Slot, &Put<_>)| {
                Live::begin(&app.name, slot, put, settings, &app.line, true, context)
            };
            app.lives = releases.map(begin).collect();
            // Whom the process before this one has seen is not known.
            let sessions = app.lives.iter().filter_map(|live| live.release.sessions.as_ref());
            sessions.for_each(|sessions| sessions.may_return());
        }
        app.count_visitors();
        let change = app.change(context);
        (app, change)
    }

    /// Looks at the keys. Returns what changes for requests.
    pub fn look(
        &mut self,
        wanted: &Wanted,
        conflict: Option<&Mistake>,
        now: Moment,
        context: &Context,
    ) -> Option<Change> {
        self.deploying = wanted.deploying;
        let before = self.state.flip().cloned();
        let name = self.name.clone();
        let flip_timeout = context.flip_timeout;
        let nothing = |_: &Token| Err(String::new());
        let look = Look { app: &name, wanted, conflict, proof: &nothing, now, flip_timeout };
        let verdict = self.state.step_settings(&look);
        self.probe(&self.state.announced(wanted), context);
        let lives = &self.lives;
        let proof = |token: &Token| match lives.iter().find(|live| live.token() == token) {
            Some(live) => live.proof(),
            None => Err("not checked yet".to_owned()),
        };
        let verdict = self.state.step(&Look { proof: &proof, ..look }, verdict);
        self.keep(wanted, now, context);
        self.stop_probing_what_is_gone(wanted);
        self.tell(&verdict, before.as_ref());
        self.verdict = verdict;
        self.holding.step(wanted, now);
        self.mirroring.step(wanted, now);
        self.change(context)
    }

    /// Looks at the time alone, as long as the keys are not known. Returns what changes for requests.
    pub fn pass(&mut self, now: Moment, context: &Context) -> Option<Change> {
        self.holding.pass(now);
        self.mirroring.pass(now);
        self.keeping.pass(now);
        self.count_visitors();
        self.change(context)
    }

    /// Takes in what a checker says. `None` if nothing came of it, otherwise whether the verdict
    /// itself changed.
    pub fn take(&mut self, report: &Report) -> Option<bool> {
        let live = self.lives.iter_mut().find(|live| *live.token() == report.token)?;
        live.take(report)
    }

    /// Lets go of what is drained, and of requests that wait for a hold which is over.
    pub fn settle(&mut self) {
        self.drain.settle(&self.lives);
        self.open_hall();
    }

    /// Whether what its requests come to is told as they end.
    pub fn is_counted(&self) -> bool {
        self.deploying || self.is_mirrored()
    }

    /// Takes note of what its releases have counted so far.
    pub fn remember(&mut self) {
        self.lives.iter_mut().for_each(Live::remember);
    }

    /// What a restart serves; `None` if nothing.
    pub fn saved(&self) -> Option<SavedApp> {
        let served: Served = self.state.served()?.clone();
        let refused = self.state.given_up().map(|(goal, why)| (goal.clone(), why.to_owned()));
        let (hold, mirror) = (self.holding.saved(), self.mirroring.saved());
        Some(SavedApp { served, refused, hold, mirror, kept: self.keeping.saved() })
    }

    /// Its settings as served.
    pub fn settings(&self) -> Option<&Arc<App>> {
        self.state.served().map(|served| &served.settings.value)
    }

    /// Whether requests reach a release of it.
    pub fn serves(&self) -> bool {
        self.state.flip().is_some()
    }

    /// Whether a flip waits for its proof.
    pub fn is_pending(&self) -> bool {
        self.verdict.pending.is_some()
    }

    /// When to look again even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let held = [self.holding.deadline(), self.mirroring.deadline()];
        let all = held.into_iter().chain([self.verdict.deadline, self.keeping.deadline()]);
        all.flatten().min()
    }

    /// Whether a target still waits for its first answer.
    pub fn is_unseen(&self) -> bool {
        self.lives.iter().any(Live::is_unseen)
    }

    /// The epoch that requests claim on.
    pub fn epoch(&self) -> Option<&Arc<Epoch>> {
        self.site.as_ref().and_then(|(site, _)| site.epoch.as_ref())
    }

    /// The releases under probes.
    pub fn releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        self.lives.iter().map(|live| &live.release)
    }

    fn probe(&mut self, announced: &[(Slot, Put<shunt_config::Release>)], context: &Context) {
        let Some(settings) = self.settings().cloned() else { return };
        for (slot, put) in announced {
            let mut shares = self.state.flip().into_iter().flat_map(|flip| &flip.releases);
            let serves = shares.any(|(_, serving)| serving.token == put.token)
                || self.keeping.known().any(|(kept, _)| kept.put.token == put.token);
            let live = self.lives.iter_mut().find(|live| *live.token() == put.token);
            if let Some(live) = live {
                let replaced = live.adapt(put, &settings, serves, context);
                if let Some(release) = replaced {
                    self.drain.leave(release);
                }
            } else {
                let (app, queue) = (&self.name, &self.line);
                let mut live = Live::begin(app, *slot, put, &settings, queue, false, context);
                let same = |other: &&Live| other.release.home == live.release.home;
                if let Some(same) = self.lives.iter().find(same) {
                    let same = Arc::clone(&same.release);
                    live.take_visitors_of(&same);
                }
                self.lives.push(live);
            }
        }
    }

    fn stop_probing_what_is_gone(&mut self, wanted: &Wanted) {
        let announced = self.state.announced(wanted);
        let kept = |live: &Live| {
            announced.iter().any(|(_, put)| put.token == *live.token())
                || self.keeping.has(live.token())
        };
        for live in self.lives.extract_if(.., |live| !kept(live)) {
            self.drain.leave(Arc::clone(&live.release));
        }
        self.lives.shrink_to_fit();
    }

    /// Says in the log and counts what is new in `verdict`.
    fn tell(&mut self, verdict: &Verdict, before: Option<&Flip>) {
        let app = &self.name;
        if let Some(flip) = self.state.flip().filter(|flip| before != Some(*flip)) {
            let tokens: Vec<_> = flip.releases.iter().map(|(_, put)| put.token.as_str()).collect();
            let (active, releases) = (&flip.active.value, tokens.join(" "));
            if before.map(|before| &before.active.token) == Some(&flip.active.token) {
                info!(%app, %active, releases, "new release serves");
            } else {
                info!(%app, %active, releases, "flip applied");
                self.flips.applied += 1;
            }
        }
        let active = format!("apps/{app}/active");
        let known = |refusal: &Refusal| self.verdict.refused.contains(refusal);
        for refusal in verdict.refused.iter().filter(|refusal| !known(refusal)) {
            warn!(%app, key = refusal.key, "refused: {}", refusal.reason);
            self.flips.refused += u64::from(refusal.key == active);
        }
        let waits = |verdict: &Verdict| verdict.pending.as_ref().map(|p| p.tokens.clone());
        if let Some(pending) = &verdict.pending
            && waits(verdict) != waits(&self.verdict)
        {
            info!(%app, "pending: {}", pending.reason);
        }
    }
}
