//! A file that proves that it is whole and this proxy's own, by its first line.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shunt_config::ProxyName;

/// Changes when an older program could misread a file.
const FORMAT: u32 = 1;

/// The first line of each file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    proxy: ProxyName,
    /// Of the rest of the file.
    checksum: String,
}

/// Writes what is to be the file of `proxy` at `path`, and `sync`s it. It stands at [`temporary`]:
/// only what is whole on disk gets the name, and keeps it once the directory is synced.
pub(super) fn write(
    path: &Path,
    proxy: &ProxyName,
    value: &impl Serialize,
    sync: bool,
) -> io::Result<()> {
    let body = serde_json::to_vec(value)?;
    let checksum = checksum(&body);
    let header = Header { format: FORMAT, proxy: proxy.clone(), checksum };
    let mut content = serde_json::to_vec(&header)?;
    content.push(b'\n');
    content.extend_from_slice(&body);
    let mut file = File::create(temporary(path))?;
    file.write_all(&content)?;
    if sync { file.sync_all() } else { Ok(()) }
}

/// Reads the file of `proxy` at `path`; `None` if there is none, an error that names it if it is torn,
/// another proxy's, or of another version.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    proxy: &ProxyName,
) -> Result<Option<T>, String> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(said(path, &error.to_string())),
    };
    let line = content.iter().position(|byte| *byte == b'\n').unwrap_or(content.len());
    let (header, body) = content.split_at(line);
    let body = body.get(1..).unwrap_or_default();
    let header: Header = serde_json::from_slice(header)
        .map_err(|error| said(path, &format!("not a snapshot of a proxy: {error}")))?;
    if header.format != FORMAT {
        let found = header.format;
        return Err(said(path, &format!("format {found}, this version reads {FORMAT}")));
    }
    if header.proxy != *proxy {
        let other = &header.proxy;
        return Err(said(path, &format!("saved by proxy `{other}`, this is `{proxy}`")));
    }
    if header.checksum != checksum(body) {
        return Err(said(path, "torn: its checksum does not fit its content"));
    }
    serde_json::from_slice(body).map(Some).map_err(|error| said(path, &error.to_string()))
}

/// What is wrong with the file at `path`.
pub(super) fn said(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}

/// Where the file at `path` is written.
pub(super) fn temporary(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

/// FNV-1a, 64 bits: against torn writes, not against forgery.
fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", fnv(bytes))
}

pub(super) fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
