//! How many connections clients may have, and how many frames of HTTP/2 they may send.

use std::time::Instant;

use shunt_config::proxy_file::{Client, Http2};
use shunt_proxy::data::frames::Abuse;
use shunt_proxy::data::{ClientLimits, Room};
use shunt_proxy::metrics::process::Cut;

use crate::backend::Backend;
use crate::client::{self, within};
use crate::http2;
use crate::proxy::{Proxy, SHORT, limits, until};

/// A proxy of one thread, with room for some clients only.
async fn with_room(room: Room) -> (Backend, Proxy) {
    let backend = Backend::bind().await;
    let proxy = Proxy::with_room(limits(), ClientLimits::default(), 1, room);
    proxy.flip(&proxy.release("first", &[backend.address()]));
    (backend, proxy)
}

fn cut(proxy: &Proxy, why: Cut) -> u64 {
    proxy.plane.meters().cut_for(why)
}

#[tokio::test]
async fn the_connection_that_was_idle_for_longest_makes_room_for_another() {
    let (backend, proxy) = with_room(Room::of(3)).await;
    let (mut oldest, mut idle, mut busy) =
        (proxy.client().await, proxy.client().await, proxy.client().await);
    oldest.send_get("/").await;
    // They share it: none of their requests is on its way at the same time as another.
    let mut conn = backend.accept().await;
    conn.request().await;
    conn.answer("ok").await;
    oldest.answer().await;
    // The other one is idle since another tick of the proxy's clock.
    let began = Instant::now();
    until("its clock has moved", || began.elapsed() >= SHORT).await;
    idle.send_get("/").await;
    conn.request().await;
    conn.answer("ok").await;
    idle.answer().await;
    busy.send_get("/busy").await;
    conn.request().await;

    let mut new = proxy.client().await;
    new.send_get("/new").await;
    assert!(oldest.rest().await.is_empty(), "it was closed");
    let mut at_new = backend.accept().await;
    at_new.request().await;
    at_new.answer("new").await;
    assert_eq!(new.answer().await.body, "new");
    assert_eq!(cut(&proxy, Cut::Idle), 1);
    conn.answer("busy").await;
    assert_eq!(busy.answer().await.body, "busy");
    idle.send_get("/again").await;
    conn.request().await;
    conn.answer("again").await;
    assert_eq!(idle.answer().await.body, "again");
}

#[tokio::test]
async fn while_all_are_busy_a_new_client_waits_until_one_is_done() {
    let (backend, proxy) = with_room(Room::of(1)).await;
    let mut busy = proxy.client().await;
    busy.send_get("/busy").await;
    let mut conn = backend.accept().await;
    conn.request().await;

    let mut waiting = proxy.client().await;
    waiting.send_get("/waiting").await;
    until("the proxy stops accepting", || proxy.plane.room().pauses() > 0).await;
    assert_eq!(cut(&proxy, Cut::Idle), 0, "nobody at work is cut off");
    conn.answer("done").await;
    assert_eq!(busy.answer().await.body, "done");
    // The one that is done is idle now, and makes room.
    let request = conn.request().await;
    assert!(request.starts_with("get /waiting "), "{request}");
    conn.answer("at last").await;
    assert_eq!(waiting.answer().await.body, "at last");
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_it_may() {
    let (backend, proxy) = with_room(Room::of(usize::MAX).per_client(2)).await;
    let mut first = proxy.client().await;
    first.send_get("/").await;
    let mut conn = backend.accept().await;
    conn.request().await;
    let second = proxy.client().await;
    until("both are there", || proxy.plane.connections() == 2).await;
    assert!(proxy.client().await.rest().await.is_empty(), "the third is turned away");
    assert_eq!(cut(&proxy, Cut::PerAddress), 1);
    drop(second);
    until("one has left", || proxy.plane.connections() == 1).await;
    let mut next = proxy.client().await;
    next.send_get("/next").await;
    let mut at_next = backend.accept().await;
    at_next.request().await;
    at_next.answer("next").await;
    assert_eq!(next.answer().await.body, "next");
    conn.answer("first").await;
    assert_eq!(first.answer().await.body, "first");
}

#[tokio::test]
async fn requests_without_room_for_a_connection_to_a_target_are_refused_and_it_is_not_blamed() {
    let backend = Backend::bind().await;
    let room = Room::of(usize::MAX).for_targets(2);
    let proxy = Proxy::with_room(limits(), ClientLimits::default(), 1, room);
    let release = proxy.release("first", &[backend.address()]);
    proxy.flip(&release);
    // Clients are not what there are too many of: one of HTTP/2 asks for all.
    let client = http2::connect(&proxy).await;
    let ask = |path: &'static str| {
        let mut client = client.clone();
        tokio::spawn(async move { client.send_request(http2::get(path)).await.unwrap() })
    };
    let first = ask("/1");
    let mut one = backend.accept().await;
    one.request().await;
    let second = ask("/2");
    let mut two = backend.accept().await;
    two.request().await;
    assert_eq!(proxy.plane.room().targets(), 2);

    let refused = within("an answer", ask("/3")).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    // Accepting has room of its own.
    assert_eq!(proxy.client().await.get("/4").await.status(), 503);
    assert_eq!(proxy.plane.meters().refused_room(), 2);
    let totals = release.meters.totals();
    assert_eq!(totals.faults.iter().chain(&totals.retries).sum::<u64>(), 0);

    one.answer("one").await;
    assert_eq!(http2::text(within("an answer", first).await.unwrap()).await, "one");
    let again = ask("/5");
    one.request().await;
    one.answer("again").await;
    two.answer("two").await;
    for (answer, text) in [(again, "again"), (second, "two")] {
        assert_eq!(http2::text(within("an answer", answer).await.unwrap()).await, text);
    }
}

