//! What cannot be read: a fault of one key, or of the whole store.
//!
//! A file that cannot be read is not absent: somebody wrote it, and taking it for deleted would act
//! on a wish that nobody had. So it is a key whose value is a mistake, which leaves all other keys
//! alone. Only what says nothing of one file is a fault of the store: a process without descriptors,
//! or a directory above all apps.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;

use bytes::Bytes;

use super::file::{self, Found};
use super::root::{Root, at};
use crate::key::{APPS, AppKey};
use crate::name::AppName;
use crate::slot::Slot;
use crate::store::Entry;
use crate::strict::Mistake;
use crate::token::Token;

/// Whether an error speaks of one file, and not of this process or machine.
pub(super) fn is_of_one(error: &io::Error) -> bool {
    match error.raw_os_error() {
        // ENOMEM, ENFILE, EMFILE
        Some(12 | 23 | 24) => false,
        Some(_) => true,
        None => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// What stands under `key` in the place of a file of its own.
pub(super) fn odd(root: &Root, key: &str, meta: &Metadata) -> Found {
    let kind = meta.file_type();
    let what = match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    let path = root.path(key);
    unreadable(root, key, &format!("{} is {what}; a key is a file of its own", path.display()))
}

/// The key whose file failed with `error`, unless that is no fault of the file.
pub(super) fn failed(root: &Root, key: &str, error: &io::Error) -> io::Result<Found> {
    let error_at = at(&root.path(key), error);
    match is_of_one(error) {
        true => Ok(unreadable(root, key, &format!("cannot be read: {error_at}"))),
        false => Err(error_at),
    }
}

/// The keys that nothing is known of because their directory failed with `error`.
pub(super) fn closed(
    root: &Root,
    directory: &str,
    error: &io::Error,
) -> io::Result<BTreeMap<String, Found>> {
    let error_at = at(&root.path(directory), error);
    let directory = directory.trim_end_matches('/');
    match is_of_one(error) && directory.starts_with(APPS) {
        true => {
            let found = unreadable(root, directory, &format!("cannot be read: {error_at}"));
            Ok(spread(root, directory, found))
        }
        false => Err(error_at),
    }
}

/// What `found` under `path` says of keys. Where the directory of an app should be, it speaks of the
/// app's keys: that they are not seen must not mean that they are gone.
pub(super) fn spread(root: &Root, path: &str, found: Found) -> BTreeMap<String, Found> {
    let (Some(app), Some(mistake)) = (app_at(path), &found.entry.fault) else {
        return BTreeMap::from([(path.to_owned(), found)]);
    };
    let slots = Slot::BOTH.map(AppKey::Slot);
    let keys = [AppKey::App, AppKey::Active].into_iter().chain(slots);
    let keys = keys.map(|kind| kind.of(&app).to_string());
    keys.map(|key| (key.clone(), unreadable(root, &key, &mistake.to_string()))).collect()
}

/// Where to look again after the file of `key` was a fault.
pub(super) fn place(key: &str) -> &str {
    let parent = key.rfind('/').map_or("", |end| &key[..end]);
    if app_at(parent).is_some() { parent } else { key }
}

/// The app whose directory is at `path`.
fn app_at(path: &str) -> Option<AppName> {
    path.strip_prefix(APPS)?.parse().ok()
}

fn unreadable(root: &Root, key: &str, why: &str) -> Found {
    let meta = fs::symlink_metadata(root.path(key)).ok();
    let token = match &meta {
        Some(meta) => file::token(meta, why.as_bytes()),
        None => Token::file(0, 0, why.as_bytes()),
    };
    let created = file::birth(root, key, meta.as_ref());
    let fault = Some(Mistake::new(why));
    let entry = Entry { key: key.to_owned(), value: Bytes::new(), token, created, fault };
    Found { entry, leased: false, dead: false }
}
