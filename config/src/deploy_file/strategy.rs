//! How one release takes the place of another.

use serde::{Deserialize, Serialize};

use crate::record::Step;

/// How one release takes the place of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The new one runs beside the old one, which is kept warm.
    #[default]
    BlueGreen,
    /// They never run side by side: requests wait in the proxies until the old one is stopped and the
    /// new one serves.
    Hold,
}

impl Strategy {
    /// Its steps, in their order.
    pub fn steps(self) -> &'static [Step] {
        use Step::{
            Acknowledge, Announce, Check, Drain, Empty, Flip, Hold, Migrate, Prove, Pull, Release,
            Retire, Start, Stop,
        };
        match self {
            Self::BlueGreen => {
                &[Pull, Migrate, Start, Check, Announce, Prove, Flip, Acknowledge, Drain, Retire]
            }
            Self::Hold => &[
                Pull, Hold, Empty, Stop, Migrate, Start, Check, Announce, Prove, Flip, Acknowledge,
                Release, Retire,
            ],
        }
    }
}
