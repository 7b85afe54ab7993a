//! `[notify.NAME]`: who is told of deploys.

use std::path::PathBuf;

use serde::Deserialize;

use super::environment::Variable;
use crate::document::Section;
use crate::secret::SecretSource;

/// Someone who is told of deploys, by a request to an address of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// How they are called.
    pub name: String,
    /// What the request looks like.
    pub kind: NotifyKind,
    /// Where its address is found. Whoever knows that may write there, so it is in no file of ours.
    pub url: SecretSource,
    /// What they are told of.
    pub events: Vec<NotifyEvent>,
    /// And how serious it has to be.
    pub severity: Severity,
}

/// What a request looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyKind {
    /// `{"text": "…"}`, as Slack, Mattermost and Rocket.Chat take it.
    #[default]
    Slack,
    /// All that is known, a key for each.
    Json,
}

/// What someone is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEvent {
    /// A deploy has begun.
    Started,
    /// It is done.
    Done,
    /// It has failed.
    Failed,
    /// It was undone.
    Undone,
    /// Containers of the release that serves are gone, and nobody has asked for that.
    Vanished,
}

impl NotifyEvent {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Started, Self::Done, Self::Failed, Self::Undone, Self::Vanished];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Vanished => "vanished",
        }
    }

    /// How serious it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::Started | Self::Done => Severity::Info,
            Self::Undone | Self::Vanished => Severity::Warning,
            Self::Failed => Severity::Error,
        }
    }
}

/// How serious something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    #[default]
    Info,
    /// Worth a look.
    Warning,
    /// Wrong.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Reads the sections.
pub(super) fn read(mut all: Section<'_>) -> Vec<Notify> {
    let mut read = Vec::new();
    for (name, mut section) in all.tables() {
        let kind = section.or("kind", NotifyKind::default());
        let events = section.or("events", NotifyEvent::ALL.to_vec());
        let severity = section.or("severity", Severity::default());
        if section.has("url") {
            let _: Option<toml::Value> = section.optional("url");
            let said = "who knows the address may write there: name the variable or the file that \
                        has it, `url_from = \"SLACK_URL\"` or `url_file = \"/etc/shunt/slack\"`";
            section.mistake("url", said);
            continue;
        }
        let variable = section.optional::<Variable>("url_from");
        let file = section.optional::<PathBuf>("url_file");
        let url = match (variable, file) {
            (Some(variable), None) => SecretSource::Variable(variable),
            (None, Some(file)) => SecretSource::File(file),
            _ => {
                section.mistake_here("write either `url_from` or `url_file`");
                continue;
            }
        };
        read.push(Notify { name, kind, url, events, severity });
    }
    read
}
