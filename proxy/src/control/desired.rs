//! The keys as they stand, parsed: desired state, good and bad.
//!
//! A value is parsed once, when it is put. A bad one is kept with its mistake, since the refusal is
//! shown for as long as the value stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use shunt_config::hold::Hold;
use shunt_config::key::{AppKey, Key};
use shunt_config::mirror::Mirror;
use shunt_config::record::{Deploy, Draining};
use shunt_config::store::Entry;
use shunt_config::{Active, App, AppName, Mistake, Release, Slot, Token};

/// One key's present value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<T> {
    /// Identity of this putting.
    pub token: Token,
    /// Orders keys by when they first came to be.
    pub created: u64,
    /// The value, or what is wrong with it.
    pub read: Result<Arc<T>, Mistake>,
}

impl<T> Value<T> {
    fn of(entry: &Entry, parse: impl FnOnce(&[u8]) -> Result<T, Mistake>) -> Self {
        let read = entry.parse(parse).map(Arc::new);
        Self { token: entry.token.clone(), created: entry.created, read }
    }
}

/// A release that another took the place of, and that its visitors may stay on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The slot it was in.
    pub slot: Slot,
    /// The release.
    pub release: Arc<Release>,
    /// Until when they may.
    pub until: Timestamp,
    /// Identity of this putting of its key.
    pub entry: Token,
}

impl Replaced {
    /// What `entry` says; `None` if nobody may stay there.
    fn of(entry: &Entry) -> Option<Self> {
        let draining = entry.parse(Draining::parse).ok()?;
        let (until, release) = (draining.sessions?, Arc::new(draining.release()?));
        Some(Self { slot: draining.slot, release, until, entry: entry.token.clone() })
    }
}

/// What the keys of one app ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `app`
    pub app: Option<Value<App>>,
    /// `blue` and `green`
    pub slots: [Option<Value<Release>>; 2],
    /// `active`
    pub active: Option<Value<Active>>,
    /// `hold`
    pub hold: Option<Value<Hold>>,
    /// `mirror`
    pub mirror: Option<Value<Mirror>>,
    /// `draining/…`, as far as visitors may stay there, by the announcement.
    pub replaced: BTreeMap<Token, Replaced>,
    /// Whether a deploy of it runs: then what its releases answer is told.
    pub deploying: bool,
    /// Keys that mean nothing: full key, token and mistake.
    pub unknown: BTreeMap<String, (Token, Mistake)>,
    /// Whether the store lost this app's keys in a way that looks like a fault of the store: then
    /// the absence of `app` does not remove the app.
    pub doubted: bool,
}

impl Wanted {
    /// What is wanted in `slot`.
    pub fn slot(&self, slot: Slot) -> Option<&Value<Release>> {
        self.slots[slot as usize].as_ref()
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn token(&self, key: &AppKey) -> Option<&Token> {
        match key {
            AppKey::App => self.app.as_ref().map(|v| &v.token),
            AppKey::Slot(slot) => self.slot(*slot).map(|v| &v.token),
            AppKey::Active => self.active.as_ref().map(|v| &v.token),
            AppKey::Hold => self.hold.as_ref().map(|v| &v.token),
            AppKey::Mirror => self.mirror.as_ref().map(|v| &v.token),
            _ => None,
        }
    }
}

/// What the keys under `apps/` ask for.
#[derive(Debug, Default)]
pub struct Desired {
    /// Boxed: the map's nodes are half empty where keys came in order.
    apps: BTreeMap<AppName, Box<Wanted>>,
    /// Keys that belong to no app, since their app's name is none.
    strays: BTreeMap<String, (Token, Mistake)>,
    /// Keys that proxies do not read; they only tell an empty store from one that is not.
    unread: BTreeSet<String>,
}

/// Whom a change of a key concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// This app.
    App(AppName),
    /// No app, but a stray key came or went.
    Stray,
    /// Nobody: a key that proxies do not read, or the very putting that is known already.
    Nobody,
}

impl Desired {
    /// What is wanted for `app`, if any of its keys is there.
    pub fn app(&self, app: &AppName) -> Option<&Wanted> {
        self.apps.get(app).map(|wanted| &**wanted)
    }

    /// All apps with a key.
    pub fn apps(&self) -> impl Iterator<Item = &AppName> {
        self.apps.keys()
    }

    /// Keys that belong to no app.
    pub fn strays(&self) -> &BTreeMap<String, (Token, Mistake)> {
        &self.strays
    }

