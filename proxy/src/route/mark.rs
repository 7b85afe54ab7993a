//! The cookies that keep a visitor with a target or slot.
//!
//! A cookie's value is a keyed hash (HMAC-SHA-256) of what it stands for: app, announcement, and
//! target. It is made once for each target when a release is announced and compared at each
//! request, so nothing of the machines behind is told, nothing is parsed, and nothing that was not
//! made with the key means anything. A new announcement makes new cookies: who comes with an old
//! one is a new visitor. Where sessions outlive a flip, what follows the hash says whose and how old
//! one is ([`super::sessions`]).

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use shunt_config::AppName;
use shunt_config::sticky::{Cookie, Sticky};

use super::sessions::Session;
use super::target::Target;

/// Bytes of the hash that are kept: nobody guesses 128 bits.
const KEPT: usize = 16;

/// What makes cookies this proxy's own, or that of all proxies with the same key.
#[derive(Clone, Debug)]
pub struct Key(hmac::Key);

impl Key {
    /// The key made of `secret`.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What `parts` become with this key. No part holds a NUL.
    pub(super) fn sign(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part.as_bytes());
            context.update(b"\0");
        }
        BASE64URL_NOPAD.encode(&context.sign().as_ref()[..KEPT])
    }
}

/// The cookies of one release.
#[derive(Debug)]
pub struct Marks {
    name: String,
    /// Of each target, or one alone for the whole release.
    each: Vec<Mark>,
    of_targets: bool,
    /// What follows a cookie's value, in the clear and over TLS.
    attributes: [String; 2],
}

/// What a visitor's cookie stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The index of a target, or 0 for the whole release.
    pub(crate) target: usize,
    /// Its session, if the cookie tells of one.
    pub(crate) session: Option<Session>,
}

#[derive(Debug)]
struct Mark {
    value: String,
    /// `Set-Cookie` in the clear, and over TLS.
    set: [HeaderValue; 2],
}

impl Marks {
    /// The cookies of the release of `app` with `targets`, which `identity` tells from others; `None`
    /// if no visitor stays anywhere.
    pub(super) fn new(
        key: &Key,
        sticky: &Sticky,
        app: &AppName,
        identity: &str,
        targets: &[Arc<Target>],
    ) -> Option<Self> {
        let cookie = sticky.cookie()?;
        let name = cookie.name.clone().unwrap_or_else(|| format!("shunt-{app}"));
        let plain = attributes(cookie);
        let attributes = [plain.clone(), plain + "; Secure"];
        let mark = |value: String| {
            let set = |attributes: &String| {
                HeaderValue::try_from(format!("{name}={value}{attributes}")).ok()
            };
            let [plain, secure] = &attributes;
            let set = [set(plain)?, set(secure)?];
            Some(Mark { value, set })
        };
        let of_targets = matches!(sticky, Sticky::Target(_));
        let app = app.as_str();
        let marks: Option<Vec<_>> = if of_targets {
            let sign =
                |t: &Arc<Target>| key.sign(&["target", app, identity, &t.address.to_string()]);
            targets.iter().map(|target| mark(sign(target))).collect()
        } else {
            Some(vec![mark(key.sign(&["slot", app, identity]))?])
        };
        Some(Self { each: marks?, of_targets, name, attributes })
    }

    /// Whether visitors stay with a target, not only with the release.
    pub(crate) fn are_of_targets(&self) -> bool {
        self.of_targets
    }

    /// What the visitor's cookie stands for; `None` if there is none, or one that means nothing here.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Found> {
        let shown = cookies(headers, &self.name);
        shown.into_iter().find_map(|shown| {
            let mut parts = shown.splitn(2, |byte| *byte == b'.');
            let (hash, rest) = (parts.next()?, parts.next());
            let is = |mark: &Mark| verify_slices_are_equal(mark.value.as_bytes(), hash).is_ok();
            let target = self.each.iter().position(is)?;
            Some(Found { target, session: rest.and_then(Session::parse) })
        })
    }

    /// `Set-Cookie` for a visitor who went to target number `target`.
    pub(crate) fn set(&self, target: usize, secure: bool) -> Option<HeaderValue> {
        Some(self.mark(target)?.set[usize::from(secure)].clone())
    }

    /// The same for a visitor with `session`.
    pub(crate) fn set_session(
        &self,
        target: usize,
        session: Session,
        secure: bool,
    ) -> Option<HeaderValue> {
        let (name, value) = (&self.name, &self.mark(target)?.value);
        let Session { number, seen } = session;
        let attributes = &self.attributes[usize::from(secure)];
        HeaderValue::try_from(format!("{name}={value}.{number}.{seen}{attributes}")).ok()
    }

    fn mark(&self, target: usize) -> Option<&Mark> {
        self.each.get(if self.of_targets { target } else { 0 })
    }
}

