//! The control task: it hears the store, the checkers and the epochs, and publishes. What it makes of
//! the store's words is in `hear`, what it says in `tell`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use shunt_config::status::TargetState;
use shunt_config::store::Watch;
use shunt_config::{AppName, route};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tracing::{info, warn};

use super::app::{AppRun, Context};
use super::desired::Wanted;
use super::intake::Intake;
use super::live::Checks;
use super::overview::{Overview, Shown};
use super::ownership::{Claim, Ownership};
use super::served::Moment;
use super::tell::Told;
use crate::health::{Limits, Report};
use crate::route::router::Change;
use crate::route::{Epoch, Key, Router};
use crate::saved::{Loaded, SavedApp, Update};

/// How often counts are told, while requests drain or a deploy runs.
const COUNTS: Duration = Duration::from_millis(250);
/// How often it is told how many visitors stay on releases that new ones no longer go to: they may do
/// so for hours.
const SESSIONS: Duration = Duration::from_secs(2);
/// How often releases take note of what they have counted: a deploy compares with what was before.
const REMEMBER: Duration = Duration::from_mins(10);
/// Reports of checkers taken in at one go.
const REPORTS: usize = 256;

/// What may change while the proxy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// How long a flip may wait for its proof.
    pub flip_timeout: Duration,
    /// How long without the store until this proxy calls itself lost.
    pub lost_after: Duration,
}

/// The control task's own.
#[derive(Debug)]
pub struct Control {
    pub(super) router: Arc<Router>,
    context: Context,
    config: watch::Receiver<ControlConfig>,
    pub(super) intake: Intake,
    ownership: Ownership,
    /// Boxed, as what was told: the maps' nodes are half empty where names came in order.
    pub(super) apps: BTreeMap<AppName, Box<AppRun>>,
    /// What was told last of each app.
    pub(super) told: BTreeMap<AppName, Box<Told>>,
    /// When to look at which app even if nothing happens.
    pub(super) deadlines: BTreeSet<(Instant, AppName)>,
    /// Apps with requests on a replaced epoch.
    pub(super) draining: BTreeSet<AppName>,
    /// Apps with a target that waits for its first check.
    pub(super) unseen: BTreeSet<AppName>,
    /// Apps that are held, or whose requests that waited are let go.
    pub(super) held: BTreeSet<AppName>,
    /// Apps with a deploy that runs.
    pub(super) counted: BTreeSet<AppName>,
    /// Apps with a release that visitors stay on.
    pub(super) staying: BTreeSet<AppName>,
    reports: mpsc::Receiver<Report>,
    ended: FuturesUnordered<BoxFuture<'static, (AppName, Arc<Epoch>)>>,
    updates: mpsc::UnboundedSender<Update>,
    pub(super) shown: Shown,
    pub(super) view: Overview,
    pub(super) caught_up: watch::Sender<bool>,
}

impl Control {
    /// A control plane that publishes to `router`, for `threads` data threads, and first of all what
    /// was `loaded`. `cookie_key` signs sticky cookies. Must be called on the runtime that runs it.
    pub fn new(
        router: Arc<Router>,
        threads: usize,
        config: watch::Receiver<ControlConfig>,
        loaded: Loaded,
        cookie_key: Key,
        updates: mpsc::UnboundedSender<Update>,
    ) -> Self {
        let (sender, reports) = mpsc::channel(REPORTS);
        let checks = Checks { reports: sender, limits: Limits::default() };
        let flip_timeout = config.borrow().flip_timeout;
        let mut control = Self {
            router,
            context: Context { checks, threads, flip_timeout, cookie_key },
            config,
            intake: Intake::knowing(loaded.store.clone()),
            ownership: Ownership::default(),
            apps: BTreeMap::new(),
            told: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            draining: BTreeSet::new(),
            unseen: BTreeSet::new(),
            held: BTreeSet::new(),
            counted: BTreeSet::new(),
            staying: BTreeSet::new(),
            reports,
            ended: FuturesUnordered::new(),
            updates,
            shown: Arc::new(ArcSwap::from_pointee(Overview::new())),
            view: Overview::new(),
            caught_up: watch::Sender::new(false),
        };
        control.restore(loaded);
        control
    }

