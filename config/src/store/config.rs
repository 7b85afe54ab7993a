//! Which store a program uses, and how it is reached.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::strict::{self, Mistake};

/// Which store, as both programs' files and flags say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// etcd endpoints, `http://10.0.0.2:2379`; empty for the directory store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etcd: Vec<String>,
    /// The directory store's path; absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Prefix of all keys in etcd.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// etcd user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File with the etcd user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// CA that signed etcd's certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Client certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Key of the client certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

fn default_prefix() -> String {
    "/shunt".to_owned()
}

impl StoreConfig {
    /// The directory store at `path`.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self { directory: Some(path.into()), ..Self::etcd([]) }
    }

    /// etcd at `endpoints`, without TLS or password.
    pub fn etcd(endpoints: impl IntoIterator<Item = String>) -> Self {
        Self {
            etcd: endpoints.into_iter().collect(),
            directory: None,
            prefix: default_prefix(),
            user: None,
            password_file: None,
            ca: None,
            certificate: None,
            key: None,
        }
    }

    /// Checks what the types alone do not; all mistakes.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        match (&self.directory, self.etcd.is_empty()) {
            (Some(_), false) => found.push("name `etcd` or `directory`, not both".to_owned()),
            (None, true) => found.push("name `etcd` or `directory`".to_owned()),
            (Some(path), true) if !path.is_absolute() => {
                found.push(format!("`directory`: `{}` is not absolute", path.display()));
            }
            _ => {}
        }
        for endpoint in &self.etcd {
            let rest =
                endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
            let is = |rest: &str| rest.parse::<crate::Address>().is_ok();
            if rest.and_then(|rest| rest.strip_suffix('/')).is_some_and(is) {
                found.push(format!("`etcd`: `{endpoint}`: leave the slash at its end away"));
            } else if !rest.is_some_and(is) {
                found.push(format!("`etcd`: `{endpoint}` is not `http(s)://host:port`"));
            }
        }
        if !self.prefix.starts_with('/') || self.prefix.ends_with('/') {
            let said = "begins with a slash and does not end with one";
            found.push(format!("`prefix`: `{}`: a prefix {said}", self.prefix));
        }
        if self.user.is_some() != self.password_file.is_some() {
            found.push("`user` and `password_file` go together".to_owned());
        }
        if self.certificate.is_some() != self.key.is_some() {
            found.push("`certificate` and `key` go together".to_owned());
        }
        found.extend(self.tls_mistake().map(str::to_owned));
        found.into_iter().map(Mistake::new).collect()
    }
}

impl StoreConfig {
    fn tls_mistake(&self) -> Option<&'static str> {
        let secure = self.etcd.iter().filter(|endpoint| endpoint.starts_with("https://")).count();
        match (secure, self.ca.is_some()) {
            (0, true) => Some("`ca`: only https endpoints need one"),
            (0, false) if self.certificate.is_some() => {
                Some("`certificate`: only https endpoints are shown one")
            }
            (0, false) => None,
            (_, _) if secure < self.etcd.len() => {
                Some("`etcd`: https for all endpoints, or for none")
            }
            (_, false) => Some("`ca`: https endpoints need the CA that signed etcd's certificate"),
            (_, true) => None,
        }
    }
}

impl FromStr for StoreConfig {
    type Err = Mistake;

    /// From what a flag or variable says: `http://10.0.0.2:2379,http://10.0.0.3:2379`, `/path`, or
    /// an object with the keys of `[store]`.
    fn from_str(text: &str) -> Result<Self, Mistake> {
        let config = match text.get(..1) {
            Some("/") => Self::directory(text),
            Some("{") => strict::object(text)?,
            _ => Self::etcd(text.split(',').map(|part| part.trim().to_owned())),
        };
        match config.mistakes().into_iter().next() {
            Some(mistake) => Err(mistake),
            None => Ok(config),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(change: impl FnOnce(&mut StoreConfig)) -> String {
        let mut config = StoreConfig::etcd(["http://10.0.0.2:2379".to_owned()]);
        change(&mut config);
        config.mistakes().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_variable_can_say_all_that_a_file_can() {
        let mut config = StoreConfig::etcd(["https://etcd:2379".to_owned()]);
        config.ca = Some("/etc/shunt/ca.pem".into());
        (config.user, config.password_file) = (Some("root".into()), Some("/etc/shunt/etcd".into()));
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text.parse::<StoreConfig>().unwrap(), config);
        assert!("{\"etdc\":[]}".parse::<StoreConfig>().unwrap_err().to_string().contains("etcd"));
    }

    #[test]
    fn settings_that_could_not_work_are_named() {
        assert_eq!(mistakes(|_| {}), "");
        let secure = |config: &mut StoreConfig| config.etcd = vec!["https://etcd:2379".to_owned()];
        let path = || Some(PathBuf::from("/etc/shunt/x.pem"));
        for (said, word) in [
            (mistakes(|c| c.etcd.clear()), "name `etcd` or `directory`"),
            (mistakes(|c| c.directory = path()), "not both"),
            (mistakes(|c| c.etcd[0] = "10.0.0.2:2379".to_owned()), "is not `http(s)://"),
            (mistakes(|c| c.etcd[0].push('/')), "2379/`: leave the slash at its end away"),
            (mistakes(|c| c.etcd[0].push_str("/shunt")), "is not `http(s)://"),
            (mistakes(|c| c.prefix = "shunt/".to_owned()), "begins with a slash"),
            (mistakes(|c| c.user = Some("root".to_owned())), "go together"),
            (mistakes(|c| c.key = path()), "go together"),
            (mistakes(|c| c.ca = path()), "only https"),
            (mistakes(secure), "need the CA"),
        ] {
            assert!(said.contains(word), "{said}");
        }
        let said = mistakes(|c| {
            c.etcd.push("https://10.0.0.3:2379".to_owned());
            c.ca = path();
        });
        assert!(said.contains("all endpoints, or for none"), "{said}");
        assert_eq!(
            mistakes(|c| {
                secure(c);
                c.ca = path();
            }),
            ""
        );
    }

    #[test]
    fn a_flag_says_which_store() {
        let directory: StoreConfig = "/var/lib/shunt/store".parse().unwrap();
        assert_eq!(directory, StoreConfig::directory("/var/lib/shunt/store"));
        let etcd: StoreConfig = "http://10.0.0.2:2379, http://10.0.0.3:2379".parse().unwrap();
        assert_eq!(etcd.etcd, ["http://10.0.0.2:2379", "http://10.0.0.3:2379"]);
        assert!("store".parse::<StoreConfig>().is_err());
    }
}
