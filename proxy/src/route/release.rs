//! One announcement as the data plane sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use shunt_config::timeouts::Limits;
use shunt_config::{AppName, Slot, Token};

use super::target::Target;
use crate::metrics::Meters;

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
    /// What people call it.
    pub version: Option<String>,
    /// Where it answers; never empty.
    pub targets: Vec<Arc<Target>>,
    /// How long the proxy waits for it.
    pub limits: Limits,
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
            token,
            version: spec.version.clone(),
            targets: spec.targets.iter().map(|t| Arc::new(Target::new(t))).collect(),
            limits,
            meters,
            retired: AtomicBool::new(false),
            admitted: Arc::new(AtomicBool::new(true)),
        }
    }

    /// The same announcement under other limits: targets, what is known of them and counters stay,
    /// connections do not.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            app: self.app.clone(),
            slot: self.slot,
            token: self.token.clone(),
            version: self.version.clone(),
            targets: self.targets.clone(),
            limits,
            meters: Arc::clone(&self.meters),
            retired: AtomicBool::new(false),
            admitted: Arc::clone(&self.admitted),
        }
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

    use super::*;

    /// A release announced as `token`, in blue, with one target nobody listens on.
    pub(crate) fn release(token: &str) -> Release {
        let app = "web".parse().unwrap();
        let spec = shunt_config::Release::parse(b"127.0.0.1:1").unwrap();
        let limits = Timeouts::default().over(&Timeouts::default());
        Release::new(&app, Slot::Blue, token.into(), &spec, limits, Arc::new(Meters::new(1)))
    }
}
