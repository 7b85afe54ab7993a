//! Copies of requests, for a release that gets none itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shunt_config::App;
use shunt_config::status::Mirrored;
use shunt_proxy::data::{ClientLimits, Room};
use shunt_proxy::metrics::{Meters, Pairs};
use shunt_proxy::route::preview::Shown;
use shunt_proxy::route::router::Change;
use shunt_proxy::route::{Epoch, Front, Mirror, Preview, Release, Site};

use crate::backend::{Backend, Conn};
use crate::client::{Client, header, within};
use crate::gated::{Gated, Manner};
use crate::proxy::{Proxy, SHORT, limits, short, until};
use crate::upgrades;

/// Copies that one thread has under way at most.
const MOST: usize = 64;

/// A proxy of one thread, the app `web` and its mirror.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    settings: App,
    epoch: Arc<Epoch>,
    mirror: Option<Arc<Mirror>>,
    pairs: Arc<Pairs>,
    preview: Shown,
}

impl Stage {
    /// Release `one` serves.
    async fn open(one: SocketAddr) -> Self {
        let proxy = Proxy::with_room(limits(), ClientLimits::default(), 1, Room::of(usize::MAX));
        Self::on(proxy, &one.to_string()).await
    }

    /// The same on this `proxy`; `one` is what the slot's value says.
    pub(crate) async fn on(proxy: Proxy, one: &str) -> Self {
        let settings = r#"{"hosts":["web"],"preview":{"host":"{slot}.{host}"}}"#;
        let settings = App::parse(settings.as_bytes()).unwrap();
        let epoch = proxy.epoch(&proxy.announce("one", one).await);
        let (pairs, preview) = (Arc::new(Pairs::new(2)), Shown::Nothing);
        let stage = Self { proxy, settings, epoch, mirror: None, pairs, preview };
        stage.publish();
        stage
    }

    /// Makes it live as it stands; returns the epochs that this closed and that may have to drain.
    fn publish(&self) -> Vec<Arc<Epoch>> {
        let shown = [Shown::Nothing, self.preview.clone()];
        let site = Site {
            app: "web".parse().unwrap(),
            routes: vec![("web".parse().unwrap(), "/".parse().unwrap())],
            strip_prefix: false,
            front: Front::of(&self.settings),
            hold: None,
            epoch: Some(Arc::clone(&self.epoch)),
            preview: Preview::of(&"web".parse().unwrap(), &self.settings, shown).map(Arc::new),
            mirror: self.mirror.clone(),
        };
        self.proxy.router.publish(vec![Change::Put(Arc::new(site))])
    }

    /// Copies `percent` of the requests to `release` from now on; returns what copies claim on.
    pub(crate) fn copy(&mut self, percent: u8, release: &Arc<Release>) -> Arc<Epoch> {
        let own = release.previewed(&Arc::default(), &Arc::new(Meters::new(2)));
        let epoch = self.proxy.epoch(&Arc::new(own));
        let pairs = Arc::clone(&self.pairs);
        self.mirror = Some(Arc::new(Mirror::new(percent, Arc::clone(&epoch), pairs)));
        self.publish();
        epoch
    }

    fn standby(&self, two: SocketAddr) -> Arc<Release> {
        self.proxy.release("two", &[two])
    }

    pub(crate) fn counts(&self) -> Mirrored {
        self.pairs.mirrored()
    }

    /// Waits until no copy is under way.
    async fn settled(epoch: &Arc<Epoch>) {
        until("no copy is under way", || epoch.all_leases() == 0).await;
    }
}

