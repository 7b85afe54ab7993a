//! Requests that ask to see the release of a slot, whichever slot is active.

use std::sync::Arc;

use shunt_config::pass::PassKey;

use super::balance::Asker;
use super::error::ProxyError;
use crate::route::Epoch;
use crate::route::preview::Shown;
use crate::route::table::Match;

/// Where the request of `asker`, which has `found` its app, is to claim instead of where new requests
/// go; `None` if it asks for nothing but its app. Passes are signed with `keys`.
///
/// Whoever shows a pass is never sent where other requests go: a tester who looks at the wrong release
/// without knowing is worse off than one who is told. And who has no good pass is told nothing of
/// whether there is a release to see.
pub(super) fn asked<'a>(
    found: &Match<'a>,
    asker: &Asker<'_>,
    keys: &[PassKey],
) -> Result<Option<&'a Arc<Epoch>>, ProxyError> {
    let Some(preview) = &found.site.preview else { return Ok(None) };
    let shown = match (preview.passed(&asker.head.headers, keys), found.preview) {
        (Some(passed), _) => passed.map_err(|_| ProxyError::BadPass)?,
        (None, None) => return Ok(None),
        (None, Some(slot)) if preview.permits(asker.client.address) => preview.shown(slot),
        (None, Some(_)) => return Err(ProxyError::Forbidden),
    };
    match shown {
        Shown::Release(epoch) => Ok(Some(epoch)),
        Shown::Unproved(_) => Err(ProxyError::PreviewUnproved),
        Shown::Nothing => Err(ProxyError::PreviewEmpty),
    }
}
