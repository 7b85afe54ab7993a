//! What is logged, and how: the proxy's own words at the level that was asked for.
//!
//! The libraries that speak with clients log what clients do. They would let anybody write lines at
//! will, so of what is not shunt's only errors are logged, unless an operator names the module.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

use crate::cli::LogFormat;

/// The crates whose words are ours.
const OURS: [&str; 2] = ["shunt_proxy", "shunt_config"];

const WORDS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// Which lines are logged: `info`, or by module `info,shunt_proxy::health=debug,h2=warn`.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels(Targets);

/// Why a text names no levels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLevels {
    /// Not a level.
    #[error(
        "`{0}` is no level; right are off, error, warn, info, debug, trace, and for one module MODULE=LEVEL"
    )]
    Level(String),
    /// Not a module.
    #[error("`{0}` is no module, such as `shunt_proxy::health`")]
    Module(String),
    /// A second level for the same.
    #[error("two levels for {0}")]
    Twice(String),
}

impl FromStr for Levels {
    type Err = BadLevels;

    fn from_str(text: &str) -> Result<Self, BadLevels> {
        let (mut ours, mut modules) = (None, Vec::<(&str, LevelFilter)>::new());
        for part in text.split(',').map(str::trim) {
            let Some((module, word)) = part.split_once('=') else {
                if ours.replace(level(part)?).is_some() {
                    return Err(BadLevels::Twice("all modules".to_owned()));
                }
                continue;
            };
            if !is_module(module) {
                return Err(BadLevels::Module(module.to_owned()));
            }
            if modules.iter().any(|(known, _)| *known == module) {
                return Err(BadLevels::Twice(format!("`{module}`")));
            }
            modules.push((module, level(word)?));
        }
        let ours = ours.unwrap_or(LevelFilter::INFO);
        let targets = Targets::new().with_default(ours.min(LevelFilter::ERROR));
        let targets = targets.with_targets(OURS.map(|name| (name, ours)));
        Ok(Self(targets.with_targets(modules)))
    }
}

fn level(word: &str) -> Result<LevelFilter, BadLevels> {
    let known = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map(|(_, level)| *level).ok_or_else(|| BadLevels::Level(word.to_owned()))
}

fn is_module(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.split("::").all(part)
}

/// Logs to stderr from now on, for the whole process.
pub fn begin(format: LogFormat, levels: Levels) {
    let lines = fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).with_target(false);
            registry().with(lines.with_filter(levels.0)).init();
        }
        LogFormat::Json => {
            registry().with(lines.json().flatten_event(true).with_filter(levels.0)).init();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn levels(text: &str) -> Targets {
        text.parse::<Levels>().unwrap().0
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_the_right_ones() {
        for text in ["lots", "", "info,,warn", "info,verbose", "shunt_proxy=lots", "info,h2"] {
            let said = text.parse::<Levels>().unwrap_err().to_string();
            assert!(said.contains("off, error, warn, info, debug, trace"), "{text}: {said}");
        }
        for (text, why) in [
            ("=debug", "is no module"),
            ("a b=debug", "is no module"),
            ("info,debug", "two levels for all modules"),
            ("h2=warn,h2=info", "two levels for `h2`"),
        ] {
            let said = text.parse::<Levels>().unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_level_is_for_the_words_of_shunt_and_libraries_say_errors_only() {
        for text in ["info", "DEBUG", "trace"] {
            let levels = levels(text);
            assert!(levels.would_enable("shunt_proxy::control::task", &Level::INFO), "{text}");
            assert!(levels.would_enable("shunt_config::store::watch", &Level::INFO), "{text}");
            for library in ["h2::proto::streams", "hyper::proto::h1", "rustls::common_state"] {
                assert!(levels.would_enable(library, &Level::ERROR), "{text} {library}");
                assert!(!levels.would_enable(library, &Level::WARN), "{text} {library}");
            }
        }
        assert!(!levels("off").would_enable("h2", &Level::ERROR));
        assert!(!levels("warn").would_enable("shunt_proxy", &Level::INFO));
    }

    #[test]
    fn a_module_that_is_named_has_a_level_of_its_own() {
        let levels = levels("warn,shunt_proxy::health=debug,h2=trace");
        assert!(levels.would_enable("shunt_proxy::health::checker", &Level::DEBUG));
        assert!(!levels.would_enable("shunt_proxy::control", &Level::INFO));
        assert!(levels.would_enable("h2::proto", &Level::TRACE));
        // Of a module alone, the rest is as without it.
        assert!(super::tests::levels("h2=warn").would_enable("shunt_proxy", &Level::INFO));
    }
}
