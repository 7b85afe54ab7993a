//! What the store tells, and what of it is believed.
//!
//! A single key that is gone was deleted by someone. A store that is suddenly empty, or another
//! store with fewer apps, is far more likely a slip or a fault, and believing it would take every
//! app down at once: what is served stays, and the fault is shown until it is over.

use std::collections::{BTreeMap, BTreeSet};

use shunt_config::AppName;
use shunt_config::key::{AppKey, Key};
use shunt_config::store::{Change, View};

use super::desired::{Concerns, Desired};

/// What the store tells, and what of it is believed.
#[derive(Debug, Default)]
pub struct Intake {
    desired: Desired,
    /// Identity of the store that is believed.
    store: Option<String>,
    /// Another store that is not believed, as it stands.
    other: Option<View>,
    fault: Option<String>,
    read: bool,
}

/// What a change of the store concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// Apps to look at again.
    pub apps: BTreeSet<AppName>,
    /// Whether keys of no app came or went.
    pub strays: bool,
}

/// The apps this proxy knows, and whether requests reach a release of theirs.
pub type Running = BTreeMap<AppName, bool>;

impl Intake {
    /// An intake that knows the store by `identity`, from an earlier life of this proxy.
    pub fn knowing(identity: Option<String>) -> Self {
        Self { store: identity, ..Self::default() }
    }

    /// What is asked for.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Identity of the store that is believed.
    pub fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// Whether a full view was believed since this process began.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// Why what the store tells is not believed in full.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Takes in the whole store as it stands.
    pub fn full(&mut self, view: View, running: impl Fn() -> Running) -> Concerned {
        let running = running();
        let serving = running.values().filter(|serves| **serves).count();
        let apps = apps_in(&view);
        if let Some(known) = self.store.as_ref().filter(|known| **known != view.store)
            && apps < serving
        {
            self.fault = Some(format!(
                "this is another store ({}, before {known}) with {apps} apps where {serving} are \
                 served: nothing of it is believed until it has as many; to take it as it is, \
                 restart this proxy with an empty state directory",
                view.store
            ));
            self.other = Some(view);
            return Concerned::default();
        }
        self.adopt(view, &running)
    }

    /// Takes in the changes of one revision.
    pub fn changed(&mut self, changes: Vec<Change>, running: impl Fn() -> Running) -> Concerned {
        if let Some(mut other) = self.other.take() {
            for change in changes {
                match change {
                    Change::Put(entry) => other.entries.insert(entry.key.clone(), entry),
                    Change::Deleted(key) => other.entries.remove(&key),
                };
            }
            return self.full(other, running);
        }
        let mut concerned = Concerned::default();
        // One key deleted alone is somebody's wish, even if it is the last one.
        let sweeping = changes.len() > 1;
        for change in &changes {
            concerned.note(match change {
                Change::Put(entry) => self.desired.put(entry),
                Change::Deleted(key) => self.desired.delete(key),
            });
        }
        if sweeping && self.desired.is_empty() {
            self.doubt_what_serves(&running(), &mut concerned);
        }
        if self.fault.is_some() {
            self.look_at_fault();
        }
        concerned
    }

    fn adopt(&mut self, view: View, running: &Running) -> Concerned {
        let mut concerned = Concerned::default();
        for key in self.desired.keys() {
            if !view.entries.contains_key(&key) {
                concerned.note(self.desired.delete(&key));
            }
        }
        for entry in view.entries.values() {
            concerned.note(self.desired.put(entry));
        }
        if view.entries.is_empty() {
            self.doubt_what_serves(running, &mut concerned);
        }
        // Apps known from the snapshot alone, whose keys went while this proxy was down.
        let gone = running.keys().filter(|app| self.desired.app(app).is_none());
        concerned.apps.extend(gone.cloned());
        self.store = Some(view.store);
        self.read = true;
        self.look_at_fault();
        concerned
    }

    fn doubt_what_serves(&mut self, running: &Running, concerned: &mut Concerned) {
        for (app, _) in running.iter().filter(|(_, serves)| **serves) {
            self.desired.doubt(app);
            concerned.apps.insert(app.clone());
        }
        self.look_at_fault();
    }

    fn look_at_fault(&mut self) {
        let doubted = |app: &&AppName| self.desired.app(app).is_some_and(|w| w.doubted);
        let names: Vec<&str> = self.desired.apps().filter(doubted).map(AppName::as_str).collect();
        self.fault = (!names.is_empty()).then(|| {
            let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 5 { ", …" } else { "" };
            format!(
                "all keys were gone at once: what is served stays ({shown}{more}); put the keys \
                 again, or put an app's `app` key and delete it alone to let the app go"
            )
        });
    }
}

