//! One transaction: conditions, preparation, application. Only under the exclusive lock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;

use super::file;
use super::journal::{self, Step};
use super::root::Root;
use super::session::Held;
use crate::store::{Op, Outcome, Txn};
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
                if let Some(identity) = file::identity(root, key)? {
                    prepared.steps.push(Step::Delete { key: key.clone(), identity });
                    prepared.durable = true;
                }
                continue;
            }
        };
        if root.path(key).is_dir() {
            let text = format!("{} is a directory and cannot be a key", root.path(key).display());
            return Err(io::Error::new(io::ErrorKind::IsADirectory, text));
        }
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
