//! The identity of one putting of a value.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The identity of one putting of a value under a key. Putting the same text again makes a new
/// token; reading it again does not. Compared for equality and nothing else.
///
/// In etcd it is `<cluster id>-<mod_revision>-<content hash>`: the content is part of it because a
/// cluster restored from an older snapshot can hand out a revision a second time. In the directory
/// store it is made of inode, modification time and content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(Arc<str>);

impl Token {
    /// The token of the value that revision `revision` of cluster `cluster` put under a key.
    pub fn etcd(cluster: u64, revision: i64, value: &[u8]) -> Self {
        Self(format!("{cluster:x}-{revision}-{:08x}", hash(value)).into())
    }

    /// The token of a file's content as it stands on disk.
    pub fn file(inode: u64, modified_ns: i128, value: &[u8]) -> Self {
        Self(format!("{inode:x}-{modified_ns:x}-{:08x}", hash(value)).into())
    }

    /// The token as text: of `0-9a-f-`, so it fits into keys, file names and labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// FNV-1a: tells apart what inode or revision already nearly tell apart; stable across versions.
fn hash(value: &[u8]) -> u32 {
    value.iter().fold(0x811c_9dc5, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}
