//! Which app a host and path prefix belong to, when several want them.
//!
//! The app that serves a route keeps it; of apps that begin together the older one gets it. The
//! other app's settings are refused whole, by name, and looked at again when the route is free.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shunt_config::route::{Route, taken};
use shunt_config::{AppName, Mistake};

/// What an app asks for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Orders apps by age.
    pub created: u64,
    /// The routes of its present, sound settings; `None` if it keeps what it has.
    pub wants: Option<Vec<Route>>,
    /// Whether it is gone, and all it has is free.
    pub gone: bool,
}

/// Who has which route, and who waits for one.
#[derive(Debug, Default)]
pub struct Ownership {
    owners: HashMap<Route, AppName>,
    held: HashMap<AppName, Vec<Route>>,
    /// Apps whose settings were refused for a route that another has.
    refused: BTreeMap<AppName, (Claim, Mistake)>,
}

impl Ownership {
    /// Settles `claims` and those that were refused before. Returns the apps whose answer may have
    /// changed: all that claim, and those that now get what they were refused.
    pub fn settle(&mut self, mut claims: BTreeMap<AppName, Claim>) -> BTreeSet<AppName> {
        for app in claims.keys() {
            self.refused.remove(app);
        }
        let mut answered: BTreeSet<AppName> = claims.keys().cloned().collect();
        loop {
            let lost = self.losers(&claims);
            self.hand_over(&claims, &lost);
            for (app, mistake) in lost {
                if let Some(claim) = claims.remove(&app) {
                    self.refused.insert(app, (claim, mistake));
                }
            }
            // What went free may be what another was refused.
            claims = self.take_unblocked();
            if claims.is_empty() {
                return answered;
            }
            answered.extend(claims.keys().cloned());
        }
    }

    /// Why `app` cannot have what its settings ask for.
    pub fn refusal(&self, app: &AppName) -> Option<&Mistake> {
        self.refused.get(app).map(|(_, mistake)| mistake)
    }

    /// The claims that cannot be met, found one by one: each loser keeps what it has, which may in
    /// turn stand in another's way.
    fn losers(&self, claims: &BTreeMap<AppName, Claim>) -> BTreeMap<AppName, Mistake> {
        let mut lost = BTreeMap::new();
        let mut by_age: Vec<_> = claims.iter().collect();
        by_age.sort_by_key(|(app, claim)| (claim.created, *app));
        'again: loop {
            let mut given: HashMap<&Route, &AppName> = HashMap::new();
            for (app, claim) in &by_age {
                let Some(wants) = claim.wants.as_ref().filter(|_| !lost.contains_key(*app)) else {
                    continue;
                };
                for route in wants {
                    let keeper = self.owners.get(route).filter(|owner| {
                        let other = claims.get(*owner).filter(|_| !lost.contains_key(*owner));
                        *owner != *app && other.is_none_or(|other| other.keeps(route))
                    });
                    if let Some(other) = keeper.or_else(|| given.get(route).copied()) {
                        lost.insert((*app).clone(), taken(route, other));
                        continue 'again;
                    }
                    given.insert(route, app);
                }
            }
            return lost;
        }
    }

    fn hand_over(&mut self, claims: &BTreeMap<AppName, Claim>, lost: &BTreeMap<AppName, Mistake>) {
        let changed = |app: &AppName, claim: &Claim| {
            claim.gone || (claim.wants.is_some() && !lost.contains_key(app))
        };
        let winners: Vec<_> = claims.iter().filter(|(app, claim)| changed(app, claim)).collect();
        for (app, _) in &winners {
            for route in self.held.remove(*app).unwrap_or_default() {
                self.owners.remove(&route);
            }
        }
        for (app, claim) in winners {
            let Some(wants) = &claim.wants else { continue };
            for route in wants {
                self.owners.insert(route.clone(), app.clone());
            }
            self.held.insert(app.clone(), wants.clone());
        }
    }

    /// Takes out the refused claims that nobody stands in the way of any more.
    fn take_unblocked(&mut self) -> BTreeMap<AppName, Claim> {
        let free = |app: &AppName, claim: &Claim| {
            let mut wants = claim.wants.iter().flatten();
            wants.all(|route| self.owners.get(route).is_none_or(|owner| owner == app))
        };
        let (unblocked, blocked): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.refused)
                .into_iter()
                .partition(|(app, (claim, _))| free(app, claim));
        self.refused = blocked;
        unblocked.into_iter().map(|(app, (claim, _))| (app, claim)).collect()
    }
}

