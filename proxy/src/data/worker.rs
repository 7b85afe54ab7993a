//! One data thread: accepts, ticks, sweeps, and ends.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::clients::Clients;
use super::clock::TICK;
use super::connection;
use super::door::Door;
use super::local::Local;
use super::plane::Seat;

/// Ticks between two sweeps of the pools.
const SWEEP: u32 = 5;
/// Pause after an accept that failed for want of descriptors or memory. What is already there goes
/// on being served meanwhile, and frees some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop; returns how many connections had to be cut. `started` is told once
/// whether the thread can work at all.
pub(super) fn run(seat: Seat, started: &mpsc::Sender<io::Result<()>>) -> usize {
    let built = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let (told, runtime) = match built {
        Ok(runtime) => (started.send(Ok(())), Some(runtime)),
        Err(error) => (started.send(Err(error)), None),
    };
    match (told, runtime) {
        (Ok(()), Some(runtime)) => runtime.block_on(serve(seat)),
        // Whoever started it has given up, or will.
        _ => 0,
    }
}

async fn serve(mut seat: Seat) -> usize {
    let local = Rc::new(Local::new(&mut seat));
    let sockets = std::mem::take(&mut seat.sockets);
    let accepting: Vec<_> = sockets
        .into_iter()
        .map(|(door, socket)| {
            tokio::task::spawn_local(accept(Rc::clone(&local), Rc::new(door), socket))
        })
        .collect();
    let ticking = tokio::task::spawn_local(tick(Rc::clone(&local), seat_counts(&seat)));
    let grace = stopped(&mut seat).await;
    // After the runtime has looked at the sockets: who has sent something by now is served.
    tokio::task::yield_now().await;
    local.leave(grace);
    for task in accepting {
        // Each empties its queue before it ends: who has connected is served.
        if let Err(error) = task.await {
            tracing::error!(%error, "accept task failed");
        }
    }
    local.deadlines.wake_all();
    let cut = match timeout(grace, local.clients.gone()).await {
        Ok(()) => 0,
        Err(_) => local.clients.len(),
    };
    ticking.abort();
    cut
}

async fn stopped(seat: &mut Seat) -> Duration {
    match seat.stop.wait_for(Option::is_some).await {
        Ok(grace) => grace.unwrap_or_default(),
        // The plane was dropped without a shutdown: the process is ending by itself.
        Err(_) => pending().await,
    }
}

async fn accept(local: Rc<Local>, door: Rc<Door>, socket: std::net::TcpListener) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "listener cannot be watched"),
    };
    // Where it listens on one address alone, that is where all have connected to.
    let here = listener.local_addr().ok().filter(|here| !here.ip().is_unspecified());
    let mut left = pin!(local.left());
    loop {
        let next = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Pending => left.as_mut().poll(cx).map(|()| None),
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        });
        let Some(accepted) = next.await else { return };
        match accepted {
            Ok((stream, peer)) => {
                wait_for_room(&local).await;
                let to = here.or_else(|| stream.local_addr().ok());
                connection::spawn(&local, &door, stream, (peer, to));
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                local.meters.accept_failed(local.thread);
                local.complain(|| tracing::warn!(%error, "cannot accept"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until there is room for one more client, and makes some if a client is idle. The one that
/// waits, at most one of each listener, is served even if the thread is to end meanwhile.
async fn wait_for_room(local: &Local) {
    let room = local.clients.room();
    let mut waiting = None;
    while room.is_full() && !local.is_leaving() {
        if local.make_room() {
            // It goes in this very turn.
            tokio::task::yield_now().await;
            continue;
        }
        if waiting.is_none() && room.pause() {
            tracing::warn!(
                connections = room.most(),
                "no more clients are accepted until some leave or have been idle for a second: \
                 `connections` of `[client]` or the limit of file descriptors (LimitNOFILE=, ulimit \
                 -Hn) allows no more"
            );
        }
        waiting.get_or_insert_with(|| room.wait());
        tokio::select! {
            () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            () = local.left() => {}
        }
    }
}

/// Whether an accept failed for its own connection only: accept(2) hands over errors that were
/// already pending on the new socket.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | TimedOut)
}

fn seat_counts(seat: &Seat) -> impl Fn(&Clients) + use<> {
    let (connections, resting) = (seat.connections.clone(), seat.resting.clone());
    let thread = seat.thread;
    move |clients| {
        connections[thread].store(clients.len(), Relaxed);
        resting[thread].store(clients.resting(), Relaxed);
    }
}

async fn tick(local: Rc<Local>, show: impl Fn(&Clients)) {
    let started = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut nth = 0u32;
    loop {
        ticks.tick().await;
        local.clock.set(started.elapsed());
        local.deadlines.tick();
        local.tick();
        show(&local.clients);
        nth = nth.wrapping_add(1);
        if nth.is_multiple_of(SWEEP) {
            local.sweep();
        }
    }
}
