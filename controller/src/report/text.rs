//! Text that steers no terminal, and tables.

use serde_json::Value;

/// Whether a terminal would do something at `c` instead of showing it, or show what follows in
/// another direction.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// `text` as one line that steers no terminal: keys and values are written by anyone, and so are a
/// target's answers.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => c.to_string(),
        c if steers(c) => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// JSON escapes the first 32 characters by itself, and leaves others that steer a terminal.
pub(super) fn json_text(value: &Value) -> String {
    let escaped = |c: char| match steers(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    value.to_string().chars().map(escaped).collect()
}

/// Rows under a heading, each column as wide as its widest cell.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let all = || {
        std::iter::once(heading.iter().map(ToString::to_string).collect())
            .chain(rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()))
    };
    let widths: Vec<usize> = (0..heading.len())
        .map(|i| {
            all()
                .map(|row: Vec<String>| row.get(i).map_or(0, |c| c.chars().count()))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}
