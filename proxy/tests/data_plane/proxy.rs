//! A data plane with a snapshot put together by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shunt_config::pass::PassKey;
use shunt_config::proxy_file::Client;
use shunt_config::timeouts::Limits;
use shunt_config::{App, AppName, Release as Spec, Slot, Timeouts};
use shunt_proxy::data::{ClientLimits, Door, Listener, Plane, PlaneConfig, Room};
use shunt_proxy::metrics::Meters;
use shunt_proxy::route::router::Change;
use shunt_proxy::route::{
    Division, Epoch, Hall, Hold, Key, Line, Release, Router, Share, Site, Spread, Visitors,
};

use crate::client::{self, within};

const THREADS: usize = 2;

/// A running data plane.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) router: Arc<Router>,
    pub(crate) plane: Plane,
    /// Where requests of `web` wait.
    pub(crate) line: Arc<Line>,
    /// Where they wait while `web` is held.
    pub(crate) hall: Arc<Hall>,
    /// Visitors of `web`.
    visitors: Arc<Visitors>,
    limits: Limits,
}

/// Limits no test runs into unless it says so.
pub(crate) fn limits() -> Limits {
    Timeouts::default().over(&Timeouts::default())
}

impl Proxy {
    /// A proxy without apps.
    pub(crate) fn start() -> Self {
        Self::with(limits(), ClientLimits::default())
    }

    pub(crate) fn with(limits: Limits, client: ClientLimits) -> Self {
        Self::with_room(limits, client, THREADS, Room::of(usize::MAX))
    }

    pub(crate) fn with_room(
        limits: Limits,
        client: ClientLimits,
        threads: usize,
        room: Room,
    ) -> Self {
        let listener =
            Listener::bind("127.0.0.1:0".parse().unwrap(), threads, Door::default()).unwrap();
        let address = listener.local_addr();
        let router = Arc::new(Router::default());
        let config = PlaneConfig {
            threads,
            listeners: vec![listener],
            client,
            room,
            log: None,
            pages: Arc::default(),
            pass_keys: Arc::new(arc_swap::ArcSwap::from_pointee(vec![pass_key()])),
            health: None,
        };
        let plane = Plane::start(config, &router).unwrap();
        let visitors = Arc::new(Visitors::of(&app(), &Key::new(&[7; 32])));
        let hall = Arc::default();
        Self { address, router, plane, line: Arc::default(), hall, visitors, limits }
    }

    /// A proxy whose app `web` is served by `targets`.
    pub(crate) fn serving(targets: &[SocketAddr]) -> Self {
        let proxy = Self::start();
        proxy.flip(&proxy.release("first", targets));
        proxy
    }

    /// A release of `web`, proved.
    pub(crate) fn release(&self, token: &str, targets: &[SocketAddr]) -> Arc<Release> {
        let text: Vec<_> = targets.iter().map(ToString::to_string).collect();
        self.release_of(token, &text.join(" "))
    }

    /// The release of `web` that a slot's value `text` says, ready to be reached.
    pub(crate) async fn announce(&self, token: &str, text: &str) -> Arc<Release> {
        let release = self.release_of(token, text);
        release.reach.prepare().await.unwrap();
        release
    }

    /// The release of `web` that a slot's value `text` says.
    pub(crate) fn release_of(&self, token: &str, text: &str) -> Arc<Release> {
        let spec = Spec::parse(text.as_bytes()).unwrap();
        let meters = Arc::new(Meters::new(THREADS));
        let release = Release::new(&app(), Slot::Blue, token.into(), &spec, self.limits, meters);
        release.targets.iter().for_each(|target| target.set_usable(true));
        Arc::new(release)
    }

