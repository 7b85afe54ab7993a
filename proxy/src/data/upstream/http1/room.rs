//! Where answers are read to.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use crate::reach::Stream;

/// The most that is read at a time. A system call costs as much as copying some 4 KiB, so larger pieces
/// win little; and a piece is what a client that takes nothing keeps in memory.
const BLOCK: usize = 128 * 1024;
/// What is no larger than this is copied out, so that it does not keep a whole block.
const SMALL: usize = 16 * 1024;

thread_local! {
    /// One for all connections of a thread: none needs room of its own while it waits.
    static ROOM: RefCell<BytesMut> = RefCell::default();
}

/// Reads what has come on `stream`; nothing at its end.
pub(super) fn poll_read(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    ROOM.with_borrow_mut(|room| {
        if room.capacity() < BLOCK / 2 {
            // The same block again, unless some of it is still on its way to a client.
            room.reserve(BLOCK);
        }
        let length = ready!(pin!(stream.read_buf(room)).poll(cx))?;
        if length > SMALL {
            return Poll::Ready(Ok(room.split_to(length).freeze()));
        }
        let copy = Bytes::copy_from_slice(room);
        room.clear();
        Poll::Ready(Ok(copy))
    })
}
