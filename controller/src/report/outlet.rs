//! The way out of this process, by a thread of its own: a terminal that was stopped with Ctrl-S, or a pipe
//! whose reader stands still, would otherwise stop whoever writes, and with them the lock's heartbeat.

use std::collections::VecDeque;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::word::{Urgency, Word};
use super::writer::Writer;

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

/// Says `word`, which is written as soon as it is its turn.
pub(super) fn say(word: Word, urgency: Urgency) {
    OUTLET.say(word, urgency);
}

/// Waits until all that was said is written, or can never be.
pub fn flush() {
    OUTLET.flush(None);
}

/// The same for `limit` at most: a terminal that was stopped keeps nobody who wants out.
pub(super) fn flush_within(limit: Duration) {
    OUTLET.flush(Some(limit));
}

/// The same until a signal says that nobody waits for it.
///
/// # Cancel safety
///
/// May be cancelled: what was said is written all the same, as long as the process lives.
pub async fn flushed() {
    let written = tokio::task::spawn_blocking(flush);
    // Those of the run are over, and nobody else is left to hear one.
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else { return drop(written.await) };
    tokio::select! {
        _ = written => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
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

    fn flush(&self, limit: Option<Duration>) {
        let busy = |queue: &mut Queue| self.thread && (queue.writes || !queue.words.is_empty());
        let queue = self.queue();
        match limit {
            None => drop(self.changed.wait_while(queue, busy)),
            Some(limit) => drop(self.changed.wait_timeout_while(queue, limit, busy)),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn whoever_wants_all_of_it_written_waits_for_that_and_no_longer_than_he_says() {
        let outlet = stopped();
        outlet.flush(Some(Duration::from_hours(1)));
        outlet.say(text(1), Urgency::Kept);
        outlet.flush(Some(Duration::from_millis(1)));
        assert_eq!(outlet.queue().words.len(), 1, "nobody has taken it");
        std::thread::scope(|scope| {
            let limits = [None, Some(Duration::from_hours(1))];
            let outlet = &outlet;
            let waiting = limits.map(|limit| scope.spawn(move || outlet.flush(limit)));
            let taken = |change: fn(&mut Queue)| {
                change(&mut outlet.queue());
                outlet.changed.notify_all();
            };
            taken(|queue| {
                queue.words.clear();
                queue.writes = true;
            });
            // It waits for what is being written as well.
            outlet.flush(Some(Duration::from_millis(1)));
            assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
            taken(|queue| queue.writes = false);
            for waiting in waiting {
                waiting.join().unwrap();
            }
        });
    }
}