impl Claim {
    fn keeps(&self, route: &Route) -> bool {
        !self.gone && self.wants.as_ref().is_none_or(|wants| wants.contains(route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(app: &str) -> AppName {
        app.parse().unwrap()
    }

    fn claim(created: u64, hosts: &[&str]) -> Claim {
        let wants = hosts.iter().map(|h| (h.parse().unwrap(), "/".parse().unwrap())).collect();
        Claim { created, wants: Some(wants), gone: false }
    }

    fn settle(ownership: &mut Ownership, claims: &[(&str, Claim)]) -> Vec<String> {
        let claims = claims.iter().map(|(app, claim)| (name(app), claim.clone())).collect();
        ownership.settle(claims).iter().map(ToString::to_string).collect()
    }

    fn gone() -> Claim {
        Claim { created: 0, wants: None, gone: true }
    }

    #[test]
    fn of_two_apps_that_begin_together_the_older_one_gets_the_host() {
        let mut all = Ownership::default();
        settle(&mut all, &[("a", claim(9, &["x"])), ("b", claim(3, &["x", "y"]))]);
        let said = all.refusal(&name("a")).unwrap().to_string();
        assert_eq!(said, "host `x` is app `b`'s");
        assert!(all.refusal(&name("b")).is_none());
    }

    #[test]
    fn the_app_that_serves_a_host_keeps_it_whatever_its_age() {
        let mut all = Ownership::default();
        settle(&mut all, &[("young", claim(9, &["x"]))]);
        settle(&mut all, &[("old", claim(1, &["x"]))]);
        assert!(all.refusal(&name("old")).is_some());
        // Both put again at once: nothing changes.
        settle(&mut all, &[("old", claim(1, &["x"])), ("young", claim(9, &["x"]))]);
        assert!(all.refusal(&name("old")).is_some() && all.refusal(&name("young")).is_none());
    }

    #[test]
    fn when_the_owner_goes_or_lets_go_the_other_gets_the_host() {
        let mut all = Ownership::default();
        settle(&mut all, &[("a", claim(1, &["x"])), ("b", claim(2, &["x"]))]);
        assert_eq!(settle(&mut all, &[("a", claim(1, &["y"]))]), ["a", "b"]);
        assert!(all.refusal(&name("b")).is_none());
        settle(&mut all, &[("c", claim(3, &["x"]))]);
        assert!(all.refusal(&name("c")).is_some());
        assert_eq!(settle(&mut all, &[("b", gone())]), ["b", "c"]);
        assert!(all.refusal(&name("c")).is_none());
    }

    #[test]
    fn two_apps_may_swap_their_hosts_in_one_step() {
        let mut all = Ownership::default();
        settle(&mut all, &[("a", claim(1, &["x"])), ("b", claim(2, &["y"]))]);
        settle(&mut all, &[("a", claim(1, &["y"])), ("b", claim(2, &["x"]))]);
        assert!(all.refusal(&name("a")).is_none() && all.refusal(&name("b")).is_none());
        assert_eq!(all.owners[&("x".parse().unwrap(), "/".parse().unwrap())], name("b"));
    }

    #[test]
    fn an_app_that_loses_one_host_keeps_what_it_had_against_others() {
        let mut all = Ownership::default();
        settle(&mut all, &[("a", claim(1, &["x"])), ("z", claim(1, &["z"]))]);
        // `a` would leave `x` for `z`, which it does not get; so `b` does not get `x`.
        settle(&mut all, &[("a", claim(1, &["z"])), ("b", claim(2, &["x"]))]);
        assert!(all.refusal(&name("a")).is_some());
        assert_eq!(all.refusal(&name("b")).unwrap().to_string(), "host `x` is app `a`'s");
    }

    #[test]
    fn the_same_host_under_other_paths_is_no_conflict() {
        let mut all = Ownership::default();
        let api = Claim {
            created: 2,
            wants: Some(vec![("x".parse().unwrap(), "/api".parse().unwrap())]),
            gone: false,
        };
        settle(&mut all, &[("web", claim(1, &["x"])), ("api", api)]);
        assert!(all.refusal(&name("api")).is_none());
    }
}
