use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};

use super::*;

/// A server's text frame with `length` bytes.
fn text(length: u8) -> Vec<u8> {
    let mut frame = vec![0x81, length];
    frame.extend(std::iter::repeat_n(b'x', usize::from(length)));
    frame
}

/// A client's masked close frame with code 1001.
const CLIENT_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9];

fn going_away() -> Bytes {
    close_frame(GOING_AWAY, "going away")
}

/// Orders by hand.
#[derive(Debug)]
struct Hand {
    order: Cell<Order>,
    overdue: Cell<bool>,
    moves: Cell<usize>,
    closing: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Default for Hand {
    fn default() -> Self {
        Self {
            order: Cell::new(Order::GoOn),
            overdue: Cell::default(),
            moves: Cell::default(),
            closing: Cell::default(),
            waker: RefCell::default(),
        }
    }
}

impl Hand {
    fn give(&self, order: Order) {
        self.order.set(order);
        self.wake();
    }

    fn time_is_over(&self) {
        self.overdue.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Guard for Rc<Hand> {
    fn order(&self, cx: &mut Context<'_>) -> Order {
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        self.order.get()
    }

    fn is_overdue(&self) -> bool {
        self.overdue.get()
    }

    fn moved(&self) {
        assert!(!self.closing.get(), "what moves after the farewell gives no more time");
        self.moves.set(self.moves.get() + 1);
    }

    fn closing(&self) {
        self.closing.set(true);
    }
}

/// A tunnel with both of its outer ends in hand.
struct Bench<S> {
    client: S,
    target: S,
    hand: Rc<Hand>,
    tunnel: JoinHandle<Outcome>,
}

fn open<S>(protocol: Protocol, (client, near): (S, S), (target, far): (S, S)) -> Bench<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let hand = Rc::new(Hand::default());
    let guard = Rc::clone(&hand);
    let side = |io| Side { io, early: Bytes::new() };
    let tunnel =
        tokio::task::spawn_local(async move { run(side(near), side(far), protocol, &guard).await });
    Bench { client, target, hand, tunnel }
}

/// In memory, with `room` bytes between any two ends.
fn in_memory(protocol: Protocol, room: usize) -> Bench<DuplexStream> {
    open(protocol, duplex(room), duplex(room))
}

async fn over_tcp(protocol: Protocol) -> Bench<TcpStream> {
    open(protocol, tcp().await, tcp().await)
}

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (here, there) = tokio::join!(connecting, listener.accept());
    (here.unwrap(), there.unwrap().0)
}

async fn read(from: &mut (impl AsyncRead + Unpin), bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    from.read_exact(&mut read).await.unwrap();
    read
}

async fn rest(from: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).await.unwrap();
    all
}

fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn bytes_read_before_the_tunnel_come_first() {
    local(async {
        let ((mut client, near), (mut target, far)) = (duplex(64), duplex(64));
        let hand = Rc::new(Hand::default());
        client.write_all(b" there").await.unwrap();
        client.shutdown().await.unwrap();
        target.write_all(b"o").await.unwrap();
        target.shutdown().await.unwrap();
        let near = Side { io: near, early: Bytes::from_static(b"hello") };
        let far = Side { io: far, early: Bytes::from_static(b"hell") };
        let outcome = run(near, far, Protocol::Other, &hand).await;
        assert_eq!(outcome, Outcome { end: End::Client, sent: 11, received: 5 });
        assert_eq!(rest(&mut target).await, b"hello there");
        assert_eq!(rest(&mut client).await, b"hello");
    });
}

#[test]
fn a_side_that_has_ended_still_hears_the_other() {
    local(async {
        let mut bench = over_tcp(Protocol::Other).await;
        bench.client.write_all(b"question").await.unwrap();
        bench.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut bench.target).await, b"question");
        bench.target.write_all(b"answer").await.unwrap();
        drop(bench.target);
        assert_eq!(rest(&mut bench.client).await, b"answer");
        let outcome = bench.tunnel.await.unwrap();
        assert_eq!(outcome, Outcome { end: End::Client, sent: 8, received: 6 });
    });
}

