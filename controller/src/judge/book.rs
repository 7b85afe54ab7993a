//! What all proxies have counted.

use std::collections::BTreeMap;

use shunt_config::status::{Counts, Tally};
use shunt_config::{ProxyName, Token};

use crate::fleet::Fleet;

/// What all proxies have counted, those included that have ended since.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// By proxy, process and release.
    pages: BTreeMap<(ProxyName, String, Token), Counts>,
}

impl Book {
    /// What the proxies say.
    pub fn of(fleet: &Fleet) -> Self {
        let mut book = Self::default();
        book.take(fleet);
        book
    }

    /// Takes over what the proxies say.
    pub fn take(&mut self, fleet: &Fleet) {
        for (name, proxy) in fleet.all() {
            for (id, process) in &proxy.processes {
                for (token, counts) in process.status.iter().flat_map(|status| &status.counts) {
                    let page = (name.clone(), id.clone(), token.clone());
                    self.pages.insert(page, counts.clone());
                }
            }
        }
    }

    /// What requests to the release came to, over all proxies.
    pub fn total(&self, token: &Token) -> Tally {
        self.sum(token, |counts| counts.total.clone())
    }

    /// The same of the last ten to twenty minutes.
    pub fn lately(&self, token: &Token) -> Tally {
        self.sum(token, |counts| counts.total.since(&counts.earlier))
    }

    fn sum(&self, token: &Token, part: impl Fn(&Counts) -> Tally) -> Tally {
        let mut sum = Tally::default();
        let pages = self.pages.iter().filter(|((_, _, of), _)| of == token);
        pages.for_each(|(_, counts)| sum.add(&part(counts)));
        sum
    }
}

#[cfg(test)]
mod tests {
    use shunt_config::store::Entry;

    use super::*;

    fn status(requests: u64, earlier: u64) -> String {
        format!(
            r#"{{"app":null,"active":null,"serving":[],"counts":{{"t":{{
            "total":{{"requests":{requests}}},"earlier":{{"requests":{earlier}}}}}}}}}"#
        )
    }

    fn put(fleet: &mut Fleet, process: &str, value: &str) {
        fleet.put(&Entry {
            key: format!("proxies/{process}/apps/web"),
            value: value.as_bytes().to_vec().into(),
            token: "x".into(),
            created: 1,
            fault: None,
        });
    }

    #[test]
    fn counts_of_all_processes_are_summed_and_stay_when_one_ends() {
        let app = "web".parse().unwrap();
        let (mut fleet, mut book) = (Fleet::of(&app), Book::default());
        put(&mut fleet, "a/1", &status(10, 4));
        put(&mut fleet, "b/1", &status(5, 0));
        book.take(&fleet);
        let mut fleet = Fleet::of(&app);
        put(&mut fleet, "a/2", &status(2, 0));
        put(&mut fleet, "b/1", &status(7, 0));
        book.take(&fleet);
        let token = "t".into();
        assert_eq!((book.total(&token).requests, book.lately(&token).requests), (19, 15));
        assert!(book.total(&"other".into()).is_empty());
    }
}
