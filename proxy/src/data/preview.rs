//! Requests that ask to see the release of a slot, whichever slot is active.

use std::sync::Arc;

use super::balance::Asker;
use super::error::ProxyError;
use crate::route::Epoch;
use crate::route::preview::Shown;
use crate::route::table::Match;

/// Where the request of `asker`, which has `found` its app, is to claim instead of where new requests
/// go; `None` if it asks for nothing but its app.
pub(super) fn asked<'a>(
    found: &Match<'a>,
    asker: &Asker<'_>,
) -> Result<Option<&'a Arc<Epoch>>, ProxyError> {
    let (Some(preview), Some(slot)) = (&found.site.preview, found.preview) else {
        return Ok(None);
    };
    if !preview.permits(asker.client.address) {
        return Err(ProxyError::Forbidden);
    }
    match preview.shown(slot) {
        Shown::Release(epoch) => Ok(Some(epoch)),
        Shown::Unproved => Err(ProxyError::PreviewUnproved),
        Shown::Nothing => Err(ProxyError::PreviewEmpty),
    }
}
