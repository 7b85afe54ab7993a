//! `serve.toml`: what `shuntctl serve` watches over, and who may ask it for what.

mod app;
mod name;
mod pattern;
mod tag;
mod token;
mod webhook;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use app::ServedApp;
pub use pattern::Pattern;
pub use tag::{Parts, TagFrom, is_tag};
pub use token::{May, TokenSpec};
pub use webhook::{Webhook, WebhookKind};

use crate::document::{self, Section};
use crate::name::AppName;
use crate::store::StoreConfig;
use crate::strict::Mistake;

/// Where the file is looked for.
pub const PATH: &str = "/etc/shunt/serve.toml";

/// Engines are asked no more often.
const MIN_LOOK: Duration = Duration::from_secs(1);

/// The file of `shuntctl serve`, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeFile {
    /// Where webhooks and the API are answered; by default `127.0.0.1:9190`.
    pub listen: SocketAddr,
    /// Directory of the queue, of runs and their output, and of the deliveries seen; absolute.
    pub state: PathBuf,
    /// The store.
    pub store: StoreConfig,
    /// How often the containers of what serves are looked at; 1 s at least.
    pub look: Duration,
    /// Who may use the API.
    pub tokens: Vec<TokenSpec>,
    /// What is deployed from here.
    pub apps: BTreeMap<AppName, ServedApp>,
}

impl ServeFile {
    /// Reads the file at `path`; all mistakes in one run.
    pub fn load(path: &Path) -> Result<Self, Vec<Mistake>> {
        let shown = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| vec![Mistake::new(format!("{shown}: {error}"))])?;
        Self::parse(&shown, &text)
    }

    /// Reads `text`, the content of `file`; all mistakes in one run.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Mistake>> {
        document::read(file, text, |root| {
            let listen = root.or("listen", SocketAddr::from(([127, 0, 0, 1], 9190)));
            let state = absolute(root, "state", Some("/var/lib/shunt/serve"));
            let look = look(root);
            let store = store(root);
            let apps = app::read(root);
            let tokens = token::read(root, &apps);
            Some(Self { listen, state: state?, store: store?, look, tokens, apps })
        })
    }
}

fn store(root: &mut Section<'_>) -> Option<StoreConfig> {
    let store: Option<StoreConfig> = root.required("store");
    for mistake in store.iter().flat_map(StoreConfig::mistakes) {
        root.mistake("store", &mistake.to_string());
    }
    store
}

fn look(root: &mut Section<'_>) -> Duration {
    let look = root.duration("look", Duration::from_secs(10));
    if look < MIN_LOOK {
        let least = crate::duration::show(MIN_LOOK);
        root.mistake("look", &format!("at least {least}: each look asks every engine"));
    }
    look
}

/// The path under `key`. What starts the daemon decides on its directory, so no path is relative.
fn absolute(section: &mut Section<'_>, key: &str, usual: Option<&str>) -> Option<PathBuf> {
    let path: PathBuf = match usual {
        Some(usual) => section.or(key, PathBuf::from(usual)),
        None => section.required(key)?,
    };
    if !path.is_absolute() {
        section.mistake(key, &format!("`{}` is not absolute", path.display()));
    }
    Some(path)
}

#[cfg(test)]
mod tests;
