//! What came of it, for people.

use std::fmt::Write;

use crate::case::Case;
use crate::peer::Peer;
use crate::run::Failure;
use crate::suite::Result;

/// Characters shown of each side, from its start and from its end.
const SHOWN: usize = 800;
/// Equal bytes in a row from which they are counted.
const RUN: usize = 16;

/// Every case that fails, with what was sent and got; empty if there is none.
pub fn failures(cases: &[Case], results: &[Result]) -> String {
    let mut text = String::new();
    for (case, result) in cases.iter().zip(results) {
        if let Some(Err(failure)) = result {
            let _ = writeln!(text, "\n{} ({})", case.name, case.rule);
            show(&mut text, failure);
        }
    }
    text
}

fn show(text: &mut String, failure: &Failure) {
    for fault in &failure.faults {
        let _ = writeln!(text, "  * {fault}");
    }
    let _ = writeln!(text, "  client sent: {}", escaped(&failure.sent));
    let _ = writeln!(text, "  client got:  {}", escaped(&failure.got));
    for got in failure.target.iter().filter(|got| !got.is_empty()) {
        let _ = writeln!(text, "  target got:  {}", escaped(got));
    }
}

/// Escaped, with long runs of one byte told by their length.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        match run {
            [byte, ..] if run.len() > RUN => {
                let _ = write!(text, "{}…{} times…", byte.escape_ascii(), run.len());
            }
            _ => _ = write!(text, "{}", run.escape_ascii()),
        }
    }
    if text.len() <= 2 * SHOWN {
        return text;
    }
    // What is not ASCII are the three dots above.
    let (start, end) =
        (text.floor_char_boundary(SHOWN), text.ceil_char_boundary(text.len() - SHOWN));
    format!("{} …{} more… {}", &text[..start], end - start, &text[end..])
}

/// A Markdown table: a row for each case, a column for each peer, and the sums.
pub fn table(cases: &[Case], columns: &[(Peer, Vec<Result>)]) -> String {
    let mut text = "| case | rule |".to_owned();
    for (peer, _) in columns {
        let _ = write!(text, " {} |", peer.name());
    }
    text = text + "\n|---|---|" + &"---|".repeat(columns.len());
    for (row, case) in cases.iter().enumerate() {
        let _ = write!(text, "\n| {} | {} |", case.name.replace('_', " "), case.rule);
        for (_, results) in columns {
            text += match &results[row] {
                None => " |",
                Some(Ok(())) => " yes |",
                Some(Err(_)) => " **no** |",
            };
        }
    }
    text += "\n| **sum** | |";
    for (_, results) in columns {
        let asked = results.iter().flatten().count();
        let right = results.iter().flatten().filter(|result| result.is_ok()).count();
        let _ = write!(text, " {right} of {asked} |");
    }
    text.push('\n');
    text
}
