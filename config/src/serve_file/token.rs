//! `[tokens.NAME]`: who may use the API, and for what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ServedApp, absolute, name};
use crate::document::Section;
use crate::name::AppName;

/// One who may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpec {
    /// How they are called in the log, in runs and in the history.
    pub name: String,
    /// The file with what they show, a line each; absolute.
    pub file: PathBuf,
    /// The apps it is for; `None` for all.
    pub apps: Option<Vec<AppName>>,
    /// What they may do.
    pub may: May,
}

/// What one may do; each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum May {
    /// Look.
    #[default]
    Read,
    /// What a pipeline needs: deploy, promote, abort, undo, resume.
    Deploy,
    /// Every verb.
    All,
}

impl May {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::All => "all",
        }
    }
}

/// Reads the sections.
pub(super) fn read(root: &mut Section<'_>, known: &BTreeMap<AppName, ServedApp>) -> Vec<TokenSpec> {
    let mut read = Vec::new();
    for (name, mut section) in
        root.section("tokens").map(|mut all| all.tables()).into_iter().flatten()
    {
        let sound = name::is_sound(&section, "a token", &name);
        let apps: Option<Vec<AppName>> = section.optional("apps");
        for app in apps.iter().flatten().filter(|app| !known.contains_key(app)) {
            section.mistake("apps", &format!("there is no [apps.{app}]"));
        }
        let may = section.or("may", May::default());
        let file = absolute(&mut section, "file", None);
        if let (true, Some(file)) = (sound, file) {
            read.push(TokenSpec { name, file, apps, may });
        }
    }
    read
}
