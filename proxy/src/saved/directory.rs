//! The state directory: what is saved of each app and of the whole, in files of their own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;
use serde::{Deserialize, Serialize};
use shunt_config::{AppName, ProxyName};

use crate::control::holding::SavedHold;
use crate::control::keeping::Kept;
use crate::control::mirroring::SavedMirror;
use crate::control::served::{Goal, Served};

use super::sealed::{self, said, temporary};

/// From more files than this on they are synced with all else on their file system, in one go.
pub(super) const MANY: usize = 16;

/// What is saved of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedApp {
    /// What it serves.
    pub served: Served,
    /// The flip that was refused for want of proof, and why: a restart must not apply it after all.
    pub refused: Option<(Goal, String)>,
    /// What stops its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<SavedHold>,
    /// What copies its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<SavedMirror>,
    /// The releases that visitors stay on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
}

/// What is saved of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    /// Identity of the store that was believed last.
    store: String,
}

/// The state directory of one proxy.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    proxy: ProxyName,
}

/// What is to be saved of each app; `None` for nothing any more.
pub(super) type Apps = BTreeMap<AppName, Option<SavedApp>>;

/// What the directory held at the start.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Identity of the store that was believed last.
    pub store: Option<String>,
    /// The apps.
    pub apps: BTreeMap<AppName, SavedApp>,
    /// Files that were refused, by name and with the reason.
    pub refused: Vec<String>,
}

impl StateDir {
    /// The directory at `path`, made if it is not there.
    pub fn open(path: &Path, proxy: &ProxyName) -> io::Result<Self> {
        fs::create_dir_all(path.join("apps"))?;
        Ok(Self { path: path.to_owned(), proxy: proxy.clone() })
    }

