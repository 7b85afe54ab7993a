//! What takes long to make or has to be fetched, and belongs to no checkout.

use std::path::PathBuf;

/// What `tool` has made once for this machine under `name`.
pub fn cached(name: &str, tool: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home).unwrap();
    let path = cache.join("shunt").join(name);
    assert!(path.exists(), "{} is not there: `{tool}` makes it", path.display());
    path
}