/// What follows a cookie's name and value, but for `Secure`.
pub(super) fn attributes(cookie: &Cookie) -> String {
    let mut text = format!("; Path=/; HttpOnly; SameSite={}", cookie.same_site.as_str());
    if let Some(max_age) = cookie.max_age {
        // Writing to a string cannot fail.
        let _ = write!(text, "; Max-Age={}", max_age.as_secs().max(1));
    }
    text
}

/// The values of all cookies called `name` (RFC 6265 5.4). There may be several: one that another
/// site set for a parent domain must not hide ours.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl IntoIterator<Item = &'a [u8]> {
    let pairs =
        headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn marks(secret: &[u8; 32], sticky: &str, token: &str) -> Marks {
        let sticky: Sticky = serde_json::from_str(sticky).unwrap();
        let spec = shunt_config::Release::parse(b"127.0.0.1:1 127.0.0.1:2").unwrap();
        let targets: Vec<_> = spec.targets.iter().map(|t| Arc::new(Target::new(t))).collect();
        let app = "web".parse().unwrap();
        Marks::new(&Key::new(secret), &sticky, &app, token, &targets).unwrap()
    }

    fn shown(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        let cookies = format!("a=b; {pair}; shunt-webx=1");
        HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookies).unwrap())])
    }

    #[test]
    fn a_cookie_leads_back_to_its_target_and_says_nothing_of_it() {
        let marks = marks(&KEY, r#""target""#, "t1");
        for target in [0, 1] {
            let set = marks.set(target, true).unwrap();
            assert_eq!(marks.find(&shown(&set)), Some(Found { target, session: None }));
            let text = set.to_str().unwrap();
            assert!(text.starts_with("shunt-web=") && !text.contains("127.0.0.1"), "{text}");
            assert!(text.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{text}");
            assert!(!marks.set(target, false).unwrap().to_str().unwrap().contains("Secure"));
        }
    }

    #[test]
    fn no_cookie_of_another_key_or_announcement_or_kind_means_anything() {
        let ours = marks(&KEY, r#""target""#, "t1");
        for other in [
            marks(&[8; 32], r#""target""#, "t1"),
            marks(&KEY, r#""target""#, "t2"),
            marks(&KEY, r#""slot""#, "t1"),
        ] {
            assert_eq!(ours.find(&shown(&other.set(0, false).unwrap())), None);
        }
        for forged in ["shunt-web=", "shunt-web=0", "shunt-web=AAAAAAAAAAAAAAAAAAAAAA", "x=y"] {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(forged))]);
            assert_eq!(ours.find(&headers), None, "{forged}");
        }
        assert_eq!(ours.find(&HeaderMap::new()), None);
    }

    #[test]
    fn two_proxies_with_one_key_agree_and_settings_are_kept() {
        let text = r#"{"to":"slot","cookie":"at","max_age":"1h","same_site":"strict"}"#;
        let (here, there) = (marks(&KEY, text, "t1"), marks(&KEY, text, "t1"));
        let set = here.set(1, false).unwrap();
        assert_eq!(there.find(&shown(&set)).map(|found| found.target), Some(0));
        let text = set.to_str().unwrap();
        assert!(text.starts_with("at=") && text.ends_with("; SameSite=Strict; Max-Age=3600"));
    }

    #[test]
    fn a_cookie_of_the_same_name_from_elsewhere_does_not_hide_ours() {
        let marks = marks(&KEY, r#""slot""#, "t1");
        let mut headers = shown(&marks.set(0, false).unwrap());
        let ours = headers.remove(COOKIE).unwrap();
        headers.append(COOKIE, HeaderValue::from_static("shunt-web=planted"));
        headers.append(COOKIE, ours);
        assert_eq!(marks.find(&headers).map(|found| found.target), Some(0));
    }

    #[test]
    fn a_session_is_read_from_its_cookie_and_one_that_is_none_costs_no_visitor_its_place() {
        let marks = marks(&KEY, r#""target""#, "t1");
        let session = Session { number: 8_000, seen: 1_800_000_000 };
        let set = marks.set_session(1, session, true).unwrap();
        let text = set.to_str().unwrap();
        assert!(
            text.ends_with(".8000.1800000000; Path=/; HttpOnly; SameSite=Lax; Secure"),
            "{text}"
        );
        let found = Found { target: 1, session: Some(session) };
        assert_eq!(marks.find(&shown(&set)), Some(found));
        let changed = HeaderValue::try_from(text.replace(".8000.", ".9999.")).unwrap();
        assert_eq!(marks.find(&shown(&changed)), Some(Found { session: None, ..found }));
        let forged = text.replace("shunt-web=", "shunt-web=x");
        assert_eq!(marks.find(&shown(&HeaderValue::try_from(forged).unwrap())), None);
    }
}
