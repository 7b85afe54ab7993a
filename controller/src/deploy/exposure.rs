//! Whether a deploy's own release may have been sent a request.

use shunt_config::Token;
use shunt_config::record::{Deploy, Stage};

use crate::app_keys::AppKeys;

/// What is known of requests to the new release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    /// No key has named it yet.
    Hidden,
    /// It was announced while `active` was this putting of it (`None`: while there was none), and
    /// this deploy has not flipped to it.
    Announced(Option<Token>),
    /// It was flipped to; or another process announced it, and since then someone may have flipped
    /// to it by hand, and back.
    Possible,
}

impl Exposure {
    /// What can be known of it from the record of the deploy alone.
    pub(super) fn of(record: &Deploy) -> Self {
        match record.stage {
            Stage::Preparing => Self::Hidden,
            _ => Self::Possible,
        }
    }

    /// Whether a proxy may have sent it a request, now that the keys are `keys`.
    pub(super) fn is_possible(&self, keys: &AppKeys) -> bool {
        let active = keys.active.as_ref().map(|kept| &kept.token);
        match self {
            Self::Hidden => false,
            Self::Announced(then) => active != then.as_ref(),
            Self::Possible => true,
        }
    }
}
