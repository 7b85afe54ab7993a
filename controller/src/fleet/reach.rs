//! Who sends requests to a release, has some there, or lets visitors stay on it.

use std::collections::BTreeMap;

use shunt_config::status::{AppStatus, Stays};
use shunt_config::{ProxyName, Slot, Token};

use super::{Fleet, Process};
use crate::app_keys::AppKeys;

impl Fleet {
    /// Leases on `token`, a release of the app of `keys`, per live proxy that has not let go of it:
    /// `None` where it still sends new requests there, or has said nothing yet.
    pub fn holding(&self, keys: &AppKeys, token: &Token) -> BTreeMap<ProxyName, Option<u64>> {
        let mut holding = BTreeMap::new();
        for (name, process) in self.processes() {
            let leases = match &process.status {
                // A proxy that has dropped a removed app says nothing of it any more.
                None if keys.app.is_none() => continue,
                // One that has just begun may serve anything from its snapshot.
                None => None,
                Some(s) if s.serving.iter().any(|serving| serving.token == *token) => None,
                Some(s) => match s.draining.get(token) {
                    Some(leases) => Some(*leases),
                    None => continue,
                },
            };
            let sum = holding.entry(name.clone()).or_insert(Some(0));
            *sum = sum.zip(leases).map(|(a, b): (u64, u64)| a + b);
        }
        holding
    }

    /// Who stays on `token`, though new visitors do not go there: what each live process says.
    pub fn stays(&self, token: &Token) -> impl Iterator<Item = (&ProxyName, &Stays)> {
        let status = |(name, process)| {
            let process: &Process = process;
            Some((name, process.status.as_ref()?.sessions.get(token)?))
        };
        self.processes().filter_map(status)
    }

    /// Whether a live proxy says that it sends new requests to `token`.
    pub fn serves(&self, token: &Token) -> bool {
        let statuses = self.live().flat_map(|(_, proxy)| proxy.statuses());
        statuses.flat_map(|status| &status.serving).any(|serving| serving.token == *token)
    }

    /// Leases of previews on `token`, per live proxy: `None` where previews still reach it.
    pub fn previewing(&self, token: &Token) -> BTreeMap<ProxyName, Option<u64>> {
        let mut previewing = BTreeMap::new();
        for (name, process) in self.processes() {
            let Some(status) = &process.status else { continue };
            let leases = match status.previews_left.get(token) {
                _ if status.previews.contains(token) => None,
                Some(leases) => Some(*leases),
                None => continue,
            };
            let sum = previewing.entry(name.clone()).or_insert(Some(0));
            *sum = sum.zip(leases).map(|(a, b): (u64, u64)| a + b);
        }
        previewing
    }

    /// [`Self::holding`] and [`Self::previewing`] together: who may have any request at all on it.
    pub fn reaching(&self, keys: &AppKeys, token: &Token) -> BTreeMap<ProxyName, Option<u64>> {
        let mut reaching = self.holding(keys, token);
        for (name, leases) in self.previewing(token) {
            let sum = reaching.entry(name).or_insert(Some(0));
            *sum = sum.zip(leases).map(|(a, b): (u64, u64)| a + b);
        }
        reaching
    }

    /// A live proxy that says that it sends new requests to a release in `slot`.
    pub fn serving(&self, slot: Slot) -> Option<&ProxyName> {
        let serves = |status: &AppStatus| status.serving.iter().any(|s| s.slot == slot);
        let found = self.live().find(|(_, proxy)| proxy.statuses().any(serves));
        found.map(|(name, _)| name)
    }

    /// A live proxy that says that it sends requests to `token`, or still has some there.
    pub fn naming(&self, token: &Token) -> Option<&ProxyName> {
        let names = |status: &AppStatus| {
            status.serving.iter().any(|serving| serving.token == *token)
                || status.draining.contains_key(token)
        };
        let found = self.live().find(|(_, proxy)| proxy.statuses().any(names));
        found.map(|(name, _)| name)
    }
}