/// Sends `text` on a connection of its own, and reads the answer.
async fn send(proxy: &Proxy, text: &str) -> u16 {
    let mut client = proxy.client().await;
    client.write(text).await;
    client.head().await.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn exactly_the_percent_that_is_asked_for_is_copied() {
    let (one, two) = (Backend::answering("one").await, Backend::answering("two").await);
    let mut stage = Stage::open(one.address).await;
    let epoch = stage.copy(13, &stage.standby(two.address));
    let mut client = stage.proxy.client().await;
    for _ in 0..200 {
        assert_eq!(client.get("/").await.body, "one");
    }
    Stage::settled(&epoch).await;
    let Mirrored { originals, copies, differ, left_out } = stage.counts();
    assert_eq!((originals.requests, copies.requests, two.answered()), (26, 26, 26));
    assert_eq!((originals.errors, copies.errors, differ, left_out), (0, 0, 0, 0));
    assert_eq!((originals.slow(0), copies.slow(0)), (26, 26), "each has its latency");
    // In no figure of its own release, nor in that of the one that serves.
    let of = |epoch: &Epoch| epoch.shares()[0].release.meters.totals().requests();
    until("the requests are counted", || of(&stage.epoch) == 200).await;
    assert_eq!(of(&epoch), 0);
}

#[tokio::test]
async fn only_gets_of_the_app_without_a_body_are_copied() {
    let (one, two) = (Backend::answering("one").await, Gated::open("two").await);
    let mut stage = Stage::open(one.address).await;
    let release = stage.standby(two.address);
    let own = release.previewed(&Arc::default(), &Arc::new(Meters::new(2)));
    stage.preview = Shown::Release(stage.proxy.epoch(&Arc::new(own)));
    let epoch = stage.copy(100, &release);
    for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let text = format!("{method} /{method} HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(send(&stage.proxy, &text).await, 200, "{method}");
    }
    let body = "GET /body HTTP/1.1\r\nHost: web\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(send(&stage.proxy, body).await, 200);
    assert_eq!(send(&stage.proxy, upgrades::ASK).await, 200);
    let preview = "GET /preview HTTP/1.1\r\nHost: green.web\r\n\r\n";
    assert_eq!(send(&stage.proxy, preview).await, 200);
    Stage::settled(&epoch).await;
    assert_eq!(two.came(), ["/preview"], "and only once");
    for fields in ["", "Range: bytes=0-1\r\n", "Content-Length: 0\r\n"] {
        let text = format!("GET /copied HTTP/1.1\r\nHost: web\r\n{fields}\r\n");
        assert_eq!(send(&stage.proxy, &text).await, 200);
    }
    until("they are copied", || two.count() == 4).await;
    Stage::settled(&epoch).await;
    assert_eq!(two.came()[1..], ["/copied"; 3]);
    assert_eq!(stage.counts().copies.requests, 3);
}

#[tokio::test]
async fn a_copy_is_what_the_target_would_get_says_so_and_its_answer_reaches_nobody() {
    let (one, two) = (Backend::bind().await, Backend::bind().await);
    let mut stage = Stage::open(one.address()).await;
    stage.copy(100, &stage.standby(two.address()));
    let mut client = stage.proxy.client().await;
    client
        .write("GET /a?b=c HTTP/1.1\r\nHost: web\r\nCookie: a=b\r\nX-A: 1\r\nConnection: x-b\r\nX-B: 2\r\n\r\n")
        .await;
    let (mut conn, mut copied) = (one.accept().await, two.accept().await);
    let (head, copy) = (conn.request().await, copied.request().await);
    assert_eq!(header(&copy, "x-shunt-mirror"), Some("copy"), "{copy}");
    let without = copy.replace("x-shunt-mirror: copy\r\n", "");
    assert_eq!(without, head, "nothing else tells them apart");
    copied.write("HTTP/1.1 200 OK\r\nSet-Cookie: x=two\r\nContent-Length: 3\r\n\r\ntwo").await;
    conn.answer("one").await;
    let answer = client.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("set-cookie")), ("one", None));
    until("they are counted", || stage.counts().copies.requests == 1).await;
    // The connection is kept for the next one.
    client.send_get("/next").await;
    assert!(copied.request().await.starts_with("get /next "));
    conn.request().await;
    conn.answer("next").await;
    assert_eq!(client.answer().await.body, "next");
}

