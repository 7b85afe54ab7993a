//! `[[apps.NAME.webhooks]]`: who starts deploys, and of what.

use std::path::PathBuf;

use serde::Deserialize;

use super::pattern::Pattern;
use super::tag::TagFrom;
use super::{absolute, name};
use crate::document::Section;

/// One who starts deploys by requests to `/hooks/APP/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The last part of its address; by default its kind.
    pub name: String,
    /// What its requests look like.
    pub kind: WebhookKind,
    /// The file with the secret that proves them, a line each; absolute.
    pub secret_file: PathBuf,
    /// How an image's tag is made of what it tells.
    pub image_tag: TagFrom,
    /// The tags that are deployed; empty for all.
    pub tags: Vec<Pattern>,
    /// The branches or tags of the repository that are deployed; empty for all.
    pub refs: Vec<Pattern>,
    /// The events that start a deploy, in the provider's words; empty for those without such words.
    pub events: Vec<String>,
}

/// What a webhook's requests look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookKind {
    /// A body with a signature and a time: for scripts of one's own.
    Generic,
    /// GitHub's: `X-Hub-Signature-256`.
    Github,
    /// GitLab's: `X-Gitlab-Token`.
    Gitlab,
    /// Docker Hub's, which prove nothing: the secret is in the address.
    DockerHub,
    /// Notifications of a registry (CNCF distribution): the secret is in `Authorization`.
    Registry,
}

impl WebhookKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::DockerHub => "docker_hub",
            Self::Registry => "registry",
        }
    }

    /// The events that can start a deploy; the first ones do so by themselves.
    pub fn events(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Github => {
                let usual: &[_] = &["registry_package", "package"];
                (usual, &["registry_package", "package", "release", "workflow_run"])
            }
            Self::Gitlab => (&["pipeline"], &["pipeline", "tag_push", "deployment"]),
            Self::Generic | Self::DockerHub | Self::Registry => (&[], &[]),
        }
    }

    /// Whether it tells of branches.
    fn has_refs(self) -> bool {
        matches!(self, Self::Github | Self::Gitlab)
    }
}

/// Reads the sections.
pub(super) fn read(app: &mut Section<'_>) -> Vec<Webhook> {
    let mut read: Vec<Webhook> = Vec::new();
    for mut section in app.sections("webhooks") {
        let kind: Option<WebhookKind> = section.required("kind");
        let name = section.optional::<String>("name");
        let name = name.or(kind.map(|kind| kind.as_str().to_owned())).unwrap_or_default();
        if kind.is_some() && name::is_sound(&section, "a webhook", &name) {
            let said = format!("two webhooks are named `{name}`: give each a `name`");
            if read.iter().any(|other| other.name == name) {
                section.mistake_here(&said);
            }
        }
        let image_tag = section.or("image_tag", TagFrom::default());
        let tags = section.or("tags", Vec::new());
        let refs = section.or("refs", Vec::new());
        let events: Option<Vec<String>> = section.optional("events");
        let secret_file = absolute(&mut section, "secret_file", None);
        let (Some(kind), Some(secret_file)) = (kind, secret_file) else { continue };
        let (usual, known) = kind.events();
        for event in events.iter().flatten().filter(|event| !known.contains(&event.as_str())) {
            let said = match known {
                [] => format!("a webhook of kind `{}` has no events to choose from", kind.as_str()),
                known => format!("`{event}` is none of {}", known.join(", ")),
            };
            section.mistake("events", &said);
        }
        if !refs.is_empty() && !kind.has_refs() {
            let said = format!("a webhook of kind `{}` names no branch", kind.as_str());
            section.mistake("refs", &said);
        }
        let events =
            events.unwrap_or_else(|| usual.iter().map(|&event| event.to_owned()).collect());
        read.push(Webhook { name, kind, secret_file, image_tag, tags, refs, events });
    }
    read
}
