//! The releases of an app that are reached beside its own requests: each slot's, under a host of its
//! own, whichever slot is active.
//!
//! A slot's release has an epoch of its own here. So its leases keep no drain of the app's waiting, a
//! flip does not touch it, and it is closed and drained like any other when the release is replaced.
//! What requests come to is counted apart, and nobody who waits for a release's figures sees it.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use shunt_config::app::HostPattern;
use shunt_config::cidr::Cidrs;
use shunt_config::{App, Slot};

use super::epoch::Epoch;

/// What of an app is reached beside its own requests.
#[derive(Debug)]
pub struct Preview {
    hosts: Vec<Host>,
    /// Clients that are let in under the hosts; none for all.
    allow: Cidrs,
    /// What is behind each slot.
    shown: [Shown; 2],
}

/// A host of previews.
#[derive(Debug)]
struct Host {
    host: HostPattern,
    slot: Slot,
    /// What targets are told in its place.
    told: Option<HeaderValue>,
}

/// What is behind a slot.
#[derive(Clone, Debug, Default)]
pub enum Shown {
    /// No release.
    #[default]
    Nothing,
    /// One that was not proved since it was announced.
    Unproved,
    /// One that was, in an epoch of its own that has one share.
    Release(Arc<Epoch>),
}

impl Shown {
    /// The release's epoch, if requests may go there.
    pub fn epoch(&self) -> Option<&Arc<Epoch>> {
        match self {
            Self::Release(epoch) => Some(epoch),
            Self::Nothing | Self::Unproved => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Release(one), Self::Release(other)) => Arc::ptr_eq(one, other),
            (Self::Nothing, Self::Nothing) | (Self::Unproved, Self::Unproved) => true,
            _ => false,
        }
    }
}

impl Preview {
    /// What `app` asks for, with what is behind each slot; `None` without previews.
    pub fn of(app: &App, shown: [Shown; 2]) -> Option<Self> {
        let preview = app.preview.as_ref()?;
        let hosts = preview.hosts(app).into_iter().map(|found| Host {
            told: found
                .of
                .filter(|_| preview.rewrite_host)
                .and_then(|host| HeaderValue::try_from(host).ok()),
            host: found.host,
            slot: found.slot,
        });
        Some(Self { hosts: hosts.collect(), allow: preview.allow.clone(), shown })
    }

    /// The hosts, and the slot that each is for.
    pub fn hosts(&self) -> impl Iterator<Item = (&HostPattern, Slot)> {
        self.hosts.iter().map(|host| (&host.host, host.slot))
    }

    /// Whether the client at `address` is let in under the hosts.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.contain(address)
    }

    /// What is behind `slot`.
    pub fn shown(&self, slot: Slot) -> &Shown {
        &self.shown[slot as usize]
    }

    /// Whether the same is behind the slots as in `shown`.
    pub fn shows(&self, shown: &[Shown; 2]) -> bool {
        self.shown.iter().zip(shown).all(|(one, other)| one.is(other))
    }

    /// The epochs that requests may claim on.
    pub fn epochs(&self) -> impl Iterator<Item = &Arc<Epoch>> {
        self.shown.iter().filter_map(Shown::epoch)
    }

    /// What targets are told in the place of `host`, a host of previews in lower case, if that is
    /// asked for.
    pub(crate) fn told(&self, host: &str) -> Option<&HeaderValue> {
        self.hosts.iter().find(|known| known.host.matches(host))?.told.as_ref()
    }
}
