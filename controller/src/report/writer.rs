//! Where words go: the terminal, the pipe or the file that this process writes to.

use std::io::{Write as _, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::word::Word;

/// Where it goes. A reader that has gone away, such as `head`, is no reason to leave a deploy half done.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bar: Option<ProgressBar>,
}

impl Writer {
    pub(super) fn write(&mut self, word: Word) {
        match word {
            Word::Text(text) => self.aside(|| {
                let mut out = stdout().lock();
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }),
            Word::Error(text) => self.aside(|| {
                let _ = stderr().write_all(&text);
            }),
            Word::Begin(name, what) => {
                let bar = ProgressBar::new_spinner().with_prefix(format!("{name:<12}"));
                let style = ProgressStyle::with_template("{spinner} {prefix} {msg} {elapsed:.dim}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.set_message(what);
                bar.enable_steady_tick(Duration::from_millis(100));
                self.bar = Some(bar);
            }
            Word::Message(text) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(text);
                }
            }
            Word::Over => drop(self.bar.take().inspect(ProgressBar::finish_and_clear)),
        }
    }

    /// Writes with the running step out of the way.
    fn aside(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
