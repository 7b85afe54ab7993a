//! Writing several buffers at once, as cheaply as their sizes allow.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Up to this much is copied together: a head and a small body. send(2) of one buffer costs less
/// than writev(2) of two by more than the copy takes.
const SMALL: usize = 4096;

thread_local! {
    /// Kept, so that nothing is allocated or zeroed per write.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(SMALL));
}

/// Writes `bufs` to `io`.
pub(crate) fn poll_write(
    io: Pin<&mut impl AsyncWrite>,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut filled = bufs.iter().filter(|buf| !buf.is_empty());
    let (first, second) = (filled.next(), filled.next());
    match (first, second) {
        (Some(one), None) => io.poll_write(cx, one),
        (Some(_), Some(_)) if bufs.iter().map(|buf| buf.len()).sum::<usize>() <= SMALL => SCRATCH
            .with_borrow_mut(|whole| {
                whole.clear();
                for buf in bufs {
                    whole.extend_from_slice(buf);
                }
                io.poll_write(cx, whole)
            }),
        _ => io.poll_write_vectored(cx, bufs),
    }
}
