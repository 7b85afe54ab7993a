//! HTTP/1.1 on a client connection.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::connection::Peer;
use super::request;
use super::transport::Transport;
use super::tunnel::Side;
use super::upgrade;
use super::wire::Wire;

/// Header lines that hyper takes unless told otherwise.
const HEADERS: u32 = 100;

/// What hyper reads at a time, and about what it keeps of an answer that the client does not take:
/// left alone it keeps over half a MiB in each direction. A head has to fit in as well.
const BUFFER: usize = 64 * 1024;

/// How it ends.
pub(super) enum Ended {
    /// Nothing has happened for a moment. Here is all there is of the connection.
    Resting(Transport),
    /// The last answer is written, and the client is to be told so.
    Over(Transport),
    /// There is nothing left of it: in the clear, its end says enough.
    Gone,
}

/// Serves the requests that come in on `io`, and what the connection becomes after them.
pub(super) async fn serve(peer: &Rc<Peer>, io: Transport) -> Ended {
    let client = &peer.client;
    let service = service_fn(|request| {
        request::handle(Rc::clone(peer), Rc::clone(client.deadline()), request)
    });
    let bounds = &client.limits().bounds;
    let mut builder = http1::Builder::new();
    if bounds.headers != HEADERS {
        // hyper keeps its own number on the stack, and any other on the heap.
        builder.max_headers(bounds.headers as usize);
    }
    let mut connection = builder
        // Both stages before a request have deadlines of their own: see `client`.
        .header_read_timeout(None)
        .max_header_size(bounds.header_bytes.as_usize())
        .max_buf_size(BUFFER.max(bounds.header_bytes.as_usize()))
        .half_close(peer.door.half_close)
        .serve_connection(Wire::new(io), service);
    let (mut leaving, mut resting) = (false, false);
    let finished = poll_fn(|cx| {
        client.deadline().remember(cx.waker());
        let mut polled = Pin::new(&mut connection).poll(cx);
        // After it was polled: what has come before this moment is answered.
        if polled.is_pending() && !leaving {
            leaving = peer.local.is_leaving() || client.is_ambiguous();
            // A connection that hyper has nothing to do for is one that it ends at once.
            resting = !leaving && client.is_at_rest();
            if leaving || resting {
                Pin::new(&mut connection).graceful_shutdown();
                polled = Pin::new(&mut connection).poll(cx);
                resting &= polled.is_ready();
                leaving = true;
            }
        }
        match polled {
            // hyper would wait for the rest of it.
            Poll::Pending if leaving && client.has_half_a_head() => Poll::Ready(false),
            // Whoever waits for a target has seen this first and has answered: what is left is a
            // client that sends no request, or takes no more of an answer.
            Poll::Pending if client.deadline().is_over() => Poll::Ready(false),
            // Who ends a connection, and why, is the client's affair; what goes wrong with a
            // request was counted and answered where it went wrong.
            polled => polled.map(|ended| ended.is_ok()),
        }
    })
    .await;
    let upgraded = client.take_upgraded();
    let said = !resting && upgraded.is_none() && !peer.is_secure();
    if !finished || said {
        return Ended::Gone;
    }
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    if resting {
        io.unread(&parts.read_buf);
        return Ended::Resting(io);
    }
    let Some(upgraded) = upgraded else { return Ended::Over(io) };
    let side = Side { io, early: parts.read_buf };
    upgrade::run(peer, client.deadline(), side, upgraded).await;
    Ended::Gone
}
