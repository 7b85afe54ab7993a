//! `shuntctl list`

use serde_json::json;
use shunt_config::{Slot, key};

use crate::app_keys::{AppKeys, Kept, names};
use crate::context::Context;
use crate::exit::Failure;
use crate::report::table;

/// Lists the apps in the store.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let store = context.store_to_look()?;
    let view = store.read(key::APPS).await?;
    let mut rows = Vec::new();
    for keys in names(&view).into_iter().map(|name| AppKeys::of(name, &view)) {
        if keys.is_gone() {
            continue;
        }
        let version = |slot: Slot| version(&keys, slot);
        let hosts = hosts(&keys);
        let active = keys.active.as_ref().map(Kept::text).unwrap_or_default();
        context.report.value(&json!({
            "app": keys.name, "hosts": hosts, "active": active.trim(),
            "blue": version(Slot::Blue), "green": version(Slot::Green),
        }));
        let shown = |slot| version(slot).unwrap_or_else(|| "-".to_owned());
        let name = keys.name.to_string();
        let (blue, green) = (shown(Slot::Blue), shown(Slot::Green));
        rows.push(vec![name, active.trim().to_owned(), blue, green, hosts.join(" ")]);
    }
    let heading = ["APP", "ACTIVE", "BLUE", "GREEN", "HOSTS"];
    let text = if rows.is_empty() { "no apps".to_owned() } else { table(&heading, &rows) };
    context.report.line(&text);
    Ok(())
}

fn hosts(keys: &AppKeys) -> Vec<String> {
    let app = keys.app.as_ref().and_then(Kept::ok);
    app.map(|app| app.hosts.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// What is in a slot, in a word: its version, or how many targets it has.
fn version(keys: &AppKeys, slot: Slot) -> Option<String> {
    Some(match keys.slot(slot)?.ok() {
        Some(release) => release
            .version
            .clone()
            .unwrap_or_else(|| format!("{} target(s)", release.targets.len())),
        None => "unreadable".to_owned(),
    })
}
