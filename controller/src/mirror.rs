//! Copies of requests to a release that gets none itself: what the proxies say of them.

use std::collections::BTreeMap;
use std::time::Duration;

use shunt_config::key::AppKey;
use shunt_config::record::Compared;
use shunt_config::status::{AppStatus, Mirrored};
use shunt_config::{ProxyName, Slot, Token};

use crate::ack::{Ack, Ask};
use crate::app_keys::AppKeys;
use crate::fleet::Fleet;
use crate::judge::millis;

/// What is asked of the proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The value of `mirror`, as it was put.
    pub mirror: Token,
    /// The slot whose release gets copies.
    pub slot: Slot,
    /// That release.
    pub release: Token,
}

impl Asked {
    /// What `keys` ask for; `None` where they ask for nothing that could be done.
    pub fn of(keys: &AppKeys) -> Option<Self> {
        let mirror = keys.mirror.as_ref()?;
        let slot = mirror.ok()?.slot;
        let release = keys.slot(slot)?.token.clone();
        Some(Self { mirror: mirror.token.clone(), slot, release })
    }
}

impl Ask for Asked {
    fn superseded(&self, keys: &AppKeys) -> Option<String> {
        if keys.mirror.as_ref().map(|kept| &kept.token) != Some(&self.mirror) {
            return Some(format!("`{}` was put, or deleted, by someone else", AppKey::Mirror));
        }
        let there = keys.slot(self.slot).map(|kept| &kept.token);
        (there != Some(&self.release)).then(|| format!("`{}` was put by someone else", self.slot))
    }

    fn judge(&self, status: Option<&AppStatus>) -> Ack {
        let waits = |why: &str| Ack::Waiting(why.to_owned());
        let Some(status) = status else { return waits("says nothing of the app yet") };
        match status.mirror.as_ref().filter(|mirror| mirror.token == self.mirror) {
            Some(mirror) if mirror.release.as_ref() == Some(&self.release) => Ack::Applied,
            Some(mirror) if mirror.until.is_none() => waits("the time is over there"),
            Some(_) => waits("does not copy to it yet"),
            None => {
                let same = |token: &Option<Token>| token.as_ref() == Some(&self.mirror);
                match status.refused.iter().find(|refusal| same(&refusal.token)) {
                    Some(refusal) => Ack::Refused(refusal.reason.clone()),
                    None => waits("has not applied it yet"),
                }
            }
        }
    }
}

/// What all proxies have counted of the copies that one value of `mirror` asks for, those included
/// that have ended since.
#[derive(Clone, Debug)]
pub struct Copies {
    mirror: Token,
    /// By proxy and process.
    pages: BTreeMap<(ProxyName, String), Mirrored>,
}

impl Copies {
    /// Nothing is counted yet.
    pub fn of(mirror: Token) -> Self {
        Self { mirror, pages: BTreeMap::new() }
    }

    /// Takes over what the proxies say, and sums it up.
    pub fn take(&mut self, fleet: &Fleet) -> Mirrored {
        for (name, proxy) in fleet.all() {
            for (id, process) in &proxy.processes {
                let said = process.status.as_ref().and_then(|status| status.mirror.as_ref());
                if let Some(said) = said.filter(|said| said.token == self.mirror) {
                    self.pages.insert((name.clone(), id.clone()), said.counts.clone());
                }
            }
        }
        let mut sum = Mirrored::default();
        for page in self.pages.values() {
            sum.originals.add(&page.originals);
            sum.copies.add(&page.copies);
            sum.differ += page.differ;
            sum.left_out += page.left_out;
        }
        sum
    }
}

