//! What every verb works with: the store, the deploy file, the output.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use shunt_config::deploy_file::{DeployFile, FILE_NAME};
use shunt_config::store::{self, Store, StoreConfig};
use shunt_config::{AppName, Mistake};

use crate::env_name::EnvName;
use crate::exit::{Exit, Failure};
use crate::report::Report;

/// What reads a part of the deploy file, given as names and texts.
type Part<T> = fn(&[(&str, &str)]) -> Result<T, Vec<Mistake>>;

/// What every verb works with.
#[derive(Debug)]
pub struct Context {
    /// Where output goes.
    pub report: Report,
    /// The store as a flag or variable names it.
    store: Option<StoreConfig>,
    /// The deploy file as a flag names it.
    file: Option<PathBuf>,
    /// The environment whose file is laid over it.
    env: Option<EnvName>,
    /// Whether mistakes of the deploy file that are no matter were told.
    warned: Once,
}

impl Context {
    /// A context from the flags every verb has.
    pub fn new(
        report: Report,
        store: Option<StoreConfig>,
        file: Option<PathBuf>,
        env: Option<EnvName>,
    ) -> Self {
        Self { report, store, file, env, warned: Once::new() }
    }

    /// The environment that is asked for: `staging`.
    pub fn env(&self) -> Option<&EnvName> {
        self.env.as_ref()
    }

    /// Where the deploy file is looked for.
    pub fn file_path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(FILE_NAME))
    }

    /// Where it lies; what it names by a relative path lies beside it.
    pub fn directory(&self) -> &Path {
        self.file_path().parent().unwrap_or(Path::new(""))
    }

    /// The deploy file; all its mistakes if it has any.
    pub fn file(&self) -> Result<DeployFile, Failure> {
        self.file_for(self.env.as_ref())
    }

    /// The same for the environment `env`.
    pub fn file_for(&self, env: Option<&EnvName>) -> Result<DeployFile, Failure> {
        read(&self.texts(env)?, DeployFile::layered)
    }

    /// The files of variables that the deploy file names, so far as its mistakes let them be told.
    pub fn env_files_for(&self, env: Option<&EnvName>) -> Result<Vec<PathBuf>, Failure> {
        let texts = self.texts(env)?;
        read(&texts, |files| Ok(DeployFile::env_files_of(files)))
    }

    /// What `part` finds in the deploy file, although other parts of it may have mistakes: they are told,
    /// and stand in nobody's way who does not need them.
    fn part_of_file<T>(&self, part: Part<T>) -> Result<T, Failure> {
        let texts = self.texts(self.env.as_ref())?;
        let found = read(&texts, part);
        let mistakes = read(&texts, DeployFile::layered).err();
        match (found, mistakes) {
            (Ok(found), Some(mistakes)) => {
                let said = mistakes.said;
                let warning = format!("{said}, which are no matter here: see `shuntctl check`");
                self.warned.call_once(|| self.report.warn(&warning));
                Ok(found)
            }
            (Err(_), Some(all)) => Err(all.hint(
                "`shuntctl --store URL|/PATH VERB APP` needs no file, where a verb takes an app",
            )),
            (found, None) => found,
        }
    }

    /// The texts of the files that make up the deploy file, by their names.
    fn texts(&self, env: Option<&EnvName>) -> Result<Vec<(String, String)>, Failure> {
        let path = self.file_path();
        let read = |path: &Path, hint: &str| {
            let shown = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => Ok((shown, text)),
                Err(error) => Err(Failure::usage(format!("{shown}: {error}")).hint(hint)),
            }
        };
        let base = "`shuntctl init` writes one to begin with, `--file` names another";
        let mut files = vec![read(path, base)?];
        if let Some(env) = env {
            let over = format!("it is laid over {} for `--env {env}`", path.display());
            files.push(read(&env.file(path), &over)?);
        }
        Ok(files)
    }

    /// The app a verb is about: as given, or the deploy file's.
    pub fn app(&self, given: Option<AppName>) -> Result<AppName, Failure> {
        match given {
            Some(app) => Ok(app),
            None if self.file.is_none() && !self.file_path().exists() => {
                Err(Failure::usage("which app? name it, or run this beside its `shunt.toml`"))
            }
            None => self.part_of_file(DeployFile::app_of),
        }
    }

    /// The store: the flag's or variable's, else the deploy file's.
    pub fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        let config = self.store_config()?;
        // Made by whoever runs this, it would be closed to a proxy that is somebody else.
        if let Some(path) = config.directory.as_ref().filter(|path| !path.exists()) {
            let said = format!("directory {}: no such directory", path.display());
            let hint = "`shunt-proxy` makes it when it starts, as the user that it runs as";
            return Err(Failure::new(Exit::Unreachable, said).hint(hint));
        }
        store::open(&config).map_err(Failure::from)
    }

    /// The same for a verb that only looks, and makes nothing.
    pub fn store_to_look(&self) -> Result<Arc<dyn Store>, Failure> {
        store::open_to_look(&self.store_config()?).map_err(Failure::from)
    }

    fn store_config(&self) -> Result<StoreConfig, Failure> {
        self.store.clone().map_or_else(|| self.file_store(), Ok)
    }

    fn file_store(&self) -> Result<StoreConfig, Failure> {
        let unknown = || {
            Failure::new(Exit::Usage, "no store is named").hint(
                "use `--store http://10.0.0.2:2379` or `--store /var/lib/shunt/store`, \
                 SHUNT_STORE, or [store] in shunt.toml",
            )
        };
        if self.file.is_none() && !self.file_path().exists() {
            return Err(unknown());
        }
        self.part_of_file(DeployFile::store_of)?.ok_or_else(unknown)
    }
}

/// What `read` makes of `texts`, or all their mistakes.
fn read<T>(
    texts: &[(String, String)],
    read: impl FnOnce(&[(&str, &str)]) -> Result<T, Vec<Mistake>>,
) -> Result<T, Failure> {
    let pairs: Vec<_> = texts.iter().map(|(name, text)| (&**name, &**text)).collect();
    read(&pairs).map_err(|mistakes| {
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        let (names, count) = (names.join(" with "), mistakes.len());
        let said = format!("{names} has {count} mistake{}", if count == 1 { "" } else { "s" });
        Failure::mistakes(said, &mistakes)
    })
}
