//! Text with words in braces that stand for a release: `{app}`, `{slot}`, `{version}`, `{token}`.

use std::fmt;
use std::str::FromStr;

use crate::strict::{Mistake, nearest};

/// What may stand in braces.
const WORDS: [&str; 4] = ["app", "slot", "version", "token"];

/// Text with words in braces. Braces around anything but one word are the text's own: a query of
/// Prometheus has its labels in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// The text with what `value` says in the place of each word. Quotes and backslashes in it are
    /// escaped, since it may come to stand in quotes.
    pub fn fill(&self, value: impl Fn(&str) -> String) -> String {
        let (mut filled, mut rest) = (String::new(), self.0.as_str());
        while let Some((before, word, after)) = next(rest) {
            filled.push_str(before);
            for c in value(word).chars() {
                if matches!(c, '"' | '\'' | '`' | '\\') {
                    filled.push('\\');
                }
                filled.push(c);
            }
            rest = after;
        }
        filled + rest
    }
}

/// The first word in braces: what is before it, the word, and what is after it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let word = |c: char| c == '_' || c.is_ascii_alphabetic();
    let mut searched = 0;
    loop {
        let (before, rest) = text.get(searched..)?.split_once('{')?;
        let begin = searched + before.len();
        if let Some((inside, after)) = rest.split_once('}')
            && inside.starts_with(word)
            && inside.chars().all(|c| word(c) || c.is_ascii_digit())
        {
            return Some((text.get(..begin)?, inside, after));
        }
        searched = begin + 1;
    }
}

impl FromStr for Template {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        if text.trim().is_empty() {
            return Err(Mistake::new("is empty"));
        }
        let mut rest = text;
        while let Some((_, word, after)) = next(rest) {
            if !WORDS.contains(&word) {
                let known = WORDS.map(|word| format!("`{{{word}}}`")).join(", ");
                let hint = match nearest(word, WORDS) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => format!("there are {known}"),
                };
                return Err(Mistake::new(format!("unknown word `{{{word}}}`, {hint}")));
            }
            rest = after;
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

by_text!(Template);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_braces_are_replaced_and_other_braces_are_left_alone() {
        let text =
            r#"sum(rate(x{app="{app}",slot="{slot}",a=~"b{2}|c{1,3}"}[1m])) / y{} > z{le="{"}"#;
        let filled = text.parse::<Template>().unwrap().fill(|word| format!("<{word}>"));
        assert_eq!(filled, text.replace("{app}", "<app>").replace("{slot}", "<slot>"));
        let said = "v=\"{version}\"".parse::<Template>().unwrap().fill(|_| r#"1"\2"#.to_owned());
        assert_eq!(said, r#"v="1\"\\2""#);
    }

    #[test]
    fn a_word_that_nobody_knows_is_refused_with_the_one_that_was_meant() {
        let refused = |text: &str| text.parse::<Template>().unwrap_err().to_string();
        assert!(refused("x{{versoin}}").contains("did you mean `{version}`?"));
        assert!(refused("x{a=\"{job}\"}").contains("there are `{app}`, `{slot}`"));
        assert!(refused(" ").contains("empty"));
    }
}
