//! Values that nobody may read by accident.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::deploy_file::Variable;

/// A value that is shown as `***` wherever it is shown. It has no `Display` and cannot be
/// serialised, so that it comes into no key, no label, no message and no JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is found. Only this is in files and keys of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// In a variable of the controller's environment.
    Variable(Variable),
    /// In a file, relative to the deploy file.
    File(PathBuf),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }
}
