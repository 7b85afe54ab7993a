//! How a deploy comes by its requests.

use serde::Deserialize;

/// How a new release comes by its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By all at once, as soon as it is proved.
    #[default]
    BlueGreen,
    /// By a few first, then more.
    Canary,
}