    /// Where its overview is read.
    pub fn shown(&self) -> Shown {
        Arc::clone(&self.shown)
    }

    /// Becomes true when the store was read and every target had its first check, and stays so.
    pub fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Runs until it is dropped. `watch` is on [`shunt_config::key::APPS`].
    pub async fn run(mut self, mut watch: Watch) {
        let mut counts = interval(COUNTS);
        // It rests while nothing drains, is held or is deployed, and owes no tick for that time.
        counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sessions = interval(SESSIONS);
        sessions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut remember = interval(REMEMBER);
        let mut reports = Vec::new();
        loop {
            let next_look = self.deadlines.first().map(|(at, _)| (*at).into());
            let drains = !self.ended.is_empty();
            let counted = drains || !self.held.is_empty() || !self.counted.is_empty();
            tokio::select! {
                event = watch.next() => match event {
                    Some(event) => self.hear(event),
                    None => return,
                },
                _ = self.reports.recv_many(&mut reports, REPORTS) => {
                    self.take_reports(reports.drain(..));
                }
                Some((app, epoch)) = self.ended.next(), if drains => self.lease_ended(app, epoch),
                _ = counts.tick(), if counted => self.tell_counts(),
                _ = sessions.tick(), if !self.staying.is_empty() => self.count_visitors(),
                _ = remember.tick() => self.apps.values_mut().for_each(|app| app.remember()),
                () = sleep_until(next_look.unwrap_or_else(tokio::time::Instant::now)),
                    if next_look.is_some() => self.look_at_due(),
                Ok(()) = self.config.changed() => {
                    self.context.flip_timeout = self.config.borrow_and_update().flip_timeout;
                }
            }
        }
    }

    /// Serves what was saved, before the store has said a word.
    fn restore(&mut self, mut loaded: Loaded) {
        let claim = |(name, saved): (&AppName, &SavedApp)| {
            let wants = Some(route::all_routes(&saved.served.settings.value));
            (name.clone(), Claim { created: 0, wants, gone: false })
        };
        self.ownership.settle(loaded.apps.iter().map(claim).collect());
        let mut changes = Vec::new();
        for (name, saved) in loaded.apps {
            // A host that moved from one app to another, and a crash between the two writes.
            if let Some(mistake) = self.ownership.refusal(&name) {
                loaded.refused.push(format!("{name}: {mistake}"));
                continue;
            }
            let told = Told { saved: Some(saved.clone()), ..Told::default() };
            self.told.insert(name.clone(), Box::new(told));
            let (app, change) = AppRun::restored(name.clone(), saved, &self.context);
            self.apps.insert(name, Box::new(app));
            changes.extend(change);
        }
        self.router.publish(changes);
        for file in &loaded.refused {
            warn!("snapshot refused: {file}");
        }
        // Hosts of what was refused are somebody's, and without a snapshot any may be.
        self.router.set_unread(self.apps.is_empty() || !loaded.refused.is_empty());
        self.view.snapshot_refused = Arc::new(loaded.refused);
        self.view.restored = !self.apps.is_empty();
        if self.view.restored {
            info!(apps = self.apps.len(), "serving from the snapshot until the store is read");
        }
        let names: Vec<AppName> = self.apps.keys().cloned().collect();
        self.tell(&names);
        self.show();
    }

