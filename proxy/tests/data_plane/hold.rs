//! What happens to requests while their app is held, or in maintenance.

use std::sync::Arc;
use std::time::Instant;

use shunt_config::hold::Hold as Spec;
use shunt_proxy::data::ClientLimits;
use shunt_proxy::route::{Epoch, Hold, Release, Stop};

use crate::backend::Backend;
use crate::client::{Client, within};
use crate::gated::Gated;
use crate::proxy::{Proxy, SHORT, short, until};
use crate::upgrades::{ACCEPT, ASK};

const HELD: &str = r#"{"mode":"hold"}"#;

/// Holds the app as `spec` says: those who come are stopped as `stop` says. Returns the epoch that
/// this closed.
fn hold(proxy: &Proxy, release: &Arc<Release>, spec: &str, stop: Stop) -> Option<Arc<Epoch>> {
    let spec = Arc::new(Spec::parse(spec.as_bytes()).unwrap());
    let until = spec.lasts().map(|lasts| Instant::now() + lasts);
    let hold = Hold::new("h".into(), spec, stop, until, &proxy.hall);
    if stop == Stop::Wait {
        proxy.hall.shut();
    }
    let closed = proxy.put(Some(proxy.epoch(release)), Some(Arc::new(hold)));
    if stop != Stop::Wait {
        proxy.hall.open(None);
    }
    closed
}

/// Sends GET `path` on a connection of its own and waits until it waits as number `nth`.
async fn join(proxy: &Proxy, path: &str, nth: u32) -> Client {
    let mut client = proxy.client().await;
    client.send_get(path).await;
    until("it waits", || proxy.hall.waiting() == nth).await;
    client
}

fn release_hold(proxy: &Proxy, release: &Arc<Release>) {
    proxy.flip(release);
    proxy.hall.open(Some(100_000));
}

#[tokio::test]
async fn who_waits_has_no_claim_and_is_sent_to_the_release_that_serves_then() {
    let (blue, green) = (Backend::bind().await, Gated::open("green").await);
    let proxy = Proxy::start();
    let first = proxy.release("first", &[blue.address()]);
    proxy.flip(&first);
    let mut in_flight = proxy.client().await;
    in_flight.send_get("/before").await;
    let mut conn = blue.accept().await;
    conn.request().await;

    let closed = hold(&proxy, &first, HELD, Stop::Wait).unwrap();
    let mut clients = Vec::new();
    for n in 1..=5 {
        clients.push(join(&proxy, &format!("/{n}"), n).await);
    }
    assert_eq!(closed.all_leases(), 1, "only what was sent before");
    conn.answer("blue").await;
    assert_eq!(in_flight.answer().await.body, "blue");
    within("the drain ends", closed.drained()).await;
    // A connection that is kept is held like any other.
    in_flight.send_get("/6").await;
    until("it waits", || proxy.hall.waiting() == 6).await;

    let second = proxy.release("second", &[green.address]);
    hold(&proxy, &second, HELD, Stop::Wait);
    assert_eq!((green.count(), proxy.hall.waiting()), (0, 6), "the flip alone lets nobody go");
    release_hold(&proxy, &second);
    for client in clients.iter_mut().chain([&mut in_flight]) {
        assert_eq!(client.answer().await.body, "green");
    }
    // Who was let go first need not arrive first: they are on two threads, with a connection each.
    let mut came = green.came();
    came.sort();
    assert_eq!(came, ["/1", "/2", "/3", "/4", "/5", "/6"]);
    assert_eq!((proxy.hall.waiting(), proxy.hall.let_go()), (0, 6));
    assert_eq!(proxy.client().await.get("/after").await.body, "green");
}

#[tokio::test]
async fn as_many_wait_as_may_and_one_that_leaves_makes_room() {
    let target = Gated::open("a").await;
    let proxy = Proxy::serving(&[target.address]);
    let release = proxy.release("a", &[target.address]);
    hold(&proxy, &release, r#"{"mode":"hold","length":2,"for":"10m"}"#, Stop::Wait);
    let (gone, mut stays) = (join(&proxy, "/gone", 1).await, join(&proxy, "/stays", 2).await);
    let refused = proxy.client().await.get("/refused").await;
    let left: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(refused.status() == 503 && (60..=600).contains(&left), "{left}");
    drop(gone);
    until("it has left", || proxy.hall.waiting() == 1).await;
    let mut next = join(&proxy, "/next", 2).await;
    release_hold(&proxy, &release);
    assert_eq!((stays.answer().await.status(), next.answer().await.status()), (200, 200));
    // In either order: see above.
    let mut came = target.came();
    came.sort();
    assert_eq!(came, ["/next", "/stays"]);
    assert_eq!((proxy.hall.turned_away(), proxy.hall.let_go()), (1, 2));
}

#[tokio::test]
async fn when_its_time_is_over_those_who_wait_and_those_who_come_are_refused_if_it_says_so() {
    let target = Gated::open("a").await;
    let proxy = Proxy::serving(&[target.address]);
    let release = proxy.release("a", &[target.address]);
    hold(&proxy, &release, HELD, Stop::Wait);
    let mut clients = [join(&proxy, "/1", 1).await, join(&proxy, "/2", 2).await];
    let refuse = r#"{"mode":"hold","then":"refuse","message":"back soon"}"#;
    hold(&proxy, &release, refuse, Stop::Refuse);
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!(answer.status(), 503);
        assert!(answer.body.contains("back soon") && answer.header("retry-after").is_some());
    }
    assert_eq!(clients[0].get("/3").await.status(), 503, "the connection is good");
    assert_eq!((target.count(), proxy.hall.expired()), (0, 3));
    release_hold(&proxy, &release);
    assert_eq!(clients[0].get("/4").await.status(), 200);
}

