//! What the proxies find of a release's targets.

use std::collections::{BTreeMap, BTreeSet};

use shunt_config::status::TargetState;
use shunt_config::{ProxyName, Release, Token};

use super::Fleet;
use crate::ack::join;

impl Fleet {
    /// The targets of `release`, announced as `token`, that a live proxy has not proved: which
    /// proxy, which target, and what it says of it.
    pub fn unproved(&self, token: &Token, release: &Release) -> Vec<(ProxyName, String, String)> {
        let mut missing = Vec::new();
        for (name, process) in self.processes() {
            for target in &release.targets {
                let address = target.address.to_string();
                let mut seen = process.status.iter().flat_map(|status| &status.targets);
                let found = seen.find(|t| t.token == *token && t.address == address);
                match found {
                    Some(t) if t.state == TargetState::Healthy => {}
                    Some(t) => missing.push((name.clone(), address, t.last.clone())),
                    None => missing.push((name.clone(), address, "not probed yet".to_owned())),
                }
            }
        }
        missing
    }

    /// What one of the live proxies says of a target of `token`, if none of them finds a healthy one.
    pub fn down(&self, token: &Token) -> Option<String> {
        let statuses = self.processes().filter_map(|(_, process)| process.status.as_ref());
        let targets = statuses.flat_map(|status| &status.targets).filter(|t| t.token == *token);
        let mut down = None;
        for target in targets {
            if target.state != TargetState::Failing {
                return None;
            }
            down.get_or_insert_with(|| format!("{}: {}", target.address, target.last));
        }
        down
    }

    /// The live proxies that find no healthy target of `token`, and what one of them says of one.
    pub fn finds_none_healthy(&self, token: &Token) -> Option<(String, String)> {
        let mut by = BTreeSet::new();
        let mut why = None;
        for (name, process) in self.processes() {
            let targets = process.status.iter().flat_map(|status| &status.targets);
            let own: Vec<_> = targets.filter(|target| target.token == *token).collect();
            let failing = own.iter().all(|target| target.state == TargetState::Failing);
            if let Some(first) = own.first().filter(|_| failing) {
                by.insert(name);
                why.get_or_insert_with(|| format!("{}: {}", first.address, first.last));
            }
        }
        Some((join(by), why?))
    }

    /// The targets of `token` that live proxies find failing: who does, and what one of them says of it.
    pub fn failing(&self, token: &Token) -> BTreeMap<&str, (BTreeSet<&ProxyName>, &str)> {
        let mut failing = BTreeMap::new();
        for (name, process) in self.processes() {
            let targets = process.status.iter().flat_map(|status| &status.targets);
            for target in targets.filter(|t| t.token == *token && t.state == TargetState::Failing) {
                let says = || (BTreeSet::new(), target.last.as_str());
                let (by, _) = failing.entry(target.address.as_str()).or_insert_with(says);
                by.insert(name);
            }
        }
        failing
    }
}
