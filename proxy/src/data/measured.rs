//! Steps of a request that `benches/walk.rs` takes one by one. For nobody else.

use http::{request, response};

use super::forwarded::Origin;
use super::headers;
use crate::route::Epoch;

/// Claims the first share of `epoch` on the first thread, and ends the lease.
pub fn claim(epoch: &Epoch) -> bool {
    let claimed = epoch.claim(0, 0);
    if claimed {
        epoch.end(0, 0);
    }
    claimed
}

/// Makes a client's request head the one that is forwarded.
pub fn forward_request(head: &mut request::Parts, origin: &Origin) {
    headers::forward_request(head, (origin, &[]), None);
}

/// Makes a target's response head the one the client gets.
pub fn forward_response(head: &mut response::Parts) -> bool {
    headers::forward_response(head)
}
