//! All that the store holds for one app, read at one moment or kept up by a watch.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use shunt_config::hold::Hold;
use shunt_config::key::{AppKey, Key};
use shunt_config::mirror::Mirror;
use shunt_config::record::{Deploy, Draining, History, Lock};
use shunt_config::store::{Change, Condition, Entry, Store, StoreError, View};
use shunt_config::{Active, App, AppName, Mistake, Release, Slot, Token};

/// A value under its key: as it was written, and as it reads.
#[derive(Clone, Debug)]
pub struct Kept<T> {
    /// Identity of this putting of it.
    pub token: Token,
    /// As it was written.
    pub raw: Bytes,
    /// As it reads; boxed, since what holds all keys of an app is moved through many futures.
    pub value: Result<Box<T>, Mistake>,
}

impl<T> Kept<T> {
    fn new(entry: &Entry, parse: fn(&[u8]) -> Result<T, Mistake>) -> Self {
        let value = entry.parse(parse).map(Box::new);
        Self { token: entry.token.clone(), raw: entry.value.clone(), value }
    }

    /// The value, if it can be read.
    pub fn ok(&self) -> Option<&T> {
        self.value.as_deref().ok()
    }

    /// The value, or why it cannot be read.
    pub fn read(&self) -> Result<&T, &Mistake> {
        self.value.as_deref()
    }

    /// As it was written, for people and for putting it back.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// The apps in `view`, by their names.
pub fn apps(view: &View) -> Vec<AppKeys> {
    let app = |key: &String| match Key::parse(key) {
        Ok(Key::App(name, _)) => Some(name),
        _ => None,
    };
    let names: BTreeSet<AppName> = view.entries.keys().filter_map(app).collect();
    names.into_iter().map(|name| AppKeys::of(name, view)).filter(|keys| !keys.is_gone()).collect()
}

/// The keys in `view`, of the whole store, that belong to none of `apps` and mean nothing to anyone.
pub fn strays(view: &View, apps: &[AppKeys]) -> Vec<Mistake> {
    let of_app = |key: &str| apps.iter().any(|keys| key.starts_with(&AppKeys::prefix(&keys.name)));
    let alone = view.entries.keys().filter(|key| !of_app(key));
    let place = |key: &str, mistake: Mistake| match mistake.to_string().contains(key) {
        true => mistake,
        false => mistake.at(&format!("`{key}`")),
    };
    alone.filter_map(|key| Some(place(key, Key::parse(key).err()?))).collect()
}

/// All that the store holds for one app.
#[derive(Clone, Debug)]
pub struct AppKeys {
    /// The app.
    pub name: AppName,
    /// Identity of the store.
    pub store: String,
    /// `app`
    pub app: Option<Kept<App>>,
    /// `active`
    pub active: Option<Kept<Active>>,
    /// `hold`
    pub hold: Option<Kept<Hold>>,
    /// `mirror`
    pub mirror: Option<Kept<Mirror>>,
    /// `lock`
    pub lock: Option<Kept<Lock>>,
    /// `deploy`
    pub deploy: Option<Kept<Deploy>>,
    /// `draining/…`
    pub draining: BTreeMap<Token, Kept<Draining>>,
    /// `history/…`
    pub history: BTreeMap<String, Kept<History>>,
    /// Keys that are none.
    pub unknown: BTreeMap<String, Mistake>,
    slots: [Option<Kept<Release>>; 2],
}

impl AppKeys {
    /// No keys at all.
    pub fn empty(name: AppName) -> Self {
        Self {
            name,
            store: String::new(),
            app: None,
            active: None,
            hold: None,
            mirror: None,
            lock: None,
            deploy: None,
            draining: BTreeMap::new(),
            history: BTreeMap::new(),
            unknown: BTreeMap::new(),
            slots: [None, None],
        }
    }

    /// The prefix of an app's keys.
    pub fn prefix(name: &AppName) -> String {
        format!("apps/{name}/")
    }

    /// The keys as they stand now.
    pub async fn read(store: &dyn Store, name: &AppName) -> Result<Self, StoreError> {
        Ok(Self::of(name.clone(), &store.read(&Self::prefix(name)).await?))
    }

