//! `shuntctl list`

use serde_json::{Value, json};
use shunt_config::{Mistake, Slot};

use crate::app_keys::{AppKeys, Kept, apps, strays};
use crate::context::Context;
use crate::exit::Failure;
use crate::report::{Paint, plain, table};

/// Lists the apps in the store.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let store = context.store_to_look()?;
    let view = store.read("").await?;
    let apps = apps(&view);
    let mut rows = Vec::new();
    for keys in &apps {
        let (hosts, active) = (hosts(keys), active(keys));
        context.report.value(&value(keys));
        let shown = |slot| version(keys, slot).unwrap_or_else(|| "-".to_owned());
        let name = keys.name.to_string();
        let (blue, green) = (shown(Slot::Blue), shown(Slot::Green));
        rows.push(vec![name, active, blue, green, hosts.join(" ")]);
    }
    let heading = ["APP", "ACTIVE", "BLUE", "GREEN", "HOSTS"];
    let text = if rows.is_empty() { "no apps".to_owned() } else { table(&heading, &rows) };
    context.report.line(&text);
    tell_strays(context, &strays(&view, &apps));
    Ok(())
}

/// An app in a line, for scripts.
pub(crate) fn value(keys: &AppKeys) -> Value {
    json!({
        "app": keys.name, "hosts": hosts(keys), "active": active(keys),
        "blue": version(keys, Slot::Blue), "green": version(keys, Slot::Green),
    })
}

fn active(keys: &AppKeys) -> String {
    let text = keys.active.as_ref().map(Kept::text).unwrap_or_default();
    text.trim().to_owned()
}

/// Names the keys that belong to no app: proxies pass them over as well.
pub(super) fn tell_strays(context: &Context, strays: &[Mistake]) {
    for said in strays.iter().map(ToString::to_string) {
        context.report.value(&json!({ "app": null, "problems": [said] }));
        context.report.line(&format!(
            "{}  {}",
            context.report.paint("!", Paint::Red),
            plain(&said)
        ));
    }
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
