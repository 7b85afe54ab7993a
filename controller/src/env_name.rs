//! Environments, such as `staging`, and their files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvName(String);

impl EnvName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its file, which lies beside `base`: `shunt.staging.toml` beside `shunt.toml`.
    pub fn file(&self, base: &Path) -> PathBuf {
        base.with_extension(format!("{}.toml", self.0))
    }

    /// All that have a file beside `base`, by their names.
    pub fn all(base: &Path) -> Vec<Self> {
        let stem = base.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.unwrap_or_default() + ".";
        let directory = base.parent().filter(|parent| !parent.as_os_str().is_empty());
        let entries = std::fs::read_dir(directory.unwrap_or(Path::new("."))).into_iter().flatten();
        let name = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix(&stem)?.strip_suffix(".toml")?.parse().ok()
        };
        let mut all: Vec<Self> = entries.flatten().filter_map(name).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for EnvName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.contains('=') {
            let said = "an environment is `staging`, whose file is `shunt.staging.toml`; variables \
                        of containers are written into [run] of a file";
            return Err(said.to_owned());
        }
        match !text.is_empty() && text.bytes().all(plain) {
            true => Ok(Self(text.to_owned())),
            false => Err("the name of an environment has letters, digits, `-` and `_`".to_owned()),
        }
    }
}
