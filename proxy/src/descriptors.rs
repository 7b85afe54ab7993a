//! How many file descriptors this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Raises the limit as far as this process may by itself, and returns it; `None` if there is none.
///
/// The soft limit is small for the sake of programs that use select(2); this one does not.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!("the limit of file descriptors stays {:?}: {error}", limit.current);
            limit.current
        }
    }
}
