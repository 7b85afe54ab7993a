//! The vocabulary that both programs and every operator share: the words, the keys they are stored
//! under, the values behind the keys, the two stores, and the programs' own files.
//!
//! # Layout
//!
//! - [`name`], [`slot`], [`address`], [`token`]: the small words
//! - [`app`], [`release`], [`active`], [`hold`], [`mirror`]: the values an operator writes
//! - [`host`], [`health`], [`timeouts`], [`limits`], [`balance`], [`sticky`], [`sessions`],
//!   [`split`], [`queue`], [`eject`], [`https`], [`headers`], [`preview`], [`protocol`]: parts of
//!   those values
//! - [`route`]: hosts with path prefixes, of which each is one app's
//! - [`pass`]: what lets a request see a release that gets no others
//! - [`command`], [`template`], [`secret`]: what is run, what is filled in, and what is not shown
//! - [`engine`]: where containers or units run
//! - [`cidr`], [`size`], [`duration`]: how ranges of addresses, sizes and durations are written
//! - [`strict`]: how text becomes a value, and how a mistake is named; `by_name`: no list is a table;
//!   `by_text`: values that are written as text
//! - [`document`]: how a file becomes settings, with all its mistakes named in one run
//! - [`key`]: where each value lives
//! - [`status`]: what a proxy says of itself; [`latency`]: the buckets it counts in
//! - [`record`]: what `shuntctl` writes down of its deploys
//! - [`deploy_file`]: the file `shunt.toml`; [`guard`]: what it says of figures that undo a deploy
//! - [`proxy_file`]: the file `proxy.toml`; [`serve_file`]: the file `serve.toml`
//! - [`store`]: the two stores behind one trait

// Before all that use its macros.
#[macro_use]
mod by_text;

pub mod active;
pub mod address;
pub mod app;
pub mod balance;
mod by_name;
pub mod cidr;
pub mod command;
pub mod deploy_file;
pub mod document;
pub mod duration;
pub mod eject;
pub mod engine;
pub mod guard;
pub mod headers;
pub mod health;
pub mod hold;
pub mod host;
pub mod https;
pub mod key;
pub mod latency;
pub mod limits;
pub mod mirror;
pub mod name;
pub mod pass;
pub mod preview;
pub mod protocol;
pub mod proxy_file;
pub mod queue;
pub mod record;
pub mod release;
pub mod route;
pub mod secret;
pub mod serve_file;
pub mod sessions;
pub mod size;
pub mod slot;
pub mod split;
pub mod status;
pub mod sticky;
pub mod store;
pub mod strict;
pub mod template;
pub mod timeouts;
pub mod token;

pub use active::Active;
pub use address::{Address, Target};
pub use app::App;
pub use engine::Engine;
pub use health::Health;
pub use name::{AppName, ProxyName};
pub use release::Release;
pub use slot::Slot;
pub use strict::Mistake;
pub use timeouts::Timeouts;
pub use token::Token;
