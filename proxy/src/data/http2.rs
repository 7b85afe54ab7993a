//! HTTP/2 on a client connection (RFC 9113).
//!
//! hyper runs each stream in a task of its own, on the same thread. A stream has a deadline of its
//! own, too: a client that takes no more of one answer must not keep its release for ever.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::connection::Peer;
use super::deadline::Watched;
use super::frame_watch::FrameWatch;
use super::frames::Abuse;
use super::gathered::Gathered;
use super::request;
use super::transport::Transport;
use crate::metrics::process::Cut;

/// What a client begins with (RFC 9113 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of an answer is held for a client whose window is shut before no more pieces of it are read.
const SEND_BUFFER: usize = 16 * 1024;

/// Serves the requests that come in on `io`.
pub(super) async fn serve(peer: &Rc<Peer>, mut io: Transport) {
    let client = &peer.client;
    let (block, abuse) = (peer.local.deadlines.watch(None), Rc::<Cell<_>>::default());
    let block = block.deadline();
    io.watch(FrameWatch::new(client.limits(), &peer.local.clock, block, &abuse));
    let io = Gathered::new(io);
    let streams = Streams::default();
    let service = service_fn(|request| {
        let watched = peer.local.deadlines.watch(None);
        let deadline = Rc::clone(watched.deadline());
        // hyper hands the task of this very request to the executor right after this call.
        *streams.next.borrow_mut() = Some(watched);
        // In a box of its own: until it runs it is moved several times.
        Box::pin(request::handle(Rc::clone(peer), deadline, request))
    });
    let limits = client.limits();
    let mut connection = pin!(
        http2::Builder::new(streams.clone())
            .max_concurrent_streams(limits.http2.streams)
            .initial_stream_window_size(limits.http2.stream_window.as_u32())
            .initial_connection_window_size(limits.http2.connection_window.as_u32())
            .max_header_list_size(limits.bounds.header_bytes.as_u32())
            .max_send_buf_size(SEND_BUFFER)
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(io.share()), service)
    );
    let mut leaving = false;
    poll_fn(|cx| {
        client.deadline().remember(cx.waker());
        block.remember(cx.waker());
        if peer.local.is_leaving() {
            // hyper ends it when the client has said that it has heard, and its streams are over. Not
            // every client says so.
            client.told_to_go();
        }
        let mut polled = connection.as_mut().poll(cx);
        if polled.is_pending() && !leaving && (peer.local.is_leaving() || client.is_used_up()) {
            leaving = true;
            connection.as_mut().graceful_shutdown();
            polled = connection.as_mut().poll(cx);
        }
        match polled {
            // What hyper has written goes out now; that nobody takes it, hyper would not be told.
            Poll::Pending if matches!(io.poll_send(cx), Poll::Ready(Err(_))) => Poll::Ready(()),
            // It takes nothing, so hyper did not look whether more has come.
            Poll::Pending if block.is_over() => {
                abuse.set(Some(Abuse::HeaderBlock));
                Poll::Ready(())
            }
            // It never passes while a stream is open.
            Poll::Pending if client.deadline().is_over() => Poll::Ready(()),
            polled => polled.map(|_| ()),
        }
    })
    .await;
    if let Some(abuse) = abuse.get() {
        peer.local.meters.cut(peer.local.thread, Cut::Http2(abuse));
    }
}

/// Runs the streams of one connection on its thread.
#[derive(Clone, Debug, Default)]
struct Streams {
    /// The deadline of the stream that is about to be run.
    next: Rc<RefCell<Option<Watched>>>,
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let Some(watched) = self.next.take() else {
            tokio::task::spawn_local(stream);
            return;
        };
        tokio::task::spawn_local(async move {
            let mut stream = pin!(stream);
            let deadline = watched.deadline();
            poll_fn(|cx| {
                deadline.remember(cx.waker());
                match stream.as_mut().poll(cx) {
                    // As on HTTP/1.1: a client that takes no more. Dropping the stream resets it.
                    Poll::Pending if deadline.is_over() => Poll::Ready(()),
                    polled => polled,
                }
            })
            .await;
        });
    }
}
