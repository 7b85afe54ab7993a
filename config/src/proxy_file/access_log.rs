//! `[access_log]`: one line per request.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;

use crate::document::Section;

/// Lines that may wait to be written.
const BUFFER: RangeInclusive<usize> = 1..=1_000_000;

/// One line per request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where lines go.
    pub path: Destination,
    /// What a line looks like.
    pub format: Format,
    /// Lines that may wait to be written, 1 to 1,000,000; more are dropped and counted.
    pub buffer: usize,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Destination {
    /// To standard output.
    Stdout,
    /// To this file, opened again at `SIGUSR1`; absolute.
    File(PathBuf),
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object.
    #[default]
    Json,
    /// The combined format of Apache and nginx.
    Combined,
}

impl From<String> for Destination {
    fn from(text: String) -> Self {
        match text.as_str() {
            "stdout" => Self::Stdout,
            _ => Self::File(text.into()),
        }
    }
}

pub(super) fn read(root: &mut Section<'_>) -> Option<AccessLog> {
    let mut section = root.section("access_log")?;
    let path: Option<Destination> = section.required("path");
    if let Some(Destination::File(path)) = &path
        && !path.is_absolute()
    {
        let said = format!("`{}` is neither absolute nor `stdout`", path.display());
        section.mistake("path", &said);
    }
    let buffer = section.or("buffer", 8192);
    if !BUFFER.contains(&buffer) {
        let (least, most) = (BUFFER.start(), BUFFER.end());
        section.mistake("buffer", &format!("{buffer} is not within {least} to {most}"));
    }
    Some(AccessLog { format: section.or("format", Format::default()), path: path?, buffer })
}