    /// Takes note of a put.
    pub fn put(&mut self, entry: &Entry) -> Concerns {
        let (app, key) = match place(&entry.key) {
            Place::Known(app, key) => (app, key),
            Place::Unknown(app, mistake) => {
                let unknown = &mut self.apps.entry(app.clone()).or_default().unknown;
                unknown.insert(entry.key.clone(), (entry.token.clone(), mistake));
                return Concerns::App(app);
            }
            Place::Stray(mistake) => {
                self.strays.insert(entry.key.clone(), (entry.token.clone(), mistake));
                return Concerns::Stray;
            }
        };
        if !is_read(&key) {
            self.unread.insert(entry.key.clone());
            let deploys = |record: Deploy| record.unfinished();
            return match key {
                AppKey::Deploy => {
                    self.deploying(app, entry.parse(Deploy::parse).is_ok_and(deploys))
                }
                AppKey::Draining(token) => self.replaced(app, token, Replaced::of(entry)),
                _ => Concerns::Nobody,
            };
        }
        if self.apps.get(&app).and_then(|wanted| wanted.token(&key)) == Some(&entry.token) {
            return Concerns::Nobody;
        }
        let wanted = self.apps.entry(app.clone()).or_default();
        match key {
            AppKey::App => {
                wanted.app = Some(Value::of(entry, App::parse));
                wanted.doubted = false;
            }
            AppKey::Slot(slot) => {
                wanted.slots[slot as usize] = Some(Value::of(entry, Release::parse));
            }
            AppKey::Active => wanted.active = Some(Value::of(entry, Active::parse)),
            AppKey::Mirror => wanted.mirror = Some(Value::of(entry, Mirror::parse)),
            _ => wanted.hold = Some(Value::of(entry, Hold::parse)),
        }
        Concerns::App(app)
    }

    /// Takes note of a delete.
    pub fn delete(&mut self, key: &str) -> Concerns {
        if self.strays.remove(key).is_some() {
            return Concerns::Stray;
        }
        let unread = self.unread.remove(key);
        let (app, known) = match place(key) {
            Place::Known(app, known) => (app, Some(known)),
            Place::Unknown(app, _) => (app, None),
            Place::Stray(_) => return Concerns::Nobody,
        };
        if unread {
            return match known {
                Some(AppKey::Deploy) => self.deploying(app, false),
                Some(AppKey::Draining(token)) => self.replaced(app, token, None),
                _ => Concerns::Nobody,
            };
        }
        let Some(wanted) = self.apps.get_mut(&app) else { return Concerns::Nobody };
        match known {
            None => drop(wanted.unknown.remove(key)),
            Some(AppKey::App) => wanted.app = None,
            Some(AppKey::Slot(slot)) => wanted.slots[slot as usize] = None,
            Some(AppKey::Active) => wanted.active = None,
            Some(AppKey::Hold) => wanted.hold = None,
            Some(AppKey::Mirror) => wanted.mirror = None,
            Some(_) => return Concerns::Nobody,
        }
        self.forget_if_empty(&app);
        Concerns::App(app)
    }

    /// Takes note of whether a deploy of `app` runs.
    fn deploying(&mut self, app: AppName, deploying: bool) -> Concerns {
        let wanted = self.apps.entry(app.clone()).or_default();
        if wanted.deploying == deploying {
            self.forget_if_empty(&app);
            return Concerns::Nobody;
        }
        wanted.deploying = deploying;
        self.forget_if_empty(&app);
        Concerns::App(app)
    }

    /// Takes note of what is said of the replaced release announced as `token`.
    fn replaced(&mut self, app: AppName, token: Token, replaced: Option<Replaced>) -> Concerns {
        let wanted = self.apps.entry(app.clone()).or_default();
        let same = wanted.replaced.get(&token) == replaced.as_ref();
        match replaced {
            Some(replaced) => drop(wanted.replaced.insert(token, replaced)),
            None => drop(wanted.replaced.remove(&token)),
        }
        self.forget_if_empty(&app);
        if same { Concerns::Nobody } else { Concerns::App(app) }
    }

    fn forget_if_empty(&mut self, app: &AppName) {
        if self.apps.get(app).is_some_and(|wanted| wanted.is_empty()) {
            self.apps.remove(app);
        }
    }

    /// Notes that `app` lost its keys in a way that looks like a fault of the store. Over when its
    /// `app` key is put again.
    pub fn doubt(&mut self, app: &AppName) {
        self.apps.entry(app.clone()).or_default().doubted = true;
    }

    /// Whether no key is left.
    pub fn is_empty(&self) -> bool {
        let bare = |wanted: &Wanted| {
            Wanted { doubted: false, deploying: false, ..wanted.clone() }.is_empty()
        };
        let bare = self.apps.values().all(|wanted| bare(wanted));
        self.unread.is_empty() && self.strays.is_empty() && bare
    }

