//! The mistakes found in a file, or in several that are laid over one another.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::by_name::ByName;
use crate::strict::{self, Mistake};

/// The mistakes found so far, shared by all sections of a file.
#[derive(Debug)]
pub(super) struct Report {
    layers: Vec<Layer>,
    /// Which layer, which line of it (0 where none can be told), and what is wrong.
    found: RefCell<Vec<(usize, usize, String)>>,
}

/// One file, in the row of all.
#[derive(Debug)]
struct Layer {
    name: String,
    /// Where its text begins.
    begin: usize,
    /// Where its lines end.
    ends: Vec<usize>,
}

impl Report {
    /// No mistake yet in `files`, and their texts to be parsed. Each begins where the one before it
    /// ends, so that a place tells the file as well.
    pub(super) fn of(files: &[(&str, &str)]) -> (Self, Vec<String>) {
        let mut begin = 0;
        let mut layer = |(name, text): &(&str, &str)| {
            let text = " ".repeat(begin) + text;
            let layer = Layer { name: (*name).to_owned(), begin, ends: line_ends(&text) };
            begin = text.len();
            (layer, text)
        };
        let (layers, texts) = files.iter().map(&mut layer).unzip();
        (Self { layers, found: RefCell::default() }, texts)
    }

    pub(super) fn add(&self, start: Option<usize>, path: &str, said: &str) {
        let place = |at: usize| {
            let layer = self.layers.partition_point(|layer| layer.begin <= at).saturating_sub(1);
            let ends = self.layers.get(layer).map(|layer| layer.ends.as_slice());
            (layer, ends.unwrap_or_default().partition_point(|end| *end < at) + 1)
        };
        let (layer, line) = start.map_or((0, 0), place);
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        self.found.borrow_mut().push((layer, line, format!("{place}{said}")));
    }

    /// Keeps the first mistake of each line: one slip of syntax makes the parser stumble twice.
    pub(super) fn one_a_line(&self) {
        let mut found = self.found.borrow_mut();
        found.sort_by_key(|(layer, line, _)| (*layer, *line));
        found.dedup_by_key(|(layer, line, _)| (*layer, *line));
    }

    /// `value` as a `T`. Each mistake in it is taken out and the rest tried again, so that a table
    /// with three mistakes shows three.
    pub(super) fn deserialize<T: DeserializeOwned>(
        &self,
        path: &str,
        mut value: Spanned<DeValue<'_>>,
    ) -> Option<T> {
        let mut sound = true;
        loop {
            let error = match T::deserialize(ByName(ValueDeserializer::from(value.clone()))) {
                Ok(read) => return sound.then_some(read),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_else(|| value.span());
            let found = remove_at(value.get_mut(), &span);
            // A key that was taken out for its mistake may be missed now: said once is enough.
            if sound || found.is_some() {
                let path = format!("{path}{}", found.as_deref().unwrap_or_default());
                self.add(Some(span.start), &path, &sentence(error.message()));
            }
            found?;
            sound = false;
        }
    }

    pub(super) fn into_mistakes(self: Rc<Self>) -> Vec<Mistake> {
        let mut found = self.found.take();
        found.sort_by_key(|(layer, line, _)| (*layer, *line));
        let place = |layer: usize, line: usize| {
            let name = self.layers.get(layer).map_or("", |layer| layer.name.as_str());
            if line == 0 { name.to_owned() } else { format!("{name}:{line}") }
        };
        let mistake = |(layer, line, said): (usize, usize, String)| {
            Mistake::new(said).at(&place(layer, line))
        };
        found.into_iter().map(mistake).collect()
    }
}

/// serde's message in our words; the key itself is part of the path already.
fn sentence(message: &str) -> String {
    let said = strict::in_words(message).replace(strict::OBJECT, "a table");
    let said = said.replace("an object", "a table");
    match said.strip_prefix("unknown key `").and_then(|rest| rest.split_once('`')) {
        Some((_, rest)) => format!("unknown key{rest}"),
        None => said,
    }
}

/// Removes the innermost table entry that spans `at`, and tells its path (`.timeouts.idle`).
fn remove_at(value: &mut DeValue<'_>, at: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => {
            for (key, inner) in table.iter_mut() {
                if let Some(path) = remove_at(inner.get_mut(), at) {
                    return Some(format!(".{}{path}", key.get_ref()));
                }
            }
            let hit = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
            let key = table.iter().find(|(key, v)| hit(key.span()) || hit(v.span()))?.0;
            let key = key.get_ref().clone().into_owned();
            table.remove(key.as_str());
            Some(format!(".{key}"))
        }
        DeValue::Array(array) => array
            .iter_mut()
            .enumerate()
            .find_map(|(i, inner)| Some(format!("[{i}]{}", remove_at(inner.get_mut(), at)?))),
        _ => None,
    }
}

fn line_ends(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect()
}