impl Concerned {
    fn note(&mut self, concerns: Concerns) {
        match concerns {
            Concerns::App(app) => drop(self.apps.insert(app)),
            Concerns::Stray => self.strays = true,
            Concerns::Nobody => {}
        }
    }
}

fn apps_in(view: &View) -> usize {
    let is_app = |key: &String| matches!(Key::parse(key), Ok(Key::App(_, AppKey::App)));
    view.entries.keys().filter(|key| is_app(key)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_config::store::Entry;

    fn entry(key: &str, token: &str) -> Entry {
        Entry { key: key.into(), value: "x".into(), token: token.into(), created: 1, fault: None }
    }

    fn view(store: &str, keys: &[&str]) -> View {
        let entries = keys.iter().map(|k| ((*k).to_owned(), entry(k, store))).collect();
        View { store: store.into(), revision: 1, entries }
    }

    fn names(concerned: &Concerned) -> Vec<&str> {
        concerned.apps.iter().map(AppName::as_str).collect()
    }

    fn running(apps: &[&str]) -> impl Fn() -> Running {
        let all: Running = apps.iter().map(|app| (app.parse().unwrap(), true)).collect();
        move || all.clone()
    }

    const TWO: [&str; 3] = ["apps/api/app", "apps/web/app", "apps/web/blue"];

    fn intake() -> Intake {
        let mut intake = Intake::default();
        let concerned = intake.full(view("s1", &TWO), running(&[]));
        assert_eq!(names(&concerned), ["api", "web"]);
        intake
    }

    #[test]
    fn a_full_view_after_an_outage_concerns_only_what_differs() {
        let mut intake = intake();
        assert_eq!(intake.full(view("s1", &TWO), running(&["api", "web"])), Concerned::default());
        let concerned = intake.full(view("s1", &TWO[1..]), running(&["api", "web"]));
        assert_eq!(names(&concerned), ["api"]);
        assert!(intake.desired().app(&"api".parse().unwrap()).is_none());
        assert_eq!(intake.fault(), None);
    }

    #[test]
    fn an_app_known_from_the_snapshot_alone_is_concerned_when_its_keys_are_gone() {
        let mut intake = Intake::knowing(Some("s1".into()));
        let concerned = intake.full(view("s1", &TWO), running(&["old"]));
        assert_eq!(names(&concerned), ["api", "old", "web"]);
    }

    #[test]
    fn a_store_that_is_suddenly_empty_is_doubted_and_a_key_put_again_ends_the_doubt() {
        let mut intake = intake();
        intake.full(view("s1", &[]), running(&["web"]));
        let web = "web".parse().unwrap();
        assert!(intake.desired().app(&web).unwrap().doubted);
        assert!(intake.fault().unwrap().contains("web"), "{:?}", intake.fault());
        // What is there again is believed; that others are not is still doubted.
        intake.full(view("s1", &["apps/api/app"]), running(&["web"]));
        assert!(intake.desired().app(&web).unwrap().doubted);
        let put = vec![Change::Put(entry("apps/web/app", "new"))];
        assert_eq!(names(&intake.changed(put, running(&["web"]))), ["web"]);
        assert!(!intake.desired().app(&web).unwrap().doubted);
        assert_eq!(intake.fault(), None);
    }

    #[test]
    fn a_whole_prefix_deleted_in_one_revision_is_doubted_and_one_key_deleted_is_not() {
        let mut whole = intake();
        let deletes = TWO.iter().map(|key| Change::Deleted((*key).into())).collect();
        whole.changed(deletes, running(&["web"]));
        assert!(whole.fault().is_some());

        let mut one = intake();
        for key in TWO {
            let concerned = one.changed(vec![Change::Deleted(key.into())], running(&["web"]));
            assert_eq!(concerned.apps.len(), 1);
        }
        assert_eq!(one.fault(), None);
        assert!(one.desired().is_empty());
    }

    #[test]
    fn another_store_with_fewer_apps_is_not_believed_until_it_has_as_many() {
        let mut intake = intake();
        let both = running(&["api", "web"]);
        assert_eq!(intake.full(view("s2", &TWO[1..]), &both), Concerned::default());
        assert!(intake.fault().unwrap().contains("another store (s2, before s1)"));
        assert_eq!(intake.store(), Some("s1"));
        let put = vec![Change::Put(entry("apps/api/app", "s2"))];
        assert_eq!(names(&intake.changed(put, &both)), ["api", "web"]);
        assert_eq!((intake.fault(), intake.store()), (None, Some("s2")));
    }

    #[test]
    fn another_store_with_as_many_apps_is_believed() {
        let mut intake = intake();
        let concerned = intake.full(view("s2", &TWO), running(&["api", "web"]));
        assert_eq!(names(&concerned), ["api", "web"]);
        assert_eq!((intake.fault(), intake.store()), (None, Some("s2")));
    }
}