    /// All keys known.
    pub fn keys(&self) -> Vec<String> {
        let of_app = |app: &AppName| {
            let Some(wanted) = self.app(app) else { return Vec::new() };
            let kinds = [AppKey::App, AppKey::Active, AppKey::Hold, AppKey::Mirror];
            let slots = Slot::BOTH.map(AppKey::Slot);
            let there = kinds.into_iter().chain(slots).filter(|k| wanted.token(k).is_some());
            let known: Vec<_> = there.map(|kind| kind.of(app).to_string()).collect();
            known.into_iter().chain(wanted.unknown.keys().cloned()).collect::<Vec<_>>()
        };
        let others = self.strays.keys().chain(&self.unread).cloned();
        self.apps.keys().flat_map(of_app).chain(others).collect()
    }
}

/// Where a key belongs.
enum Place {
    Known(AppName, AppKey),
    Unknown(AppName, Mistake),
    Stray(Mistake),
}

/// Whether what is put under `key` says what an app is to do.
fn is_read(key: &AppKey) -> bool {
    use AppKey::{Active, App, Hold, Mirror, Slot};
    matches!(key, App | Slot(_) | Active | Hold | Mirror)
}

fn place(key: &str) -> Place {
    match Key::parse(key) {
        Ok(Key::App(app, kind)) => Place::Known(app, kind),
        Ok(_) => Place::Stray(Mistake::new(format!("`{key}` is no key of an app"))),
        Err(mistake) => {
            let app = key.split('/').nth(1).and_then(|app| app.parse().ok());
            match app {
                Some(app) => Place::Unknown(app, mistake),
                None => Place::Stray(mistake),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str, token: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            value: value.as_bytes().to_vec().into(),
            token: token.into(),
            created: 1,
            fault: None,
        }
    }

    fn web() -> AppName {
        "web".parse().unwrap()
    }

    #[test]
    fn reading_the_same_putting_again_concerns_nobody_and_putting_the_same_text_does() {
        let mut desired = Desired::default();
        let first = entry("apps/web/active", "blue", "t1");
        assert_eq!(desired.put(&first), Concerns::App(web()));
        assert_eq!(desired.put(&first), Concerns::Nobody);
        assert_eq!(desired.put(&entry("apps/web/active", "blue", "t2")), Concerns::App(web()));
    }

    #[test]
    fn keys_of_the_controller_concern_nobody() {
        let mut desired = Desired::default();
        for key in ["lock", "deploy", "draining/1-2", "history/1"] {
            let key = format!("apps/web/{key}");
            assert_eq!(desired.put(&entry(&key, "{}", "t")), Concerns::Nobody, "{key}");
            assert_eq!(desired.delete(&key), Concerns::Nobody, "{key}");
        }
        assert_eq!(desired.apps().count(), 0);
    }

    #[test]
    fn a_replaced_release_concerns_its_app_while_visitors_may_stay_there() {
        let mut desired = Desired::default();
        let key = "apps/web/draining/1-2";
        let value = r#"{"slot":"blue","value":"a:1","since":"2026-01-01T00:00:00Z"}"#;
        let stays = value.replace('}', r#","sessions":"2026-01-02T00:00:00Z"}"#);
        let put =
            |desired: &mut Desired, value: &str, token| desired.put(&entry(key, value, token));
        assert_eq!(put(&mut desired, value, "t1"), Concerns::Nobody);
        assert_eq!(put(&mut desired, &stays, "t2"), Concerns::App(web()));
        assert_eq!(put(&mut desired, &stays, "t2"), Concerns::Nobody);
        let replaced = &desired.app(&web()).unwrap().replaced[&Token::from("1-2")];
        assert_eq!((replaced.slot, replaced.release.targets.len()), (Slot::Blue, 1));
        assert_eq!(put(&mut desired, value, "t3"), Concerns::App(web()));
        assert!(desired.app(&web()).is_none() && !desired.is_empty());
        put(&mut desired, &stays, "t4");
        assert_eq!(desired.delete(key), Concerns::App(web()));
        assert!(desired.is_empty());
    }

    #[test]
    fn an_unknown_key_is_kept_with_its_mistake_until_it_is_deleted() {
        let mut desired = Desired::default();
        assert_eq!(desired.put(&entry("apps/web/aktive", "blue", "t")), Concerns::App(web()));
        let (_, mistake) = &desired.app(&web()).unwrap().unknown["apps/web/aktive"];
        assert!(mistake.to_string().contains("did you mean `active`?"));
        assert_eq!(desired.keys(), ["apps/web/aktive"]);
        assert_eq!(desired.delete("apps/web/aktive"), Concerns::App(web()));
        assert!(desired.app(&web()).is_none());

        assert_eq!(desired.put(&entry("apps/Web/active", "blue", "t")), Concerns::Stray);
        assert_eq!(desired.strays().len(), 1);
        assert_eq!(desired.delete("apps/Web/active"), Concerns::Stray);
    }
}
