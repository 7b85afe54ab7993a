//! Who this process is, for the store and for people.

use shunt_config::ProxyName;
use shunt_config::status::Instance;

/// Who this process is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The proxy.
    pub proxy: ProxyName,
    /// This process of it: unlike every other that was or will be.
    pub instance: String,
    /// Where it keeps its state, and no other process does while this one runs: the end of the
    /// instance's name.
    place: String,
    /// What is said of the process.
    pub about: Instance,
}

impl Identity {
    /// This process as `proxy`, with its admin listener at `admin`, and its state at `place` (see
    /// [`StateLock::place`](crate::saved::StateLock::place)).
    pub fn new(proxy: ProxyName, admin: String, place: &str) -> Self {
        let (started, pid) = (jiff::Timestamp::now(), std::process::id());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            proxy,
            instance: format!("{:x}-{pid:x}-{place}", started.as_millisecond()),
            place: place.to_owned(),
            about: Instance { started, version, pid, admin: Some(admin) },
        }
    }

    /// Whether `instance` is, or was, a process with the state of this one: this one itself, or one
    /// that has ended, whatever of it is still in the store.
    pub(super) fn has_place_of(&self, instance: &str) -> bool {
        instance.rsplit('-').next() == Some(self.place.as_str())
    }

    /// Another name for this process, where an older one has that of its proxy: the same for every
    /// process with this state, and nobody else's. `None` if that would be too long for a name.
    pub(super) fn aside(&self) -> Option<ProxyName> {
        let end: String = self.place.chars().take(8).collect();
        format!("{}-{end}", self.proxy).parse().ok()
    }
}
