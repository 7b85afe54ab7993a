//! Writes that apply together, and what must hold for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use crate::strict::{MAX_VALUE, Mistake};
use crate::token::Token;

/// etcd's default limit of operations in one transaction (`--max-txn-ops`).
pub const MAX_TXN_OPS: usize = 128;

/// What must hold for a [`Txn`] to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent(String),
    /// The key exists, whatever its value.
    Exists(String),
    /// The key's present value is this very putting.
    Is(String, Token),
    /// The key's present value is these bytes.
    Value(String, Bytes),
}

/// One write of a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Puts a durable value.
    Put(String, Bytes),
    /// Puts a value that goes with the session; only through
    /// [`Session::commit`](super::Session::commit).
    PutLeased(String, Bytes),
    /// Deletes a key; nothing happens if it does not exist.
    Delete(String),
}

/// Writes that apply together if all conditions hold. No key may be written twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What must hold.
    pub when: Vec<Condition>,
    /// What is then written; at most [`MAX_TXN_OPS`].
    pub then: Vec<Op>,
}

impl Txn {
    /// An unconditional, empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.when.push(condition);
        self
    }

    /// Adds a durable put.
    #[must_use]
    pub fn put(mut self, key: impl fmt::Display, value: impl Into<Bytes>) -> Self {
        self.then.push(Op::Put(key.to_string(), value.into()));
        self
    }

    /// Adds a leased put.
    #[must_use]
    pub fn put_leased(mut self, key: impl fmt::Display, value: impl Into<Bytes>) -> Self {
        self.then.push(Op::PutLeased(key.to_string(), value.into()));
        self
    }

    /// Adds a delete.
    #[must_use]
    pub fn delete(mut self, key: impl fmt::Display) -> Self {
        self.then.push(Op::Delete(key.to_string()));
        self
    }
}

/// What became of a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied; the new tokens of the keys it put.
    Committed(BTreeMap<String, Token>),
    /// A condition did not hold; nothing was written.
    Refused,
}

impl Outcome {
    /// The new token of `key`, if the transaction applied and put it.
    pub fn token(&self, key: impl fmt::Display) -> Option<Token> {
        match self {
            Self::Committed(tokens) => tokens.get(&key.to_string()).cloned(),
            Self::Refused => None,
        }
    }
}

impl Txn {
    /// Checks what both stores hold a transaction to, so that what one takes the other takes too.
    pub(super) fn check(&self, in_session: bool) -> Result<(), Mistake> {
        let count = self.then.len().max(self.when.len());
        if count > MAX_TXN_OPS {
            return Err(Mistake::new(format!(
                "{count} writes or conditions in one transaction, at most {MAX_TXN_OPS} of each"
            )));
        }
        let mut written = BTreeSet::new();
        for op in &self.then {
            check_key(op.key())?;
            if !written.insert(op.key()) {
                return Err(Mistake::new(format!("`{}` is written twice", op.key())));
            }
            if matches!(op, Op::PutLeased(..)) && !in_session {
                let key = op.key();
                return Err(Mistake::new(format!("`{key}`: a leased put outside a session")));
            }
            if let Op::Put(key, value) | Op::PutLeased(key, value) = op
                && value.len() > MAX_VALUE
            {
                let length = value.len();
                return Err(Mistake::new(format!(
                    "`{key}`: value of {length} bytes is larger than the {MAX_VALUE} allowed"
                )));
            }
        }
        self.when.iter().try_for_each(|condition| check_key(condition.key()))
    }
}

impl Op {
    /// The key it writes.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(key, _) | Self::PutLeased(key, _) | Self::Delete(key) => key,
        }
    }
}

impl Condition {
    /// The key it speaks of.
    pub fn key(&self) -> &str {
        match self {
            Self::Absent(key) | Self::Exists(key) | Self::Is(key, _) | Self::Value(key, _) => key,
        }
    }

    /// Whether it holds, given the key's present token and value.
    pub(super) fn holds(&self, present: Option<(&Token, &[u8])>) -> bool {
        match (self, present) {
            (Self::Absent(_), present) => present.is_none(),
            (Self::Exists(_), present) => present.is_some(),
            (Self::Is(_, wanted), Some((token, _))) => token == wanted,
            (Self::Value(_, wanted), Some((_, value))) => value == &wanted[..],
            (Self::Is(..) | Self::Value(..), None) => false,
        }
    }
}

/// A key is a relative path of visible names: names with a leading dot belong to the directory
/// store itself and to editors.
fn check_key(key: &str) -> Result<(), Mistake> {
    let wrong = |name: &str| name.is_empty() || name.starts_with('.') || name.len() > 255;
    if key.len() > 1024 || key.contains('\0') || key.split('/').any(wrong) {
        let shown: String = key.chars().take(120).collect();
        return Err(Mistake::new(format!("`{shown}` cannot be a key")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_one_store_could_not_apply_is_refused_by_both() {
        let many = (0..=MAX_TXN_OPS).fold(Txn::new(), |txn, i| txn.put(format!("k{i}"), "x"));
        for (txn, word) in [
            (many, "129 writes"),
            (Txn::new().put("a", "1").delete("a"), "written twice"),
            (Txn::new().put_leased("a", "1"), "outside a session"),
            (Txn::new().put("a", vec![b'x'; MAX_VALUE + 1]), "larger than"),
            (Txn::new().put("../a", "1"), "cannot be a key"),
            (Txn::new().put("/a", "1"), "cannot be a key"),
            (Txn::new().put("a//b", "1"), "cannot be a key"),
            (Txn::new().put(".shunt/journal", "1"), "cannot be a key"),
            (Txn::new().when(Condition::Absent(String::new())), "cannot be a key"),
        ] {
            let said = txn.check(false).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
        assert!(Txn::new().put_leased("apps/web/lock", "1").check(true).is_ok());
    }
}
