//! One file: a key's value, its identity, and whether its holder lives.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fault;
use super::root::{Root, at};
use crate::key::Key;
use crate::store::Entry;
use crate::strict::MAX_VALUE;
use crate::token::Token;

/// The mode bit of a leased file: see the module above.
const LEASED: u32 = 0o1000;

/// A file that was found under a key.
#[derive(Debug)]
pub(super) struct Found {
    /// What it says.
    pub(super) entry: Entry,
    /// Whether a holder has to keep it alive.
    pub(super) leased: bool,
    /// Whether that holder is gone: the key does not exist, only the file is left to clear away.
    pub(super) dead: bool,
}

/// What to call on each directory that is walked through, before its files are read.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&str) -> io::Result<()>;

/// Reads the file of `key`. One that cannot be read is found, with its fault.
pub(super) fn load(root: &Root, key: &str) -> io::Result<Option<Found>> {
    let path = root.path(key);
    // Looked at before it is opened: opening a pipe would wait for a writer.
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_file() => {}
        Ok(meta) if meta.is_dir() && !is_key(key) => return Ok(None),
        Ok(meta) => return Ok(Some(fault::odd(root, key, &meta))),
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return fault::failed(root, key, &e).map(Some),
    }
    match File::open(&path).and_then(|file| read(root, key, &file)) {
        Ok(found) => Ok(Some(found)),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => fault::failed(root, key, &e).map(Some),
    }
}

fn read(root: &Root, key: &str, mut file: &File) -> io::Result<Found> {
    let mut meta = file.metadata()?;
    let mut value = Vec::new();
    // An operator's `echo` takes no lock: go on until time and content belong together.
    for _ in 0..5 {
        value.clear();
        io::Seek::rewind(&mut file)?;
        // One byte more than allowed: the reader of the value has to see that it is too large.
        file.take(MAX_VALUE as u64 + 1).read_to_end(&mut value)?;
        let after = file.metadata()?;
        let settled = modified(&meta) == modified(&after) && meta.len() == after.len();
        meta = after;
        if settled {
            break;
        }
    }
    let leased = meta.mode() & LEASED != 0;
    let dead = leased && is_dead(file)?;
    let token = token(&meta, &value);
    let created = birth(root, key, Some(&meta));
    let entry = Entry { key: key.to_owned(), value: value.into(), token, created, fault: None };
    Ok(Found { entry, leased, dead })
}