    /// Looks at `apps` again, and at others that their changes touch, and makes all that follows
    /// live together.
    pub(super) fn recompute(&mut self, mut apps: BTreeSet<AppName>, now: Moment) {
        if !self.intake.is_read() {
            // The keys are not known yet, so nothing can be concluded from their absence. But a hold
            // from the snapshot ends in its time.
            let pass = |name| self.apps.get_mut(name)?.pass(now, &self.context);
            let changes = apps.iter().filter_map(pass).collect();
            self.publish(changes);
            self.tell(&Vec::from_iter(apps));
            return;
        }
        let claims = apps.iter().map(|app| (app.clone(), self.claim(app))).collect();
        apps.extend(self.ownership.settle(claims));
        let nothing = Wanted::default();
        let mut changes = Vec::new();
        for name in &apps {
            let wanted = self.intake.desired().app(name).unwrap_or(&nothing);
            let conflict = self.ownership.refusal(name);
            let new = || Box::new(AppRun::new(name.clone()));
            let app = self.apps.entry(name.clone()).or_insert_with(new);
            changes.extend(app.look(wanted, conflict, now, &self.context));
        }
        self.publish(changes);
        self.tell(&Vec::from_iter(apps));
    }

    /// What an app asks of the others.
    fn claim(&self, app: &AppName) -> Claim {
        let wanted = self.intake.desired().app(app);
        let value = wanted.and_then(|wanted| wanted.app.as_ref());
        let sound = value.and_then(|value| value.read.as_ref().ok());
        Claim {
            created: value.map_or(0, |value| value.created),
            wants: sound.map(|app| route::all_routes(app)),
            gone: value.is_none() && wanted.is_none_or(|wanted| !wanted.doubted),
        }
    }

    fn publish(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        for epoch in self.router.publish(changes) {
            let Some(share) = epoch.shares().first() else { continue };
            let name = share.release.app.clone();
            if let Some(app) = self.apps.get_mut(&name) {
                app.drain.closed(Arc::clone(&epoch));
                self.draining.insert(name.clone());
                self.await_lease(name, epoch);
            }
        }
    }

    fn await_lease(&mut self, app: AppName, epoch: Arc<Epoch>) {
        self.ended.push(Box::pin(async move {
            epoch.lease_ended().await;
            (app, epoch)
        }));
    }

    fn lease_ended(&mut self, name: AppName, epoch: Arc<Epoch>) {
        if epoch.all_leases() > 0 {
            self.await_lease(name.clone(), epoch);
        }
        let before = self.told.get(&name).and_then(|told| told.status.as_ref());
        let before = before.map_or(0, |status| status.draining.len());
        let Some(app) = self.apps.get_mut(&name) else { return };
        app.settle();
        // Counts may wait for their tick, but that a release is empty is told at once.
        if app.draining().len() < before || app.drain.is_empty() {
            self.tell(&[name]);
            self.show();
        }
    }

    fn tell_counts(&mut self) {
        let told = self.draining.iter().chain(&self.held).chain(&self.counted);
        let told: BTreeSet<AppName> = told.cloned().collect();
        self.tell(&Vec::from_iter(told));
        self.show();
    }

    fn count_visitors(&mut self) {
        let names = Vec::from_iter(self.staying.clone());
        for name in &names {
            if let Some(app) = self.apps.get_mut(name) {
                app.count_visitors();
            }
        }
        self.tell(&names);
        self.show();
    }

    fn take_reports(&mut self, reports: impl Iterator<Item = Report>) {
        let (mut verdicts, mut texts) = (BTreeSet::new(), BTreeSet::new());
        for report in reports {
            let Some(app) = self.apps.get_mut(&report.app) else { continue };
            match app.take(&report) {
                Some(true) => drop(verdicts.insert(report.app)),
                // The reason of a pending flip names the last answer, and whoever waits for the
                // proof of an announcement wants to know what stands in its way.
                Some(false) if app.is_pending() || report.state == TargetState::Unproved => {
                    verdicts.insert(report.app);
                }
                Some(false) => drop(texts.insert(report.app)),
                None => {}
            }
        }
        self.recompute(verdicts, Moment::now());
        for name in texts {
            self.show_app(&name);
        }
        self.show();
    }

    fn look_at_due(&mut self) {
        let now = Moment::now();
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.at);
        let due: BTreeSet<AppName> = due.map(|(_, app)| app.clone()).collect();
        self.recompute(due, now);
        self.show();
    }

    pub(super) fn send(&self, update: Update) {
        // The saver ends after this task, but for a shutdown that was cut short.
        let _ = self.updates.send(update);
    }
}
