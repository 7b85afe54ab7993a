//! What becomes of a connection after an upgrade that the target accepted (RFC 9110 7.8): bytes in
//! both directions until one side has had enough, nothing moves, or the release is drained.
//!
//! A tunnel that speaks WebSocket can be ended politely: a close frame 1001, "going away", is
//! written to the client between two frames of the target's, never inside one (RFC 6455 5.4, 7.4.1).
//! From then on nothing of the target's is forwarded, the client's words still are, and its close
//! frame, or the end of its patience, ends the tunnel. A tunnel that speaks anything else, or whose
//! frames cannot be told apart, goes on until it is cut.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use self::flow::{Flow, Flowed, Until};
use crate::websocket::{GOING_AWAY, Position, Sender, Tracker, close_frame};

mod flow;
#[cfg(test)]
mod tests;

/// One end of a tunnel.
#[derive(Debug)]
pub struct Side<S> {
    /// The connection.
    pub io: S,
    /// What was already read of it after the head.
    pub early: Bytes,
}

/// What is spoken in a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// WebSocket, by RFC 6455 or RFC 8441.
    WebSocket,
    /// Something else.
    Other,
}

/// What is to become of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It goes on.
    GoOn,
    /// It is to end politely, as soon as it can.
    Drain,
    /// It is to end now.
    Cut,
}

/// Whoever watches over a tunnel: its deadline and its orders.
pub trait Guard {
    /// What is to become of the tunnel. Asked at every poll; whoever gives another order wakes `cx`,
    /// and so does whoever sees the deadline pass.
    fn order(&self, cx: &mut Context<'_>) -> Order;

    /// Whether the deadline has passed.
    fn is_overdue(&self) -> bool;

    /// Bytes have moved: the deadline of an idle tunnel begins anew.
    fn moved(&self);

    /// The close frame is written: the client has a short time, a few seconds, to answer it.
    /// [`Self::moved`] is not called any more.
    fn closing(&self);
}

/// Why a tunnel is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client ended it, or broke off.
    Client,
    /// The target did.
    Target,
    /// Nothing moved for too long.
    Idle,
    /// It was drained: the client was told why.
    Drained,
    /// It was cut.
    Cut,
}

impl End {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Client, Self::Target, Self::Idle, Self::Drained, Self::Cut];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Target => "target",
            Self::Idle => "idle",
            Self::Drained => "drained",
            Self::Cut => "cut",
        }
    }
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why.
    pub end: End,
    /// Bytes of the client's that the target took.
    pub sent: u64,
    /// Bytes of the target's that the client took, without a close frame of the proxy's own.
    pub received: u64,
}

/// Copies both ways between `client` and `target` until the tunnel is over, then closes both.
///
/// At most 16 KiB wait in each direction: a side is read from only when the other has taken what
/// came before. When one side ends, the other is told and may go on (half-close); when it fails, the
/// tunnel is over. An idle tunnel holds no buffer.
///
/// # Cancel safety
///
/// Cancelling closes both connections, perhaps within a frame.
pub async fn run<C, T>(
    client: Side<C>,
    target: Side<T>,
    protocol: Protocol,
    guard: &impl Guard,
) -> Outcome
where
    C: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let tracker = |sender| (protocol == Protocol::WebSocket).then(|| Tracker::new(sender));
    let mut tunnel = Tunnel {
        up: Flow::new(client.early, tracker(Sender::Client)),
        down: Flow::new(target.early, tracker(Sender::Server)),
        client: client.io,
        target: target.io,
        farewell: Farewell::None,
        first: None,
    };
    let end = poll_fn(|cx| tunnel.poll(cx, guard)).await;
    if end == End::Drained {
        // In TLS, too, this end is a clean one. What cannot be said at once is not said.
        poll_fn(|cx| {
            let _ = Pin::new(&mut tunnel.client).poll_shutdown(cx);
            let _ = Pin::new(&mut tunnel.target).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }
    Outcome { end, sent: tunnel.up.bytes, received: tunnel.down.bytes }
}

#[derive(Debug)]
struct Tunnel<C, T> {
    client: C,
    target: T,
    /// From the client to the target.
    up: Flow,
    /// From the target to the client.
    down: Flow,
    farewell: Farewell,
    /// Whoever ended first.
    first: Option<End>,
}

/// How far the polite end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// Not begun.
    None,
    /// The target's frame is being finished.
    FrameEnd,
    /// The close frame is being written.
    Saying,
    /// It is written; the client's is awaited.
    Said,
    /// There is no place for a close frame.
    Impossible,
}

