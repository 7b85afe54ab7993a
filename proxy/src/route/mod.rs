//! Where a request goes: the one immutable snapshot that all data threads read.
//!
//! # Layout
//!
//! - [`target`]: one address that answers for a release, and whether it does
//! - `conduct`: how it treats requests, and whether it is left out for it
//! - [`spread`]: how requests are spread over targets
//! - [`mark`]: the cookies that keep a visitor with a target or slot
//! - [`sessions`]: who of them stays on a release that new visitors no longer go to
//! - [`line`](mod@line): where requests wait while every target has as many as it may
//! - [`hold`], [`hall`]: what stops an app's requests, and where they wait meanwhile
//! - [`release`]: one announcement as the data plane sees it
//! - [`epoch`]: one app's releases and shares between two changes; `leases`: what is claimed on it
//! - [`division`]: how requests are divided between two releases; [`visitors`]: the cookies for it
//! - [`preview`]: the releases that are reached beside the app's own requests
//! - [`mirror`]: the release that requests are copied to
//! - [`front`]: who may pass to an app, where to, and what is changed on the way
//! - [`table`]: hosts and paths to apps; one persistent map
//! - [`router`]: the `ArcSwap` around the table, and the order in which a change goes live

mod conduct;
pub mod division;
pub mod epoch;
pub mod front;
pub mod hall;
pub mod hold;
mod leases;
pub mod line;
pub mod mark;
pub mod mirror;
mod moment;
pub mod preview;
pub mod release;
pub mod router;
pub mod sessions;
pub mod spread;
pub mod table;
pub mod target;
pub mod visitors;

pub use division::Division;
pub use epoch::{Epoch, Share};
pub use front::Front;
pub use hall::Hall;
pub use hold::{Hold, Stop};
pub use line::Line;
pub use mark::{Key, cookies};
pub use mirror::Mirror;
pub use preview::Preview;
pub use release::Release;
pub use router::Router;
pub use sessions::Sessions;
pub use spread::Spread;
pub use table::{Site, Table};
pub use target::Target;
pub use visitors::Visitors;
