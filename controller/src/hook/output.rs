//! What a hook writes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

use crate::report::{Hidden, LACK};

/// How long the output of a hook that has ended is waited for: what it has left running in the
/// background may hold on to it for ever.
const REST: Duration = Duration::from_secs(1);

/// Bytes of one line that are shown as one.
pub(super) const LINE: usize = 4096;

/// Lines of its output that are shown again if a hook fails.
const LAST: usize = 5;

/// What a hook writes, line by line.
pub(super) struct Output {
    pipe: Receiver,
    hidden: Hidden,
    part: Vec<u8>,
    pub(super) last: VecDeque<String>,
    pub(super) over: bool,
}

impl Output {
    pub(super) fn of(pipe: Receiver, hidden: Hidden) -> Self {
        Self { pipe, hidden, part: Vec::new(), last: VecDeque::new(), over: false }
    }

    /// Reads a piece.
    ///
    /// # Cancel safety
    ///
    /// Cancelling loses nothing: what was read is shown before anything is waited for again.
    pub(super) async fn more(&mut self, each: &mut impl FnMut(&str)) {
        self.part.reserve(LINE);
        if matches!(self.pipe.read_buf(&mut self.part).await, Ok(0) | Err(_)) {
            self.over = true;
        }
        while let Some(end) = self.part.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.part.drain(..=end).collect();
            self.line(&line, each);
        }
        // What begins before the cut and may be a value that is not to be shown has to be here whole.
        while self.part.len() >= LINE + self.hidden.longest() {
            let cut = self.hidden.cut(&self.part, LINE);
            let line: Vec<u8> = self.part.drain(..cut).collect();
            self.line(&line, each);
        }
        if self.over && !self.part.is_empty() {
            let line = std::mem::take(&mut self.part);
            self.line(&line, each);
        }
    }

    /// Reads what is left of a hook that has ended.
    pub(super) async fn rest(&mut self, each: &mut impl FnMut(&str)) {
        let all = async {
            while !self.over {
                self.more(each).await;
            }
        };
        let _ = timeout(REST, all).await;
    }

    fn line(&mut self, line: &[u8], each: &mut impl FnMut(&str)) {
        if self.hidden.lacks() {
            if self.last.is_empty() {
                let said = format!("({LACK})");
                each(&said);
                self.last.push_back(said);
            }
            return;
        }
        let line = String::from_utf8_lossy(line);
        let line = self.hidden.cover(line.trim_end()).into_owned();
        each(&line);
        self.last.push_back(line);
        if self.last.len() > LAST {
            self.last.pop_front();
        }
    }
}
