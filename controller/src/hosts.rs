//! Whose the hosts are that an app wants, told before anything is begun: the proxies would tell it too,
//! but only when the new release runs.

use shunt_config::App;
use shunt_config::key::AppKey;
use shunt_config::route::{all_routes, taken};
use shunt_config::store::Store;

use crate::app_keys::{AppKeys, Kept, apps};
use crate::exit::Failure;
use crate::fleet::Fleet;

/// An error if a host that `wanted` names for the app of `keys` is another app's. What the app has
/// already is its own, whoever else wants it.
pub async fn free(
    store: &dyn Store,
    keys: &AppKeys,
    fleet: &Fleet,
    wanted: Option<&App>,
) -> Result<(), Failure> {
    let refused =
        |fleet: &Fleet, kept: &Kept<App>| fleet.refusal(&AppKey::App, &kept.token).is_some();
    let own = keys.app.as_ref().filter(|kept| !refused(fleet, kept)).and_then(Kept::ok);
    let own = own.map(all_routes).unwrap_or_default();
    let mut new = wanted.map(all_routes).unwrap_or_default();
    new.retain(|route| !own.contains(route));
    if new.is_empty() {
        return Ok(());
    }
    let view = store.read("").await?;
    let mut mistakes = Vec::new();
    for other in apps(&view).iter().filter(|other| other.name != keys.name) {
        let Some(kept) = &other.app else { continue };
        let theirs = kept.ok().map(all_routes).unwrap_or_default();
        let mut both = new.iter().filter(|route| theirs.contains(route)).peekable();
        // What was refused is not theirs, even if they ask for it.
        if both.peek().is_none() || refused(&Fleet::in_view(&view, &other.name), kept) {
            continue;
        }
        mistakes.extend(both.map(|route| taken(route, &other.name)));
    }
    if mistakes.is_empty() {
        return Ok(());
    }
    let said = format!("`{}` cannot have all of its hosts", keys.name);
    let hint = "take them out of one of the two apps; `shuntctl list` shows whose they are";
    Err(Failure::mistakes(said, &mistakes).hint(hint))
}
