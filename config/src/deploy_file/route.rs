//! `[route]`: the app's settings in the store.

use serde::de::DeserializeOwned;

use super::strategy::Strategy;
use crate::app::{App, HostPattern};
use crate::document::Section;
use crate::health::Health;
use crate::split::Split;
use crate::timeouts::Timeouts;

pub(super) fn read(mut section: Section<'_>) -> Option<App> {
    let hosts = hosts(&mut section);
    let sound = hosts.is_some();
    let paths = section.optional("paths");
    let app = App {
        // With what stands for any, so that the rest is read, and what is wrong with it named, too.
        hosts: hosts.unwrap_or_else(|| vec![HostPattern::Any]),
        paths: paths.unwrap_or_else(crate::app::root),
        strip_prefix: or_default(&mut section, "strip_prefix"),
        https: or_default(&mut section, "https"),
        hsts: section.optional("hsts"),
        canonical_host: section
            .optional::<String>("canonical_host")
            .map(|h| h.to_ascii_lowercase()),
        allow: or_default(&mut section, "allow"),
        deny: or_default(&mut section, "deny"),
        headers: or_default(&mut section, "headers"),
        limits: or_default(&mut section, "limits"),
        balance: or_default(&mut section, "balance"),
        sticky: or_default(&mut section, "sticky"),
        sessions: or_default(&mut section, "sessions"),
        split: section.optional("split"),
        testers: section.optional("testers"),
        max_requests: or_default(&mut section, "max_requests"),
        queue: or_default(&mut section, "queue"),
        eject: or_default(&mut section, "eject"),
        slow_start: section.optional_duration("slow_start"),
        preview: section.optional("preview"),
        health: Health::default(),
        timeouts: Timeouts::default(),
    };
    if sound && let Err(mistake) = app.validate() {
        section.mistake_here(&mistake.to_string());
    }
    sound.then_some(app)
}

/// The hosts, each mistake in them named.
fn hosts(section: &mut Section<'_>) -> Option<Vec<HostPattern>> {
    let written: Vec<String> = section.required("hosts")?;
    let (mut hosts, count) = (Vec::new(), written.len());
    for text in written {
        match text.parse::<HostPattern>() {
            Ok(host) => hosts.push(host),
            Err(mistake) => section.mistake("hosts", &mistake.to_string()),
        }
    }
    (hosts.len() == count).then_some(hosts)
}

/// A canary is seen by whole visitors, unless the file says otherwise.
pub(super) fn divided(app: App, strategy: Strategy) -> App {
    match strategy {
        Strategy::Canary => App { split: app.split.or(Some(Split::Cookie)), ..app },
        Strategy::BlueGreen | Strategy::Hold => app,
    }
}

fn or_default<T: DeserializeOwned + Default>(section: &mut Section<'_>, key: &str) -> T {
    section.or(key, T::default())
}
