//! Reads a TOML file key by key, and names every mistake in it in one run.
//!
//! Deserializing a whole file into one struct stops at the first mistake. Here the program asks a
//! [`Section`] for each key in turn; a wrong value, a missing key or a key nobody asked for is
//! collected with its file, line and path, and reading goes on:
//!
//! ```text
//! proxy.toml:12: listen[1].adress: unknown key, did you mean `address`?
//! ```

use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::report::Report;
pub use self::section::Section;
use crate::strict::Mistake;

mod report;
mod section;
#[cfg(test)]
mod tests;

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
    let (report, texts) = Report::of(files);
    let report = Rc::new(report);
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
