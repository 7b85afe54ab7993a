//! Requests over kept connections, at a fixed rate or as fast as they are answered.
//!
//! At a fixed rate, one that finds all connections busy waits, and its time counts from when it was
//! due: whoever only measures what could be sent leaves out the worst (coordinated omission).

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Load;
use crate::exchange::Exchange;
use crate::pace::Pace;
use crate::tally::Tally;

/// How long after the last request its answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(load: &Load, rate: Option<f64>) -> Tally {
    let tally = Tally::default();
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        // One that cannot be made is tried again, and counted, when its turn comes.
        connections.push(connect(load).await.ok());
    }
    let began = Instant::now();
    let pace = rate.map(|rate| Rc::new(Pace::begin(rate, load.time()).unwrap()));
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn_local(client(load.clone(), connection, pace.clone(), tally.clone()));
    }
    let all = async { while clients.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(load.time() + PATIENCE, all).await;
    let turns = pace.map_or_else(|| tally.over(), |pace| pace.turns());
    tally.end(began.elapsed(), turns.saturating_sub(tally.over()));
    tally
}

async fn client(
    load: Load,
    mut connection: Option<Connection>,
    pace: Option<Rc<Pace>>,
    tally: Tally,
) {
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", load.path, load.address);
    let ends = Instant::now() + load.time();
    while let Some(due) = turn(pace.as_deref(), ends).await {
        let exchange = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => connect(&load).await?,
            };
            open.ask(request.as_bytes()).await?;
            Ok(open)
        };
        connection = tally.take(due, exchange.await);
    }
}

/// When the next request is due: at its turn, or at once.
async fn turn(pace: Option<&Pace>, ends: Instant) -> Option<Instant> {
    let Some(pace) = pace else {
        let now = Instant::now();
        return (now < ends).then_some(now);
    };
    pace.turn().await
}

type Connection = Exchange<TcpStream>;

async fn connect(load: &Load) -> io::Result<Connection> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    Ok(Exchange::on(stream))
}
