//! The file `serve.toml`, and the secrets it names.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use shunt_config::deploy_file::DeployFile;
use shunt_config::secret::Secret;
use shunt_config::serve_file::{May, ServeFile, ServedApp, Webhook};
use shunt_config::{AppName, Mistake};

use super::secret_file;
use crate::context::Context;
use crate::env_name::EnvName;
use crate::exit::Failure;
use crate::report::Report;

/// The file with its secrets.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub file: ServeFile,
    tokens: Vec<Token>,
    hooks: BTreeMap<(String, String), Hook>,
    envs: BTreeMap<AppName, EnvName>,
    warnings: Vec<String>,
}

/// One who may use the API.
#[derive(Debug)]
pub struct Token {
    /// How they are called.
    pub name: String,
    /// What they may do.
    pub may: May,
    apps: Option<Vec<AppName>>,
    /// Of what they show: those have one length, whatever that has.
    digests: Vec<Vec<u8>>,
}

impl Token {
    /// Whether it is for `app`.
    pub fn is_for(&self, app: &AppName) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(app))
    }

    /// The same for what may be no app's name: what belongs to none is for those who are for all.
    pub(super) fn sees(&self, app: &str) -> bool {
        let is = |own: &AppName| own.as_str() == app;
        self.apps.as_ref().is_none_or(|apps| apps.iter().any(is))
    }
}

/// One who starts deploys.
#[derive(Debug)]
pub struct Hook {
    /// Of which app.
    pub app: AppName,
    /// How.
    pub spec: Webhook,
    /// Each of these proves a request.
    pub secrets: Vec<Secret>,
}

impl Loaded {
    /// Reads the file at `path` and every secret; all mistakes in one run.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let file = ServeFile::load(path).map_err(|mistakes| wrong(path, &mistakes))?;
        let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
        let mut secrets = |place: String, path: &Path| match secret_file::read(path) {
            Ok(read) => {
                warnings.extend(read.warning);
                read.secrets
            }
            Err(why) => {
                mistakes.push(Mistake::new(format!("{shown}: {place}: {why}")));
                Vec::new()
            }
        };
        let mut tokens = Vec::new();
        for spec in &file.tokens {
            let shown = secrets(format!("tokens.{}.file", spec.name), &spec.file);
            tokens.push(Token {
                name: spec.name.clone(),
                may: spec.may,
                apps: spec.apps.clone(),
                digests: shown.iter().map(|secret| hash(secret.reveal())).collect(),
            });
        }
        let mut hooks = BTreeMap::new();
        for (app, served) in &file.apps {
            for spec in &served.webhooks {
                let place = format!("apps.{app}.webhooks: `{}`: secret_file", spec.name);
                let secrets = secrets(place, &spec.secret_file);
                let hook = Hook { app: app.clone(), spec: spec.clone(), secrets };
                hooks.insert((app.to_string(), spec.name.clone()), hook);
            }
        }
        let mut envs = BTreeMap::new();
        for (app, served) in &file.apps {
            match served.env.as_deref().map(str::parse::<EnvName>) {
                Some(Ok(env)) => drop(envs.insert(app.clone(), env)),
                Some(Err(why)) => {
                    mistakes.push(Mistake::new(format!("{shown}: apps.{app}.env: {why}")));
                }
                None => {}
            }
        }
        if !mistakes.is_empty() {
            return Err(wrong(path, &mistakes));
        }
        let mut loaded = Self { file, tokens, hooks, envs, warnings };
        let deploy_files = loaded.deploy_file_mistakes();
        loaded.warnings.extend(deploy_files);
        Ok(loaded)
    }

    /// The same, with what counts from the start on as in `old`.
    #[must_use]
    pub(super) fn with_start_of(mut self, old: &Self) -> Self {
        self.file.listen = old.file.listen;
        self.file.state.clone_from(&old.file.state);
        self.file.store = old.file.store.clone();
        self
    }

    /// What is not as it should be, and no reason to serve nothing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Who shows `bearer`, if anyone who may use the API does.
    pub fn who(&self, bearer: &str) -> Option<&Token> {
        let shown = hash(bearer);
        let same = |digest: &Vec<u8>| verify_slices_are_equal(digest, &shown).is_ok();
        self.tokens.iter().find(|token| token.digests.iter().any(same))
    }

    /// The webhook `name` of `app`.
    pub fn hook(&self, app: &str, name: &str) -> Option<&Hook> {
        self.hooks.get(&(app.to_owned(), name.to_owned()))
    }

    /// An app by its name.
    pub fn app(&self, name: &str) -> Option<(&AppName, &ServedApp)> {
        self.file.apps.iter().find(|(app, _)| app.as_str() == name)
    }

    /// The environment of an app.
    pub fn env(&self, app: &AppName) -> Option<&EnvName> {
        self.envs.get(app)
    }

    /// The deploy file of `app`, as it stands now.
    pub fn deploy_file(&self, app: &AppName) -> Result<DeployFile, Failure> {
        let Some(served) = self.file.apps.get(app) else {
            return Err(Failure::usage(format!("`{app}` is not in serve.toml")));
        };
        let path = Some(served.deploy_file.clone());
        let file = Context::new(Report::new(true), None, path, self.env(app).cloned()).file()?;
        if file.app != *app {
            let (shown, other) = (served.deploy_file.display(), &file.app);
            return Err(Failure::usage(format!("{shown} is of `{other}`, not of `{app}`")));
        }
        Ok(file)
    }

    /// What is wrong with deploy files; their apps cannot be deployed, and all others can.
    fn deploy_file_mistakes(&self) -> Vec<String> {
        let mistakes = self.file.apps.keys().filter_map(|app| {
            let failure = self.deploy_file(app).err()?;
            let said = format!("apps.{app}.deploy_file: {}", failure.said);
            Some(std::iter::once(said).chain(failure.details).collect::<Vec<_>>().join("; "))
        });
        mistakes.collect()
    }
}

fn hash(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

fn wrong(path: &Path, mistakes: &[Mistake]) -> Failure {
    let count = mistakes.len();
    let plural = if count == 1 { "" } else { "s" };
    Failure::mistakes(format!("{} has {count} mistake{plural}", path.display()), mistakes)
}
