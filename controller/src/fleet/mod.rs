//! The proxies, and what they say of one app.

use std::collections::{BTreeMap, BTreeSet};

use shunt_config::key::{AppKey, Key};
use shunt_config::status::AppStatus;
use shunt_config::store::{Change, Entry, Store, StoreError, View};
use shunt_config::{AppName, ProxyName, Token, key, strict};

use crate::ack::{Ack, Ask};

mod health;
mod proxy;
mod reach;

pub use proxy::{Process, Proxy};

/// The proxies, and what they say of one app.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    app: Option<AppName>,
    proxies: BTreeMap<ProxyName, Proxy>,
}

impl Fleet {
    /// All proxies as they stand now, and what they say of `app`.
    pub async fn read(store: &dyn Store, app: Option<&AppName>) -> Result<Self, StoreError> {
        let mut fleet = Self { app: app.cloned(), ..Self::default() };
        // Fleet keys first: a proxy that comes up in between is then seen as live at least.
        for prefix in [key::FLEET, key::PROXIES] {
            store.read(prefix).await?.entries.values().for_each(|entry| fleet.put(entry));
        }
        Ok(fleet)
    }

    /// All proxies in `view`, of the whole store, and what they say of `app`.
    pub fn in_view(view: &View, app: &AppName) -> Self {
        let mut fleet = Self::of(app);
        view.entries.values().for_each(|entry| fleet.put(entry));
        fleet
    }

    /// No proxies, to be filled by a watch.
    pub fn of(app: &AppName) -> Self {
        Self { app: Some(app.clone()), ..Self::default() }
    }

    /// Forgets what `prefix` (one of the two) said, before a full view is put in its place.
    pub fn clear(&mut self, prefix: &str) {
        for proxy in self.proxies.values_mut() {
            if prefix == key::FLEET {
                (proxy.known, proxy.fleet) = (false, None);
            } else {
                proxy.processes.clear();
            }
        }
        self.tidy();
    }

    /// Takes a change over.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(entry) => self.put(entry),
            Change::Deleted(key) => self.delete(key),
        }
    }

    /// Takes a key over.
    pub fn put(&mut self, entry: &Entry) {
        let text = strict::text(&entry.value);
        match Key::parse(&entry.key) {
            Ok(Key::Fleet(name)) => {
                let proxy = self.proxies.entry(name).or_default();
                proxy.known = true;
                proxy.fleet = text.ok().and_then(|text| strict::json(text).ok());
            }
            Ok(Key::Instance(name, id)) => {
                let process = self.process(name, id);
                process.instance = text.ok().and_then(|text| strict::json(text).ok());
            }
            Ok(Key::Status(name, id, app)) if self.app.as_ref() == Some(&app) => {
                let process = self.process(name, id);
                process.status = text.ok().and_then(|text| strict::json(text).ok());
            }
            // Another app's status still shows that the process lives.
            Ok(Key::Status(name, id, _)) => drop(self.process(name, id)),
            _ => {}
        }
    }

    fn delete(&mut self, key: &str) {
        match Key::parse(key) {
            Ok(Key::Fleet(name)) => {
                if let Some(proxy) = self.proxies.get_mut(&name) {
                    (proxy.known, proxy.fleet) = (false, None);
                }
            }
            Ok(Key::Instance(name, id)) => {
                if let Some(proxy) = self.proxies.get_mut(&name) {
                    proxy.processes.remove(&id);
                }
            }
            Ok(Key::Status(name, id, app)) if self.app.as_ref() == Some(&app) => {
                let process = self.proxies.get_mut(&name).and_then(|p| p.processes.get_mut(&id));
                if let Some(process) = process {
                    process.status = None;
                }
            }
            _ => {}
        }
        self.tidy();
    }

    fn process(&mut self, name: ProxyName, id: String) -> &mut Process {
        self.proxies.entry(name).or_default().processes.entry(id).or_default()
    }

    fn tidy(&mut self) {
        self.proxies.retain(|_, proxy| proxy.known || !proxy.processes.is_empty());
    }

    /// Every proxy: known, or live although forgotten.
    pub fn all(&self) -> impl Iterator<Item = (&ProxyName, &Proxy)> {
        self.proxies.iter()
    }

    /// The proxies that give a sign of life.
    pub fn live(&self) -> impl Iterator<Item = (&ProxyName, &Proxy)> {
        self.all().filter(|(_, proxy)| proxy.is_live())
    }

    /// The known proxies that give none.
    pub fn lost(&self) -> impl Iterator<Item = &ProxyName> {
        self.all().filter(|(_, proxy)| !proxy.is_live()).map(|(name, _)| name)
    }

    /// What is wrong with names that more than one proxy has.
    pub fn namesakes(&self) -> impl Iterator<Item = String> {
        self.all().filter_map(|(name, proxy)| proxy.namesakes(name))
    }

    /// Whether there is no proxy at all.
    pub fn is_empty(&self) -> bool {
        self.proxies.is_empty()
    }

    /// What each proxy says to what is `asked`.
    pub fn acks(&self, asked: &impl Ask) -> BTreeMap<ProxyName, Ack> {
        self.all().map(|(name, proxy)| (name.clone(), proxy.ack(asked))).collect()
    }

    fn processes(&self) -> impl Iterator<Item = (&ProxyName, &Process)> {
        self.all().flat_map(|(name, proxy)| proxy.processes.values().map(move |p| (name, p)))
    }

    /// Why a proxy refuses the value that was put as `token` under the key of `kind`, if one does.
    pub fn refusal(&self, kind: &AppKey, token: &Token) -> Option<(ProxyName, String)> {
        let key = kind.clone().of(self.app.as_ref()?).to_string();
        self.live().find_map(|(name, proxy)| {
            let mut all = proxy.statuses().flat_map(|status| &status.refused);
            let refusal = all.find(|r| r.key == key && r.token.as_ref() == Some(token))?;
            Some((name.clone(), refusal.reason.clone()))
        })
    }

    /// A live proxy that probes or serves a target of the app on `port`.
    pub fn names_port(&self, port: u16) -> Option<&ProxyName> {
        let end = format!(":{port}");
        let names = |status: &AppStatus| status.targets.iter().any(|t| t.address.ends_with(&end));
        let found = self.live().find(|(_, proxy)| proxy.statuses().any(names));
        found.map(|(name, _)| name)
    }

    /// Proxies that still have something of the app.
    pub fn having(&self) -> BTreeSet<ProxyName> {
        let has = |status: &AppStatus| {
            !status.serving.is_empty()
                || !status.draining.is_empty()
                || !status.previews_left.is_empty()
                || status.app.is_some()
        };
        let having = self.live().filter(|(_, proxy)| proxy.statuses().any(has));
        having.map(|(name, _)| name.clone()).collect()
    }
}
