//! The key schema: where each value lives. Keys here are relative to the store's prefix
//! (`/shunt` in etcd, the directory's path in the directory store) and have no leading slash.

use std::fmt;

use crate::name::{AppName, ProxyName};
use crate::slot::Slot;
use crate::strict::Mistake;
use crate::token::Token;

/// What proxies watch: everything an operator or `shuntctl` writes.
pub const APPS: &str = "apps/";
/// Proxies that exist, whether they run or not.
pub const FLEET: &str = "fleet/";
/// What running proxies say of themselves.
pub const PROXIES: &str = "proxies/";

/// One key of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// `apps/<app>/…`
    App(AppName, AppKey),
    /// `fleet/<proxy>`: a proxy that exists.
    Fleet(ProxyName),
    /// `proxies/<proxy>/<instance>/instance`: a proxy process that runs (leased).
    Instance(ProxyName, String),
    /// `proxies/<proxy>/<instance>/apps/<app>`: what that process serves for the app (leased).
    Status(ProxyName, String, AppName),
}

/// What is stored for one app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppKey {
    /// `app`: hosts, paths, defaults.
    App,
    /// `blue` or `green`: the release in that slot.
    Slot(Slot),
    /// `active`: where new requests go.
    Active,
    /// `hold`: held or in maintenance.
    Hold,
    /// `mirror`: requests that are copied to the standby release.
    Mirror,
    /// `lock`: who deploys (leased).
    Lock,
    /// `deploy`: the running deploy's record.
    Deploy,
    /// `draining/<token>`: a replaced release that is not gone yet.
    Draining(Token),
    /// `history/<id>`: a finished deploy.
    History(String),
}

impl Key {
    /// Reads a key relative to the prefix.
    pub fn parse(key: &str) -> Result<Self, Mistake> {
        let parts: Vec<&str> = key.split('/').collect();
        match parts.as_slice() {
            ["apps", app, rest @ ..] => Ok(Self::App(app.parse()?, AppKey::parse(key, rest)?)),
            ["fleet", proxy] => Ok(Self::Fleet(proxy.parse()?)),
            ["proxies", proxy, instance, "instance"] => {
                Ok(Self::Instance(proxy.parse()?, (*instance).to_owned()))
            }
            ["proxies", proxy, instance, "apps", app] => {
                Ok(Self::Status(proxy.parse()?, (*instance).to_owned(), app.parse()?))
            }
            _ => Err(unknown(key)),
        }
    }
}

impl AppKey {
    fn parse(key: &str, parts: &[&str]) -> Result<Self, Mistake> {
        match parts {
            ["app"] => Ok(Self::App),
            ["active"] => Ok(Self::Active),
            ["hold"] => Ok(Self::Hold),
            ["mirror"] => Ok(Self::Mirror),
            ["lock"] => Ok(Self::Lock),
            ["deploy"] => Ok(Self::Deploy),
            ["draining", token] => Ok(Self::Draining(Token::from(*token))),
            ["history", id] => Ok(Self::History((*id).to_owned())),
            [slot] => slot.parse().map(Self::Slot).map_err(|_| {
                let known = ["app", "active", "blue", "green", "hold", "mirror", "lock", "deploy"];
                let hint = crate::strict::nearest(slot, known)
                    .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                Mistake::new(format!("`{key}` is no key{hint}"))
            }),
            _ => Err(unknown(key)),
        }
    }

    /// The key of this kind for `app`.
    pub fn of(self, app: &AppName) -> Key {
        Key::App(app.clone(), self)
    }
}

fn unknown(key: &str) -> Mistake {
    let shown: String = key.chars().take(120).collect();
    Mistake::new(format!("`{shown}` is no key"))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app, key) => write!(f, "apps/{app}/{key}"),
            Self::Fleet(proxy) => write!(f, "fleet/{proxy}"),
            Self::Instance(proxy, instance) => write!(f, "proxies/{proxy}/{instance}/instance"),
            Self::Status(proxy, instance, app) => {
                write!(f, "proxies/{proxy}/{instance}/apps/{app}")
            }
        }
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App => f.write_str("app"),
            Self::Slot(slot) => slot.fmt(f),
            Self::Active => f.write_str("active"),
            Self::Hold => f.write_str("hold"),
            Self::Mirror => f.write_str("mirror"),
            Self::Lock => f.write_str("lock"),
            Self::Deploy => f.write_str("deploy"),
            Self::Draining(token) => write!(f, "draining/{token}"),
            Self::History(id) => write!(f, "history/{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_back_as_it_was_written() {
        for text in [
            "apps/web/app",
            "apps/web/blue",
            "apps/web/green",
            "apps/web/active",
            "apps/web/hold",
            "apps/web/mirror",
            "apps/web/lock",
            "apps/web/deploy",
            "apps/web/draining/1f-7-00c0ffee",
            "apps/web/history/0001",
            "fleet/lb1.example.com",
            "proxies/lb1/42/instance",
            "proxies/lb1/42/apps/web",
        ] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest_known_one() {
        let said = Key::parse("apps/web/aktive").unwrap_err().to_string();
        assert!(said.contains("did you mean `active`?"), "{said}");
        assert!(Key::parse("apps/Web/active").is_err());
        assert!(Key::parse("apps/web").is_err());
    }
}
