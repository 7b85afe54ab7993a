//! A pass: what lets one request after the other see a release that gets no others, under the app's
//! own hosts. It is signed, for an hour at most, with a key that lies in a file on each machine.
//!
//! Written as `v1.<end>.<hash>`: when it ends, in seconds since 1970, and a keyed hash (HMAC-SHA-256,
//! base64url) over the app, the announcement and that end. It names neither app nor announcement, so
//! it tells nothing to whom it is not for, and fits nothing but the one putting of a release that it
//! was made for.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use crate::name::AppName;
use crate::strict::Mistake;
use crate::token::Token;

/// The header field that a pass comes in.
pub const HEADER: &str = "x-shunt-preview";

/// How long a pass may be good for.
pub const MOST: Duration = Duration::from_hours(1);

/// How far apart clocks may be.
const SKEW: Duration = Duration::from_secs(30);

/// Bytes of the hash.
const HASH: usize = 32;

/// The longest text that can be a pass: a longer one is not even looked at.
const LONGEST: usize = 128;

/// The cookie that a pass for `app` comes in where no header can be sent.
pub fn cookie(app: &AppName) -> String {
    // No app's name has a dot, so this is no other app's cookie.
    format!("shunt-{app}.preview")
}

/// What passes are signed with.
#[derive(Clone)]
pub struct PassKey(hmac::Key);

impl fmt::Debug for PassKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassKey(***)")
    }
}

impl PassKey {
    /// The key in the file at `path`: 64 hexadecimal digits, in a file that not everybody may read.
    pub fn load(path: &Path) -> Result<Self, Mistake> {
        let wrong = |said: &str| Mistake::new(said).at(&path.display().to_string());
        let text = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
        if is_open(path) {
            return Err(wrong("everybody may read this key: `chmod 640` or `600` it"));
        }
        let key = HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).ok();
        let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.map(|key| Self::new(&key)).ok_or_else(|| {
            wrong("no key of 64 hexadecimal digits: `openssl rand -hex 32` prints one")
        })
    }

    /// The key made of `secret`.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A pass for the release of `app` announced as `token`, good from now on for `lasts`, at most
    /// [`MOST`].
    pub fn issue(&self, app: &AppName, token: &Token, lasts: Duration) -> String {
        self.issue_until(app, token, now().saturating_add(lasts.min(MOST).as_secs()))
    }

    fn issue_until(&self, app: &AppName, token: &Token, end: u64) -> String {
        let hash = hmac::sign(&self.0, &signed(app, token, end));
        format!("v1.{end}.{}", BASE64URL_NOPAD.encode(hash.as_ref()))
    }
}

fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o007 != 0)
}

/// What is signed. No part holds a NUL.
fn signed(app: &AppName, token: &Token, end: u64) -> Vec<u8> {
    format!("preview\0{app}\0{token}\0{end}\0").into_bytes()
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What somebody shows as a pass. Nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    end: u64,
    hash: [u8; HASH],
}

