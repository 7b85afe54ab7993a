//! Where a request goes: the one immutable snapshot that all data threads read.
//!
//! # Layout
//!
//! - [`target`]: one address that answers for a release, and whether it does
//! - [`release`]: one announcement as the data plane sees it
//! - [`epoch`]: one app's releases and shares between two changes, with the leases claimed on it
//! - [`front`]: who may pass to an app, where to, and what is changed on the way
//! - [`table`]: hosts and paths to apps; one persistent map
//! - [`router`]: the `ArcSwap` around the table, and the order in which a change goes live

pub mod epoch;
pub mod front;
pub mod release;
pub mod router;
pub mod table;
pub mod target;

pub use epoch::{Epoch, Share};
pub use front::Front;
pub use release::Release;
pub use router::Router;
pub use table::{Site, Table};
pub use target::Target;