    /// The directory at `path` as it is: nothing is made.
    pub(crate) fn as_it_is(path: &Path, proxy: &ProxyName) -> Self {
        Self { path: path.to_owned(), proxy: proxy.clone() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all that was saved.
    pub fn load(&self) -> Loaded {
        let mut loaded = Loaded::default();
        match sealed::read::<Meta>(&self.meta(), &self.proxy) {
            Ok(meta) => loaded.store = meta.map(|meta| meta.store),
            Err(said) => loaded.refused.push(said),
        }
        let entries = match fs::read_dir(self.path.join("apps")) {
            Ok(entries) => entries,
            Err(error) => {
                loaded.refused.push(format!("{}: {error}", self.path.join("apps").display()));
                return loaded;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            let read = name.parse::<AppName>().map_err(|mistake| mistake.to_string());
            match read
                .and_then(|app| Ok((app, sealed::read::<SavedApp>(&entry.path(), &self.proxy)?)))
            {
                Ok((app, Some(saved))) if saved.is_sound() => drop(loaded.apps.insert(app, saved)),
                Ok((_, None)) => {}
                Ok(_) => loaded.refused.push(said(&entry.path(), "shares and releases differ")),
                Err(said) => loaded.refused.push(said),
            }
        }
        loaded.refused.sort();
        loaded
    }

    /// Writes what is to be saved of each app, or removes its file. Blocks until it is on disk;
    /// returns what could not be written.
    pub(super) fn write_apps(&self, apps: &Apps) -> Vec<(AppName, io::Error)> {
        let directory = self.path.join("apps");
        let mut failed = BTreeMap::new();
        let mut each = |step: &dyn Fn(&Path, Option<&SavedApp>) -> io::Result<()>| {
            for (app, saved) in apps {
                if !failed.contains_key(app)
                    && let Err(error) = step(&self.app(app), saved.as_ref())
                {
                    failed.insert(app.clone(), error);
                }
            }
        };
        // One by one, the ten thousand files of a new proxy would take a minute.
        let together = apps.len() > MANY;
        each(&|path, saved| {
            saved.map_or(Ok(()), |saved| sealed::write(path, &self.proxy, saved, !together))
        });
        if together && let Err(error) = File::open(&directory).and_then(|d| Ok(syncfs(d)?)) {
            return not_synced(apps, &error);
        }
        each(&|path, saved| match saved {
            Some(_) => fs::rename(temporary(path), path),
            None => remove(path),
        });
        // Once for all: it makes every rename and removal last.
        if let Err(error) = sync(&directory) {
            return not_synced(apps, &error);
        }
        failed.into_iter().collect()
    }

    /// Writes which store is believed. Blocks until it is on disk.
    pub(super) fn write_store(&self, store: &str) -> io::Result<()> {
        let (path, meta) = (self.meta(), Meta { store: store.to_owned() });
        sealed::write(&path, &self.proxy, &meta, true)?;
        fs::rename(temporary(&path), path)?;
        sync(&self.path)
    }

    /// The file of `app`.
    pub(super) fn app(&self, app: &AppName) -> PathBuf {
        self.path.join("apps").join(format!("{app}.json"))
    }

    /// The file that says which store is believed.
    pub(super) fn meta(&self) -> PathBuf {
        self.path.join("meta.json")
    }
}

impl SavedApp {
    /// Whether each slot with a share has a release, and no other.
    fn is_sound(&self) -> bool {
        self.served.flip.as_ref().is_none_or(|flip| {
            let shares = flip.active.value.shares().map(|(slot, _)| slot);
            shares.eq(flip.releases.iter().map(|(slot, _)| *slot))
        })
    }
}

fn not_synced(apps: &Apps, error: &io::Error) -> Vec<(AppName, io::Error)> {
    let again = || io::Error::new(error.kind(), format!("not synced: {error}"));
    apps.keys().map(|app| (app.clone(), again())).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_config::{Active, App, Release, Slot};
    use std::sync::Arc;

    use crate::control::served::{Flip, Put};

    fn put<T>(token: &str, value: T) -> Put<T> {
        Put { token: token.into(), value: Arc::new(value) }
    }

    fn saved() -> SavedApp {
        let settings = put("a", App::parse(br#"{"hosts":["www.example.com"]}"#).unwrap());
        let release = put("g", Release::parse(b"10.0.0.1:1").unwrap());
        let active = put("f", Active::all(Slot::Green));
        let flip = Some(Flip { active, releases: vec![(Slot::Green, release)] });
        let (refused, hold, mirror, kept) = Default::default();
        SavedApp { served: Served { settings, flip }, refused, hold, mirror, kept }
    }

    fn open(path: &Path, proxy: &str) -> StateDir {
        StateDir::open(path, &proxy.parse().unwrap()).unwrap()
    }

    fn write(state: &StateDir, apps: &[(&AppName, Option<SavedApp>)]) {
        let apps = apps.iter().map(|(app, saved)| ((*app).clone(), saved.clone())).collect();
        let failed = state.write_apps(&apps);
        assert!(failed.is_empty(), "{failed:?}");
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let state = open(dir.path(), "lb1");
        let [web, api] = ["web", "api"].map(|app| app.parse::<AppName>().unwrap());
        write(&state, &[(&web, Some(saved())), (&api, Some(saved()))]);
        write(&state, &[(&api, None)]);
        write(&state, &[(&api, None)]);
        state.write_store("s1").unwrap();
        let loaded = state.load();
        assert_eq!(loaded.refused, Vec::<String>::new());
        assert_eq!(loaded.store.as_deref(), Some("s1"));
        assert_eq!(loaded.apps, BTreeMap::from([(web, saved())]));
    }

    #[test]
    fn many_are_written_together_and_one_that_cannot_be_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let state = open(dir.path(), "lb1");
        let bad: AppName = "bad".parse().unwrap();
        write(&state, &[(&bad, Some(saved()))]);
        // What cannot be written to.
        fs::create_dir(dir.path().join("apps/bad.tmp")).unwrap();
        let mut changed = saved();
        changed.served.flip = None;
        let names = (0..=MANY).map(|n| format!("app-{n}").parse().unwrap());
        let apps: Apps =
            names.chain([bad.clone()]).map(|app| (app, Some(changed.clone()))).collect();
        let failed: Vec<_> = state.write_apps(&apps).into_iter().map(|(app, _)| app).collect();
        assert_eq!(failed, std::slice::from_ref(&bad));
        let loaded = state.load().apps;
        assert_eq!((loaded.len(), &loaded[&bad]), (apps.len(), &saved()));
        assert_eq!(loaded.values().filter(|app| **app == changed).count(), MANY + 1);
    }

    #[test]
    fn a_torn_file_is_refused_by_name_and_the_others_are_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let state = open(dir.path(), "lb1");
        let web: AppName = "web".parse().unwrap();
        write(&state, &[(&web, Some(saved()))]);
        let good = dir.path().join("apps/web.json");
        let whole = fs::read(&good).unwrap();
        let torn = dir.path().join("apps/torn.json");
        for length in 0..whole.len() {
            fs::write(&torn, &whole[..length]).unwrap();
            let loaded = state.load();
            assert_eq!(loaded.apps.keys().collect::<Vec<_>>(), [&web], "{length}");
            assert!(loaded.refused[0].starts_with(torn.to_str().unwrap()), "{loaded:?}");
        }
    }

    #[test]
    fn a_file_of_another_proxy_or_format_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let web: AppName = "web".parse().unwrap();
        write(&open(dir.path(), "lb1"), &[(&web, Some(saved()))]);
        let loaded = open(dir.path(), "lb2").load();
        assert!(loaded.apps.is_empty());
        assert!(loaded.refused[0].ends_with("saved by proxy `lb1`, this is `lb2`"), "{loaded:?}");

        let path = dir.path().join("apps/web.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
        let loaded = open(dir.path(), "lb1").load();
        assert!(loaded.refused[0].ends_with("format 2, this version reads 1"), "{loaded:?}");
    }
}
