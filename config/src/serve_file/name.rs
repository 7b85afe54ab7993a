//! Names of tokens and webhooks: they become parts of addresses and of log lines.

use crate::document::Section;

/// Characters of a name at most.
const MAX: usize = 63;

/// Whether `name` is one; a mistake of `section` otherwise.
pub(super) fn is_sound(section: &Section<'_>, kind: &str, name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let sound = (1..=MAX).contains(&name.len()) && name.bytes().all(plain);
    if !sound {
        let shown: String = name.chars().take(80).collect();
        let said =
            format!("`{shown}` is no name for {kind}: use 1 to {MAX} of a-z, 0-9, `-` and `_`");
        section.mistake_here(&said);
    }
    sound
}