#[tokio::test]
async fn a_standby_that_hangs_delays_nobody_and_gets_no_more_than_so_many() {
    let (one, two) = (Backend::answering("one").await, Gated::shut("two").await);
    let mut stage = Stage::open(one.address).await;
    let epoch = stage.copy(100, &stage.standby(two.address));
    let mut client = stage.proxy.client().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.body, "one");
    }
    until("as many as may hang there", || two.count() == MOST).await;
    assert_eq!(stage.counts().left_out as usize, 100 - MOST);
    assert_eq!(stage.counts().originals.requests, 0, "half of a pair counts nowhere");
    two.let_through(MOST);
    Stage::settled(&epoch).await;
    let Mirrored { originals, copies, left_out, .. } = stage.counts();
    assert_eq!((originals.requests, copies.requests), (MOST as u64, MOST as u64));
    // There is room again.
    assert_eq!(client.get("/").await.body, "one");
    until("it comes", || two.count() == MOST + 1).await;
    assert_eq!((stage.counts().left_out, two.most()), (left_out, MOST));
    // The proxy ends, and waits for no copy.
    drop(client);
    let long = Duration::from_secs(600);
    assert_eq!(within("the shutdown ends", stage.proxy.plane.shutdown(long)).await, 0);
}

#[tokio::test]
async fn what_goes_wrong_with_a_copy_is_counted_and_seen_by_no_client() {
    let one = Backend::answering("one").await;
    let two = Gated::open("two").await;
    let proxy = Proxy::with_room(
        short(|limits| limits.response = SHORT),
        ClientLimits::default(),
        1,
        Room::of(usize::MAX),
    );
    let mut stage = Stage::on(proxy, &one.address.to_string()).await;
    let gone = Backend::bind().await.address();
    let silent = Backend::bind().await;
    let mut client = stage.proxy.client().await;
    let mut nth = 0;
    for (address, manner, connects) in [
        (two.address, Manner::Fails, 0),
        (two.address, Manner::Closes, 0),
        (gone, Manner::Answers, 1),
        (silent.address(), Manner::Answers, 1),
    ] {
        two.behave(manner);
        stage.copy(100, &stage.standby(address));
        assert_eq!(client.get("/").await.body, "one");
        nth += 1;
        until("the pair is counted", || stage.counts().copies.requests == nth).await;
        let Mirrored { originals, copies, differ, .. } = stage.counts();
        assert_eq!((originals.requests, originals.errors, originals.connects), (nth, 0, 0));
        assert_eq!((copies.errors, differ, copies.connects), (nth, nth, connects), "{manner:?}");
    }
    // One that fails where the copy does not is as much of a difference.
    two.behave(Manner::Answers);
    stage.epoch = stage.proxy.epoch(&stage.proxy.release("gone", &[gone]));
    stage.copy(100, &stage.standby(two.address));
    assert_eq!(client.get("/").await.status(), 502);
    until("it is counted", || stage.counts().originals.requests == nth + 1).await;
    let Mirrored { originals, copies, differ, .. } = stage.counts();
    assert_eq!((originals.errors, originals.connects), (1, 1));
    assert_eq!((copies.errors, differ), (nth, nth + 1));
}

/// A request that is answered, and whose copy is under way at `two`.
async fn under_way(client: &mut Client, two: &Backend) -> Conn {
    assert_eq!(client.get("/").await.body, "one");
    let mut conn = two.accept().await;
    conn.request().await;
    conn
}

#[tokio::test]
async fn a_flip_drops_copies_and_no_drain_waits_for_them() {
    let (one, two) = (Backend::answering("one").await, Backend::bind().await);
    let mut stage = Stage::open(one.address).await;
    let release = stage.standby(two.address());
    let copies = stage.copy(100, &release);
    let mut client = stage.proxy.client().await;
    let mut hangs = under_way(&mut client, &two).await;
    assert_eq!((copies.all_leases(), copies.is_closed()), (1, false));

    // A change of something else leaves it where it is.
    assert!(stage.publish().is_empty() && !copies.is_closed());
    stage.epoch = stage.proxy.epoch(&release);
    stage.mirror = None;
    let closed = stage.publish();
    assert_eq!(closed.len(), 1, "the epoch of the app's own requests alone");
    within("the drain ends", closed[0].drained()).await;
    assert!(copies.is_closed());
    hangs.closed().await;
    Stage::settled(&copies).await;
    assert_eq!(stage.counts(), Mirrored::default(), "half of a pair counts nowhere");

    client.send_get("/own").await;
    let mut conn = two.accept().await;
    let head = conn.request().await;
    assert_eq!(header(&head, "x-shunt-mirror"), None, "{head}");
    conn.answer("two").await;
    assert_eq!(client.answer().await.body, "two");
}

