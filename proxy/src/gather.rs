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
        (Some(_), Some(_)) if bufs.iter().map(|buf| buf.len()).sum::<usize>() <= SMALL => {
            // Taken out, not borrowed: TLS on a socket of ours writes to that from within this write.
            let mut whole = SCRATCH.take();
            whole.clear();
            for buf in bufs {
                whole.extend_from_slice(buf);
            }
            let written = io.poll_write(cx, &whole);
            SCRATCH.set(whole);
            written
        }
        _ => io.poll_write_vectored(cx, bufs),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Writes as TLS does: what it was given, and some more, to what is below.
    struct Layer(Vec<u8>);

    impl AsyncWrite for Layer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let records = [IoSlice::new(b"record:"), IoSlice::new(buf)];
            poll_write(Pin::new(&mut self.0), cx, &records).map_ok(|_| buf.len())
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_write_may_write_small_pieces_itself() {
        let mut layer = Layer(Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            let bufs = [IoSlice::new(b"head "), IoSlice::new(b"body ")];
            let written = poll_write(Pin::new(&mut layer), &mut cx, &bufs);
            assert!(matches!(written, Poll::Ready(Ok(10))));
        }
        assert_eq!(layer.0, b"record:head body record:head body ");
    }
}
