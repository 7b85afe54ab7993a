//! `[apps.NAME]`: an app that is deployed from here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::absolute;
use super::webhook::{self, Webhook};
use crate::document::Section;
use crate::name::AppName;

/// An app that is deployed from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedApp {
    /// Its deploy file; absolute.
    pub deploy_file: PathBuf,
    /// The environment whose file is laid over it.
    pub env: Option<String>,
    /// Whether containers of what serves are started again when they are gone.
    pub restart: bool,
    /// Who starts deploys of it.
    pub webhooks: Vec<Webhook>,
}

/// Reads the sections.
pub(super) fn read(root: &mut Section<'_>) -> BTreeMap<AppName, ServedApp> {
    let mut read = BTreeMap::new();
    for (name, mut section) in
        root.section("apps").map(|mut all| all.tables()).into_iter().flatten()
    {
        let app = match name.parse::<AppName>() {
            Ok(app) => Some(app),
            Err(mistake) => {
                section.mistake_here(&mistake.to_string());
                None
            }
        };
        let env = section.optional("env");
        let restart = section.or("restart", false);
        let webhooks = webhook::read(&mut section);
        let deploy_file = absolute(&mut section, "deploy_file", None);
        if let (Some(app), Some(deploy_file)) = (app, deploy_file) {
            read.insert(app, ServedApp { deploy_file, env, restart, webhooks });
        }
    }
    read
}
