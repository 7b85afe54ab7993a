//! Ports for parts that cannot be told to choose one themselves, or that must come back on theirs.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below the range the kernel chooses from, and below the one that deploys choose from.
const RANGE: std::ops::Range<u16> = 10_000..20_000;

/// A loopback port that is ours until this is dropped, whether something listens on it or not:
/// other tests that ask here, in whatever process, are not given it.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// A port nobody listens on.
    pub fn free() -> Self {
        // Tests are processes of their own: each begins to search at another place.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let directory = directory();
        for _ in RANGE {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() as usize * 17;
            let number = RANGE.start + u16::try_from(step % RANGE.len()).unwrap();
            let file = directory.join(number.to_string());
            let lock = File::options().create(true).append(true).open(file).unwrap();
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no port is free in {RANGE:?}");
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its place among those that are handed out here, from 0 to 9999.
    pub fn place(&self) -> u16 {
        self.number - RANGE.start
    }

    /// On the loopback address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }

    /// As a URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.number)
    }
}

fn directory() -> PathBuf {
    let directory = std::env::temp_dir().join("shunt-test-ports");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