impl<C, T> Tunnel<C, T>
where
    C: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>, guard: &impl Guard) -> Poll<End> {
        match guard.order(cx) {
            Order::Drain if self.farewell == Farewell::None => self.farewell = Farewell::FrameEnd,
            Order::GoOn | Order::Drain => {}
            Order::Cut if self.farewell == Farewell::Said => return Poll::Ready(End::Drained),
            Order::Cut => return Poll::Ready(End::Cut),
        }
        let before = self.up.bytes + self.down.bytes;
        let ended = self.poll_up(cx).or_else(|| self.poll_down(cx, guard));
        if self.up.bytes + self.down.bytes > before && self.farewell != Farewell::Said {
            guard.moved();
        }
        if let Some(end) = ended {
            return Poll::Ready(end);
        }
        match self.farewell {
            Farewell::Said if self.is_answered() || guard.is_overdue() => Poll::Ready(End::Drained),
            _ if guard.is_overdue() => Poll::Ready(End::Idle),
            _ => Poll::Pending,
        }
    }

    /// Whether the client has nothing more to say.
    fn is_answered(&self) -> bool {
        self.up.has_ended() || self.up.position() == Some(Position::Closed)
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let (client, target) = (Pin::new(&mut self.client), Pin::new(&mut self.target));
        let flowed = self.up.poll(cx, client, target, Until::End);
        if self.up.has_ended() {
            self.first.get_or_insert(End::Client);
        }
        match flowed {
            Poll::Ready(Flowed::ReadFailed) => Some(End::Client),
            Poll::Ready(Flowed::WriteFailed) => {
                // What the target said before it went away still has to reach the client, and its
                // end is seen there.
                self.up.deafen();
                self.first.get_or_insert(End::Target);
                self.poll_up(cx)
            }
            Poll::Ready(Flowed::Over | Flowed::FrameEnd) => self.over(),
            Poll::Pending if self.up.is_over() => self.over(),
            Poll::Pending => None,
        }
    }

    /// Who ended it, if it is over. After a farewell only the client does.
    fn over(&self) -> Option<End> {
        let over = self.farewell != Farewell::Said && self.up.is_over() && self.down.is_over();
        self.first.filter(|_| over)
    }

    fn poll_down(&mut self, cx: &mut Context<'_>, guard: &impl Guard) -> Option<End> {
        loop {
            let (client, target) = (Pin::new(&mut self.client), Pin::new(&mut self.target));
            let until = match self.farewell {
                Farewell::None | Farewell::Impossible => Until::End,
                Farewell::FrameEnd => match self.down.position() {
                    None | Some(Position::Lost) => {
                        self.farewell = Farewell::Impossible;
                        continue;
                    }
                    Some(_) => Until::FrameEnd,
                },
                Farewell::Saying => match self.down.poll_last(cx, client) {
                    Poll::Ready(Ok(())) => {
                        self.farewell = Farewell::Said;
                        self.down.deafen();
                        guard.closing();
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Some(End::Client),
                    Poll::Pending => return None,
                },
                Farewell::Said => {
                    // Whether the target goes on or not: its part is over.
                    let _ = self.down.poll(cx, target, client, Until::End);
                    return None;
                }
            };
            let flowed = self.down.poll(cx, target, client, until);
            if self.down.has_ended() {
                self.first.get_or_insert(End::Target);
            }
            match flowed {
                Poll::Ready(Flowed::FrameEnd) => {
                    self.down.say_last(match self.down.position() {
                        // The target has taken its leave itself.
                        Some(Position::Closed) => Bytes::new(),
                        _ => close_frame(GOING_AWAY, "going away"),
                    });
                    self.farewell = Farewell::Saying;
                }
                Poll::Ready(Flowed::ReadFailed) => return Some(End::Target),
                Poll::Ready(Flowed::WriteFailed) => return Some(End::Client),
                Poll::Ready(Flowed::Over) => return self.over(),
                Poll::Pending => return None,
            }
        }
    }
}