/// The figures of both releases in words, the new one's first.
pub fn text(compared: &Compared) -> String {
    let Compared { old, new, differ, left_out, .. } = compared;
    let mut parts = vec![copies(new.requests)];
    let against = |name: &str, new: Option<Duration>, old: Option<Duration>| {
        let [new, old] = [new, old]
            .map(|time| time.map_or_else(|| "-".to_owned(), |time| format!("{} ms", millis(time))));
        format!("{name} {new} against {old}")
    };
    match new.requests {
        0 => parts.push(errors(0)),
        _ => parts.extend([
            format!("{} against {}", errors(new.errors), grouped(old.errors)),
            against("p50", new.p50, old.p50),
            against("p99", new.p99, old.p99),
        ]),
    }
    let more = [
        (new.connects, "failed connection", "failed connections"),
        (*differ, "answer of another class", "answers of another class"),
        (*left_out, "request left out", "requests left out"),
    ];
    parts.extend(more.into_iter().filter(|(n, ..)| *n > 0).map(|(n, one, all)| count(n, one, all)));
    parts.join(", ")
}

/// `1 error`, `1,204 errors`.
fn errors(n: u64) -> String {
    count(n, "error", "errors")
}

/// `1 copy`, `1,204 copies`.
pub fn copies(n: u64) -> String {
    count(n, "copy", "copies")
}

fn count(n: u64, one: &str, all: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { all })
}

/// `1204` as `1,204`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use shunt_config::status::{MirrorStatus, Refusal, Tally};
    use shunt_config::store::Entry;

    use super::*;

    fn asked() -> Asked {
        Asked { mirror: "m".into(), slot: Slot::Green, release: "r".into() }
    }

    fn status(mirror: &str, release: Option<&str>, requests: u64) -> AppStatus {
        let copies = Tally { requests, errors: 1, ..Tally::default() };
        let mirror = MirrorStatus {
            token: mirror.into(),
            release: release.map(Into::into),
            until: Some(jiff::Timestamp::MAX),
            counts: Mirrored { copies, differ: 2, ..Mirrored::default() },
        };
        AppStatus { mirror: Some(mirror), ..AppStatus::default() }
    }

    #[test]
    fn a_proxy_copies_what_is_asked_once_it_names_that_value_and_that_release() {
        let judge = |status: &AppStatus| asked().judge(Some(status));
        assert_eq!(judge(&status("m", Some("r"), 0)), Ack::Applied);
        for other in [status("n", Some("r"), 0), status("m", Some("s"), 0), status("m", None, 0)] {
            assert!(matches!(judge(&other), Ack::Waiting(_)), "{other:?}");
        }
        let (key, reason) = ("apps/web/mirror".to_owned(), "no".to_owned());
        let refused = vec![Refusal { key, token: Some("m".into()), reason: reason.clone() }];
        assert_eq!(judge(&AppStatus { refused, ..AppStatus::default() }), Ack::Refused(reason));
        assert!(matches!(asked().judge(None), Ack::Waiting(_)));
    }

    #[test]
    fn copies_of_all_processes_are_summed_and_stay_when_one_ends() {
        let app = "web".parse().unwrap();
        let mut copies = Copies::of("m".into());
        let put = |fleet: &mut Fleet, process: &str, status: &AppStatus| {
            fleet.put(&Entry {
                key: format!("proxies/{process}/apps/web"),
                value: serde_json::to_vec(status).unwrap().into(),
                token: "x".into(),
                created: 1,
                fault: None,
            });
        };
        let mut fleet = Fleet::of(&app);
        put(&mut fleet, "a/1", &status("m", None, 10));
        put(&mut fleet, "b/1", &status("m", None, 5));
        put(&mut fleet, "c/1", &status("before", None, 100));
        assert_eq!(copies.take(&fleet).copies.requests, 15);
        let mut fleet = Fleet::of(&app);
        put(&mut fleet, "b/1", &status("m", None, 7));
        let sum = copies.take(&fleet);
        assert_eq!((sum.copies.requests, sum.copies.errors, sum.differ), (17, 2, 4));
    }

    #[test]
    fn figures_read_as_one_sentence() {
        let mut counts = Mirrored::default();
        assert_eq!(text(&Compared::of(10, &counts)), "0 copies, 0 errors");
        counts.copies = Tally { requests: 1_204_000, errors: 1, ..Tally::default() };
        counts.left_out = 999;
        counts.copies.latency = [(4, 1_204_000)].into();
        assert_eq!(
            text(&Compared::of(10, &counts)),
            "1,204,000 copies, 1 error against 0, p50 0.1 ms against -, p99 0.1 ms against -, \
             999 requests left out"
        );
    }
}
