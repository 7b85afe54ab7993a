//! The journal: makes a transaction of several files all or nothing, even if its writer dies.
//!
//! A transaction is prepared (every value in a synced file of its own), then its steps are written
//! to the journal: from the moment the journal has its name, the transaction has happened, and
//! whoever takes the lock next finishes it. Every step may be done twice.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::file;
use super::root::{Root, at};
use crate::token::Token;

const JOURNAL: &str = "journal";
const UNFINISHED: &str = "journal.new";
/// What the names of prepared values begin with.
const PREPARED: &str = "put-";

/// One step of a transaction that has been prepared.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Step {
    /// Gives the prepared file `file` the name of `key`.
    Put { key: String, file: String },
    /// Removes the file of `key`, if it is still the one that was meant.
    Delete { key: String, identity: Token },
}

impl Step {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

/// A name for a prepared value that no journal has ever used: one that is replayed late must not
/// find another's file.
pub(super) fn new_name() -> String {
    format!("{PREPARED}{:016x}", fastrand::u64(..))
}

/// Writes the journal. When this returns, the transaction has happened.
pub(super) fn write(root: &Root, steps: &[Step]) -> io::Result<()> {
    let path = root.own(UNFINISHED);
    let text = serde_json::to_vec(steps)?;
    // What a writer left that died over it. It has no name of its own, unlike prepared values.
    match fs::remove_file(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(at(&path, &e)),
        _ => {}
    }
    let written = root.create(&path, 0).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written.map_err(|e| at(&path, &e))?;
    root.sync_own()?;
    fs::rename(&path, root.own(JOURNAL)).map_err(|e| at(&path, &e))?;
    root.sync_own()
}

/// Takes `steps`, each of which may have been taken before.
pub(super) fn apply(root: &Root, steps: &[Step]) -> io::Result<()> {
    for step in steps {
        let path = root.path(step.key());
        match step {
            // Without the prepared file, the step was taken before.
            Step::Put { file, .. } if !root.own(file).exists() => Ok(()),
            Step::Put { key, file } => {
                root.make_parents(key)?;
                fs::rename(root.own(file), &path)
            }
            Step::Delete { key, identity } => match file::identity(root, key)? {
                Some(present) if present == *identity => fs::remove_file(&path),
                _ => Ok(()),
            },
        }
        .map_err(|e| at(&path, &e))?;
    }
    for step in steps.iter().filter(|step| matches!(step, Step::Delete { .. })) {
        root.prune_parents(step.key());
    }
    Ok(())
}

/// Makes the steps durable and removes the journal.
pub(super) fn finish(root: &Root, steps: &[Step]) -> io::Result<()> {
    root.sync_parents(steps.iter().map(Step::key))?;
    match fs::remove_file(root.own(JOURNAL)) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(at(&root.own(JOURNAL), &e)),
        _ => Ok(()),
    }
}

/// Whether a writer died and left a journal.
pub(super) fn is_left(root: &Root) -> bool {
    root.own(JOURNAL).exists()
}

/// Finishes what a dead writer began. Only under the exclusive lock.
pub(super) fn recover(root: &Root) -> io::Result<()> {
    let path = root.own(JOURNAL);
    match fs::read(&path) {
        Ok(text) => {
            let steps: Vec<Step> = serde_json::from_slice(&text).map_err(|e| {
                let text = format!("no journal of this store ({e}); remove it to go on without it");
                at(&path, &io::Error::new(ErrorKind::InvalidData, text))
            })?;
            tracing::warn!(journal = %path.display(), "finishing a transaction whose writer died");
            apply(root, &steps)?;
            finish(root, &steps)?;
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(at(&path, &e)),
    }
    if !root.swept.swap(true, Ordering::Relaxed) {
        sweep(root)?;
    }
    Ok(())
}

/// Removes what writers prepared and did not live to use. Once a process: under the lock nothing
/// is being prepared, and there is no journal that needs it.
fn sweep(root: &Root) -> io::Result<()> {
    let own = root.own("");
    let listed = fs::read_dir(&own).map_err(|e| at(&own, &e))?;
    let names: BTreeSet<_> = listed.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
    for name in names.iter().filter_map(|name| name.to_str()) {
        if name.starts_with(PREPARED) || name == UNFINISHED {
            let path = root.own(name);
            fs::remove_file(&path).map_err(|e| at(&path, &e))?;
        }
    }
    Ok(())
}
