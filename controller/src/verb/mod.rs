//! The verbs of the command line, a file each.

pub mod announce;
pub mod check;
pub mod flip;
pub mod history;
pub mod init;
pub mod list;
pub mod proxy;
pub mod status;
pub mod undo;