/// Whether the holder of a leased file is gone: its lock can be had.
fn is_dead(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// When the key's directory was made: a key's file is replaced at every put, its directory is as
/// old as the app. Where the file system does not know births, the file's own time has to do.
pub(super) fn birth(root: &Root, key: &str, meta: Option<&Metadata>) -> u64 {
    let parent = key.rfind('/').map_or("", |end| &key[..end]);
    let born = fs::metadata(root.path(parent)).and_then(|meta| meta.created());
    let since = born.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let since = since.map(|since| since.as_nanos());
    let nanos = since.or_else(|| meta.map(|meta| modified(meta).unsigned_abs()));
    u64::try_from(nanos.unwrap_or_default()).unwrap_or(u64::MAX)
}

/// The identity of the file that `meta` describes, with `value` in it.
pub(super) fn token(meta: &Metadata, value: &[u8]) -> Token {
    Token::file(meta.ino(), modified(meta), value)
}

/// Whether a file, and no directory, belongs at `path`.
pub(super) fn is_key(path: &str) -> bool {
    Key::parse(path).is_ok()
}

fn modified(meta: &Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

/// The identity of the file of `key`, whatever its content: `None` if there is none.
pub(super) fn identity(root: &Root, key: &str) -> io::Result<Option<Token>> {
    match fs::symlink_metadata(root.path(key)) {
        Ok(meta) => Ok(Some(token(&meta, b""))),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(at(&root.path(key), &e)),
    }
}

/// Whether an error says that there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Writes `value` to the store's own file `name`, to be renamed over a key. A leased file comes
/// locked, and is leased for as long as the returned handle is open.
///
/// Only under the exclusive lock.
pub(super) fn write(
    root: &Root,
    name: &str,
    value: &[u8],
    leased: bool,
) -> io::Result<(File, Token)> {
    let path = root.own(name);
    let written = || {
        let mut file = root.create(&path, if leased { LEASED } else { 0 })?;
        if leased {
            file.try_lock()?;
            if file.metadata()?.mode() & LEASED == 0 {
                return Err(io::Error::other(
                    "the file system keeps no sticky bit, needed for leases",
                ));
            }
        }
        file.write_all(value)?;
        file.set_modified(next_time(root))?;
        // A leased key does not outlive its holder, so it need not outlive a power cut.
        if !leased {
            file.sync_all()?;
        }
        let meta = file.metadata()?;
        Ok((file, token(&meta, value)))
    };
    written().map_err(|e: io::Error| at(&path, &e))
}

/// The present, but always later than the last time given: inodes are used again and the kernel
/// stamps files by a coarse clock, so without it two puts of one text could get the same token.
fn next_time(root: &Root) -> SystemTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut newest = root.newest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *newest = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX - 1).max(*newest + 1);
    let nanos = u64::try_from(*newest).unwrap_or(u64::MAX);
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// Whether a directory (`""`, or with a slash at its end) or key can matter to `prefix`.
pub(super) fn is_relevant(path: &str, prefix: &str) -> bool {
    let directory = path.is_empty() || path.ends_with('/');
    path.starts_with(prefix) || (directory && prefix.starts_with(path))
}

/// A name that can be part of a key.
pub(super) fn visible(name: &OsStr) -> Option<&str> {
    name.to_str().filter(|name| !name.starts_with('.'))
}

/// All files below `directory` (`""`, or with a slash at its end) whose keys begin with `prefix`.
pub(super) fn walk(
    root: &Root,
    directory: &str,
    prefix: &str,
    visit: Visit<'_>,
) -> io::Result<BTreeMap<String, Found>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let names = match names(root, &directory, visit) {
            Ok(names) => names,
            Err(e) => {
                found.extend(fault::closed(root, &directory, &e)?);
                continue;
            }
        };
        for name in names {
            let path = format!("{directory}{name}");
            if !is_relevant(&path, prefix) {
                continue;
            }
            if path.ends_with('/') && !is_key(path.trim_end_matches('/')) {
                left.push(path);
            } else {
                found.extend(look(root, path.trim_end_matches('/'))?);
            }
        }
    }
    Ok(found)
}

/// What the file at `path` says of keys.
pub(super) fn look(root: &Root, path: &str) -> io::Result<BTreeMap<String, Found>> {
    let found = load(root, path)?;
    Ok(found.map(|found| fault::spread(root, path, found)).unwrap_or_default())
}

/// The names in one directory, those of directories with a slash at their end. One that is gone
/// by now has none.
fn names(root: &Root, directory: &str, visit: Visit<'_>) -> io::Result<Vec<String>> {
    match visit(directory).and_then(|()| list(root, directory)) {
        // The root has to be there: without it nothing is known of any key.
        Err(e) if is_absent(&e) && !directory.is_empty() => Ok(Vec::new()),
        listed => listed,
    }
}

fn list(root: &Root, directory: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.path(directory))? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        match visible(&name) {
            Some(name) if kind.is_dir() => names.push(format!("{name}/")),
            Some(name) => names.push(name.to_owned()),
            None => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_never_get_the_same_time_even_if_the_clock_goes_back() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path());
        root.ensure().unwrap();
        let ahead = SystemTime::now() + Duration::from_hours(1);
        let ahead = ahead.duration_since(UNIX_EPOCH).unwrap().as_nanos();
        *root.newest.lock().unwrap() = i128::try_from(ahead).unwrap();
        let times = ["put-1", "put-2", "put-3"].map(|name| {
            let (file, _) = write(&root, name, b"green", false).unwrap();
            modified(&file.metadata().unwrap())
        });
        assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
    }
}