#[test]
fn what_a_target_said_before_it_went_away_reaches_the_client() {
    local(async {
        let mut bench = over_tcp(Protocol::Other).await;
        bench.target.write_all(b"last words").await.unwrap();
        drop(bench.target);
        assert_eq!(rest(&mut bench.client).await, b"last words");
        drop(bench.client);
        assert_eq!(bench.tunnel.await.unwrap().end, End::Target);
    });
}

#[test]
fn a_slow_reader_slows_the_writer_down() {
    local(async {
        let mut bench = in_memory(Protocol::Other, 1024);
        let piece = [7; 1024];
        let mut taken = 0;
        let mut idle = 0;
        // Pending for many turns of everybody: nothing takes any more.
        while idle < 100 {
            match futures_util::poll!(std::pin::pin!(bench.target.write(&piece))) {
                Poll::Ready(n) => (taken, idle) = (taken + n.unwrap(), 0),
                Poll::Pending => idle += 1,
            }
            tokio::task::yield_now().await;
        }
        // Two pipes and what one direction may hold.
        assert!((2048..=2048 + 16 * 1024).contains(&taken), "{taken} bytes are on their way");
        drop(bench.target);
        assert_eq!(rest(&mut bench.client).await.len(), taken);
        drop(bench.client);
        assert_eq!(bench.tunnel.await.unwrap().received, taken as u64);
    });
}

#[test]
fn large_streams_pass_both_ways_at_once() {
    local(async {
        let bench = over_tcp(Protocol::Other).await;
        let pattern = |seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            std::iter::repeat_with(move || rng.u8(..)).take(3_000_000).collect::<Vec<_>>()
        };
        let talk = |stream: TcpStream, says: Vec<u8>| async move {
            let (mut reads, mut writes) = stream.into_split();
            let says = async move {
                writes.write_all(&says).await.unwrap();
                writes.shutdown().await.unwrap();
            };
            tokio::join!(says, rest(&mut reads)).1
        };
        let (at_client, at_target) =
            tokio::join!(talk(bench.client, pattern(1)), talk(bench.target, pattern(2)));
        assert!(at_client == pattern(2) && at_target == pattern(1));
        let outcome = bench.tunnel.await.unwrap();
        assert_eq!((outcome.sent, outcome.received), (3_000_000, 3_000_000));
    });
}

#[test]
fn a_tunnel_in_which_nothing_moves_for_too_long_ends() {
    local(async {
        let mut bench = in_memory(Protocol::WebSocket, 64);
        bench.client.write_all(b"x").await.unwrap();
        read(&mut bench.target, 1).await;
        bench.hand.time_is_over();
        assert_eq!(bench.tunnel.await.unwrap(), Outcome { end: End::Idle, sent: 1, received: 0 });
        assert!(bench.hand.moves.get() > 0);
        assert_eq!(rest(&mut bench.client).await, b"");
    });
}

#[test]
fn a_drained_websocket_ends_with_1001_between_frames() {
    local(async {
        let mut bench = over_tcp(Protocol::WebSocket).await;
        bench.target.write_all(&text(3)).await.unwrap();
        assert_eq!(read(&mut bench.client, 5).await, text(3));
        bench.hand.give(Order::Drain);
        assert_eq!(read(&mut bench.client, going_away().len()).await, going_away());
        assert!(bench.hand.closing.get());
        // Nothing more of the target's; all of the client's.
        bench.target.write_all(&text(9)).await.unwrap();
        bench.client.write_all(&CLIENT_CLOSE).await.unwrap();
        assert_eq!(rest(&mut bench.client).await, b"");
        assert_eq!(read(&mut bench.target, CLIENT_CLOSE.len()).await, CLIENT_CLOSE);
        let expected = Outcome { end: End::Drained, sent: CLIENT_CLOSE.len() as u64, received: 5 };
        assert_eq!(bench.tunnel.await.unwrap(), expected);
    });
}