    /// The same, with its requests spread as `settings` of the app say: the inside of JSON braces.
    pub(crate) fn spread(
        &self,
        token: &str,
        targets: &[SocketAddr],
        settings: &str,
    ) -> Arc<Release> {
        let app = App::parse(format!(r#"{{"hosts":["*"],{settings}}}"#).as_bytes()).unwrap();
        let plain = Arc::into_inner(self.release(token, targets)).unwrap();
        Arc::new(plain.spread(Spread::of(&app), &self.line, &Key::new(&[7; 32])))
    }

    /// A proxy whose app `web` is served by `targets`, spread as `settings` say.
    pub(crate) fn spreading(targets: &[SocketAddr], settings: &str) -> (Self, Arc<Release>) {
        let proxy = Self::start();
        let release = proxy.spread("first", targets, settings);
        proxy.flip(&release);
        (proxy, release)
    }

    /// Sends half of the new requests to each of two releases.
    pub(crate) fn split(&self, blue: &Arc<Release>, green: &Arc<Release>) {
        let share = |release: &Arc<Release>| Share { release: Arc::clone(release), percent: 50 };
        let shares = vec![share(blue), share(green)];
        self.publish(Some(Arc::new(Epoch::new(shares, THREADS))), "*", "/", false);
    }

    /// Sends `percent` of the new requests to `green`, divided as `settings` of the app say.
    pub(crate) fn divide(
        &self,
        (blue, green): (&Arc<Release>, &Arc<Release>),
        percent: u8,
        settings: &str,
    ) {
        let app = App::parse(format!(r#"{{"hosts":["*"],{settings}}}"#).as_bytes()).unwrap();
        let share = |release: &Arc<Release>, percent| Share { release: release.clone(), percent };
        let shares = vec![share(blue, 100 - percent), share(green, percent)];
        let division = Division::of(&app, &self.visitors);
        let epoch = Epoch::new(shares, THREADS).divided(division);
        self.publish(Some(Arc::new(epoch)), "*", "/", false);
    }

    /// Sends all new requests to `release`; returns the epoch that this closed.
    pub(crate) fn flip(&self, release: &Arc<Release>) -> Option<Arc<Epoch>> {
        self.put(Some(self.epoch(release)), None)
    }

    /// Sends all new requests to the first of `releases`, and to the others who stays there; returns the
    /// epoch that this closed.
    pub(crate) fn keep(&self, releases: &[&Arc<Release>]) -> Option<Arc<Epoch>> {
        let share = |(nth, release): (usize, &&Arc<Release>)| Share {
            release: Arc::clone(release),
            percent: if nth == 0 { 100 } else { 0 },
        };
        let shares = releases.iter().enumerate().map(share).collect();
        self.put(Some(Arc::new(Epoch::new(shares, THREADS))), None)
    }

    /// An epoch of which all requests go to `release`.
    #[expect(clippy::unused_self, reason = "it reads like its neighbours")]
    pub(crate) fn epoch(&self, release: &Arc<Release>) -> Arc<Epoch> {
        let share = Share { release: Arc::clone(release), percent: 100 };
        Arc::new(Epoch::new(vec![share], THREADS))
    }

    /// Puts app `web` live under every host, stopped by `hold`.
    pub(crate) fn put(
        &self,
        epoch: Option<Arc<Epoch>>,
        hold: Option<Arc<Hold>>,
    ) -> Option<Arc<Epoch>> {
        let routes = vec![("*".parse().unwrap(), "/".parse().unwrap())];
        let (strip_prefix, front, preview, mirror) = (false, None, None, None);
        let app = app();
        let site = Site { app, routes, strip_prefix, front, hold, epoch, preview, mirror };
        self.router.publish(vec![Change::Put(Arc::new(site))]).pop()
    }

    /// Puts app `web` live under one route.
    pub(crate) fn publish(
        &self,
        epoch: Option<Arc<Epoch>>,
        host: &str,
        prefix: &str,
        strip_prefix: bool,
    ) -> Option<Arc<Epoch>> {
        let routes = vec![(host.parse().unwrap(), prefix.parse().unwrap())];
        let (front, hold, preview, mirror) = (None, None, None, None);
        let app = app();
        let site = Site { app, routes, strip_prefix, front, hold, epoch, preview, mirror };
        self.router.publish(vec![Change::Put(Arc::new(site))]).pop()
    }

    pub(crate) async fn client(&self) -> client::Client {
        client::Client::connect(self.address).await
    }
}

/// What passes are signed with.
pub(crate) fn pass_key() -> PassKey {
    PassKey::new(&[9; 32])
}

fn app() -> AppName {
    "web".parse().unwrap()
}

/// Clients that may be idle, and take for a head, this long.
pub(crate) fn patience(idle: Duration, head: Duration) -> ClientLimits {
    let client = Client { idle, head, ..Client::default() };
    ClientLimits { client, ..ClientLimits::default() }
}

/// Limits with one of them short.
pub(crate) fn short(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = limits();
    change(&mut limits);
    limits
}

/// Short enough to wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Polls until `done`, or fails naming `what`.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    within(what, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
