//! What is counted that belongs to no release.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::data::frames::Abuse;
use crate::proxy_protocol::ReadError;

/// Counters of the whole process, in a row per data thread.
#[derive(Debug)]
pub struct ProcessMeters {
    rows: Box<[Row]>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Row {
    unrouted: [AtomicU64; Unrouted::ALL.len()],
    no_room: AtomicU64,
    accept_failed: AtomicU64,
    unproxied: [AtomicU64; Unproxied::ALL.len()],
    cut: [AtomicU64; Cut::ALL.len()],
}

/// Why no release was found for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// No app has its host and path.
    UnknownHost,
    /// Its app serves nothing.
    NoRelease,
    /// No app that is known has its host and path, and the store has not been read yet.
    Unread,
}

impl Unrouted {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::UnknownHost, Self::NoRelease, Self::Unread];

    /// What metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::NoRelease => "no_release",
            Self::Unread => "unread",
        }
    }
}

/// Why a client connection was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It was idle, and another client needed the room.
    Idle,
    /// Its address has as many as it may.
    PerAddress,
    /// What its frames of HTTP/2 amounted to.
    Http2(Abuse),
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::PerAddress,
        Self::Http2(Abuse::NoSettings),
        Self::Http2(Abuse::Resets),
        Self::Http2(Abuse::Control),
        Self::Http2(Abuse::HeaderBlock),
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::PerAddress => "per_address",
            Self::Http2(abuse) => abuse.as_str(),
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Idle => 0,
            Self::PerAddress => 1,
            Self::Http2(abuse) => 2 + abuse as usize,
        }
    }
}

/// Why a connection to a listener of the PROXY protocol was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproxied {
    /// Its peer is none of those that may speak it.
    Untrusted,
    /// What it began with is no header.
    Malformed,
    /// It ended within the header.
    Incomplete,
    /// No whole header came in time.
    Timeout,
}

impl Unproxied {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Untrusted, Self::Malformed, Self::Incomplete, Self::Timeout];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
            Self::Timeout => "timeout",
        }
    }

    /// What `error` is; nothing for one that only looked whether the port is open, and for a socket
    /// that failed.
    pub fn of(error: &ReadError) -> Option<Self> {
        match error {
            ReadError::Invalid(_) => Some(Self::Malformed),
            ReadError::Closed => Some(Self::Incomplete),
            ReadError::Nothing | ReadError::Io(_) => None,
        }
    }
}

impl ProcessMeters {
    /// Counters for `threads` data threads.
    pub fn new(threads: usize) -> Self {
        Self { rows: (0..threads).map(|_| Row::default()).collect() }
    }

    /// Counts a request that no release was claimed for.
    pub(crate) fn unrouted(&self, thread: usize, why: Unrouted) {
        self.rows[thread].unrouted[why as usize].fetch_add(1, Relaxed);
    }

    /// Counts a request for which there was no room for one more connection to a target.
    pub(crate) fn no_room(&self, thread: usize) {
        self.rows[thread].no_room.fetch_add(1, Relaxed);
    }

    /// Requests for which there was no room for one more connection to a target.
    pub fn refused_room(&self) -> u64 {
        self.rows.iter().map(|row| row.no_room.load(Relaxed)).sum()
    }

    /// Counts an accept that failed for want of descriptors or memory.
    pub(crate) fn accept_failed(&self, thread: usize) {
        self.rows[thread].accept_failed.fetch_add(1, Relaxed);
    }

    /// Counts a connection closed for want of a PROXY header.
    pub(crate) fn unproxied(&self, thread: usize, why: Unproxied) {
        self.rows[thread].unproxied[why as usize].fetch_add(1, Relaxed);
    }

    /// Connections closed for want of a PROXY header.
    pub fn unproxied_for(&self, why: Unproxied) -> u64 {
        self.rows.iter().map(|row| row.unproxied[why as usize].load(Relaxed)).sum()
    }

    /// Counts a client connection that was ended before its time.
    pub(crate) fn cut(&self, thread: usize, why: Cut) {
        self.rows[thread].cut[why.index()].fetch_add(1, Relaxed);
    }

    /// Client connections ended before their time.
    pub fn cut_for(&self, why: Cut) -> u64 {
        self.rows.iter().map(|row| row.cut[why.index()].load(Relaxed)).sum()
    }

    /// Requests that no release was claimed for.
    pub fn unrouted_for(&self, why: Unrouted) -> u64 {
        self.rows.iter().map(|row| row.unrouted[why as usize].load(Relaxed)).sum()
    }

    /// Requests for a host or path that no app has.
    pub fn unknown_host(&self) -> u64 {
        self.unrouted_for(Unrouted::UnknownHost)
    }

    /// Requests for an app without a serving release.
    pub fn no_release(&self) -> u64 {
        self.unrouted_for(Unrouted::NoRelease)
    }

    /// Accepts that failed for want of descriptors or memory.
    pub fn accepts_failed(&self) -> u64 {
        self.rows.iter().map(|row| row.accept_failed.load(Relaxed)).sum()
    }
}
