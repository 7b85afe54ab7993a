//! Where answers are read to.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use crate::reach::Stream;

/// What is no larger than this is copied out, so that it does not keep a whole block.
const SMALL: usize = 16 * 1024;

thread_local! {
    /// One for all connections of a thread: none needs room of its own while it waits.
    static ROOM: RefCell<BytesMut> = RefCell::default();
}

/// Reads what has come on `stream`, up to `most`; nothing at its end.
pub(super) fn poll_read(
    stream: &mut Stream,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Bytes>> {
    ROOM.with_borrow_mut(|room| {
        if room.capacity() < most {
            // The same block again, unless some of it is still on its way to a client.
            room.reserve(most);
        }
        let length = ready!(pin!(stream.read_buf(&mut room.limit(most))).poll(cx))?;
        if length > SMALL {
            return Poll::Ready(Ok(room.split_to(length).freeze()));
        }
        let copy = Bytes::copy_from_slice(room);
        room.clear();
        Poll::Ready(Ok(copy))
    })
}
