//! What the proxy answers in its own words: errors and maintenance, in the format that the client
//! asked for, from pages of the operator's where there are any. No answer names a machine behind.
//!
//! # Layout
//!
//! - [`wanted`]: what the client can read
//! - [`accept`]: `Accept` and its weights
//! - [`template`]: one page and its placeholders
//! - [`directory`]: pages read from a directory
//! - [`grpc`]: errors as gRPC tells them
//! - `answer`: all of it together

pub mod accept;
mod answer;
pub mod directory;
pub mod grpc;
pub mod template;
pub mod wanted;

use std::collections::HashMap;

pub use answer::Told;
pub use directory::Mistake;
pub use wanted::Wanted;

use self::template::Template;

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain`, for people at a terminal.
    Text,
    /// `text/html`, for browsers.
    Html,
    /// `application/json`, for programs.
    Json,
}

impl Format {
    /// All of them; where a client does not care, the first.
    pub const ALL: [Self; 3] = [Self::Text, Self::Html, Self::Json];

    /// The value of `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        }
    }

    /// The end of its files' names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Html => "html",
            Self::Json => "json",
        }
    }
}

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// An error status.
    Status(u16),
    /// The app is in maintenance.
    Maintenance,
}

type Place = (Occasion, Format);
type Shelf = HashMap<Place, Template>;

/// All pages at one moment; `Default` has the built-in ones alone. Reading the directory anew makes
/// another, to be put in the place of this one if there was no mistake.
#[derive(Debug, Default)]
pub struct Pages {
    all: Shelf,
    apps: HashMap<Box<str>, Shelf>,
}

impl Pages {
    /// The page of the operator's for `occasion` in `app`: the app's own, or that of all apps. For
    /// maintenance, the one for 503 does as well.
    fn find(&self, app: Option<&str>, occasion: Occasion, format: Format) -> Option<&Template> {
        let of_app = app.and_then(|app| self.apps.get(app));
        let find = |occasion| {
            let key = (occasion, format);
            of_app.and_then(|shelf| shelf.get(&key)).or_else(|| self.all.get(&key))
        };
        find(occasion).or_else(|| match occasion {
            Occasion::Maintenance => find(Occasion::Status(503)),
            Occasion::Status(_) => None,
        })
    }
}
