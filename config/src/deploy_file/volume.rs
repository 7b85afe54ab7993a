//! What a container sees of the engine's disks.

use std::fmt;
use std::str::FromStr;

use crate::strict::Mistake;

/// A volume or a directory of the engine's machine: `data:/var/lib/app`, `/srv/app:/data:ro`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// A volume's name, or an absolute path on the engine's machine.
    pub source: String,
    /// Where the container sees it.
    pub target: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.read_only { ":ro" } else { "" };
        write!(f, "{}:{}{mode}", self.source, self.target)
    }
}

impl FromStr for Volume {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let wrong = |why: &str| {
            let way = "write `data:/var/lib/app`, `/srv/app:/data` or `data:/data:ro`";
            Mistake::new(format!("`{text}` {why}: {way}"))
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts.as_slice() {
            [source, target] | [source, target, "rw"] => (*source, *target, false),
            [source, target, "ro"] => (*source, *target, true),
            [_, _, _] => return Err(wrong("ends neither in `:ro` nor in `:rw`")),
            _ => return Err(wrong("is no volume")),
        };
        if !target.starts_with('/') || target == "/" {
            return Err(wrong("has no absolute path in the container"));
        }
        if !source.starts_with('/') && !is_name(source) {
            return Err(wrong("begins neither with a volume's name nor with an absolute path"));
        }
        Ok(Self { source: source.to_owned(), target: target.to_owned(), read_only })
    }
}

/// Whether an engine takes `text` as the name of a volume or of a network.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

read_by_text!(Volume);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_have_a_source_and_an_absolute_target() {
        for text in ["data:/var/lib/app", "/srv/app:/data:ro"] {
            assert_eq!(text.parse::<Volume>().unwrap().to_string(), text);
        }
        assert!(!"data:/d:rw".parse::<Volume>().unwrap().read_only);
        for (text, said) in [
            ("/data", "is no volume"),
            ("data:relative", "no absolute path in the container"),
            ("data:/", "no absolute path in the container"),
            ("./data:/data", "neither with a volume's name"),
            ("data:/data:rx", "neither in `:ro`"),
            ("a:/b:ro:z", "is no volume"),
        ] {
            let mistake = text.parse::<Volume>().unwrap_err().to_string();
            assert!(mistake.contains(said), "{text}: {mistake}");
        }
    }
}
