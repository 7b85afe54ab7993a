//! What a check is told of the release that is watched.

use shunt_config::record::Deploy;
use shunt_config::template::Template;
use shunt_config::{AppName, Release, Token};

use crate::hook::Variables;

/// A release that is watched.
#[derive(Clone, Debug)]
pub struct Watched {
    app: String,
    slot: &'static str,
    version: String,
    token: String,
    variables: Variables,
    percent: u8,
}

impl Watched {
    /// The release of `record`, announced as `token`.
    pub fn new(app: &AppName, record: &Deploy, token: &Token, release: Option<&Release>) -> Self {
        let step = record.step().map_or("", |time| time.step.as_str());
        let targets = release.map(|release| {
            let all: Vec<_> = release.targets.iter().map(|t| t.address.to_string()).collect();
            all.join(" ")
        });
        let variables = Variables::of(app, record)
            .and("SHUNT_STEP", step)
            .maybe("SHUNT_TARGETS", targets.as_deref())
            .and("SHUNT_TOKEN", token.to_string());
        Self {
            app: app.to_string(),
            slot: record.slot.as_str(),
            version: record.version.clone().unwrap_or_default(),
            token: token.to_string(),
            variables,
            percent: 100,
        }
    }

    /// The same with so many percent of the requests.
    #[must_use]
    pub fn share(self, percent: u8) -> Self {
        Self { percent, ..self }
    }

    /// What a command is told in its environment.
    pub(super) fn variables(&self) -> Variables {
        self.variables.clone().and("SHUNT_SHARE", self.percent.to_string())
    }

    /// `query` about this release.
    pub(super) fn fill(&self, query: &Template) -> String {
        query.fill(|word| match word {
            "app" => self.app.clone(),
            "slot" => self.slot.to_owned(),
            "version" => self.version.clone(),
            _ => self.token.clone(),
        })
    }
}
