//! How one release takes the place of another.

use serde::{Deserialize, Serialize};

use crate::record::Step;

/// How one release takes the place of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The new one runs beside the old one, which is kept warm, and gets all requests at once.
    #[default]
    BlueGreen,
    /// The same, but it gets a few requests first, then more.
    Canary,
    /// They never run side by side: requests wait in the proxies until the old one is stopped and the
    /// new one serves.
    Hold,
}

impl Strategy {
    /// Its steps, in their order; a deploy leaves out those that have nothing to do.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::BlueGreen | Self::Canary => &[
                Step::Pull,
                Step::Migrate,
                Step::Start,
                Step::Check,
                Step::WarmUp,
                Step::Announce,
                Step::Prove,
                Step::Verify,
                Step::Mirror,
                Step::Canary,
                Step::Flip,
                Step::Acknowledge,
                Step::Bake,
                Step::Workers,
                Step::Drain,
                Step::Sessions,
                Step::Retire,
            ],
            Self::Hold => &[
                Step::Pull,
                Step::Hold,
                Step::Empty,
                Step::Stop,
                Step::Migrate,
                Step::Start,
                Step::Check,
                Step::WarmUp,
                Step::Announce,
                Step::Prove,
                Step::Verify,
                Step::Flip,
                Step::Acknowledge,
                Step::Release,
                Step::Workers,
                Step::Retire,
            ],
        }
    }
}
