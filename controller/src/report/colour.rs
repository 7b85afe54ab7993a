//! Colours in what other programs write.

use super::plain;

/// Begins a sequence that sets colours, when digits and an `m` come after it.
const BEGIN: &str = "\x1b[";

/// `line` without its colours.
pub(super) fn without(line: &str) -> String {
    parts(line).map(|(_, text)| text).collect()
}

/// `line` with its colours, ending without any, and all else in it that steers a terminal escaped.
pub(super) fn kept(line: &str) -> String {
    let mut coloured = false;
    let mut shown = String::new();
    for (colour, text) in parts(line) {
        coloured |= !colour.is_empty();
        shown.push_str(colour);
        shown.push_str(&plain(text));
    }
    if coloured { shown + "\x1b[0m" } else { shown }
}

/// The line in parts: a colour, or none, and the text up to the next one.
fn parts(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (colour, text) = rest.split_at(colour(rest));
        let next = text.match_indices(BEGIN).map(|(at, _)| at).find(|at| colour_at(text, *at));
        let (text, after) = text.split_at(next.unwrap_or(text.len()));
        rest = after;
        Some((colour, text))
    })
}

fn colour_at(text: &str, at: usize) -> bool {
    colour(&text[at..]) > 0
}

/// How long the colour is that `text` begins with; 0 if it begins with none.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(BEGIN) else { return 0 };
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(rest.len());
    if rest[digits..].starts_with('m') { BEGIN.len() + digits + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_off_or_kept_and_all_else_is_escaped() {
        let line = "\x1b[1;32mok\x1b[0m done\x1b[2J";
        assert_eq!(without(line), "ok done\x1b[2J");
        assert_eq!(kept(line), "\x1b[1;32mok\x1b[0m done\\u{1b}[2J\x1b[0m");
        assert_eq!((without("plain"), kept("plain")), ("plain".into(), "plain".into()));
        assert_eq!(kept("\x1b[31"), "\\u{1b}[31");
    }
}
