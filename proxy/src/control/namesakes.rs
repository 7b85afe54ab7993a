//! Other processes under this proxy's name. One that is being replaced is there for a while; two that
//! stay are two proxies of one name, and as long as one of them gave a sign of life, nobody would miss
//! the other: one that is cut off from the store serves what others take for unused. So the younger one
//! goes by another name while the older is known.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::ProxyName;
use shunt_config::key::{self, Key};
use shunt_config::status::Instance;
use shunt_config::store::{Store, StoreError};
use shunt_config::strict;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::identity::Identity;

/// Between two looks: whoever begins later sees this one, and looks sooner.
const EVERY: Duration = Duration::from_mins(10);

/// A process under this proxy's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// The process.
    pub instance: String,
    /// What it says of itself, if that can be read.
    pub about: Option<Instance>,
}

impl fmt::Display for Namesake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            Some(Instance { pid, admin: Some(admin), .. }) => {
                write!(f, "process {pid} with its admin listener at {admin}")
            }
            Some(Instance { pid, .. }) => write!(f, "process {pid}"),
            None => write!(f, "instance {}", self.instance),
        }
    }
}

impl Namesake {
    /// Whether it began before the process of `identity`. Both see the same of it, whatever the clocks of
    /// their machines say. Nobody gives way to one of which that cannot be read.
    fn is_older_than(&self, identity: &Identity) -> bool {
        let own = (identity.about.started, &identity.instance);
        self.about.as_ref().is_some_and(|about| (about.started, &self.instance) < own)
    }
}

/// The live processes called `name` that are neither the one of `identity` nor one that had its state
/// before it and has ended.
pub async fn others(
    store: &dyn Store,
    identity: &Identity,
    name: &ProxyName,
) -> Result<Vec<Namesake>, StoreError> {
    let view = store.read(&format!("{}{name}/", key::PROXIES)).await?;
    let other = |entry: &shunt_config::store::Entry| match Key::parse(&entry.key) {
        Ok(Key::Instance(_, instance)) if !identity.has_place_of(&instance) => {
            let about = strict::text(&entry.value).ok().and_then(|text| strict::json(text).ok());
            Some(Namesake { instance, about })
        }
        _ => None,
    };
    Ok(view.entries.values().filter_map(other).collect())
}

/// Whether the store knows no proxy of the name that the process of `identity` was given, and
/// [`others`]. One that is known and gives no sign of life is missed, and its name not free.
async fn seen(
    store: &dyn Store,
    identity: &Identity,
    name: &ProxyName,
) -> Result<(bool, Vec<Namesake>), StoreError> {
    let key = Key::Fleet(identity.proxy.clone()).to_string();
    let free = !store.read(&key).await?.entries.contains_key(&key);
    Ok((free, others(store, identity, name).await?))
}

/// Looks for them, and tells of each once.
#[derive(Debug)]
pub(super) struct Namesakes {
    overlap: Duration,
    /// When to look.
    pub(super) due: Instant,
    told: BTreeSet<String>,
}

impl Namesakes {
    /// Another one may be there for `overlap`.
    pub(super) fn new(overlap: Duration) -> Self {
        Self { overlap, due: Instant::now() + overlap, told: BTreeSet::new() }
    }

