//! What every app needs in front of it, as pure functions over heads: an empty rule costs nothing.
//!
//! # Layout
//!
//! - [`fields`]: header fields set, added and removed
//! - [`access`]: addresses allowed and denied
//! - [`redirect`]: to `https://` and to the canonical host

pub mod access;
pub mod fields;
pub mod redirect;

pub use access::Access;
pub use fields::Fields;
pub use redirect::Redirect;
