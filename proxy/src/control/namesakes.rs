//! Other processes under this proxy's name. One that is being replaced is there for a while; two that
//! stay are two proxies of one name, and the end of one would not be noticed while the other lives.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use shunt_config::key::{self, Key};
use shunt_config::status::Instance;
use shunt_config::store::{Store, StoreError};
use shunt_config::strict;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::report::Identity;

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

/// The live processes under the name of `identity` that are neither it nor one that had its state
/// before it and has ended.
pub async fn others(store: &dyn Store, identity: &Identity) -> Result<Vec<Namesake>, StoreError> {
    let view = store.read(&format!("{}{}/", key::PROXIES, identity.proxy)).await?;
    let other = |entry: &shunt_config::store::Entry| match Key::parse(&entry.key) {
        Ok(Key::Instance(_, instance)) if !identity.has_place_of(&instance) => {
            let about = strict::text(&entry.value).ok().and_then(|text| strict::json(text).ok());
            Some(Namesake { instance, about })
        }
        _ => None,
    };
    Ok(view.entries.values().filter_map(other).collect())
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

    /// Looks for others that have been there for longer than they may.
    pub(super) async fn look(&mut self, store: &dyn Store, identity: &Identity) {
        let found = others(store, identity).await.unwrap_or_else(|error| {
            debug!("not looked for others of this name: {error}");
            Vec::new()
        });
        let stays = |other: &Namesake| {
            let age =
                other.about.as_ref().map(|about| Timestamp::now().duration_since(about.started));
            age.and_then(|age| Duration::try_from(age).ok()).is_none_or(|age| age >= self.overlap)
        };
        let (stay, young): (Vec<_>, Vec<_>) = found.into_iter().partition(stays);
        for other in stay {
            if self.told.insert(other.instance.clone()) {
                let name = &identity.proxy;
                warn!(
                    "two proxies are called `{name}`: this one and {other}. If one of them dies, \
                     releases are stopped that it still sends requests to: give each a `name` of \
                     its own"
                );
            }
        }
        let again = if young.is_empty() { EVERY } else { self.overlap };
        self.due = Instant::now() + again;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use shunt_config::store::{LEASE_TTL, StoreConfig, Txn, open};

    #[tokio::test]
    async fn another_process_is_told_once_it_stays_and_one_that_was_here_before_never() {
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
        assert_eq!(others(&*store, &me).await.unwrap(), []);
        namesakes.look(&*store, &me).await;
        assert!(namesakes.told.is_empty() && namesakes.due > Instant::now() + EVERY / 2);

        put("1-1-there", Timestamp::now()).await;
        let found = others(&*store, &me).await.unwrap();
        let said = "process 7 with its admin listener at 10.0.0.2:9180";
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [said]);
        namesakes.look(&*store, &me).await;
        assert!(namesakes.told.is_empty(), "it may be the next of this proxy");
        assert!(namesakes.due <= Instant::now() + Duration::from_secs(50));
        put("2-1-there", long_ago).await;
        namesakes.look(&*store, &me).await;
        assert_eq!(namesakes.told.iter().collect::<Vec<_>>(), ["2-1-there"]);
    }
}
