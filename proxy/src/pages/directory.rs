//! Pages read from a directory: `503.html`, `503.json`, `maintenance.html`, and an app's own under
//! its name, `web/503.html`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::template::{Malformed, Template};
use super::{Format, Occasion, Pages, Place, Shelf};

/// The longest page, in bytes: all of them are held in memory.
const LONGEST: u64 = 256 * 1024;
/// The most pages, in all directories.
const MOST: usize = 2000;

/// Why a page cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Mistake {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub why: Why,
}

/// Why a page cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has a name that nothing looks for.
    #[error("no page has this name: use `503.html`, `503.json`, `503.txt` or `maintenance.html`")]
    Name,
    /// It is longer than 256 KiB.
    #[error("it is longer than {LONGEST} bytes")]
    Long,
    /// There are more than 2000.
    #[error("there are more than {MOST} pages")]
    Many,
    /// Directories in an app's directory.
    #[error("an app's directory holds pages alone")]
    Deep,
    /// What it says is no page.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Pages {
    /// Reads all pages in `directory`. Blocks. Names that begin with a dot or end with `~` are passed
    /// over.
    ///
    /// All mistakes are told at once; with any, no page is to be changed.
    pub fn load(directory: &Path) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader::default();
        let mut pages = Self { all: reader.shelf(directory, true), ..Self::default() };
        for (app, path) in std::mem::take(&mut reader.apps) {
            let shelf = reader.shelf(&path, false);
            pages.apps.insert(app, shelf);
        }
        if reader.mistakes.is_empty() { Ok(pages) } else { Err(reader.mistakes) }
    }
}

#[derive(Debug, Default)]
struct Reader {
    mistakes: Vec<Mistake>,
    /// Directories of apps that were met.
    apps: Vec<(Box<str>, PathBuf)>,
    pages: usize,
}

impl Reader {
    /// The pages in `directory`, which may have those of apps below.
    fn shelf(&mut self, directory: &Path, top: bool) -> Shelf {
        let mut found = Shelf::new();
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.mistake(directory, error);
                return found;
            }
        };
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    self.mistake(directory, error);
                    continue;
                }
            };
            match self.entry(&path, top) {
                Ok(Some((key, template))) => {
                    found.insert(key, template);
                }
                Ok(None) => {}
                Err(why) => self.mistake(&path, why),
            }
        }
        found
    }

    /// The page at `path`; `None` if it is none, and that is right.
    fn entry(&mut self, path: &Path, top: bool) -> Result<Option<(Place, Template)>, Why> {
        let name = path.file_name().and_then(OsStr::to_str).ok_or(Why::Name)?;
        if name.starts_with('.') || name.ends_with('~') {
            return Ok(None);
        }
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            if !top {
                return Err(Why::Deep);
            }
            self.apps.push((name.into(), path.to_owned()));
            return Ok(None);
        }
        let (occasion, format) = meant(name).ok_or(Why::Name)?;
        self.pages += 1;
        if self.pages > MOST {
            return Err(Why::Many);
        }
        if !metadata.is_file() {
            // Opening a pipe would wait for its writer.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file").into());
        }
        let mut text = Vec::new();
        File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(Why::Long);
        }
        Ok(Some(((occasion, format), Template::parse(format, &Bytes::from(text))?)))
    }

    fn mistake(&mut self, path: &Path, why: impl Into<Why>) {
        self.mistakes.push(Mistake { path: path.to_owned(), why: why.into() });
    }
}

/// What a file named `name` is for.
fn meant(name: &str) -> Option<(Occasion, Format)> {
    let (occasion, extension) = name.split_once('.')?;
    let format = Format::ALL.into_iter().find(|format| format.extension() == extension)?;
    let occasion = match occasion.parse() {
        Ok(status @ 400..=599) if occasion.len() == 3 => Occasion::Status(status),
        _ if occasion == "maintenance" => Occasion::Maintenance,
        _ => return None,
    };
    Some((occasion, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, name: &str, text: &str) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn all_mistakes_are_named_with_their_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for (name, text) in [
            ("200.html", ""),
            ("0503.html", ""),
            ("503.htm", ""),
            ("502.html", "{{x}}"),
            ("504.json", "no"),
            ("web/deep/503.html", ""),
            ("web/index.html", ""),
            ("503.html", "sound"),
            (".503.html.swp", "not looked at"),
            ("404.html~", "not looked at"),
        ] {
            write(path, name, text);
        }
        write(path, "500.txt", &"x".repeat(256 * 1024 + 1));
        let mistakes = Pages::load(path).unwrap_err();
        let mut said: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        said.sort_unstable();
        let expected = [
            ("0503.html", "no page has this name"),
            ("200.html", "no page has this name"),
            ("500.txt", "longer than 262144 bytes"),
            ("502.html", "`{{x}}` stands for nothing"),
            ("503.htm", "no page has this name"),
            ("504.json", "not JSON"),
            ("web/deep", "pages alone"),
            ("web/index.html", "no page has this name"),
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, (file, why)) in said.iter().zip(expected) {
            let file = path.join(file).display().to_string();
            assert!(said.starts_with(&file) && said.contains(why), "{said}");
        }
        assert!(Pages::load(&path.join("absent")).is_err());
    }

    #[test]
    fn an_app_has_pages_of_its_own_before_those_of_all() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["503.html", "maintenance.html", "web/503.html", "shop/maintenance.html"] {
            write(directory.path(), name, name);
        }
        let pages = Pages::load(directory.path()).unwrap();
        let found = |app, occasion| {
            let status = http::StatusCode::SERVICE_UNAVAILABLE;
            let values = crate::pages::template::Values { status, message: "", request_id: "" };
            pages.find(app, occasion, Format::Html).map(|page| page.fill(&values))
        };
        let status = Occasion::Status(503);
        for (app, occasion, expected) in [
            (None, status, "503.html"),
            (Some("web"), status, "web/503.html"),
            (Some("other"), status, "503.html"),
            (Some("shop"), status, "503.html"),
            (Some("shop"), Occasion::Maintenance, "shop/maintenance.html"),
            (Some("other"), Occasion::Maintenance, "maintenance.html"),
        ] {
            assert_eq!(found(app, occasion).unwrap(), expected, "{app:?} {occasion:?}");
        }
        assert!(found(None, Occasion::Status(502)).is_none());
        assert!(pages.find(None, status, Format::Json).is_none());
    }
}
