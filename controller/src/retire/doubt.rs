//! Why nobody can tell what the proxies serve. As long as that is so, nothing is stopped.

use shunt_config::ProxyName;
use shunt_config::key::AppKey;

use crate::ack::Ack;
use crate::app_keys::{AppKeys, Kept};
use crate::expected::Expected;
use crate::fleet::Fleet;

/// Why `active` cannot be served as it is written, if it cannot.
///
/// That leaves each proxy with its own last good, which may be any release that was there before.
pub(super) fn doubt(keys: &AppKeys, fleet: &Fleet) -> Option<String> {
    // A removed app is served by nobody, but for those who still say so.
    keys.app.as_ref()?;
    if fleet.is_empty() {
        return Some("no proxy is known to this store".to_owned());
    }
    let app = &keys.name;
    let active = AppKey::Active.of(app);
    let Some(kept) = &keys.active else {
        let (name, _) = fleet.live().find(|(_, proxy)| proxy.serves())?;
        return Some(format!("`{active}` is missing, and {name} goes on with what it had"));
    };
    let shares = match &kept.value {
        Ok(active) => active.shares(),
        Err(mistake) => return Some(format!("`{active}` cannot be read: {mistake}")),
    };
    let empty_or_bad =
        shares.map(|(slot, _)| slot).find_map(|slot| match keys.slot(slot).map(Kept::read) {
            Some(Ok(_)) => None,
            Some(Err(mistake)) => {
                let key = AppKey::Slot(slot).of(app);
                Some(format!("`{key}`, which is active, cannot be read: {mistake}"))
            }
            None => Some(format!("`{active}` names `{slot}`, which is empty")),
        });
    empty_or_bad.or_else(|| {
        fleet.acks(&Expected::of(keys)?).into_iter().find_map(|(name, ack)| match ack {
            Ack::Refused(why) => Some(format!("{name} refuses what `{active}` asks for: {why}")),
            Ack::Applied | Ack::Waiting(_) | Ack::Lost => None,
        })
    })
}

/// A live proxy that does not serve what is `expected`, and why.
pub(super) fn late(fleet: &Fleet, expected: &Expected) -> Option<(ProxyName, String)> {
    fleet.acks(expected).into_iter().find_map(|(name, ack)| match ack {
        Ack::Applied | Ack::Lost => None,
        Ack::Waiting(why) | Ack::Refused(why) => {
            let said = format!("{name} does not serve what `active` says: {why}");
            Some((name, said))
        }
    })
}

/// Both together, on keys and proxies as they stand at this moment.
pub(super) fn unsure(keys: &AppKeys, fleet: &Fleet) -> Option<String> {
    let late = || Some(late(fleet, &Expected::of(keys)?)?.1);
    doubt(keys, fleet).or_else(late)
}
