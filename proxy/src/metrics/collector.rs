//! What `/metrics` shows. Put together from the overview and the counters at each scrape; nothing
//! is kept for it, and an idle app has no series of requests.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use prometheus::core::{Collector as Collect, Desc};
use prometheus::proto::MetricFamily;
use shunt_config::status::{HoldState, TargetState};
use shunt_config::{AppName, Slot};

use super::catalog as of;
use super::families::{Family, Series, float};
use super::meters::{CLASSES, Fault, Retry};
use super::process::{Cut, Unproxied};
use super::{ProcessMeters, Totals};
use crate::access_log::Counts;
use crate::control::overview::{AppView, Overview, Shown};
use crate::control::report::Identity;
use crate::data::Room;
use crate::data::tunnel::End;
use crate::route::Release;

/// What the data threads count beside releases.
#[derive(Debug)]
pub struct PlaneCounts {
    /// Requests without a release, failed accepts.
    pub meters: Arc<ProcessMeters>,
    /// Open client connections by thread.
    pub connections: Arc<[AtomicUsize]>,
    /// How many client connections there may be.
    pub room: Arc<Room>,
    /// Lines of the access log, if there is one.
    pub log: Option<Arc<Counts>>,
}

/// The collector behind `/metrics`.
#[derive(Debug)]
pub struct Collector {
    descs: Vec<Desc>,
    identity: Identity,
    shown: Shown,
    plane: Arc<OnceLock<PlaneCounts>>,
    save_failures: Arc<AtomicU64>,
}

impl Collector {
    /// A collector of what is `shown`, what the data threads count once they run, and failures to
    /// save.
    pub fn new(
        identity: Identity,
        shown: Shown,
        plane: Arc<OnceLock<PlaneCounts>>,
        save_failures: Arc<AtomicU64>,
    ) -> prometheus::Result<Self> {
        let descs = of::ALL.iter().map(|family| family.desc()).collect::<Result<_, _>>()?;
        Ok(Self { descs, identity, shown, plane, save_failures })
    }

    fn process(&self, view: &Overview) -> Vec<MetricFamily> {
        let flag = |family, value: bool| single(family, f64::from(u8::from(value)));
        let about = &self.identity.about;
        let confirmed = view.store.confirmed.map_or(0.0, |(_, at)| seconds(at));
        let mut build = Series::of(&of::BUILD);
        build.add(&[&about.version], 1.0);
        let mut all = vec![
            flag(&of::CONNECTED, view.store.connected),
            single(&of::CONFIRMED, confirmed),
            flag(&of::FAULT, view.store.fault.is_some()),
            flag(&of::STALE, view.is_stale()),
            single(&of::SAVE_FAILURES, float(self.save_failures.load(Relaxed))),
            single(&of::START, seconds(about.started)),
            build.finish(),
        ];
        if let Some(plane) = self.plane.get() {
            let open: usize = plane.connections.iter().map(|open| open.load(Relaxed)).sum();
            let mut unrouted = Series::of(&of::UNROUTED);
            unrouted.add(&["unknown_host"], float(plane.meters.unknown_host()));
            unrouted.add(&["no_release"], float(plane.meters.no_release()));
            all.push(single(&of::CONNECTIONS, float(open as u64)));
            all.push(unrouted.finish());
            all.push(single(&of::ACCEPT_FAILURES, float(plane.meters.accepts_failed())));
            all.push(single(&of::CONNECTIONS_MAX, float(plane.room.most() as u64)));
            all.push(single(&of::ACCEPT_PAUSES, float(plane.room.pauses())));
            let (targets, most) = (plane.room.targets(), plane.room.most_targets());
            all.push(single(&of::TARGET_CONNECTIONS, float(targets as u64)));
            all.push(single(&of::TARGET_CONNECTIONS_MAX, float(most as u64)));
            all.push(single(&of::TARGET_ROOM_REFUSALS, float(plane.meters.refused_room())));
            let mut cut = Series::of(&of::CUT);
            for why in Cut::ALL {
                cut.add(&[why.as_str()], float(plane.meters.cut_for(why)));
            }
            all.push(cut.finish());
            let mut unproxied = Series::of(&of::UNPROXIED);
            for why in Unproxied::ALL {
                unproxied.add(&[why.as_str()], float(plane.meters.unproxied_for(why)));
            }
            all.push(unproxied.finish());
            if let Some(log) = &plane.log {
                let mut lines = Series::of(&of::LOG_LINES);
                lines.add(&["written"], float(log.written()));
                lines.add(&["dropped"], float(log.dropped()));
                all.push(lines.finish());
            }
        }
        all
    }
}

impl Collect for Collector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let view = self.shown.load();
        let mut apps = Apps::new();
        for (name, app) in &view.apps {
            apps.add(name, app);
        }
        for (key, _) in &**view.strays {
            apps.refused.add(&["", key], 1.0);
        }
        let mut all = self.process(&view);
        all.extend(apps.finish());
        all
    }
}

