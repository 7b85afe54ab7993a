//! `[preview]`: what passes are signed with.

use std::path::PathBuf;

use crate::document::Section;

/// As many keys are valid at a time: the old one and the new one, while one takes the place of the
/// other.
const KEYS: usize = 2;

/// The files of the keys, absolute; none if no pass is good.
pub(super) fn read(root: &mut Section<'_>) -> Vec<PathBuf> {
    let Some(mut section) = root.section("preview") else { return Vec::new() };
    let keys: Vec<PathBuf> = section.required("keys").unwrap_or_default();
    if keys.len() > KEYS {
        let said = format!("{} keys, where {KEYS} are valid at a time", keys.len());
        section.mistake("keys", &said);
    }
    for path in keys.iter().filter(|path| !path.is_absolute()) {
        section.mistake("keys", &format!("`{}` is not absolute", path.display()));
    }
    keys
}
