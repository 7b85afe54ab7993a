//! The way out of this process, by a thread of its own: a terminal that was stopped with Ctrl-S, or a pipe
//! whose reader stands still, would otherwise stop whoever writes, and with them the lock's heartbeat.

use std::collections::VecDeque;
use std::io::{Write as _, stderr, stdout};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Bytes that wait to be written before those are left out that may be.
const ROOM: usize = 8 << 20;

/// Bytes that wait before who is in no hurry waits, too.
const EASE: usize = 1 << 20;

/// Words that wait before what is about to be out of date is left out.
const TIMELY: usize = 16;

/// The one there is: a process has one stdout.
static OUTLET: LazyLock<Outlet> = LazyLock::new(Outlet::open);

/// What is on its way.
#[derive(Debug)]
struct Outlet {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Whether there is a thread that writes; without one, everybody writes for themselves.
    thread: bool,
}

#[derive(Debug, Default)]
struct Queue {
    words: VecDeque<Word>,
    bytes: usize,
    /// Lines that were left out.
    left_out: u64,
    /// Whether something is being written.
    writes: bool,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Word {
    /// Text on stdout, with its line end.
    Text(String),
    /// Text on stderr.
    Error(Vec<u8>),
    /// A step begins, on a terminal: its name, and what is done.
    Begin(String, String),
    /// What it waits for.
    Message(String),
    /// It is over.
    Over,
}

/// What becomes of a word while nobody takes what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It waits its turn, and whoever says it goes on.
    Kept,
    /// The same, but it is left out where too much waits already.
    Spare,
    /// It is left out where anything much waits: the next one says more.
    Passing,
    /// Whoever says it waits until there is room.
    Patient,
}

/// Says `word`, which is written as soon as it is its turn.
pub(super) fn say(word: Word, urgency: Urgency) {
    OUTLET.say(word, urgency);
}

/// Waits until all that was said is written, or can never be.
pub fn flush() {
    let outlet = &*OUTLET;
    let mut queue = outlet.queue();
    while outlet.thread && (queue.writes || !queue.words.is_empty()) {
        queue = outlet.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Writes to stderr in turn with all else; for logs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors;

impl std::io::Write for Errors {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        say(Word::Error(text.to_vec()), Urgency::Spare);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Outlet {
    fn open() -> Self {
        // The thread finds it once it is there.
        let thread = std::thread::Builder::new().name("outlet".to_owned()).spawn(|| OUTLET.write());
        let (queue, changed) = (Mutex::default(), Condvar::new());
        Self { queue, changed, thread: thread.is_ok() }
    }

    fn say(&self, word: Word, urgency: Urgency) {
        if !self.thread {
            return Writer::default().write(word);
        }
        let mut queue = self.queue();
        let full = match urgency {
            Urgency::Kept => false,
            Urgency::Spare => queue.bytes > ROOM,
            Urgency::Passing => queue.words.len() > TIMELY,
            Urgency::Patient => {
                while queue.bytes > EASE {
                    queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                false
            }
        };
        if full {
            queue.left_out += u64::from(urgency == Urgency::Spare);
            return;
        }
        queue.bytes += word.bytes();
        queue.words.push_back(word);
        drop(queue);
        self.changed.notify_all();
    }

    /// Writes what is said until the process ends.
    fn write(&self) {
        let mut writer = Writer::default();
        loop {
            let mut queue = self.queue();
            queue.writes = false;
            self.changed.notify_all();
            let word = loop {
                if let Some(word) = queue.words.pop_front() {
                    break word;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            queue.bytes -= word.bytes();
            queue.writes = true;
            let left_out = std::mem::take(&mut queue.left_out);
            drop(queue);
            if left_out > 0 {
                let text = format!("({left_out} lines are left out: nobody took them)\n");
                writer.write(Word::Error(text.into_bytes()));
            }
            writer.write(word);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Word {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Message(text) => text.len(),
            Self::Error(text) => text.len(),
            Self::Begin(name, what) => name.len() + what.len(),
            Self::Over => 0,
        }
    }
}

/// Where it goes. A reader that has gone away, such as `head`, is no reason to leave a deploy half done.
#[derive(Debug, Default)]
struct Writer {
    bar: Option<ProgressBar>,
}

impl Writer {
    fn write(&mut self, word: Word) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One that nobody takes anything from.
    fn stopped() -> Outlet {
        Outlet { queue: Mutex::default(), changed: Condvar::new(), thread: true }
    }

    fn text(bytes: usize) -> Word {
        Word::Text("x".repeat(bytes))
    }

    #[test]
    fn what_is_not_needed_is_left_out_while_nobody_takes_anything_and_all_else_is_kept() {
        let outlet = stopped();
        let held = || {
            let queue = outlet.queue();
            (queue.words.len(), queue.left_out)
        };
        for _ in 0..=TIMELY {
            outlet.say(text(1), Urgency::Passing);
        }
        outlet.say(Word::Message(String::new()), Urgency::Passing);
        assert_eq!(held(), (TIMELY + 1, 0));
        outlet.say(text(ROOM), Urgency::Spare);
        outlet.say(text(1), Urgency::Spare);
        outlet.say(text(1), Urgency::Spare);
        assert_eq!(held(), (TIMELY + 2, 2));
        outlet.say(text(ROOM), Urgency::Kept);
        assert_eq!(held(), (TIMELY + 3, 2));
    }
}
