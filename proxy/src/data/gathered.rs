//! A client's bytes as hyper has them on HTTP/2. hyper writes and flushes every frame that carries a body by
//! itself, though the answers of several streams are often there together. Here they are gathered until it
//! has written what it has: one record of TLS, and one call of the kernel, for all of them.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is gathered: as much as rustls keeps of what is encrypted.
const MOST: usize = 64 * 1024;

thread_local! {
    /// Room for what is gathered. A connection has it for no longer than until its client has taken all.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A client's bytes, for hyper and for whoever polls it.
#[derive(Debug)]
pub(super) struct Gathered<T>(Rc<RefCell<Gathering<T>>>);

#[derive(Debug)]
struct Gathering<T> {
    io: T,
    /// Written by hyper and not yet handed on, from `sent` on.
    waiting: Vec<u8>,
    sent: usize,
    /// Whether the client has not taken all that was handed on: nothing more is gathered for it.
    blocked: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Gathered<T> {
    /// Gathers what is written to `io`.
    pub(super) fn new(io: T) -> Self {
        Self(Rc::new(RefCell::new(Gathering { io, waiting: Vec::new(), sent: 0, blocked: false })))
    }

    /// The same bytes, for somebody else.
    pub(super) fn share(&self) -> Self {
        Self(Rc::clone(&self.0))
    }

    /// Hands on what was gathered. To be called whenever hyper was polled and is not done: its own
    /// flushes do nothing.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Gathering<T> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_all(cx);
        self.blocked = sent.is_pending();
        if self.blocked && self.sent > 0 {
            // What is left has the room that it needs, for as long as it takes.
            self.waiting = self.waiting.split_off(self.sent);
            self.sent = 0;
        }
        sent
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        if self.sent > 0 {
            self.sent = 0;
            self.waiting.clear();
            ROOM.set(std::mem::take(&mut self.waiting));
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Sees to room for `length` bytes more; whether there can be as much at all.
    fn poll_room(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<bool>> {
        if self.blocked || self.waiting.len() + length > MOST {
            ready!(self.poll_send(cx))?;
        }
        let fits = length <= MOST;
        if fits && self.waiting.capacity() == 0 {
            self.waiting = ROOM.take();
            self.waiting.reserve(MOST);
        }
        Poll::Ready(Ok(fits))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gathered<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.borrow_mut();
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if !ready!(gathering.poll_room(cx, length))? {
            return Pin::new(&mut gathering.io).poll_write_vectored(cx, bufs);
        }
        for buf in bufs {
            gathering.waiting.extend_from_slice(buf);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: hyper would have each frame flushed.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        ready!(gathering.poll_send(cx))?;
        Pin::new(&mut gathering.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A client that takes so many bytes more.
    #[derive(Default)]
    struct Client {
        room: usize,
        writes: Vec<Vec<u8>>,
        over: bool,
    }

    impl AsyncRead for Client {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Client {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.writes.push(buf[..taken].to_vec());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.over = true;
            Poll::Ready(Ok(()))
        }
    }

    fn gathered(room: usize) -> (Gathered<Client>, Context<'static>) {
        let client = Client { room, ..Client::default() };
        (Gathered::new(client), Context::from_waker(Waker::noop()))
    }

    /// Writes and flushes as hyper does; whether all of it was taken.
    fn write(gathered: &mut Gathered<Client>, bufs: &[&[u8]]) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let slices: Vec<_> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
        let written = Pin::new(&mut *gathered).poll_write_vectored(&mut cx, &slices);
        assert!(matches!(Pin::new(gathered).poll_flush(&mut cx), Poll::Ready(Ok(()))));
        let length = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        matches!(written, Poll::Ready(Ok(taken)) if taken == length)
    }

    #[test]
    fn frames_flushed_one_by_one_leave_together_when_all_are_written() {
        let (mut gathered, mut cx) = gathered(usize::MAX);
        assert!(write(&mut gathered, &[b"head ", b"body "]));
        assert!(write(&mut gathered, &[b"another "]));
        assert!(gathered.0.borrow().io.writes.is_empty());
        assert!(gathered.poll_send(&mut cx).is_ready());
        assert_eq!(gathered.0.borrow().io.writes, [b"head body another "]);
        assert_eq!(gathered.0.borrow().waiting.capacity(), 0, "an idle connection keeps no room");
    }

    #[test]
    fn a_client_that_takes_nothing_holds_no_more_than_is_gathered_and_gets_it_in_order() {
        let (mut gathered, mut cx) = gathered(100);
        let frames: Vec<_> = (0..=u8::MAX).map(|n| vec![n; 1000]).collect();
        let taken = frames.iter().take_while(|frame| write(&mut gathered, &[frame])).count();
        assert_eq!(taken, MOST / 1000);
        assert!(gathered.poll_send(&mut cx).is_pending());
        assert!(!write(&mut gathered, &[b"more"]), "though there would be room for it");
        let large = vec![7; 2 * MOST];
        assert!(!write(&mut gathered, &[&large]), "nothing overtakes");
        gathered.0.borrow_mut().io.room = usize::MAX;
        assert!(write(&mut gathered, &[&large]));
        let all = gathered.0.borrow().io.writes.concat();
        assert_eq!(all, [frames[..taken].concat(), large].concat());
    }

    #[test]
    fn what_was_gathered_comes_before_the_end() {
        let (mut gathered, mut cx) = gathered(3);
        assert!(write(&mut gathered, &[b"goaway"]));
        assert!(Pin::new(&mut gathered).poll_shutdown(&mut cx).is_pending());
        assert!(!gathered.0.borrow().io.over);
        gathered.0.borrow_mut().io.room = 3;
        assert!(Pin::new(&mut gathered).poll_shutdown(&mut cx).is_ready());
        let client = &gathered.0.borrow().io;
        assert!(client.over && client.writes.concat() == b"goaway");
    }
}
