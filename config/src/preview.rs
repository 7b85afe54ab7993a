//! How the release of each slot is reached beside the app's own requests, whichever slot is active.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cidr::Cidrs;
use crate::host::HostPattern;
use crate::slot::Slot;
use crate::strict::{self, Mistake};

/// What stands for the slot in a preview host, and what for the app's host.
const SLOT: &str = "{slot}";
const HOST: &str = "{host}";

/// How the release of each slot is reached beside the app's own requests.
///
/// Written as `{"host": "{slot}.{host}"}`. Without `host` it is reached by a signature alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// The host that each slot's release answers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Template>,
    /// Whether targets are told the app's host in the place of the preview's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rewrite_host: bool,
    /// Clients that are let in under preview hosts; none for all. Those that the app itself does not
    /// let in are not let in here.
    #[serde(default, skip_serializing_if = "Cidrs::is_empty")]
    pub allow: Cidrs,
}

/// A host name with `{slot}` in it, and `{host}` where it stands for one of the app's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// A host under which the release of one slot is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewHost {
    /// The host; always exact.
    pub host: HostPattern,
    /// The slot.
    pub slot: Slot,
    /// The app's own host that it stands for, if there is an exact one.
    pub of: Option<String>,
}

impl Preview {
    /// The hosts of `app`'s previews; none for a host that no name can be made of.
    pub fn hosts(&self, app: &App) -> Vec<PreviewHost> {
        let Some(template) = &self.host else { return Vec::new() };
        let own = || app.hosts.iter().filter_map(exact);
        let each: Vec<Option<&str>> = match template.names_host() {
            true => own().map(Some).collect(),
            false => vec![app.canonical_host.as_deref().or_else(|| own().next())],
        };
        let every = each.into_iter().flat_map(|of| Slot::BOTH.map(|slot| (slot, of)));
        let host = |(slot, of): (Slot, Option<&str>)| {
            let host = template.fill(slot, of.unwrap_or_default()).parse().ok()?;
            Some(PreviewHost { host, slot, of: of.map(str::to_owned) })
        };
        every.filter_map(host).collect()
    }

    /// Checks what the types alone do not.
    pub(crate) fn validate(&self, app: &App) -> Result<(), Mistake> {
        let wrong =
            |key: &str, said: String| Err(Mistake::new(said).at(&format!("`preview.{key}`")));
        let Some(template) = &self.host else {
            return match (self.rewrite_host, self.allow.is_empty()) {
                (true, _) => wrong("rewrite_host", "there is no `host` to be rewritten".to_owned()),
                (_, false) => wrong("allow", "is for preview hosts: name one in `host`".to_owned()),
                _ => Ok(()),
            };
        };
        let hosts = self.hosts(app);
        let exact = app.hosts.iter().filter_map(exact).count();
        if template.names_host() && exact == 0 {
            let said = "none of `hosts` is one name, so `{host}` stands for nothing: write \
                        `{slot}.preview.example.com`";
            return wrong("host", said.to_owned());
        }
        if hosts.len() < Slot::BOTH.len() * if template.names_host() { exact } else { 1 } {
            return wrong("host", format!("`{template}` makes a name that is too long for a host"));
        }
        if let Some(taken) = hosts.iter().find(|preview| app.hosts.contains(&preview.host)) {
            return wrong("host", format!("`{}` is one of `hosts`", taken.host));
        }
        if self.rewrite_host && hosts.iter().any(|preview| preview.of.is_none()) {
            let said = "none of `hosts` is one name that targets could be told: name \
                        `canonical_host`";
            return wrong("rewrite_host", said.to_owned());
        }
        Ok(())
    }
}

fn exact(host: &HostPattern) -> Option<&str> {
    match host {
        HostPattern::Exact(name) => Some(name),
        HostPattern::Wildcard(_) | HostPattern::Any => None,
    }
}

impl Template {
    fn names_host(&self) -> bool {
        self.0.contains(HOST)
    }

    fn fill(&self, slot: Slot, host: &str) -> String {
        self.0.replace(SLOT, slot.as_str()).replace(HOST, host)
    }
}

