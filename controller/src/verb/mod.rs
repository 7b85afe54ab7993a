//! The verbs of the command line, a file each.

pub mod abort;
pub mod announce;
pub mod check;
pub mod deploy;
pub mod flip;
pub mod history;
pub mod hold;
pub mod init;
pub mod list;
pub mod logs;
pub mod mend;
pub mod preview;
pub mod promote;
pub mod proxy;
pub mod prune;
pub mod remove;
pub mod resume;
pub mod retire;
pub mod serve;
pub mod status;
pub mod undo;
