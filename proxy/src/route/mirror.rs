//! The release that some of an app's requests are copied to, to see what it would answer.
//!
//! It has an epoch of its own, as a release has that is seen through a preview: no drain waits for a
//! copy, and what copies come to is in no figure that the app is judged by.

use std::sync::Arc;

use super::epoch::Epoch;
use super::release::Release;
use crate::metrics::Pairs;

/// The release that some of an app's requests are copied to.
#[derive(Debug)]
pub struct Mirror {
    percent: u8,
    epoch: Arc<Epoch>,
    pairs: Arc<Pairs>,
}

impl Mirror {
    /// Copies of `percent` (1 to 100) of the requests that may be copied, to the one release of
    /// `epoch`, counted in `pairs`.
    pub fn new(percent: u8, epoch: Arc<Epoch>, pairs: Arc<Pairs>) -> Self {
        Self { percent, epoch, pairs }
    }

    /// What copies claim on.
    pub fn epoch(&self) -> &Arc<Epoch> {
        &self.epoch
    }

    /// The release.
    pub fn release(&self) -> &Release {
        // An epoch is never without a share.
        &self.epoch.shares()[0].release
    }

    /// What requests and their copies are counted in.
    pub(crate) fn pairs(&self) -> &Arc<Pairs> {
        &self.pairs
    }

    /// Whether the `nth` request of a thread is to be copied: exact over every hundred, as a split is
    /// ([`Epoch::pick`]).
    pub(crate) fn is_turn(&self, nth: usize) -> bool {
        nth.wrapping_mul(61) % 100 < usize::from(self.percent)
    }
}