impl FromStr for Template {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let template = Self(text.to_ascii_lowercase());
        let once = template.0.matches(SLOT).count() == 1 && template.0.matches(HOST).count() <= 1;
        let filled = template.fill(Slot::Green, "example.com").parse();
        match filled {
            Ok(HostPattern::Exact(_)) if once => Ok(template),
            _ => Err(Mistake::new(format!(
                "`{}` is no host of previews: write `{{slot}}.{{host}}`, or \
                 `{{slot}}-web.example.com`, with `{{slot}}` once",
                strict::short(text)
            ))),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

by_text!(Template);

#[cfg(test)]
mod tests {
    use super::*;

    fn app(settings: &str) -> Result<App, Mistake> {
        App::parse(format!("{{{settings}}}").as_bytes())
    }

    fn hosts(settings: &str) -> Vec<String> {
        let app = app(settings).unwrap();
        let shown = |preview: PreviewHost| {
            format!("{} {} {}", preview.host, preview.slot, preview.of.unwrap_or_default())
        };
        app.preview.as_ref().unwrap().hosts(&app).into_iter().map(shown).collect()
    }

    #[test]
    fn each_exact_host_has_a_preview_host_for_each_slot() {
        let two = r#""hosts":["www.a.com","*.a.com","a.com"],"preview":{"host":"{slot}.{Host}"}"#;
        assert_eq!(
            hosts(two),
            [
                "blue.www.a.com blue www.a.com",
                "green.www.a.com green www.a.com",
                "blue.a.com blue a.com",
                "green.a.com green a.com"
            ]
        );
        let named = r#""hosts":["*"],"preview":{"host":"web-{slot}.a.com"}"#;
        assert_eq!(hosts(named), ["web-blue.a.com blue ", "web-green.a.com green "]);
        let one = r#""hosts":["a.com","b.com"],"canonical_host":"b.com",
            "preview":{"host":"{slot}.p.com","rewrite_host":true,"allow":["10.0.0.0/8"]}"#;
        assert_eq!(hosts(one), ["blue.p.com blue b.com", "green.p.com green b.com"]);
        assert!(hosts(r#""hosts":["a.com"],"preview":{}"#).is_empty());
    }

    #[test]
    fn previews_that_cannot_be_are_refused_with_the_way_out() {
        let long = format!(r#""hosts":["{}.com"],"preview":{{"host":"{{slot}}.{{host}}"}}"#, {
            let label = "a".repeat(61);
            [label.as_str(); 4].join(".")
        });
        for (settings, word) in [
            (r#""hosts":["a.com"],"preview":{"host":"green.a.com"}"#, "with `{slot}` once"),
            (r#""hosts":["a.com"],"preview":{"host":"{slot}.{slot}.com"}"#, "with `{slot}` once"),
            (r#""hosts":["a.com"],"preview":{"host":"*.{slot}.com"}"#, "is no host of previews"),
            (r#""hosts":["a.com"],"preview":{"host":"{slot}.{hots}"}"#, "is no host of previews"),
            (r#""hosts":["*.a.com"],"preview":{"host":"{slot}.{host}"}"#, "stands for nothing"),
            (
                r#""hosts":["a.com","green.a.com"],"preview":{"host":"{slot}.{host}"}"#,
                "`preview.host`: `green.a.com` is one of `hosts`",
            ),
            (
                r#""hosts":["*"],"preview":{"host":"{slot}.b.com","rewrite_host":true}"#,
                "`preview.rewrite_host`: none of `hosts`",
            ),
            (r#""hosts":["a.com"],"preview":{"rewrite_host":true}"#, "no `host` to be rewritten"),
            (r#""hosts":["a.com"],"preview":{"allow":["10.0.0.1"]}"#, "`preview.allow`"),
            (r#""hosts":["a.com"],"preview":{"hosts":true}"#, "did you mean `host`?"),
            (long.as_str(), "too long"),
        ] {
            let said = app(settings).unwrap_err().to_string();
            assert!(said.contains(word), "{settings}: {said}");
        }
    }
}
