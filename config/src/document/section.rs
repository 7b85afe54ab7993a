//! One table of a file, asked key by key.

use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;
use crate::strict::nearest;

/// One table of the file. Keys still unread when it is dropped are reported as unknown.
#[derive(Debug)]
pub struct Section<'a> {
    report: Rc<Report>,
    /// Path of this table with a dot at its end, `listen[1].`; empty for the root.
    path: String,
    /// Where the table begins; `None` for the root.
    start: Option<usize>,
    table: DeTable<'a>,
    /// The keys asked for so far, and where those that are there begin.
    known: Vec<(String, Option<usize>)>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        report: Rc<Report>,
        path: String,
        start: Option<usize>,
        table: DeTable<'a>,
    ) -> Self {
        Self { report, path, start, table, known: Vec::new() }
    }

    /// The value of `key`. A mistake if it is wrong; `None` if it is wrong or not there.
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.take(key)?;
        self.report.deserialize(&format!("{}{key}", self.path), value)
    }

    /// The value of `key`. A mistake if it is wrong or not there.
    pub fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if !self.has(key) {
            self.missing(key);
        }
        self.optional(key)
    }

    /// The value of `key`, or `default` if it is not there (or wrong, which is a mistake).
    pub fn or<T: DeserializeOwned>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The duration under `key`, such as `500ms` or `2m`, or `default` if it is not there.
    pub fn duration(&mut self, key: &str, default: Duration) -> Duration {
        self.optional_duration(key).unwrap_or(default)
    }

    /// The duration under `key`, if it is there.
    pub fn optional_duration(&mut self, key: &str) -> Option<Duration> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Text(#[serde(with = "crate::duration")] Duration);
        self.optional(key).map(|Text(read)| read)
    }

    /// The table under `key`; a mistake if something else is there.
    pub fn section(&mut self, key: &str) -> Option<Self> {
        let value = self.take(key)?;
        self.table_of(format!("{}{key}", self.path), value)
    }

    /// The table under `key`; a mistake if something else or nothing is there.
    pub fn required_section(&mut self, key: &str) -> Option<Self> {
        if !self.has(key) {
            self.missing(key);
        }
        self.section(key)
    }

    /// The tables of the array `[[key]]`, none if it is not there; a mistake if something else is.
    pub fn sections(&mut self, key: &str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let path = format!("{}{key}", self.path);
        let start = value.span().start;
        let DeValue::Array(array) = value.into_inner() else {
            self.report.add(Some(start), &path, &format!("write it as `[[{path}]]`"));
            return Vec::new();
        };
        let tables = array.into_iter().enumerate();
        tables.filter_map(|(i, value)| self.table_of(format!("{path}[{i}]"), value)).collect()
    }

    /// All keys that were not read yet, as one value. A mistake if it is wrong.
    pub fn rest<T: DeserializeOwned>(&mut self) -> Option<T> {
        let start = self.start.unwrap_or_default();
        let table = DeValue::Table(std::mem::take(&mut self.table));
        self.report.deserialize(self.path.trim_end_matches('.'), Spanned::new(start..start, table))
    }

    /// The tables under all keys that were not read yet, by their names.
    pub fn tables(&mut self) -> Vec<(String, Self)> {
        let keys: Vec<String> = self.table.keys().map(|key| key.get_ref().to_string()).collect();
        keys.into_iter().filter_map(|key| Some((key.clone(), self.section(&key)?))).collect()
    }

    /// Whether `key` is there and was not read yet.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Adds a mistake about the value of `key`, which was read before.
    pub fn mistake(&self, key: &str, said: &str) {
        let read = self.known.iter().rev().find(|(name, _)| name == key);
        let start = read.and_then(|(_, start)| *start).or(self.start);
        self.report.add(start, &format!("{}{key}", self.path), said);
    }

    /// Adds a mistake about this table as a whole.
    pub fn mistake_here(&self, said: &str) {
        self.report.add(self.start, self.path.trim_end_matches('.'), said);
    }

    /// From here on keys that were not read yet are no mistake.
    pub fn pass_over_rest(&mut self) {
        self.table = DeTable::default();
    }

    fn missing(&self, key: &str) {
        self.report.add(self.start, &format!("{}{key}", self.path), "missing key");
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        let entry = self.table.remove_entry(key);
        self.known.push((key.to_owned(), entry.as_ref().map(|(name, _)| name.span().start)));
        entry.map(|(_, value)| value)
    }

    fn table_of(&self, path: String, value: Spanned<DeValue<'a>>) -> Option<Self> {
        let start = value.span().start;
        match value.into_inner() {
            DeValue::Table(table) => {
                Some(Self::new(Rc::clone(&self.report), path + ".", Some(start), table))
            }
            other => {
                let said = format!("write it as a table `[{path}]`, not as {}", other.type_str());
                self.report.add(Some(start), &path, &said);
                None
            }
        }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for key in self.table.keys() {
            let known = self.known.iter().map(|(name, _)| name.as_str());
            let said = match nearest(key.get_ref(), known) {
                Some(near) => format!("unknown key, did you mean `{near}`?"),
                None => "unknown key".to_owned(),
            };
            self.report.add(
                Some(key.span().start),
                &format!("{}{}", self.path, key.get_ref()),
                &said,
            );
        }
    }
}
