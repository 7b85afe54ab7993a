//! The series that few apps have at a time, and the sums over all apps.

use prometheus::proto::MetricFamily;
use shunt_config::status::{HoldState, TargetState};
use shunt_config::{AppName, Slot};

use super::catalog as of;
use super::families::{Series, float};
use super::meters::{CLASSES, Fault, Retry};
use crate::control::overview::{AppView, Overview};
use crate::data::tunnel::End;
use crate::route::Release;

/// The series that few apps have at a time, and the sums over all apps.
#[derive(Debug)]
pub(super) struct Trouble {
    apps: Series,
    targets: Series,
    errors: Series,
    retries: Series,
    tunnels: Series,
    ejected: Series,
    ejections: Series,
    queued: Series,
    queue_refusals: Series,
    hold: Series,
    held: Series,
    held_released: Series,
    held_refusals: Series,
    sessions: Series,
    previews: Series,
    mirrored: [Series; 4],
    pending: Series,
    refused: Series,
}

impl Trouble {
    /// What `view` shows of it.
    pub(super) fn of(view: &Overview) -> Self {
        let mut all = Self {
            apps: Series::of(&of::APPS),
            targets: Series::of(&of::TARGETS),
            errors: Series::of(&of::ERRORS),
            retries: Series::of(&of::RETRIES),
            tunnels: Series::of(&of::TUNNELS),
            ejected: Series::of(&of::TARGET_EJECTED),
            ejections: Series::of(&of::TARGET_EJECTIONS),
            queued: Series::of(&of::QUEUED),
            queue_refusals: Series::of(&of::QUEUE_REFUSALS),
            hold: Series::of(&of::HOLD),
            held: Series::of(&of::HELD),
            held_released: Series::of(&of::HELD_RELEASED),
            held_refusals: Series::of(&of::HELD_REFUSALS),
            sessions: Series::of(&of::SESSIONS),
            previews: Series::of(&of::PREVIEWS),
            mirrored: [
                &of::MIRRORED,
                &of::MIRRORED_DURATION,
                &of::MIRROR_DIFFERENCES,
                &of::MIRROR_LEFT_OUT,
            ]
            .map(Series::of),
            pending: Series::of(&of::PENDING),
            refused: Series::of(&of::REFUSED),
        };
        for (name, app) in &view.apps {
            all.add(name, app);
        }
        for (key, _) in &**view.strays {
            all.refused.add(&["", key], 1.0);
        }
        all.sum(view);
        all
    }

    fn sum(&mut self, view: &Overview) {
        let serving = view.apps.values().filter(|app| !app.status.serving.is_empty()).count();
        self.apps.add(&["serving"], float(serving as u64));
        self.apps.add(&["not_serving"], float((view.apps.len() - serving) as u64));
        let (mut healthy, mut failing, mut unproved) = (0, 0, 0);
        for target in view.apps.values().flat_map(|app| &app.status.targets) {
            *match target.state {
                TargetState::Healthy => &mut healthy,
                TargetState::Failing => &mut failing,
                TargetState::Unproved => &mut unproved,
            } += 1;
        }
        for (state, count) in [("healthy", healthy), ("failing", failing), ("unproved", unproved)] {
            self.targets.add(&[state], float(count));
        }
    }

    fn add(&mut self, name: &AppName, app: &AppView) {
        let name = name.as_str();
        for slot in Slot::BOTH.into_iter().filter(|slot| app.is_used(*slot)) {
            self.slot(name, slot, app);
        }
        app.serving().for_each(|release| self.traffic(name, release));
        if let Some(line) = app.line() {
            self.queued.add(&[name], f64::from(line.waiting()));
            self.queue_refusals.add(&[name, "full"], float(line.turned_away()));
            self.queue_refusals.add(&[name, "timeout"], float(line.gave_up()));
        }
        self.holds(name, app);
        for slot in Slot::BOTH {
            let mut stays = app.status.sessions.values().filter(|s| s.slot == slot).peekable();
            if stays.peek().is_some() {
                let visitors = stays.map(|stays| u64::from(stays.visitors)).sum();
                self.sessions.add(&[name, slot.as_str()], float(visitors));
            }
        }
        for (slot, meters) in Slot::BOTH.iter().zip(app.previews.iter().flatten()) {
            let counts = CLASSES.iter().zip(meters.totals().classes);
            for (class, count) in counts.filter(|(_, count)| *count > 0) {
                self.previews.add(&[name, slot.as_str(), class], float(count));
            }
        }
        self.copies(name, app);
        if app.status.pending.is_some() {
            self.pending.add(&[name], 1.0);
        }
        for refusal in &app.status.refused {
            let key = refusal.key.splitn(3, '/').last().unwrap_or_default();
            self.refused.add(&[name, key], 1.0);
        }
    }