#[tokio::test]
async fn maintenance_is_told_with_its_message_and_does_not_concern_whom_it_lets_in() {
    let target = Gated::open("a").await;
    let proxy = Proxy::serving(&[target.address]);
    let release = proxy.release("a", &[target.address]);
    let closed = r#"{"mode":"maintenance","message":"<moving house>","allow":["192.0.2.0/24"]}"#;
    hold(&proxy, &release, closed, Stop::Maintenance);
    let mut client = proxy.client().await;
    let answer = client.get("/").await;
    assert_eq!((answer.status(), answer.header("cache-control")), (503, Some("no-store")));
    assert!(answer.body.contains("<moving house>") && answer.header("retry-after").is_some());
    assert_eq!((target.count(), proxy.hall.in_maintenance()), (0, 1));
    hold(&proxy, &release, r#"{"mode":"maintenance","allow":["127.0.0.1"]}"#, Stop::Maintenance);
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn who_comes_out_of_the_hall_waits_for_a_target_however_short_its_line() {
    let target = Gated::shut("a").await;
    let settings = r#""max_requests":1,"queue":{"length":0,"timeout":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[target.address], settings);
    hold(&proxy, &release, HELD, Stop::Wait);
    let mut clients = Vec::new();
    for n in 1..=4 {
        clients.push(join(&proxy, &format!("/{n}"), n).await);
    }
    release_hold(&proxy, &release);
    for client in &mut clients {
        target.let_through(1);
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!((target.came().len(), target.most()), (4, 1));
    assert_eq!((proxy.hall.waiting(), proxy.line.waiting()), (0, 0));
}

#[tokio::test]
async fn who_stands_in_line_when_the_app_is_held_waits_on_in_the_hall() {
    let (blue, green) = (Gated::shut("blue").await, Gated::open("green").await);
    let settings = r#""max_requests":1,"queue":{"timeout":"1h"}"#;
    let (proxy, release) = Proxy::spreading(&[blue.address], settings);
    let mut served = proxy.client().await;
    served.send_get("/served").await;
    until("it arrives", || blue.count() == 1).await;
    let mut waits = proxy.client().await;
    waits.send_get("/waits").await;
    until("it stands in line", || proxy.line.waiting() == 1).await;
    let closed = hold(&proxy, &release, HELD, Stop::Wait).unwrap();
    until("it waits in the hall", || proxy.hall.waiting() == 1).await;
    blue.let_through(1);
    assert_eq!(served.answer().await.body, "blue");
    within("the drain ends", closed.drained()).await;
    assert_eq!(blue.came(), ["/served"]);
    release_hold(&proxy, &proxy.release("green", &[green.address]));
    assert_eq!(waits.answer().await.body, "green");
}

#[tokio::test]
async fn who_waits_when_the_proxy_ends_is_told_so() {
    let target = Gated::open("a").await;
    let proxy = Proxy::serving(&[target.address]);
    let release = proxy.release("a", &[target.address]);
    hold(&proxy, &release, HELD, Stop::Wait);
    let mut waits = join(&proxy, "/", 1).await;
    let ended = tokio::spawn(proxy.plane.shutdown(std::time::Duration::from_secs(4)));
    assert_eq!(waits.answer().await.status(), 503);
    assert_eq!((within("it ends", ended).await.unwrap(), target.count()), (0, 0));
}

#[tokio::test]
async fn tunnels_are_asked_to_end_but_for_those_of_whom_maintenance_lets_in() {
    let backend = Backend::bind().await;
    let proxy = Proxy::with(short(|limits| limits.drain = SHORT), ClientLimits::default());
    let release = proxy.release("a", &[backend.address()]);
    proxy.flip(&release);
    let open = async || {
        let mut client = proxy.client().await;
        client.write(ASK).await;
        let mut conn = backend.accept().await;
        conn.request().await;
        conn.write(ACCEPT).await;
        client.head().await;
        (client, conn)
    };
    let (mut before, _conn) = open().await;
    let allow = r#"{"mode":"maintenance","allow":["127.0.0.1"]}"#;
    let closed = hold(&proxy, &release, allow, Stop::Maintenance).unwrap();
    let (mut tester, mut conn) = open().await;
    // Close, 1001.
    let frame = before.take(4).await;
    assert_eq!((frame[0], &frame[2..4]), (0x88, &1001u16.to_be_bytes()[..]));
    before.take(usize::from(frame[1]) - 2).await;
    before.write(b"\x88\x82\0\0\0\0\x03\xe9").await;
    within("the drain ends", closed.drained()).await;
    // Ten ticks later the tester's own would have been asked as well.
    conn.write(b"\x81\x02on").await;
    assert_eq!(tester.take(4).await, b"\x81\x02on");
    let closed = hold(&proxy, &release, HELD, Stop::Wait).unwrap();
    let frame = tester.take(4).await;
    assert_eq!((frame[0], &frame[2..4]), (0x88, &1001u16.to_be_bytes()[..]));
    drop((tester, conn));
    within("the drain ends", closed.drained()).await;
}
