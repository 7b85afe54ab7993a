//! What copies of requests came to at a new release, beside the requests themselves at the old one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::status::{Mirrored, Tally};

/// What copies of requests came to at a new release, beside the requests themselves at the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Percent of GET requests that were copied.
    pub percent: u8,
    /// What the old release answered to the requests.
    pub old: Figures,
    /// What the new one answered to their copies.
    pub new: Figures,
    /// Copies that were answered with another class of status than their originals.
    pub differ: u64,
    /// Requests whose turn it was and that were not copied, for want of room.
    pub left_out: u64,
}

/// Some figures of a release's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Requests that are over.
    pub requests: u64,
    /// Those answered with 5xx, or not at all.
    pub errors: u64,
    /// Connections that could not be made.
    pub connects: u64,
    /// Half of the answers began within this time; `None` without one, or beyond all bounds.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub p50: Option<Duration>,
    /// And 99 of a hundred.
    #[serde(default, with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub p99: Option<Duration>,
}

impl Compared {
    /// The figures of what was counted while `percent` of the requests were copied.
    pub fn of(percent: u8, counts: &Mirrored) -> Self {
        Self {
            percent,
            old: Figures::of(&counts.originals),
            new: Figures::of(&counts.copies),
            differ: counts.differ,
            left_out: counts.left_out,
        }
    }
}

impl Figures {
    fn of(tally: &Tally) -> Self {
        Self {
            requests: tally.requests,
            errors: tally.errors,
            connects: tally.connects,
            p50: tally.within(50),
            p99: tally.within(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{bound, bucket};

    #[test]
    fn figures_are_read_from_the_buckets_and_read_back_as_they_were_written() {
        let (quick, slow) = (bucket(Duration::from_millis(10)), bucket(Duration::from_secs(1)));
        let latency = [(quick, 98), (slow, 2)].into();
        let copies = Tally { requests: 100, errors: 3, connects: 1, latency };
        let counts = Mirrored { copies, differ: 4, left_out: 5, ..Mirrored::default() };
        let compared = Compared::of(10, &counts);
        assert_eq!((compared.new.p50, compared.new.p99), (bound(quick), bound(slow)));
        assert_eq!((compared.old.p50, compared.old.requests), (None, 0));
        let written = serde_json::to_string(&compared).unwrap();
        assert_eq!(serde_json::from_str::<Compared>(&written).unwrap(), compared);
    }
}
