//! What the control task shows of itself: read by `/status` and `/metrics` without asking it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use shunt_config::status::{AppStatus, TargetState, TargetStatus};
use shunt_config::{App, AppName, Slot};

use super::app::Flips;
use super::drain::Gone;
use crate::metrics::{Meters, Pairs, Totals};
use crate::route::{Epoch, Hall, Line, Release};

/// The control plane at one moment. Cloning it is cheap, whatever the number of apps.
#[derive(Clone, Debug)]
pub struct Overview {
    /// When the control task began.
    pub began: Instant,
    /// The store.
    pub store: StoreView,
    /// The apps.
    pub apps: imbl::OrdMap<AppName, Arc<AppView>>,
    /// Keys that belong to no app, and what is wrong with them.
    pub strays: Arc<Vec<(String, String)>>,
    /// Files of the snapshot that were refused at the start.
    pub snapshot_refused: Arc<Vec<String>>,
    /// Whether apps were served from the snapshot at the start.
    pub restored: bool,
    /// Whether every target announced at the first full read had its first check.
    pub first_round: bool,
}

/// The store as this proxy sees it.
#[derive(Clone, Debug, Default)]
pub struct StoreView {
    /// Identity of the store that is believed.
    pub id: Option<String>,
    /// Whether it is in touch.
    pub connected: bool,
    /// Why it is not, or what was wrong last.
    pub lost: Option<String>,
    /// Why what it tells is not believed in full.
    pub fault: Option<String>,
    /// Whether this process has read it in full and believed it.
    pub read: bool,
    /// When it was last proved to be in touch.
    pub confirmed: Option<(Instant, Timestamp)>,
}

/// One app.
#[derive(Clone, Debug)]
pub struct AppView {
    /// What the store is told of it, too.
    pub status: Arc<AppStatus>,
    /// Its settings as served.
    pub settings: Option<Arc<App>>,
    /// Counters of its releases that are not gone.
    pub meters: Vec<(Slot, Arc<Meters>)>,
    /// What releases that are gone have counted, by slot.
    pub gone: Gone,
    /// The epoch that requests claim on, and replaced ones that requests are still on.
    pub epochs: Vec<Arc<Epoch>>,
    /// Its flips.
    pub flips: Flips,
    /// Where its requests wait while it is held.
    pub hall: Arc<Hall>,
    /// Counters of the previews of each slot, if there are any.
    pub previews: Option<[Arc<Meters>; 2]>,
    /// What copies of its requests to the release of a slot came to, while `mirror` is there.
    pub mirrored: Option<(Slot, Arc<Pairs>)>,
}

impl AppView {
    /// All that was counted in `slot`.
    pub fn totals(&self, slot: Slot) -> Totals {
        let gone = self.gone[slot as usize].as_deref();
        let mut sum = gone.cloned().unwrap_or_default();
        for (_, meters) in self.meters.iter().filter(|(of, _)| *of == slot) {
            meters.add_to(&mut sum);
        }
        sum
    }

    /// Whether a release of `slot` has had a request.
    pub fn is_used(&self, slot: Slot) -> bool {
        self.gone[slot as usize].is_some()
            || self.meters.iter().any(|(of, meters)| *of == slot && meters.are_used())
            || self.in_flight(slot) > 0
    }

    /// Whether there is nothing to say of it but that it serves: it has had no request and no flip but
    /// its first, nothing of it is refused or pending, and all its targets pass.
    pub fn is_quiet(&self) -> bool {
        let AppStatus { refused, pending, targets, hold, mirror, .. } = &*self.status;
        let Flips { applied, refused: none } = self.flips;
        let healthy = |target: &TargetStatus| target.state == TargetState::Healthy;
        let asked = hold.is_some() || mirror.is_some();
        (applied <= 1 && none == 0 && refused.is_empty() && pending.is_none() && !asked)
            && targets.iter().all(healthy)
            && !Slot::BOTH.into_iter().any(|slot| self.is_used(slot))
    }

    /// The releases that new requests go to.
    pub fn serving(&self) -> impl Iterator<Item = &Release> {
        let open = self.epochs.iter().filter(|epoch| !epoch.is_closed());
        open.flat_map(|epoch| epoch.open_shares()).map(|share| &*share.release)
    }

    /// Where requests wait, if the app limits how many a target may have.
    pub fn line(&self) -> Option<&Line> {
        self.serving().find(|release| release.spread.max_requests > 0).map(|release| &*release.line)
    }

    /// Leases on releases of `slot`.
    pub fn in_flight(&self, slot: Slot) -> u64 {
        let of_epoch = |epoch: &Arc<Epoch>| -> u64 {
            let shares = epoch.shares().iter().filter(|share| share.release.slot == slot);
            shares.map(|share| epoch.leases(&share.release.token)).sum()
        };
        self.epochs.iter().map(of_epoch).sum()
    }
}

impl Overview {
    /// Before anything is known.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            store: StoreView::default(),
            apps: imbl::OrdMap::new(),
            strays: Arc::default(),
            snapshot_refused: Arc::default(),
            restored: false,
            first_round: false,
        }
    }

    /// Whether what is served comes from the snapshot and was not confirmed by the store yet.
    pub fn is_stale(&self) -> bool {
        self.restored && !self.store.read
    }

    /// Whether requests can be served, or what is missing.
    pub fn can_serve(&self) -> Result<(), String> {
        let store = &self.store;
        if self.restored {
            return Ok(());
        }
        if !store.read {
            let why = store.fault.as_deref().or(store.lost.as_deref()).unwrap_or("no answer yet");
            return Err(format!("the store was not read yet: {why}"));
        }
        if !self.first_round {
            return Err("the first round of health checks is not over".to_owned());
        }
        Ok(())
    }

    /// Whether requests should be sent here, or why not.
    pub fn is_ready(&self, lost_after: Duration) -> Result<(), String> {
        self.can_serve()?;
        let away = self.store.confirmed.map_or(self.began, |(at, _)| at).elapsed();
        if away < lost_after {
            return Ok(());
        }
        let shown = shunt_config::duration::show(Duration::from_secs(away.as_secs()));
        Err(format!("cut off from the store for {shown}; requests are served all the same"))
    }
}

impl Default for Overview {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the overview is read.
pub type Shown = Arc<ArcSwap<Overview>>;

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_hours(1);

    #[test]
    fn a_proxy_is_ready_when_the_store_was_read_and_the_first_checks_are_over() {
        let mut view = Overview::new();
        assert_eq!(view.can_serve().unwrap_err(), "the store was not read yet: no answer yet");
        view.store.read = true;
        assert!(view.can_serve().unwrap_err().contains("health checks"));
        view.first_round = true;
        assert_eq!(view.is_ready(NEVER), Ok(()));
    }

    #[test]
    fn a_proxy_with_a_snapshot_is_ready_at_once_and_stale_until_the_store_was_read() {
        let mut view = Overview { restored: true, ..Overview::new() };
        assert_eq!(view.is_ready(NEVER), Ok(()));
        assert!(view.is_stale());
        view.store.read = true;
        assert!(!view.is_stale());
    }

    #[test]
    fn a_proxy_cut_off_for_too_long_is_not_ready_but_can_serve() {
        let view = Overview { restored: true, ..Overview::new() };
        assert!(view.is_ready(Duration::ZERO).unwrap_err().starts_with("cut off from the store"));
        assert_eq!(view.can_serve(), Ok(()));
    }
}
