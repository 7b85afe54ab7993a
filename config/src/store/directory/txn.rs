//! One transaction: conditions, preparation, application. Only under the exclusive lock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;

use super::file;
use super::journal::{self, Step};
use super::root::Root;
use super::session::Held;
use crate::store::{Condition, Op, Outcome, Txn};
use crate::token::Token;

/// A transaction whose values are on disk but not under their keys yet.
#[derive(Debug, Default)]
struct Prepared {
    steps: Vec<Step>,
    tokens: BTreeMap<String, Token>,
    /// The leased files; dropping a handle ends that key.
    leased: BTreeMap<String, File>,
    /// Whether anything in it has to survive its writer.
    durable: bool,
}

/// Applies `txn` if its conditions hold. The leased files it puts are handed to `held`.
pub(super) fn commit(root: &Root, txn: &Txn, held: &Held) -> io::Result<Outcome> {
    for condition in &txn.when {
        let present = file::load(root, condition.key())?.filter(|found| !found.dead);
        if let Some(fault) = present.as_ref().and_then(|found| found.entry.fault.as_ref())
            && !matches!(condition, Condition::Is(..))
        {
            return Err(io::Error::other(fault.to_string()));
        }
        let present = present.as_ref().map(|found| (&found.entry.token, &found.entry.value[..]));
        if !condition.holds(present) {
            return Ok(Outcome::Refused);
        }
    }
    let mut prepared = Prepared::default();
    if let Err(e) = prepare(root, txn, &mut prepared) {
        discard(root, &prepared.steps);
        return Err(e);
    }
    // Dying between two renames of leased keys needs no journal: the keys die with their holder.
    let journaled = prepared.durable && prepared.steps.len() > 1;
    if journaled {
        journal::write(root, &prepared.steps)?;
    }
    journal::apply(root, &prepared.steps)?;
    held.replace(&txn.then, prepared.leased);
    if journaled {
        journal::finish(root, &prepared.steps)?;
    } else if prepared.durable {
        root.sync_parents(prepared.steps.iter().map(Step::key))?;
    }
    Ok(Outcome::Committed(prepared.tokens))
}

fn prepare(root: &Root, txn: &Txn, prepared: &mut Prepared) -> io::Result<()> {
    for op in &txn.then {
        let (key, value, leased) = match op {
            Op::Put(key, value) => (key, value, false),
            Op::PutLeased(key, value) => (key, value, true),
            Op::Delete(key) => {
                root.check_no_directory(key)?;
                if let Some(identity) = file::identity(root, key)? {
                    prepared.steps.push(Step::Delete { key: key.clone(), identity });
                    prepared.durable = true;
                }
                continue;
            }
        };
        root.check_place(key)?;
        let name = journal::new_name();
        prepared.steps.push(Step::Put { key: key.clone(), file: name.clone() });
        let (file, token) = file::write(root, &name, value, leased)?;
        prepared.tokens.insert(key.clone(), token);
        if leased {
            prepared.leased.insert(key.clone(), file);
        } else {
            prepared.durable = true;
        }
    }
    Ok(())
}

/// Removes what was prepared for nothing.
fn discard(root: &Root, steps: &[Step]) {
    for step in steps {
        if let Step::Put { file, .. } = step {
            // If it cannot be removed now, the next process sweeps it away.
            let _ = fs::remove_file(root.own(file));
        }
    }
}

/// Removes the files that dead holders left under `keys`.
pub(super) fn reap(root: &Root, keys: &[String]) -> io::Result<()> {
    for key in keys {
        if file::load(root, key)?.is_some_and(|found| found.dead) {
            fs::remove_file(root.path(key))?;
            root.prune_parents(key);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::lock::{Lock, with};
    use super::*;

    /// What a writer has left that died right after the journal got its name.
    async fn die_after_the_journal(root: &Arc<Root>, txn: Txn) -> BTreeMap<String, Token> {
        with(root, Lock::Exclusive, move |root| {
            let mut prepared = Prepared::default();
            prepare(root, &txn, &mut prepared)?;
            journal::write(root, &prepared.steps)?;
            Ok(prepared.tokens)
        })
        .await
        .unwrap()
    }

    fn fresh(root: &Root) -> Arc<Root> {
        Arc::new(Root::new(&root.path("")))
    }

    async fn keys(root: &Arc<Root>) -> Vec<String> {
        let read = |root: &Root| file::walk(root, "", "", &mut |_| Ok(()));
        with(root, Lock::Shared, read).await.unwrap().into_keys().collect()
    }

    #[tokio::test]
    async fn a_transaction_whose_writer_died_after_the_journal_has_happened() {
        let directory = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::new(directory.path()));
        let old = Txn::new().put("apps/web/active", "blue").put("apps/web/deploy", "1");
        let held = Held::default();
        with(&root, Lock::Exclusive, move |root| commit(root, &old, &held)).await.unwrap();

        let txn = Txn::new().put("apps/web/active", "green").put("new/key", "x");
        let tokens = die_after_the_journal(&root, txn.delete("apps/web/deploy")).await;
        // The first reader of another process finishes it.
        let reader = fresh(&root);
        assert_eq!(keys(&reader).await, ["apps/web/active", "new/key"]);
        let found = file::load(&reader, "apps/web/active").unwrap().unwrap();
        assert_eq!(
            (&found.entry.value[..], &found.entry.token),
            (&b"green"[..], &tokens["apps/web/active"])
        );
        assert!(!journal::is_left(&reader));
    }

    #[tokio::test]
    async fn a_journal_replayed_once_more_takes_nothing_back() {
        let directory = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::new(directory.path()));
        let put = |key: &'static str, value: &'static str| {
            let root = Arc::clone(&root);
            async move {
                let held = Held::default();
                let txn = Txn::new().put(key, value);
                with(&root, Lock::Exclusive, move |root| commit(root, &txn, &held)).await.unwrap();
            }
        };
        put("a", "1").await;
        die_after_the_journal(&root, Txn::new().delete("a").put("b", "1")).await;
        let journal = std::fs::read(root.own("journal")).unwrap();
        assert_eq!(keys(&root).await, ["b"]);
        put("a", "2").await;
        put("b", "2").await;
        // A power cut can bring the removed journal back.
        std::fs::write(root.own("journal"), journal).unwrap();
        assert_eq!(keys(&fresh(&root)).await, ["a", "b"]);
        for key in ["a", "b"] {
            assert_eq!(&file::load(&root, key).unwrap().unwrap().entry.value[..], b"2");
        }
    }

    #[tokio::test]
    async fn a_transaction_whose_writer_died_before_the_journal_has_not_happened() {
        let directory = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::new(directory.path()));
        with(&root, Lock::Exclusive, |root| {
            prepare(root, &Txn::new().put("a", "1").put("b", "1"), &mut Prepared::default())
        })
        .await
        .unwrap();
        let next = fresh(&root);
        assert!(keys(&next).await.is_empty());
        with(&next, Lock::Exclusive, |_| Ok(())).await.unwrap();
        let left = std::fs::read_dir(root.own("")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    #[tokio::test]
    async fn a_journal_of_somebody_else_stops_everything_and_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::new(directory.path()));
        assert!(keys(&root).await.is_empty());
        std::fs::write(root.own("journal"), "what is this").unwrap();
        let read = with(&root, Lock::Shared, |_| Ok(())).await.unwrap_err().to_string();
        assert!(read.contains("journal") && read.contains("remove it"), "{read}");
    }
}
