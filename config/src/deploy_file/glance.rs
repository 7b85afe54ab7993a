//! What of a deploy file can be told although other parts of it have mistakes: in an incident nobody
//! waits until a typo elsewhere is mended.

use std::path::PathBuf;

use super::{DeployFile, one_or_many};
use crate::document;
use crate::name::AppName;
use crate::store::StoreConfig;
use crate::strict::Mistake;

impl DeployFile {
    /// The app that `files` name, laid over one another as in [`Self::layered`], whatever else is in
    /// them. The mistakes of TOML itself, and those of `app`, if there are any: what comes after a
    /// broken line may say anything.
    pub fn app_of(files: &[(&str, &str)]) -> Result<AppName, Vec<Mistake>> {
        document::read_over(files, |root| {
            let app = root.required("app");
            root.pass_over_rest();
            app
        })
    }

    /// The same of the store; `None` if none is named.
    pub fn store_of(files: &[(&str, &str)]) -> Result<Option<StoreConfig>, Vec<Mistake>> {
        document::read_over(files, |root| {
            let named = root.has("store");
            let store: Option<StoreConfig> = root.optional("store");
            for mistake in store.iter().flat_map(StoreConfig::mistakes) {
                root.mistake("store", &mistake.to_string());
            }
            root.pass_over_rest();
            (!named || store.is_some()).then_some(store)
        })
    }

    /// The files of variables that `[run]` names, so far as they can be told.
    pub fn env_files_of(files: &[(&str, &str)]) -> Vec<PathBuf> {
        let read = document::read_over(files, |root| {
            let named = root.section("run").and_then(|mut run| {
                let named = run.optional("env_file");
                run.pass_over_rest();
                named
            });
            root.pass_over_rest();
            named.map(one_or_many)
        });
        read.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_and_store_are_told_although_the_rest_has_mistakes_and_never_from_what_is_broken() {
        let text = "app = \"web\"\nimge = 1\n[run]\nport = \"x\"\nenv_file = \"a.env\"\n\
                    [store]\ndirectory = \"/store\"\n";
        assert!(DeployFile::parse("shunt.toml", text).is_err());
        let files = [("shunt.toml", text)];
        assert_eq!(DeployFile::app_of(&files).unwrap().as_str(), "web");
        let store = DeployFile::store_of(&files).unwrap().unwrap();
        assert_eq!(store, StoreConfig::directory("/store"));
        assert_eq!(DeployFile::env_files_of(&files), [PathBuf::from("a.env")]);
        assert_eq!(DeployFile::store_of(&[("shunt.toml", "app = 1")]), Ok(None));

        let own = text.replace("\"web\"", "\"Web\"").replace("directory", "directry");
        let files = [("shunt.toml", own.as_str())];
        assert!(DeployFile::app_of(&files).unwrap_err()[0].to_string().contains("toml:1: app: "));
        let said = DeployFile::store_of(&files).unwrap_err()[0].to_string();
        assert!(said.contains("toml:7: store.directry: unknown key"), "{said}");
        // Half a file may name another store, or another prefix.
        let broken = format!("{text}prefix = \"/other\n");
        let files = [("shunt.toml", broken.as_str())];
        assert!(DeployFile::app_of(&files).is_err() && DeployFile::store_of(&files).is_err());
        assert!(DeployFile::env_files_of(&files).is_empty());
    }
}