impl Pass {
    /// Reads `text`; `None` if it is none, in whatever way.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?;
        let (end, hash) = text.strip_prefix("v1.")?.split_once('.')?;
        let plain = end.bytes().all(|b| b.is_ascii_digit()) && !end.starts_with('0');
        let hash = BASE64URL_NOPAD.decode(hash.as_bytes()).ok()?;
        Some(Self { end: end.parse().ok().filter(|_| plain)?, hash: hash.try_into().ok()? })
    }

    /// Whether it is good at this moment: it has not ended, and does not end later than it could.
    pub fn is_timely(&self) -> bool {
        self.is_timely_at(now())
    }

    fn is_timely_at(&self, now: u64) -> bool {
        let latest = now.saturating_add(MOST.as_secs()).saturating_add(SKEW.as_secs());
        (now..=latest).contains(&self.end)
    }

    /// Whether one of `keys` has signed it for the release of `app` announced as `token`.
    pub fn is_for(&self, keys: &[PassKey], app: &AppName, token: &Token) -> bool {
        let signed = signed(app, token, self.end);
        // The comparison takes as long whatever differs.
        keys.iter().any(|key| hmac::verify(&key.0, &signed, &self.hash).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn app(name: &str) -> AppName {
        name.parse().unwrap()
    }

    fn key(secret: u8) -> PassKey {
        PassKey::new(&[secret; 32])
    }

    #[test]
    fn a_pass_is_for_one_announcement_of_one_app_by_one_of_two_keys() {
        let text = key(7).issue(&app("web"), &"t1".into(), MOST);
        let pass = Pass::parse(text.as_bytes()).unwrap();
        assert!(pass.is_timely());
        let is_for = |keys: &[PassKey], name: &str, token: &str| {
            pass.is_for(keys, &app(name), &token.into())
        };
        assert!(is_for(&[key(7)], "web", "t1") && is_for(&[key(8), key(7)], "web", "t1"));
        assert!(!is_for(&[], "web", "t1") && !is_for(&[key(8)], "web", "t1"));
        assert!(!is_for(&[key(7)], "web", "t2") && !is_for(&[key(7)], "api", "t1"));
        let (_, hash) = text.rsplit_once('.').unwrap();
        let later = format!("v1.{}.{hash}", pass.end + 1);
        let later = Pass::parse(later.as_bytes()).unwrap();
        assert!(!later.is_for(&[key(7)], &app("web"), &"t1".into()), "the end is signed");
    }

    #[test]
    fn a_pass_is_good_until_its_end_and_for_an_hour_at_most() {
        let pass = |end: u64| {
            let text = key(7).issue_until(&app("web"), &"t".into(), end);
            Pass::parse(text.as_bytes()).unwrap()
        };
        let now = 1_800_000_000;
        for (end, good) in [
            (now - 1, false),
            (now, true),
            (now + 3600, true),
            (now + 3630, true),
            (now + 3631, false),
        ] {
            assert_eq!(pass(end).is_timely_at(now), good, "{end}");
        }
        let text = key(7).issue(&app("web"), &"t".into(), Duration::MAX);
        assert!(Pass::parse(text.as_bytes()).unwrap().is_timely(), "as long as may be");
    }

    #[test]
    fn what_is_no_pass_is_none() {
        let good = key(7).issue_until(&app("web"), &"t".into(), 1_800_000_000);
        assert!(Pass::parse(good.as_bytes()).is_some());
        for bad in [
            String::new(),
            "v1".to_owned(),
            good.replace("v1", "v2"),
            good.replace("v1.1", "v1.+1"),
            good.replace("v1.1", "v1.01"),
            good.replace("v1.1", "v1.99999999999999999999999999"),
            format!("{good}A"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}.x"),
            "v1.1800000000.".to_owned(),
            format!("v1.1.{}", "A".repeat(10_000)),
        ] {
            assert_eq!(Pass::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Pass::parse(b"v1.\xff.x"), None);
    }

    #[test]
    fn a_key_is_64_digits_that_not_everybody_may_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("preview.key");
        let write = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            PassKey::load(&path).map(|_| ()).map_err(|mistake| mistake.to_string())
        };
        assert_eq!(write(&format!("{}\n", "07".repeat(32)), 0o640), Ok(()));
        let said = write(&"07".repeat(32), 0o644).unwrap_err();
        assert!(said.contains("preview.key: everybody may read"), "{said}");
        for bad in ["", "07", &"xy".repeat(32), &"07".repeat(33)] {
            let said = write(bad, 0o600).unwrap_err();
            assert!(said.contains("openssl rand -hex 32"), "{said}");
        }
        let said = PassKey::load(&directory.path().join("none")).unwrap_err().to_string();
        assert!(said.contains("none: No such file"), "{said}");
        assert_eq!(format!("{:?}", key(7)), "PassKey(***)");
    }
}