#[tokio::test]
async fn a_mirror_that_ends_drops_what_is_under_way_and_the_next_begins_anew() {
    let (one, two) = (Backend::answering("one").await, Backend::bind().await);
    let mut stage = Stage::open(one.address).await;
    let first = stage.copy(100, &stage.standby(two.address()));
    let mut client = stage.proxy.client().await;
    let mut hangs = under_way(&mut client, &two).await;
    stage.mirror = None;
    assert!(stage.publish().is_empty(), "nothing has to drain");
    assert!(first.is_closed() && !stage.epoch.is_closed());
    hangs.closed().await;
    // Another release in the slot: each has its own copies.
    let three = Backend::bind().await;
    let second = stage.copy(100, &stage.proxy.release("three", &[three.address()]));
    let mut conn = under_way(&mut client, &three).await;
    conn.answer("three").await;
    Stage::settled(&second).await;
    assert_eq!(stage.counts().copies.requests, 1);
}

#[tokio::test]
async fn copies_take_no_place_that_requests_wait_for_and_nobodys_connection() {
    let (one, two) = (Backend::bind().await, Gated::shut("two").await);
    let room = Room::of(usize::MAX).for_targets(1);
    let proxy = Proxy::with_room(limits(), ClientLimits::default(), 1, room);
    let mut stage = Stage::on(proxy, &one.address().to_string()).await;
    let epoch = stage.copy(100, &stage.standby(two.address));
    let mut client = stage.proxy.client().await;
    client.send_get("/1").await;
    let mut conn = one.accept().await;
    for nth in 1..=3 {
        conn.request().await;
        conn.answer("one").await;
        assert_eq!(client.answer().await.body, "one");
        Stage::settled(&epoch).await;
        assert_eq!((stage.counts().left_out, two.count()), (nth, 0));
        // On the same connection: it is still there.
        client.send_get("/more").await;
    }

    // As many requests as a target may have are all that it gets.
    let one = Backend::answering("one").await;
    let mut stage = Stage::open(one.address).await;
    let release = stage.proxy.spread("two", &[two.address], r#""max_requests":1"#);
    stage.copy(100, &release);
    let mut client = stage.proxy.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.body, "one");
    }
    until("one hangs there", || two.count() == 1).await;
    assert_eq!((stage.counts().left_out, stage.proxy.line.waiting()), (4, 0));
}

#[tokio::test]
async fn a_pair_whose_client_leaves_before_its_answer_counts_nowhere() {
    let (one, two) = (Backend::bind().await, Backend::answering("two").await);
    let mut stage = Stage::open(one.address()).await;
    let epoch = stage.copy(100, &stage.standby(two.address));
    let mut leaves = stage.proxy.client().await;
    leaves.send_get("/").await;
    let mut conn = one.accept().await;
    conn.request().await;
    until("its copy is answered", || two.answered() == 1).await;
    drop(leaves);
    conn.closed().await;
    Stage::settled(&epoch).await;

    let mut client = stage.proxy.client().await;
    client.send_get("/").await;
    let mut conn = one.accept().await;
    conn.request().await;
    conn.answer("one").await;
    assert_eq!(client.answer().await.body, "one");
    until("the next one is counted", || stage.counts().copies.requests == 1).await;
    assert_eq!((stage.counts().originals.requests, two.answered()), (1, 2));
}

#[tokio::test]
async fn a_long_answer_to_a_copy_is_not_read_to_its_end() {
    let (one, two) = (Backend::answering("one").await, Backend::bind().await);
    let mut stage = Stage::open(one.address).await;
    let epoch = stage.copy(100, &stage.standby(two.address()));
    let mut client = stage.proxy.client().await;
    for head in
        ["Content-Length: 1073741824\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n100000\r\n"]
    {
        let mut conn = under_way(&mut client, &two).await;
        conn.write(format!("HTTP/1.1 200 OK\r\n{head}")).await;
        conn.floods().await;
        Stage::settled(&epoch).await;
    }
    assert_eq!(stage.counts().copies.requests, 2);
    // One that is no longer than that is, and its connection is kept.
    let mut conn = under_way(&mut client, &two).await;
    conn.answer(&"x".repeat(1024 * 1024)).await;
    Stage::settled(&epoch).await;
    assert_eq!(client.get("/kept").await.body, "one");
    assert!(conn.request().await.starts_with("get /kept "));
}