#[tokio::test]
async fn a_kept_connection_makes_room_for_one_to_another_target() {
    let (one, two) = (Backend::bind().await, Backend::bind().await);
    let room = Room::of(usize::MAX).for_targets(1);
    let proxy = Proxy::with_room(limits(), ClientLimits::default(), 1, room);
    proxy.flip(&proxy.release("first", &[one.address(), two.address()]));
    let mut client = proxy.client().await;
    let mut last: Option<crate::backend::Conn> = None;
    // In turn.
    for backend in [&one, &two, &one] {
        client.send_get("/").await;
        let mut conn = backend.accept().await;
        if let Some(mut last) = last.take() {
            last.closed().await;
        }
        conn.request().await;
        conn.answer("ok").await;
        assert_eq!(client.answer().await.status(), 200);
        last = Some(conn);
    }
    assert_eq!(proxy.plane.meters().refused_room(), 0);
    assert_eq!(proxy.plane.room().targets(), 1);
}

/// A frame of HTTP/2 on stream 1, or on the connection.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const PROTOCOL_ERROR: u32 = 1;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The reason of the GOAWAY that `frames` end with; `None` if they end with anything else.
fn goaway(mut frames: &[u8]) -> Option<u32> {
    let mut last = None;
    while let Some((header, rest)) = frames.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let (payload, rest) = rest.split_at(length);
        last = (header[3] == 7).then(|| u32::from_be_bytes(*payload.last_chunk().unwrap()));
        frames = rest;
    }
    last.filter(|_| frames.is_empty())
}

/// A client that has said the preface, and what more is said.
async fn speaking(proxy: &Proxy, frames: &[u8]) -> client::Client {
    let mut client = proxy.client().await;
    client.write([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], frames].concat()).await;
    client
}

#[tokio::test]
async fn a_client_whose_frames_cost_too_much_is_cut_off_and_counted() {
    let http2 = Http2 { control_frames_per_second: 5, resets_per_second: 5, ..Http2::default() };
    let limits_of_client = ClientLimits { http2, ..ClientLimits::default() };
    let proxy = Proxy::with(limits(), limits_of_client);
    let settings = frame(4, 0, 0, &[]);
    // HEADERS that end their stream at once, with `:method: GET`, `:scheme: http` and `:path: /`.
    let reset = |n: u8| {
        let stream = 2 * n + 1;
        [frame(1, 5, stream, &[0x82, 0x86, 0x84]), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let pings = |n| [settings.clone(), frame(6, 0, 0, &[0; 8]).repeat(n)].concat();
    for (flood, abuse, code) in [
        (frame(6, 0, 0, &[0; 8]), Abuse::NoSettings, PROTOCOL_ERROR),
        (pings(6), Abuse::Control, ENHANCE_YOUR_CALM),
        ([settings.clone(), settings.repeat(6)].concat(), Abuse::Control, ENHANCE_YOUR_CALM),
        (
            [settings.clone(), (0..6).flat_map(reset).collect()].concat(),
            Abuse::Resets,
            ENHANCE_YOUR_CALM,
        ),
    ] {
        let before = cut(&proxy, Cut::Http2(abuse));
        let client = speaking(&proxy, &flood).await;
        assert_eq!(goaway(&client.rest().await), Some(code), "{abuse}");
        until("it is counted", || cut(&proxy, Cut::Http2(abuse)) == before + 1).await;
    }
}

#[tokio::test]
async fn who_is_cut_off_is_told_which_of_its_streams_were_heard() {
    let http2 = Http2 { control_frames_per_second: 1, ..Http2::default() };
    let proxy = Proxy::with(limits(), ClientLimits { http2, ..ClientLimits::default() });
    let mut client = speaking(&proxy, &frame(4, 0, 0, &[])).await;
    // To a host that there is none of, so that it is answered.
    client.write(frame(1, 5, 5, &[0x82, 0x86, 0x84, 0x41, 1, b'x'])).await;
    client.expect("nothing is served here").await;
    client.write(frame(6, 0, 0, &[0; 8]).repeat(2)).await;
    let rest = client.rest().await;
    assert_eq!(rest[rest.len() - 8..], [0, 0, 0, 5, 0, 0, 0, 11]);
}

#[tokio::test]
async fn a_header_block_of_http_2_has_the_time_of_a_head() {
    let client = Client { head: SHORT, ..Client::default() };
    let proxy = Proxy::with(limits(), ClientLimits { client, ..ClientLimits::default() });
    // Its stream would keep the connection from being idle for ever.
    let open = [frame(4, 0, 0, &[]), frame(1, 1, 1, &[0x82, 0x86, 0x84])].concat();
    let client = speaking(&proxy, &open).await;
    assert_eq!(goaway(&client.rest().await), Some(ENHANCE_YOUR_CALM));
    until("it is counted", || cut(&proxy, Cut::Http2(Abuse::HeaderBlock)) == 1).await;
}