/// The series that name an app.
struct Apps {
    requests: Series,
    duration: Series,
    in_flight: Series,
    errors: Series,
    retries: Series,
    tunnels: Series,
    target_up: Series,
    ejected: Series,
    ejections: Series,
    queued: Series,
    queue_refusals: Series,
    hold: Series,
    held: Series,
    held_released: Series,
    held_refusals: Series,
    serving: Series,
    release: Series,
    flips: Series,
    pending: Series,
    refused: Series,
}

impl Apps {
    fn new() -> Self {
        Self {
            requests: Series::of(&of::REQUESTS),
            duration: Series::of(&of::DURATION),
            in_flight: Series::of(&of::IN_FLIGHT),
            errors: Series::of(&of::ERRORS),
            retries: Series::of(&of::RETRIES),
            tunnels: Series::of(&of::TUNNELS),
            target_up: Series::of(&of::TARGET_UP),
            ejected: Series::of(&of::TARGET_EJECTED),
            ejections: Series::of(&of::TARGET_EJECTIONS),
            queued: Series::of(&of::QUEUED),
            queue_refusals: Series::of(&of::QUEUE_REFUSALS),
            hold: Series::of(&of::HOLD),
            held: Series::of(&of::HELD),
            held_released: Series::of(&of::HELD_RELEASED),
            held_refusals: Series::of(&of::HELD_REFUSALS),
            serving: Series::of(&of::SERVING),
            release: Series::of(&of::RELEASE),
            flips: Series::of(&of::FLIPS),
            pending: Series::of(&of::PENDING),
            refused: Series::of(&of::REFUSED),
        }
    }

    fn add(&mut self, name: &AppName, app: &AppView) {
        let name = name.as_str();
        for slot in Slot::BOTH {
            self.slot(name, slot, &app.totals(slot), app.in_flight(slot));
            let share = app.status.serving.iter().find(|serving| serving.slot == slot);
            let share = share.map_or(0, |serving| serving.share);
            self.serving.add(&[name, slot.as_str()], f64::from(share) / 100.0);
        }
        for serving in &app.status.serving {
            let version = serving.version.as_deref().unwrap_or_default();
            let labels = [name, serving.slot.as_str(), version, serving.token.as_str()];
            self.release.add(&labels, 1.0);
        }
        self.targets(name, app);
        app.serving().for_each(|release| self.traffic(name, release));
        if let Some(line) = app.line() {
            self.queued.add(&[name], f64::from(line.waiting()));
            self.queue_refusals.add(&[name, "full"], float(line.turned_away()));
            self.queue_refusals.add(&[name, "timeout"], float(line.gave_up()));
        }
        self.holds(name, app);
        self.flips.add(&[name, "applied"], float(app.flips.applied));
        self.flips.add(&[name, "refused"], float(app.flips.refused));
        if app.status.pending.is_some() {
            self.pending.add(&[name], 1.0);
        }
        for refusal in &app.status.refused {
            let key = refusal.key.splitn(3, '/').last().unwrap_or_default();
            self.refused.add(&[name, key], 1.0);
        }
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

    fn slot(&mut self, name: &str, slot: Slot, totals: &Totals, in_flight: u64) {
        let slot = slot.as_str();
        if totals.requests() == 0 && in_flight == 0 {
            return;
        }
        self.in_flight.add(&[name, slot], float(in_flight));
        self.duration.add_latencies(&[name, slot], totals);
        for (class, count) in CLASSES.iter().zip(totals.classes).filter(|(_, count)| *count > 0) {
            self.requests.add(&[name, slot, class], float(count));
        }
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

    /// One series per slot and address. While a replaced release still serves beside its successor
    /// in the slot, an address of both is up only if it is for both.
    fn targets(&mut self, name: &str, app: &AppView) {
        let mut up = std::collections::BTreeMap::new();
        for target in &app.status.targets {
            let healthy = target.state == TargetState::Healthy;
            let all = up.entry((target.slot, target.address.as_str())).or_insert(true);
            *all = *all && healthy;
        }
        for ((slot, address), up) in up {
            self.target_up.add(&[name, slot.as_str(), address], f64::from(u8::from(up)));
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

    fn finish(self) -> impl Iterator<Item = MetricFamily> {
        [
            self.requests,
            self.duration,
            self.in_flight,
            self.errors,
            self.retries,
            self.tunnels,
            self.target_up,
            self.ejected,
            self.ejections,
            self.queued,
            self.queue_refusals,
            self.hold,
            self.held,
            self.held_released,
            self.held_refusals,
            self.serving,
            self.release,
            self.flips,
            self.pending,
            self.refused,
        ]
        .into_iter()
        .map(Series::finish)
    }
}

fn single(family: &'static Family, value: f64) -> MetricFamily {
    let mut series = Series::of(family);
    series.add(&[], value);
    series.finish()
}

fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
