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
    /// What the old release counts for: what it has counted from here on, or all of this.
    control: Control,
}

#[derive(Clone, Debug)]
enum Control {
    Since(Tally),
    Before(Tally),
}

impl Watch {
    /// Both get requests: what either answers from now on is compared.
    pub fn beside(rules: Guard, fleet: &Fleet, new: Token, old: Token) -> Self {
        let book = Book::of(fleet);
        let judge = Judge::beside(rules, &book.lately(&old));
        let control = Control::Since(book.total(&old));
        Self { new, old, book, judge, control }
    }

    /// The new release gets all requests: it is compared with what the old one answered in its last
    /// ten to twenty minutes.
    pub fn after(rules: Guard, fleet: &Fleet, new: Token, old: Token) -> Self {
        let book = Book::of(fleet);
        let before = book.lately(&old);
        let judge = Judge::after(rules, &before);
        Self { new, old, book, judge, control: Control::Before(before) }
    }

    /// What the proxies have counted by now, `at` after the beginning, and what that says against the
    /// new release.
    pub fn look(&mut self, fleet: &Fleet, at: Duration) -> (Sample, Option<Finding>) {
        self.book.take(fleet);
        let old = match &self.control {
            Control::Since(begin) => self.book.total(&self.old).since(begin),
            Control::Before(before) => before.clone(),
        };
        let sample = Sample { at, new: self.book.total(&self.new), old };
        let finding = match fleet.down(&self.new) {
            Some(why) => Some(Finding::Down(why)),
            None => self.judge.look(&sample).map(Finding::Worse),
        };
        (sample, finding)
    }
}
