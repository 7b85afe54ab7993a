//! Which requests the standby release gets copies of, on a line.

use jiff::Timestamp;
use serde::Serialize;
use shunt_config::Slot;
use shunt_config::record::Compared;
use shunt_config::status::MirrorStatus;

use crate::ack::Ack;
use crate::app_keys::{AppKeys, Kept};
use crate::fleet::Fleet;
use crate::mirror::{Asked, Copies, text};
use crate::time::{remaining, show};

/// Which requests the standby release gets copies of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MirrorLine {
    /// The slot whose release gets them.
    pub slot: Slot,
    /// What people call it.
    pub version: Option<String>,
    /// Percent of GET requests that are copied.
    pub percent: u8,
    /// The deploy that has asked for it, if one did.
    pub deploy: Option<String>,
    /// When the last proxy ends it by itself.
    pub until: Option<Timestamp>,
    /// Whether its time is over on all live proxies.
    pub over: bool,
    /// What copies and their originals came to, in all live proxies.
    pub counts: Compared,
    /// Proxies that do not copy to that release.
    pub missing: Vec<String>,
}

impl MirrorLine {
    pub(super) fn new(keys: &AppKeys, fleet: &Fleet) -> Option<Self> {
        let kept = keys.mirror.as_ref()?;
        let asked = kept.ok()?;
        let said = || {
            let all = fleet.live().flat_map(|(_, proxy)| proxy.statuses());
            let all = all.filter_map(|status| status.mirror.as_ref());
            all.filter(|mirror| mirror.token == kept.token)
        };
        let late = |mirror: &MirrorStatus| mirror.until.is_none();
        let missing = Asked::of(keys).map(|asked| fleet.acks(&asked));
        let missing = missing.into_iter().flatten().filter(|(_, ack)| *ack != Ack::Applied);
        let release = keys.slot(asked.slot).and_then(Kept::ok);
        Some(Self {
            slot: asked.slot,
            version: release.and_then(|release| release.version.clone()),
            percent: asked.percent(),
            deploy: asked.deploy.clone(),
            until: said().filter_map(|mirror| mirror.until).max(),
            over: said().next().is_some() && said().all(late),
            counts: Compared::of(asked.percent(), &Copies::of(kept.token.clone()).take(fleet)),
            missing: missing.map(|(name, _)| name.to_string()).collect(),
        })
    }

    pub(super) fn text(&self) -> String {
        let Self { percent, slot, .. } = self;
        let version = self.version.as_ref().map(|version| format!(" ({version})"));
        let version = version.unwrap_or_default();
        let counts = text(&self.counts);
        if self.over {
            return format!(
                "  no GET request is copied to {slot}{version} any more, the time is over: {counts}"
            );
        }
        let left = self.until.map(|until| format!(" for another {}", show(remaining(until))));
        let left = left.unwrap_or_default();
        let by = self.deploy.as_ref().map(|deploy| format!(", by deploy {deploy}"));
        let by = by.unwrap_or_default();
        let missing = match self.missing.is_empty() {
            true => String::new(),
            false => format!(", not yet by {}", self.missing.join(", ")),
        };
        format!(
            "  {percent}% of GET requests are copied to {slot}{version}{left}: {counts}{by}{missing}"
        )
    }
}
