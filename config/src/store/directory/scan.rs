//! What changed in the directory: inotify says where to look, the files say what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, ErrorKind};

use inotify::{EventMask, EventOwned, Inotify, WatchDescriptor, WatchMask};
use tokio::io::unix::AsyncFd;

use super::fault;
use super::file::{self, Found, is_relevant, visible};
use super::root::Root;
use crate::store::{Change, Entry};

/// What is known of the keys under one prefix.
#[derive(Debug)]
pub(super) struct Scanner {
    prefix: String,
    inotify: AsyncFd<Inotify>,
    directories: HashMap<WatchDescriptor, String>,
    known: BTreeMap<String, Found>,
    identity: (u64, u64),
    /// A leased file was closed but its lock was still held: the kernel tells of the closing just
    /// before it releases the lock, so look again soon.
    pub(super) look_again: bool,
}

impl Scanner {
    /// Reads everything. Needs the shared lock and a tokio runtime.
    pub(super) fn new(root: &Root, prefix: &str) -> io::Result<Self> {
        let inotify = Inotify::init().map_err(|e| limit(&e, "max_user_instances"))?;
        #[expect(deprecated, reason = "the successor is unsafe; `Inotify` does own its descriptor")]
        let inotify = AsyncFd::new(inotify)?;
        let mut scanner = Self {
            prefix: prefix.to_owned(),
            inotify,
            directories: HashMap::new(),
            known: BTreeMap::new(),
            identity: root.identity()?,
            look_again: false,
        };
        scanner.refresh(root, "")?;
        Ok(scanner)
    }