#[test]
fn a_frame_under_way_is_finished_before_the_close_frame() {
    for cut in 1..12 {
        local(async {
            let mut bench = in_memory(Protocol::WebSocket, 256);
            let frame = text(10);
            bench.target.write_all(&frame[..cut]).await.unwrap();
            assert_eq!(read(&mut bench.client, cut).await, frame[..cut]);
            bench.hand.give(Order::Drain);
            tokio::task::yield_now().await;
            // The rest of the frame and, at once, another that is not wanted any more.
            let mut after = frame[cut..].to_vec();
            after.extend(text(4));
            bench.target.write_all(&after).await.unwrap();
            bench.client.shutdown().await.unwrap();
            let mut expected = frame[cut..].to_vec();
            expected.extend(going_away());
            assert_eq!(rest(&mut bench.client).await, expected, "cut at {cut}");
            let outcome = bench.tunnel.await.unwrap();
            assert_eq!((outcome.end, outcome.received), (End::Drained, 12));
        });
    }
}

#[test]
fn a_client_that_takes_nothing_is_told_at_the_end_of_its_frame() {
    local(async {
        // What waits for the client holds whole frames: all but the one under way are dropped.
        let mut bench = open(Protocol::WebSocket, duplex(8), duplex(256));
        bench.target.write_all(&text(20).repeat(3)).await.unwrap();
        assert_eq!(read(&mut bench.client, 1).await, [0x81]);
        bench.hand.give(Order::Drain);
        bench.client.shutdown().await.unwrap();
        let mut expected = text(20).split_off(1);
        expected.extend(going_away());
        assert_eq!(rest(&mut bench.client).await, expected);
        assert_eq!(bench.tunnel.await.unwrap().end, End::Drained);
    });
}

#[test]
fn a_target_that_has_closed_is_not_spoken_for() {
    local(async {
        let mut bench = in_memory(Protocol::WebSocket, 64);
        let close = close_frame(1000, "");
        bench.target.write_all(&close).await.unwrap();
        assert_eq!(read(&mut bench.client, 4).await, close);
        bench.hand.give(Order::Drain);
        bench.client.write_all(&CLIENT_CLOSE).await.unwrap();
        assert_eq!(rest(&mut bench.client).await, b"");
        assert_eq!(bench.tunnel.await.unwrap().end, End::Drained);
    });
}

#[test]
fn a_client_that_does_not_answer_the_close_frame_is_not_waited_for() {
    local(async {
        let mut bench = in_memory(Protocol::WebSocket, 64);
        bench.hand.give(Order::Drain);
        read(&mut bench.client, going_away().len()).await;
        // It talks on, which gives it no more time.
        bench.client.write_all(b"\x81\x80\0\0\0\0").await.unwrap();
        assert_eq!(read(&mut bench.target, 6).await, b"\x81\x80\0\0\0\0");
        bench.hand.time_is_over();
        assert_eq!(bench.tunnel.await.unwrap().end, End::Drained);
    });
}

#[test]
fn a_client_is_heard_out_when_its_target_is_gone() {
    local(async {
        let mut bench = in_memory(Protocol::WebSocket, 64);
        bench.hand.give(Order::Drain);
        read(&mut bench.client, going_away().len()).await;
        drop(bench.target);
        bench.client.write_all(b"\x81\x80\0\0\0\0").await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!bench.tunnel.is_finished());
        bench.client.write_all(&CLIENT_CLOSE).await.unwrap();
        assert_eq!(bench.tunnel.await.unwrap().end, End::Drained);
    });
}

#[test]
fn what_is_not_websocket_goes_on_until_it_is_cut() {
    for (protocol, words) in
        [(Protocol::Other, text(3)), (Protocol::WebSocket, b"HTTP/1.1".to_vec())]
    {
        local(async {
            let mut bench = in_memory(protocol, 64);
            bench.target.write_all(&words).await.unwrap();
            read(&mut bench.client, words.len()).await;
            bench.hand.give(Order::Drain);
            bench.target.write_all(b"more").await.unwrap();
            assert_eq!(read(&mut bench.client, 4).await, b"more");
            bench.hand.give(Order::Cut);
            assert_eq!(bench.tunnel.await.unwrap().end, End::Cut);
            assert_eq!(rest(&mut bench.client).await, b"");
        });
    }
}
