//! The last good state on disk, from which a restart serves before it has read the store.
//!
//! One small file per app, so that a change of one costs one write whatever the number of apps, and
//! a torn one costs one app. Nothing here runs on a data thread, nor blocks the control task.
//!
//! # Layout
//!
//! - `complaints`: what is said of writes that fail
//! - `cookie_key`: the key that sticky cookies are signed with
//! - [`lock`]: whose the state directory is
//! - `sealed`: a file that proves that it is whole and this proxy's own
//! - [`directory`]: what is saved in such files
//! - [`saver`]: the task that writes

mod complaints;
mod cookie_key;
pub mod directory;
pub mod lock;
pub mod saver;
mod sealed;

pub use directory::{Loaded, SavedApp, StateDir};
pub use lock::StateLock;
pub use saver::{AppUpdate, Saver, Update};
