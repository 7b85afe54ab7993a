//! Reads a TOML file key by key, and names every mistake in it in one run.
//!
//! Deserializing a whole file into one struct stops at the first mistake. Here the program asks a
//! [`Section`] for each key in turn; a wrong value, a missing key or a key nobody asked for is
//! collected with its file, line and path, and reading goes on:
//!
//! ```text
//! proxy.toml:12: listen[1].adress: unknown key, did you mean `address`?
//! ```

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::by_name::ByName;
use crate::strict::{self, Mistake, nearest};

/// Reads `text`, the content of `file`, with `build`: what it returns if the file has no mistake,
/// otherwise all mistakes in the order of their lines. `file` is only shown.
///
/// `build` asks the root section for everything it knows; it returns `None` where a value it
/// cannot do without was missing or wrong, which is then among the mistakes already.
pub fn read<T>(
    file: &str,
    text: &str,
    build: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Result<T, Vec<Mistake>> {
    read_over(&[(file, text)], build)
}

/// The same for several files, as pairs of name and text, each laid over those before it: tables are
/// merged key by key, and everything else is replaced. A mistake names the file it is in.
pub fn read_over<T>(
    files: &[(&str, &str)],
    build: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Result<T, Vec<Mistake>> {
    // Each text begins where the one before it ends, so that a place tells the file as well.
    let mut begin = 0;
    let mut layer = |(name, text): &(&str, &str)| {
        let text = " ".repeat(begin) + text;
        let layer = Layer { name: (*name).to_owned(), begin, ends: line_ends(&text) };
        begin = text.len();
        (layer, text)
    };
    let (layers, texts): (Vec<_>, Vec<_>) = files.iter().map(&mut layer).unzip();
    let report = Rc::new(Report { layers, found: RefCell::default() });
    let (mut root, mut sound) = (DeTable::new(), true);
    for text in &texts {
        let (table, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            report.add(error.span().map(|span| span.start), "", error.message());
        }
        sound &= syntax.is_empty();
        lay_over(&mut root, table.into_inner());
    }
    report.one_a_line();
    // What a recovering parser read beside a syntax error would only cause follow-up mistakes.
    let value = match sound {
        true => {
            let mut section = Section::new(Rc::clone(&report), String::new(), None, root);
            build(&mut section)
        }
        false => None,
    };
    let mistakes = report.into_mistakes();
    match value {
        Some(value) if mistakes.is_empty() => Ok(value),
        None if mistakes.is_empty() => {
            let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
            Err(vec![Mistake::new(format!("{}: not understood", names.join(" with ")))])
        }
        _ => Err(mistakes),
    }
}

/// Puts what is in `over` into `base`.
fn lay_over<'a>(base: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, mut value) in over {
        if let DeValue::Table(over) = value.get_mut()
            && let Some(DeValue::Table(base)) =
                base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut)
        {
            lay_over(base, std::mem::take(over));
        } else {
            base.remove(key.get_ref().as_ref());
            base.insert(key, value);
        }
    }
}

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
    fn new(report: Rc<Report>, path: String, start: Option<usize>, table: DeTable<'a>) -> Self {
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

/// The mistakes found so far, shared by all sections of a file.
#[derive(Debug)]
struct Report {
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
    fn add(&self, start: Option<usize>, path: &str, said: &str) {
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
    fn one_a_line(&self) {
        let mut found = self.found.borrow_mut();
        found.sort_by_key(|(layer, line, _)| (*layer, *line));
        found.dedup_by_key(|(layer, line, _)| (*layer, *line));
    }

    /// `value` as a `T`. Each mistake in it is taken out and the rest tried again, so that a table
    /// with three mistakes shows three.
    fn deserialize<T: DeserializeOwned>(
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

    fn into_mistakes(self: Rc<Self>) -> Vec<Mistake> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AppName, Health, Timeouts};

    /// A file in the shape of ours: a required key, a nested strict struct, an array of tables.
    fn read_sample(text: &str) -> Result<(AppName, Vec<u16>), Vec<String>> {
        read("sample.toml", text, |root| {
            let app = root.required::<AppName>("app");
            let _: Option<Health> = root.optional("health");
            let _: Option<Timeouts> = root.optional("timeouts");
            let mut ports = Vec::new();
            for mut listen in root.sections("listen") {
                let port: Option<u16> = listen.required("port");
                if port == Some(0) {
                    listen.mistake("port", "a port is a number from 1 to 65535");
                }
                let _: bool = listen.or("tls", false);
                ports.extend(port);
            }
            if let Some(mut run) = root.section("run") {
                let _: Option<u16> = run.optional("replicas");
            }
            Some((app?, ports))
        })
        .map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_sound_file_is_read() {
        let text = "app = \"web\"\n[health]\npath = \"/up\"\n[[listen]]\nport = 80\n";
        let (app, ports) = read_sample(text).unwrap();
        assert_eq!((app.as_str(), ports), ("web", vec![80]));
    }

    #[test]
    fn every_mistake_is_named_in_one_run_with_its_line() {
        let text = "ap = \"web\"\n\
                    [health]\n\
                    intervall = \"1s\"\n\
                    fall = 0\n\
                    timeout = 5\n\
                    [[listen]]\n\
                    port = 80\n\
                    [[listen]]\n\
                    prt = 81\n\
                    tls = \"yes\"\n\
                    [[listen]]\n\
                    port = 0\n";
        let said = read_sample(text).unwrap_err();
        assert_eq!(
            said,
            [
                "sample.toml: app: missing key",
                "sample.toml:1: ap: unknown key, did you mean `app`?",
                "sample.toml:3: health.intervall: unknown key, did you mean `interval`?",
                "sample.toml:4: health.fall: 0 is not within 1 to 100",
                "sample.toml:5: health.timeout: is `5`, and has to be a text in quotes",
                "sample.toml:8: listen[1].port: missing key",
                "sample.toml:9: listen[1].prt: unknown key, did you mean `port`?",
                "sample.toml:10: listen[1].tls: is the text `yes`, and has to be `true` or `false`",
                "sample.toml:12: listen[2].port: a port is a number from 1 to 65535",
            ]
        );
    }

    #[test]
    fn a_value_of_the_wrong_shape_is_named() {
        let said = read_sample("app = \"Web\"\nhealth = 3\nlisten = 80\nrun = []\n").unwrap_err();
        assert_eq!(said.len(), 4, "{said:#?}");
        assert!(said[0].starts_with("sample.toml:1: app: `Web` is no name"), "{said:#?}");
        assert!(
            said[1].starts_with("sample.toml:2: health: is `3`, and has to be a table"),
            "{said:#?}"
        );
        assert_eq!(said[2], "sample.toml:3: listen: write it as `[[listen]]`");
        assert_eq!(said[3], "sample.toml:4: run: write it as a table `[run]`, not as array");
    }

    #[test]
    fn a_syntax_error_is_named_with_its_line_and_alone() {
        let said = read_sample("app = \"web\"\nport = = 3\nunknown = 1\n").unwrap_err();
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].starts_with("sample.toml:2: "), "{said:#?}");
    }

    #[test]
    fn a_duration_without_its_unit_is_a_mistake() {
        let said = read("sample.toml", "warm = \"10\"", |root| {
            Some(root.duration("warm", Duration::from_secs(1)))
        });
        let said = said.unwrap_err()[0].to_string();
        assert!(said.starts_with("sample.toml:1: warm: `10` is not a duration"), "{said}");
    }

    #[test]
    fn a_key_given_twice_is_a_mistake() {
        let said = read_sample("app = \"web\"\napp = \"api\"\n").unwrap_err();
        assert!(said[0].starts_with("sample.toml:2: duplicate key"), "{said:#?}");
    }
}
