//! What `/metrics` shows of the process, of all apps together, and of the few apps in trouble. Put
//! together from the overview and the counters at each scrape; nothing is kept for it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use prometheus::core::{Collector as Collect, Desc};
use prometheus::proto::MetricFamily;

use super::ProcessMeters;
use super::catalog as of;
use super::families::{Family, Series, float};
use super::process::{Cut, Unproxied, Unrouted};
use super::trouble::Trouble;
use crate::access_log::Counts;
use crate::control::identity::Identity;
use crate::control::overview::{Overview, Shown};
use crate::data::Room;

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
        let descs = of::COLLECTED.iter().map(|family| family.desc()).collect::<Result<_, _>>()?;
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
            for why in Unrouted::ALL {
                unrouted.add(&[why.as_str()], float(plane.meters.unrouted_for(why)));
            }
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
        let mut all = self.process(&view);
        all.extend(Trouble::of(&view).finish());
        all
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
