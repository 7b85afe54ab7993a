//! What this process says of its apps, and what of it the store does not know yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use shunt_config::AppName;
use shunt_config::key::Key;
use shunt_config::status::AppStatus;
use shunt_config::store::{MAX_TXN_OPS, StoreError, Txn};

use super::report::Status;

/// Bytes in one transaction, about: etcd takes 1.5 MiB.
const TXN_BYTES: usize = 512 * 1024;

/// What was said last of each app.
#[derive(Debug, Default)]
pub(super) struct Said {
    apps: BTreeMap<AppName, Arc<AppStatus>>,
    /// Apps whose key in the store is not what `apps` says.
    dirty: BTreeSet<AppName>,
    /// The last one that was looked for.
    looked: Option<AppName>,
}

impl Said {
    /// Says this.
    pub(super) fn take(&mut self, (app, status): Status) {
        match status {
            Some(status) => drop(self.apps.insert(app.clone(), status)),
            None => drop(self.apps.remove(&app)),
        }
        self.dirty.insert(app);
    }

    /// Says all of it again.
    pub(super) fn again(&mut self) {
        self.dirty.extend(self.apps.keys().cloned());
    }

    /// As much of what the store does not know as goes into one transaction, each app under its `key`,
    /// and whose it is; `None` if the store knows all.
    pub(super) fn next(&self, key: impl Fn(&AppName) -> Key) -> Option<(Txn, Vec<AppName>)> {
        let (mut txn, mut apps, mut bytes) = (Txn::new(), Vec::new(), 0);
        for app in self.dirty.iter().take(MAX_TXN_OPS) {
            txn = match self.apps.get(app).map(|status| json(&**status)) {
                Some(Ok(value)) => {
                    bytes += value.len();
                    txn.put_leased(key(app), value)
                }
                _ => txn.delete(key(app)),
            };
            apps.push(app.clone());
            if bytes > TXN_BYTES {
                break;
            }
        }
        (!apps.is_empty()).then_some((txn, apps))
    }

    /// The store knows what is said of these.
    pub(super) fn known(&mut self, apps: &[AppName]) {
        for app in apps {
            self.dirty.remove(app);
        }
    }

    /// At most `most` apps to look for: others each time, until all had their turn.
    pub(super) fn some(&mut self, most: usize) -> Vec<AppName> {
        let after = self.looked.take().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.apps.range((after, Bound::Unbounded));
        let some: Vec<AppName> = rest.map(|(app, _)| app.clone()).take(most).collect();
        self.looked = some.last().filter(|_| some.len() == most).cloned();
        some
    }
}

/// `value` as the store keeps it.
pub(super) fn json(value: &impl serde::Serialize) -> Result<Bytes, StoreError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| StoreError::Refused {
        store: "none".to_owned(),
        reason: format!("a status does not become JSON: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(apps: &[&str]) -> Said {
        let mut said = Said::default();
        for app in apps {
            said.take((app.parse().unwrap(), Some(Arc::default())));
        }
        said
    }

    fn names(apps: &[AppName]) -> Vec<&str> {
        apps.iter().map(AppName::as_str).collect()
    }

    #[test]
    fn looks_go_round_all_apps_and_never_at_more_than_they_may() {
        let mut all = said(&["a", "b", "c", "d", "e"]);
        for part in [vec!["a", "b"], vec!["c", "d"], vec!["e"], vec!["a", "b"]] {
            assert_eq!(names(&all.some(2)), part);
        }
        all.take(("b".parse().unwrap(), None));
        assert_eq!(names(&all.some(2)), ["c", "d"], "though the one before it is gone");
        assert_eq!(names(&said(&[]).some(2)), Vec::<&str>::new());
    }

    #[test]
    fn what_is_said_again_leaves_out_no_app_that_is_to_go() {
        let key = |app: &AppName| Key::Status("lb1".parse().unwrap(), "1".to_owned(), app.clone());
        let mut all = said(&["a", "b"]);
        let (_, apps) = all.next(key).unwrap();
        all.known(&apps);
        assert!(all.next(key).is_none());
        all.take(("a".parse().unwrap(), None));
        all.again();
        let (txn, apps) = all.next(key).unwrap();
        assert_eq!(names(&apps), ["a", "b"]);
        assert_eq!(
            txn.then.first().unwrap(),
            Txn::new().delete(key(&apps[0])).then.first().unwrap()
        );
    }
}