    /// The keys of `name` in `view`.
    pub fn of(name: AppName, view: &View) -> Self {
        let mut keys = Self { store: view.store.clone(), ..Self::empty(name) };
        view.entries.values().for_each(|entry| keys.put(entry));
        keys
    }

    /// Takes a change over; one of another app changes nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(entry) => self.put(entry),
            Change::Deleted(key) => self.delete(key),
        }
    }

    /// What is in `slot`.
    pub fn slot(&self, slot: Slot) -> Option<&Kept<Release>> {
        self.slots[slot as usize].as_ref()
    }

    /// Where `active` sends new requests, if it can be read.
    pub fn active(&self) -> Option<Active> {
        self.active.as_ref().and_then(Kept::ok).copied()
    }

    /// The running or last deploy's record, if it can be read.
    pub fn record(&self) -> Option<&Deploy> {
        self.deploy.as_ref().and_then(Kept::ok)
    }

    /// Whether there is no key of the app but its history.
    pub fn is_gone(&self) -> bool {
        self.app.is_none()
            && self.active.is_none()
            && self.slots.iter().all(Option::is_none)
            && self.draining.is_empty()
            && self.deploy.is_none()
    }

    /// The condition that the key of `kind` stands as it was seen here.
    pub fn unchanged(&self, kind: &AppKey) -> Condition {
        let token = match kind {
            AppKey::App => self.app.as_ref().map(|kept| &kept.token),
            AppKey::Active => self.active.as_ref().map(|kept| &kept.token),
            AppKey::Hold => self.hold.as_ref().map(|kept| &kept.token),
            AppKey::Mirror => self.mirror.as_ref().map(|kept| &kept.token),
            AppKey::Lock => self.lock.as_ref().map(|kept| &kept.token),
            AppKey::Deploy => self.deploy.as_ref().map(|kept| &kept.token),
            AppKey::Slot(slot) => self.slot(*slot).map(|kept| &kept.token),
            AppKey::Draining(token) => self.draining.get(token).map(|kept| &kept.token),
            AppKey::History(id) => self.history.get(id).map(|kept| &kept.token),
        };
        let key = kind.clone().of(&self.name).to_string();
        match token {
            Some(token) => Condition::Is(key, token.clone()),
            None => Condition::Absent(key),
        }
    }

    fn put(&mut self, entry: &Entry) {
        let kind = match Key::parse(&entry.key) {
            Ok(Key::App(name, kind)) if name == self.name => kind,
            Ok(_) => return,
            Err(mistake) => {
                if entry.key.starts_with(&Self::prefix(&self.name)) {
                    self.unknown.insert(entry.key.clone(), mistake);
                }
                return;
            }
        };
        match kind {
            AppKey::App => self.app = Some(Kept::new(entry, App::parse)),
            AppKey::Active => self.active = Some(Kept::new(entry, Active::parse)),
            AppKey::Hold => self.hold = Some(Kept::new(entry, Hold::parse)),
            AppKey::Mirror => self.mirror = Some(Kept::new(entry, Mirror::parse)),
            AppKey::Lock => self.lock = Some(Kept::new(entry, Lock::parse)),
            AppKey::Deploy => self.deploy = Some(Kept::new(entry, Deploy::parse)),
            AppKey::Slot(slot) => {
                self.slots[slot as usize] = Some(Kept::new(entry, Release::parse));
            }
            AppKey::Draining(token) => {
                self.draining.insert(token, Kept::new(entry, Draining::parse));
            }
            AppKey::History(id) => {
                self.history.insert(id, Kept::new(entry, History::parse));
            }
        }
    }

    fn delete(&mut self, key: &str) {
        let kind = match Key::parse(key) {
            Ok(Key::App(name, kind)) if name == self.name => kind,
            _ => {
                self.unknown.remove(key);
                return;
            }
        };
        match kind {
            AppKey::App => self.app = None,
            AppKey::Active => self.active = None,
            AppKey::Hold => self.hold = None,
            AppKey::Mirror => self.mirror = None,
            AppKey::Lock => self.lock = None,
            AppKey::Deploy => self.deploy = None,
            AppKey::Slot(slot) => self.slots[slot as usize] = None,
            AppKey::Draining(token) => drop(self.draining.remove(&token)),
            AppKey::History(id) => drop(self.history.remove(&id)),
        }
    }
}
