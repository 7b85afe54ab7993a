//! The store's directory itself, and the paths in it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::store::{Entry, StoreError, Txn, View};

/// Name of the store's own directory below the root; the dot keeps it from being a key.
const OWN: &str = ".shunt";

/// The store's directory.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// Whether it is only looked at: then neither it nor anything in it is made.
    pub(super) looks: bool,
    /// Whether it has been there since this process began. One that vanished is a fault, and
    /// must not be answered by making an empty store in its place.
    seen: AtomicBool,
    /// Whether what a dead writer left behind was cleared away.
    pub(super) swept: AtomicBool,
    /// Views and changes handed out, for people.
    count: AtomicU64,
    /// Who may work on the disk at the same time.
    pub(super) turns: Arc<Semaphore>,
    /// The newest time given to a file, so that no two files get the same; nanoseconds.
    pub(super) newest: Mutex<i128>,
}

impl Root {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            looks: false,
            seen: AtomicBool::new(false),
            swept: AtomicBool::new(false),
            count: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(4)),
            newest: Mutex::new(0),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("directory {}", self.path.display())
    }

    /// A failed call, as the trait says it.
    pub(super) fn failed(&self, reason: &io::Error) -> StoreError {
        let (store, kind, reason) = (self.name(), reason.kind(), reason.to_string());
        match kind {
            ErrorKind::InvalidInput => StoreError::Refused { store, reason },
            _ => StoreError::Unreachable { store, reason },
        }
    }

    /// Refuses a transaction that could not be applied.
    pub(super) fn check(&self, txn: &Txn, in_session: bool) -> Result<(), StoreError> {
        txn.check(in_session).map_err(|mistake| StoreError::Refused {
            store: self.name(),
            reason: mistake.to_string(),
        })
    }

    /// A view of `entries`.
    pub(super) fn view(&self, entries: BTreeMap<String, Entry>) -> View {
        View { store: self.name(), revision: self.counted(), entries }
    }

    /// The next number for people.
    pub(super) fn counted(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The path of `key`; the empty key is the root itself.
    pub(super) fn path(&self, key: &str) -> PathBuf {
        if key.is_empty() { self.path.clone() } else { self.path.join(key) }
    }

    /// The path of one of the store's own files.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.path.join(OWN).join(name)
    }

    /// Device and inode: whether the directory is still the one it was.
    pub(super) fn identity(&self) -> io::Result<(u64, u64)> {
        let meta = fs::metadata(&self.path).map_err(|e| at(&self.path, &e))?;
        Ok((meta.dev(), meta.ino()))
    }

    /// Whether it is there, which not everybody may be allowed to find out.
    fn is_there(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(meta) => Ok(meta.is_dir()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at(&self.path, &error)),
        }
    }

    /// Makes the directory if it was never there, and the store's own one below it.
    pub(super) fn ensure(&self) -> io::Result<()> {
        if !self.is_there()? {
            if self.seen.load(Ordering::Relaxed) {
                let gone = io::Error::new(ErrorKind::NotFound, "the directory is gone");
                return Err(at(&self.path, &gone));
            }
            if self.looks {
                let none = io::Error::new(ErrorKind::NotFound, "no such directory");
                return Err(at(&self.path, &none));
            }
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&self.path)
                .map_err(|e| at(&self.path, &e))?;
        }
        self.seen.store(true, Ordering::Relaxed);
        let own = self.path.join(OWN);
        if !own.is_dir() && !self.looks {
            self.make(&own)?;
            sync(&self.path)?;
        }
        Ok(())
    }

    /// Makes a file that was not there, as open to others as the root is; `mode` is added. Errors are
    /// without the path.
    pub(super) fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        self.give(&file, 0o666, 0o600 | mode)?;
        Ok(file)
    }

    /// Gives what was made in the root the root's owner, group and mode, as far as this process may:
    /// so an installer says once who may use the store, and what `shuntctl` writes as root can be
    /// read by a proxy that is somebody else. `mask` is what of the mode is taken, `extra` is added.
    fn give(&self, file: &File, mask: u32, extra: u32) -> io::Result<()> {
        let (root, present) = (fs::metadata(&self.path)?, file.metadata()?);
        let group = (present.gid() != root.gid()).then_some(root.gid());
        if present.uid() != root.uid() && fchown(file, Some(root.uid()), group).is_ok() {
            // Given away whole.
        } else if group.is_some() {
            // Who is not root may give to groups of its own. Where it may not, the mode decides.
            let _ = fchown(file, None, group);
        }
        // After the owner: a change of it takes bits away.
        let mode = (root.permissions().mode() & 0o7777 & mask) | extra;
        file.set_permissions(Permissions::from_mode(mode))
    }

    fn make(&self, path: &Path) -> io::Result<()> {
        let made = || match fs::create_dir(path) {
            Ok(()) => {
                let directory = File::open(path)?;
                // Others may rename in here, and root must not give away what they put in its place.
                let (meta, seen) = (directory.metadata()?, fs::symlink_metadata(path)?);
                if (meta.dev(), meta.ino()) != (seen.dev(), seen.ino()) {
                    return Err(io::Error::other("replaced while it was being made"));
                }
                self.give(&directory, 0o7777, 0)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
        };
        made().map_err(|e| at(path, &e))
    }

    /// Refuses a key that has a directory in its place, or a file above it. (In etcd both can
    /// be; no key of ours is below another.)
    pub(super) fn check_place(&self, key: &str) -> io::Result<()> {
        for (end, _) in key.match_indices('/') {
            let above = self.path.join(&key[..end]);
            if fs::symlink_metadata(&above).is_ok_and(|meta| !meta.is_dir()) {
                let text = format!("{} is a file: `{key}` cannot be a key here", above.display());
                return Err(io::Error::new(ErrorKind::InvalidInput, text));
            }
        }
        self.check_no_directory(key)
    }

    /// Refuses a key that has a directory in its place.
    pub(super) fn check_no_directory(&self, key: &str) -> io::Result<()> {
        if !self.is_directory(key) {
            return Ok(());
        }
        let path = self.path(key);
        let text = format!("{} is a directory: `{key}` cannot be a key here", path.display());
        Err(io::Error::new(ErrorKind::InvalidInput, text))
    }

    /// Whether a file is at `path`, and nothing that only leads to one.
    pub(super) fn is_file(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok_and(|meta| meta.is_file())
    }

    /// Whether a directory is at `path`. A symbolic link is none, but for the root itself.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        match path {
            "" => self.path.is_dir(),
            _ => fs::symlink_metadata(self.path(path)).is_ok_and(|meta| meta.is_dir()),
        }
    }

    /// Makes the directories above `key`.
    pub(super) fn make_parents(&self, key: &str) -> io::Result<()> {
        let parents = key.match_indices('/').map(|(end, _)| self.path.join(&key[..end]));
        parents.filter(|path| !path.is_dir()).try_for_each(|path| self.make(&path))
    }

    /// Makes renames and removals of `keys` durable: syncs every directory above them.
    pub(super) fn sync_parents<'a>(&self, keys: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let mut parents: Vec<&str> = keys
            .flat_map(|key| key.match_indices('/').map(|(end, _)| &key[..end]).chain([""]))
            .collect();
        parents.sort_unstable();
        parents.dedup();
        parents.into_iter().rev().try_for_each(|parent| sync(&self.path(parent)))
    }

    /// Syncs the store's own directory.
    pub(super) fn sync_own(&self) -> io::Result<()> {
        sync(&self.path.join(OWN))
    }

    /// Removes the directories above `key` that are empty now.
    pub(super) fn prune_parents(&self, key: &str) {
        for (end, _) in key.rmatch_indices('/') {
            if fs::remove_dir(self.path.join(&key[..end])).is_err() {
                break;
            }
        }
    }
}

/// Syncs a directory; one that is gone needs none.
fn sync(directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|file| file.sync_all()) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(at(directory, &e)),
        _ => Ok(()),
    }
}

/// The same error, with the path it is about.
pub(super) fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