    fn slot(&mut self, name: &str, slot: Slot, app: &AppView) {
        let (totals, slot) = (app.totals(slot), slot.as_str());
        for (fault, count) in Fault::ALL.iter().zip(totals.faults).filter(|(_, n)| *n > 0) {
            self.errors.add(&[name, slot, fault.as_str()], float(count));
        }
        for (retry, count) in Retry::ALL.iter().zip(totals.retries).filter(|(_, n)| *n > 0) {
            self.retries.add(&[name, slot, retry.as_str()], float(count));
        }
        for (end, count) in End::ALL.iter().zip(totals.tunnels).filter(|(_, n)| *n > 0) {
            self.tunnels.add(&[name, slot, end.as_str()], float(count));
        }
    }

    /// Nothing for an app without a mirror.
    fn copies(&mut self, name: &str, app: &AppView) {
        let Some((slot, pairs)) = &app.mirrored else { return };
        let (slot, totals) = (slot.as_str(), pairs.copies());
        let [mirrored, duration, differences, left_out] = &mut self.mirrored;
        for (class, count) in CLASSES.iter().zip(totals.classes).filter(|(_, count)| *count > 0) {
            mirrored.add(&[name, slot, class], float(count));
        }
        duration.add_latencies(&[name, slot], &totals);
        differences.add(&[name, slot], float(pairs.differ()));
        left_out.add(&[name, slot], float(pairs.left_out()));
    }

    /// Nothing for an app that never was held.
    fn holds(&mut self, name: &str, app: &AppView) {
        if let Some(hold) = &app.status.hold {
            let on = matches!(hold.state, HoldState::Stops | HoldState::Refuses);
            self.hold.add(&[name, &hold.mode.to_string()], f64::from(u8::from(on)));
        }
        let hall = &app.hall;
        let refused = [
            ("full", hall.turned_away()),
            ("expired", hall.expired()),
            ("maintenance", hall.in_maintenance()),
        ];
        let counted = hall.let_go() + refused.iter().map(|(_, count)| count).sum::<u64>();
        if app.status.hold.is_none() && hall.waiting() == 0 && counted == 0 {
            return;
        }
        self.held.add(&[name], f64::from(hall.waiting()));
        self.held_released.add(&[name], float(hall.let_go()));
        for (reason, count) in refused {
            self.held_refusals.add(&[name, reason], float(count));
        }
    }

    /// What requests have met at the targets of a release that serves; nothing if all was well.
    fn traffic(&mut self, name: &str, release: &Release) {
        for target in release.targets.iter().filter(|target| target.ejections() > 0) {
            let address = target.address.to_string();
            let labels = [name, release.slot.as_str(), &address];
            self.ejected.add(&labels, f64::from(u8::from(target.is_ejected())));
            self.ejections.add(&labels, float(target.ejections()));
        }
    }

    /// The families.
    pub(super) fn finish(self) -> impl Iterator<Item = MetricFamily> {
        [
            self.apps,
            self.targets,
            self.errors,
            self.retries,
            self.tunnels,
            self.ejected,
            self.ejections,
            self.queued,
            self.queue_refusals,
            self.hold,
            self.held,
            self.held_released,
            self.held_refusals,
            self.sessions,
            self.previews,
            self.pending,
            self.refused,
        ]
        .into_iter()
        .chain(self.mirrored)
        .map(Series::finish)
    }
}
