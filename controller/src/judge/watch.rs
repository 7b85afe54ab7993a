//! A release that is being watched.

use std::time::Duration;

use shunt_config::Token;
use shunt_config::guard::Guard;
use shunt_config::status::Tally;

use super::{Book, Finding, Judge, Sample};
use crate::fleet::Fleet;

/// A release that is being watched beside the one before it, or after that.
#[derive(Clone, Debug)]
pub struct Watch {
    new: Token,
    old: Token,
    book: Book,
    judge: Judge,
    /// What the old release had counted when this began, where what it counts from then on is compared.
    begin: Option<Tally>,
    seen: Sample,
}

impl Watch {
    /// Both get requests: what either answers from now on is compared.
    pub fn beside(rules: Guard, fleet: &Fleet, new: Token, old: Token) -> Self {
        let book = Book::of(fleet);
        let judge = Judge::beside(rules, &book.lately(&old));
        let begin = Some(book.total(&old));
        Self { new, old, book, judge, begin, seen: Sample::default() }
    }

    /// The new release gets all requests: it is compared with what the old one answered in its last
    /// ten to twenty minutes.
    pub fn after(rules: Guard, fleet: &Fleet, new: Token, old: Token) -> Self {
        let book = Book::of(fleet);
        let before = book.lately(&old);
        let judge = Judge::after(rules, &before);
        let seen = Sample { old: before, ..Sample::default() };
        Self { new, old, book, judge, begin: None, seen }
    }

    /// Takes over what the proxies have counted by now, `at` after the beginning: whether that is more
    /// than before, and what it says against the new release.
    pub fn look(&mut self, fleet: &Fleet, at: Duration) -> (bool, Option<Finding>) {
        self.book.take(fleet);
        let new = self.book.total(&self.new);
        let old = self.begin.as_ref().map(|begin| self.book.total(&self.old).since(begin));
        let seen = &mut self.seen;
        let more = new != seen.new || old.as_ref().is_some_and(|old| *old != seen.old);
        (seen.at, seen.new) = (at, new);
        if let Some(old) = old {
            seen.old = old;
        }
        let finding = match fleet.down(&self.new) {
            Some(why) => Some(Finding::Down(why)),
            None => self.judge.look(seen).map(Finding::Worse),
        };
        (more, finding)
    }

    /// What the last look has seen of errors, in words.
    pub fn errors_shown(&self) -> String {
        self.judge.errors_shown(&self.seen)
    }

    /// What the last look has seen.
    pub fn seen(&self) -> &Sample {
        &self.seen
    }
}