    /// Waits until something happened.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub(super) async fn wait(&self) -> io::Result<()> {
        // Cleared before the events are read: what comes after that raises it again.
        self.inotify.readable().await.map(|mut ready| ready.clear_ready())
    }

    /// The keys that exist.
    pub(super) fn entries(&self) -> BTreeMap<String, Entry> {
        let alive = self.known.iter().filter(|(_, found)| !found.dead);
        alive.map(|(key, found)| (key.clone(), found.entry.clone())).collect()
    }

    /// Forgets files whose holders are gone, and returns their keys to be cleared away.
    pub(super) fn take_dead(&mut self) -> Vec<String> {
        self.known.extract_if(.., |_, found| found.dead).map(|(key, _)| key).collect()
    }

    /// What changed since the last time. Needs the shared lock, so that no transaction is half
    /// applied: the events of one that is over are all here.
    pub(super) fn changes(&mut self, root: &Root) -> io::Result<Vec<Change>> {
        let mut changes = BTreeMap::new();
        for path in self.touched(root)? {
            for change in self.refresh(root, &path)? {
                changes.insert(key_of(&change).to_owned(), change);
            }
            self.look_again |= self.known.get(&path).is_some_and(|found| found.leased);
        }
        Ok(changes.into_values().collect())
    }

    /// Looks whether the holders of leased keys live, and whether what could not be read can be:
    /// nothing tells of either.
    pub(super) fn check_known(&mut self, root: &Root) -> io::Result<Vec<Change>> {
        self.look_again = false;
        let leased = self.known.iter().filter(|(_, found)| found.leased);
        let faulty = self.known.iter().filter(|(_, found)| found.entry.fault.is_some());
        let paths = leased.map(|(key, _)| key.as_str());
        let paths = paths.chain(faulty.map(|(key, _)| fault::place(key)));
        let paths: BTreeSet<String> = paths.map(str::to_owned).collect();
        let mut changes = Vec::new();
        for path in paths {
            changes.extend(self.refresh(root, &path)?);
        }
        Ok(changes)
    }

    /// Whether the directory is still the one that is watched.
    pub(super) fn check_root(&self, root: &Root) -> io::Result<()> {
        match root.identity()? == self.identity {
            true => Ok(()),
            false => Err(io::Error::other("another directory stands in its place")),
        }
    }

    /// The paths that something was said of; `""` is everything.
    fn touched(&mut self, root: &Root) -> io::Result<BTreeSet<String>> {
        let mut paths = BTreeSet::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let events: Vec<EventOwned> = match self.inotify.get_mut().read_events(&mut buffer) {
                Ok(events) => events.map(|event| event.to_owned()).collect(),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            paths.extend(events.iter().filter_map(|event| self.path_of(root, event)));
        }
        if paths.contains("") {
            paths.retain(String::is_empty);
        }
        Ok(paths)
    }

    /// Where to look after `event`, if it matters.
    fn path_of(&mut self, root: &Root, event: &EventOwned) -> Option<String> {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            return Some(String::new());
        }
        if event.mask.contains(EventMask::IGNORED) {
            self.directories.remove(&event.wd);
            return None;
        }
        let directory = self.directories.get(&event.wd)?;
        let name = visible(event.name.as_deref()?)?;
        let is_directory = event.mask.contains(EventMask::ISDIR);
        let path = format!("{directory}{name}");
        // A new file says nothing until it is closed or renamed. A link is never closed.
        let is_new = event.mask.contains(EventMask::CREATE) && !is_directory;
        (!is_new || !root.is_file(&path)).then_some(path)
    }

    /// Looks at `path` and everything below it.
    fn refresh(&mut self, root: &Root, path: &str) -> io::Result<Vec<Change>> {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        if !is_relevant(path, &self.prefix) && !is_relevant(&below, &self.prefix) {
            return Ok(Vec::new());
        }
        let mut found = BTreeMap::new();
        if root.is_directory(path) && !file::is_key(path) {
            let (inotify, directories) = (self.inotify.get_ref(), &mut self.directories);
            let mut watch = |directory: &str| {
                let mask = WatchMask::CLOSE_WRITE
                    | WatchMask::CREATE
                    | WatchMask::MOVE
                    | WatchMask::DELETE
                    | WatchMask::ONLYDIR
                    | WatchMask::DONT_FOLLOW;
                let mut path = root.path(directory).into_os_string();
                // A slash at the end follows even a root that is a symbolic link.
                path.push("/");
                let added = inotify.watches().add(path, mask);
                let descriptor = added.map_err(|e| limit(&e, "max_user_watches"))?;
                directories.insert(descriptor, directory.to_owned());
                Ok(())
            };
            found = file::walk(root, &below, &self.prefix, &mut watch)?;
        } else if path.starts_with(&self.prefix) {
            found = file::look(root, path)?;
        }
        Ok(self.learn(path, &below, found))
    }

    /// Replaces what is known of `path` and below by `found`; returns the difference.
    fn learn(&mut self, path: &str, below: &str, found: BTreeMap<String, Found>) -> Vec<Change> {
        let mut changes = Vec::new();
        let concerned = |key: &str| key == path || key.starts_with(below);
        let gone = self.known.extract_if(.., |key, _| concerned(key) && !found.contains_key(key));
        changes.extend(gone.filter(|(_, was)| !was.dead).map(|(key, _)| Change::Deleted(key)));
        for (key, now) in found {
            let was = self.known.get(&key).filter(|was| !was.dead);
            match (was, now.dead) {
                (Some(_), true) => changes.push(Change::Deleted(key.clone())),
                (Some(was), false) if was.entry.token == now.entry.token => {}
                (_, false) => changes.push(Change::Put(now.entry.clone())),
                (None, true) => {}
            }
            self.known.insert(key, now);
        }
        changes
    }
}

fn key_of(change: &Change) -> &str {
    match change {
        Change::Put(entry) => &entry.key,
        Change::Deleted(key) => key,
    }
}

/// The same error; if a limit of the kernel was reached, with its name.
fn limit(error: &io::Error, setting: &str) -> io::Error {
    let text = match error.raw_os_error() {
        // ENOSPC, EMFILE
        Some(28 | 24) => format!("cannot watch ({error}): raise fs.inotify.{setting}"),
        _ => format!("cannot watch: {error}"),
    };
    io::Error::new(error.kind(), text)
}
