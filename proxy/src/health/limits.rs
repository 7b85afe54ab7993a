//! How much checking may go on at once, over all targets.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Probes under way: each holds a file descriptor.
const PROBES: usize = 1024;
/// Name look-ups under way: each holds a thread, for as long as the system's resolver takes.
const LOOKUPS: usize = 64;

/// How much checking may go on at once. Clones share it.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) probes: Arc<Semaphore>,
    pub(super) lookups: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        let of = |n| Arc::new(Semaphore::new(n));
        Self { probes: of(PROBES), lookups: of(LOOKUPS) }
    }
}
