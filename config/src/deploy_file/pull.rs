//! When an image is pulled.

use serde::Deserialize;

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// At every deploy, so that a tag that was moved is seen.
    #[default]
    Always,
    /// If the engine does not have it.
    Missing,
    /// Not at all: it was built or loaded on the engine.
    Never,
}