    /// Looks for others called `name` that have been there for longer than they may. Returns what the
    /// process of `identity` goes by from now on: another name, if one of them is older; its proxy's own
    /// again once that is free.
    pub(super) async fn look(
        &mut self,
        store: &dyn Store,
        identity: &Identity,
        name: &ProxyName,
    ) -> Option<ProxyName> {
        // Soon, while one may still have to go or a name to come free.
        self.due = Instant::now() + self.overlap;
        let (free, found) = seen(store, identity, name).await.unwrap_or_else(|error| {
            debug!("not looked for others of this name: {error}");
            (false, Vec::new())
        });
        if free && *name != identity.proxy {
            let proxy = &identity.proxy;
            info!(
                "the other proxy called `{proxy}` has stopped; the store knows this one by that name"
            );
            return Some(proxy.clone());
        }
        let stays = |other: &Namesake| {
            let age =
                other.about.as_ref().map(|about| Timestamp::now().duration_since(about.started));
            age.and_then(|age| Duration::try_from(age).ok()).is_none_or(|age| age >= self.overlap)
        };
        let (stay, young): (Vec<_>, Vec<_>) = found.into_iter().partition(stays);
        let older = stay.iter().find(|other| other.is_older_than(identity));
        if let Some(older) = older
            && let Some(aside) = identity.aside().filter(|aside| aside != name)
        {
            warn!(
                "two proxies are called `{name}`: this one and {older}, which began before it. The \
                 store knows this one as `{aside}` from now on, so that neither is taken for the \
                 other: give each a `name` of its own"
            );
            return Some(aside);
        }
        if young.is_empty() && *name == identity.proxy {
            self.due = Instant::now() + EVERY;
        }
        for other in stay {
            if self.told.insert(other.instance.clone()) {
                warn!(
                    "two proxies are called `{name}`: this one and {other}. If one of them dies, \
                     releases are stopped that it still sends requests to: give each a `name` of \
                     its own"
                );
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use shunt_config::store::{LEASE_TTL, StoreConfig, Txn, open};

    #[tokio::test]
    async fn of_two_processes_that_stay_the_younger_gives_way_and_to_one_that_was_here_before_none()
    {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&StoreConfig::directory(directory.path())).unwrap();
        let session = store.session(LEASE_TTL).await.unwrap();
        let me = Identity::new("lb1".parse().unwrap(), "127.0.0.1:1".to_owned(), "here");
        let put = async |instance: &str, started: Timestamp| {
            let (version, admin) = ("1".to_owned(), Some("10.0.0.2:9180".to_owned()));
            let about = Instance { started, version, pid: 7, admin };
            let value = Bytes::from(serde_json::to_vec(&about).unwrap());
            let key = Key::Instance(me.proxy.clone(), instance.to_owned());
            session.commit(Txn::new().put_leased(key, value)).await.unwrap();
        };
        let long_ago = Timestamp::now() - Duration::from_mins(1);
        put(&me.instance, Timestamp::now()).await;
        put("1-1-here", long_ago).await;
        let mut namesakes = Namesakes::new(Duration::from_secs(50));
        assert_eq!(others(&*store, &me, &me.proxy).await.unwrap(), []);
        assert_eq!(namesakes.look(&*store, &me, &me.proxy).await, None);
        assert!(namesakes.told.is_empty() && namesakes.due > Instant::now() + EVERY / 2);

        put("1-1-there", Timestamp::now()).await;
        let found = others(&*store, &me, &me.proxy).await.unwrap();
        let said = "process 7 with its admin listener at 10.0.0.2:9180";
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [said]);
        assert_eq!(namesakes.look(&*store, &me, &me.proxy).await, None);
        assert!(namesakes.told.is_empty(), "it may be the next of this proxy");
        assert!(namesakes.due <= Instant::now() + Duration::from_secs(50));
        // One that cannot be read may be any.
        let key = Key::Instance(me.proxy.clone(), "3-1-there".to_owned());
        session.commit(Txn::new().put_leased(key.clone(), "?")).await.unwrap();
        assert_eq!(namesakes.look(&*store, &me, &me.proxy).await, None);
        assert_eq!(namesakes.told.iter().collect::<Vec<_>>(), ["3-1-there"]);
        session.commit(Txn::new().delete(key)).await.unwrap();

        put("2-1-there", long_ago).await;
        let aside = namesakes.look(&*store, &me, &me.proxy).await.unwrap();
        assert_eq!(aside.as_str(), "lb1-here");
        // The other one sees the same two, and keeps the name.
        let before = Key::Instance(me.proxy.clone(), "1-1-here".to_owned());
        session.commit(Txn::new().delete(before)).await.unwrap();
        let mut elder = Identity::new(me.proxy.clone(), "127.0.0.1:2".to_owned(), "there");
        (elder.instance, elder.about.started) = ("2-1-there".to_owned(), long_ago);
        let mut namesakes = Namesakes::new(Duration::ZERO);
        assert_eq!(namesakes.look(&*store, &elder, &elder.proxy).await, None);
        assert!(namesakes.told.contains(&me.instance));
    }
}
