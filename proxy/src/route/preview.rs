//! The releases of an app that are reached beside its own requests: each slot's, under a host of its
//! own, whichever slot is active.
//!
//! A slot's release has an epoch of its own here. So its leases keep no drain of the app's waiting, a
//! flip does not touch it, and it is closed and drained like any other when the release is replaced.
//! What requests come to is counted apart, and nobody who waits for a release's figures sees it.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use shunt_config::app::HostPattern;
use shunt_config::cidr::Cidrs;
use shunt_config::pass::{self, HEADER, Pass, PassKey};
use shunt_config::{App, AppName, Slot, Token};

use super::epoch::Epoch;
use super::mark::cookies;

/// Passes of one request that are looked at.
const MOST_PASSES: usize = 4;

/// What of an app is reached beside its own requests.
#[derive(Debug)]
pub struct Preview {
    app: AppName,
    /// The cookie that a pass comes in.
    cookie: String,
    hosts: Vec<Host>,
    /// Clients that are let in under the hosts; none for all.
    allow: Cidrs,
    /// What is behind each slot.
    shown: [Shown; 2],
}

/// A host of previews.
#[derive(Debug)]
struct Host {
    name: HostPattern,
    slot: Slot,
    /// What targets are told in its place.
    told: Option<HeaderValue>,
}

/// What is behind a slot.
#[derive(Clone, Debug, Default)]
pub enum Shown {
    /// No release.
    #[default]
    Nothing,
    /// One that was not proved since it was announced.
    Unproved(Token),
    /// One that was, in an epoch of its own that has one share.
    Release(Arc<Epoch>),
}

impl Shown {
    /// The release's epoch, if requests may go there.
    pub fn epoch(&self) -> Option<&Arc<Epoch>> {
        match self {
            Self::Release(epoch) => Some(epoch),
            Self::Nothing | Self::Unproved(_) => None,
        }
    }

    fn token(&self) -> Option<&Token> {
        match self {
            Self::Release(epoch) => epoch.shares().first().map(|share| &share.release.token),
            Self::Unproved(token) => Some(token),
            Self::Nothing => None,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Release(one), Self::Release(other)) => Arc::ptr_eq(one, other),
            (Self::Unproved(one), Self::Unproved(other)) => one == other,
            (Self::Nothing, Self::Nothing) => true,
            _ => false,
        }
    }
}

impl Preview {
    /// What app `name` asks for in its settings `app`, with what is behind each slot; `None` without
    /// previews.
    pub fn of(name: &AppName, app: &App, shown: [Shown; 2]) -> Option<Self> {
        let preview = app.preview.as_ref()?;
        let hosts = preview.hosts(app).into_iter().map(|found| Host {
            told: found
                .of
                .filter(|_| preview.rewrite_host)
                .and_then(|host| HeaderValue::try_from(host).ok()),
            name: found.host,
            slot: found.slot,
        });
        Some(Self {
            app: name.clone(),
            cookie: pass::cookie(name),
            hosts: hosts.collect(),
            allow: preview.allow.clone(),
            shown,
        })
    }

    /// The hosts, and the slot that each is for.
    pub fn hosts(&self) -> impl Iterator<Item = (&HostPattern, Slot)> {
        self.hosts.iter().map(|host| (&host.name, host.slot))
    }

    /// Whether the client at `address` is let in under the hosts.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.contain(address)
    }

    /// What is behind `slot`.
    pub fn shown(&self, slot: Slot) -> &Shown {
        &self.shown[slot as usize]
    }

    /// Whether the same is behind the slots as in `shown`.
    pub fn shows(&self, shown: &[Shown; 2]) -> bool {
        self.shown.iter().zip(shown).all(|(one, other)| one.is(other))
    }

    /// The epochs that requests may claim on.
    pub fn epochs(&self) -> impl Iterator<Item = &Arc<Epoch>> {
        self.shown.iter().filter_map(Shown::epoch)
    }

    /// What a request with these `headers` shows a pass for; `None` if it shows none, and an error if
    /// none that it shows is good: forged, over, or for what is not here any more, all alike.
    pub(crate) fn passed(
        &self,
        headers: &HeaderMap,
        keys: &[PassKey],
    ) -> Option<Result<&Shown, NoPass>> {
        let fields = headers.get_all(HEADER).iter().map(HeaderValue::as_bytes);
        let mut shown = fields.chain(cookies(headers, &self.cookie)).peekable();
        shown.peek()?;
        // Each costs a hash or two; nobody has a reason to show many.
        let passes = shown.take(MOST_PASSES).filter_map(Pass::parse).filter(Pass::is_timely);
        let mut found = passes.filter_map(|pass| {
            let is = |shown: &&Shown| {
                shown.token().is_some_and(|token| pass.is_for(keys, &self.app, token))
            };
            self.shown.iter().find(is)
        });
        Some(found.next().ok_or(NoPass))
    }

    /// Whether a request with these `headers` shows a pass, good or not.
    pub(crate) fn is_shown(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(HEADER) || cookies(headers, &self.cookie).into_iter().next().is_some()
    }

    /// Takes passes off what is forwarded.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(HEADER);
        strip_cookie(headers, &self.cookie);
    }

    /// What targets are told in the place of `host`, a host of previews in lower case, if that is
    /// asked for.
    pub(crate) fn told(&self, host: &str) -> Option<&HeaderValue> {
        self.hosts.iter().find(|known| known.name.matches(host))?.told.as_ref()
    }
}

/// That no pass is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPass;

/// Takes all cookies called `name` out of `headers`, and leaves the others as they are.
pub fn strip_cookie(headers: &mut HeaderMap, name: &str) {
    if cookies(headers, name).into_iter().next().is_none() {
        return;
    }
    let own = |pair: &[u8]| {
        pair.trim_ascii().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
    };
    let others = |line: &HeaderValue| {
        let pairs = line.as_bytes().split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let kept: Vec<_> = pairs.filter(|pair| !pair.is_empty() && !own(pair)).collect();
        // Parts of a valid value are a valid value.
        HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok().filter(|line| !line.is_empty())
    };
    let lines: Vec<_> = headers.get_all(COOKIE).iter().filter_map(others).collect();
    headers.remove(COOKIE);
    for line in lines {
        headers.append(COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_taken_out_and_all_others_stay() {
        for (lines, left) in [
            (&["a=b; own=1; c=d"][..], &["a=b; c=d"][..]),
            (&["own=1"], &[]),
            (&["own=1;own=2", "x=y; own=;z"], &["x=y; z"]),
            (&["own2=1;  a=b", "owner=own=1"], &["own2=1;  a=b", "owner=own=1"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            strip_cookie(&mut headers, "own");
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), left, "{lines:?}");
        }
    }
}
