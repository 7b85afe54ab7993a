use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;

use shunt_config::AppName;
use shunt_config::record::Deploy;
use shunt_config::store::{self, Store, StoreConfig, Txn};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::lock;
use crate::report::Report;

const DEPLOY: &str = r#"{"id":"d2","who":{"user":"ann","host":"ci-7","pid":42},
    "began":"2026-01-01T00:00:00Z","slot":"green","limits":{"health":"30s","flip":"1s","drain":"1s",
    "warm":"1s","lost":"1s","stop":"1s"},"plan":["hold","stop","start","flip","release"],
    "stage":"undoing","before":{}}"#;

/// What lets nobody in, and refuses nobody either: its queue is full.
struct Wall {
    _socket: Socket,
    _queue: Vec<TcpStream>,
    address: SocketAddr,
}

impl Wall {
    fn up() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let enter = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let queue: Vec<_> = std::iter::from_fn(enter).take(16).collect();
        assert!(queue.len() < 16, "everybody is let in");
        Self { _socket: socket, _queue: queue, address }
    }
}

/// The way back of an app whose old release is in blue, on `engine`, behind a wall.
struct Way {
    _wall: Wall,
    _directory: TempDir,
    store: Arc<dyn Store>,
    address: SocketAddr,
}

impl Way {
    async fn open(engine: &str) -> Self {
        let (wall, directory) = (Wall::up(), TempDir::new().unwrap());
        let config = StoreConfig::directory(directory.path().join("store"));
        let (store, address) = (store::open(&config).unwrap(), wall.address);
        let way = Self { _wall: wall, _directory: directory, store, address };
        let blue = format!(
            r#"{{"version":"1","deploy":"d1","targets":["{address}"],"engines":["{engine}"],
            "health":{{"interval":"50ms","timeout":"50ms","fall":1}}}}"#
        );
        way.put("apps/web/app", r#"{"hosts":["www.example.com"]}"#).await;
        way.put("apps/web/blue", &blue).await;
        way.put("apps/web/active", "blue").await;
        let since = r#"{"since":"2026-01-01T00:00:00Z","version":"1"}"#;
        way.put("fleet/lb1", since).await;
        let instance = r#"{"started":"2026-01-01T00:00:00Z","version":"1","pid":1,"admin":null}"#;
        way.put("proxies/lb1/1/instance", instance).await;
        way
    }

    async fn put(&self, key: &str, value: &str) {
        self.store.commit(Txn::new().put(key, value.to_owned())).await.unwrap();
    }

    /// The proxy says that the old release's target is in `state`.
    async fn seen(&self, state: &str) {
        let keys = AppKeys::read(&*self.store, &app()).await.unwrap();
        let (token, address) = (&keys.slot(Slot::Blue).unwrap().token, self.address);
        let said = format!(
            r#"{{"app":null,"active":null,"serving":[],"targets":[{{"token":"{token}",
            "slot":"blue","address":"{address}","state":"{state}","last":"as asked by lb1"}}]}}"#
        );
        self.put("proxies/lb1/1/apps/web", &said).await;
    }

    async fn run<'a>(&self, report: &'a Report, limit: Duration) -> Run<'a> {
        let held = lock::take(&*self.store, &app(), "deploy", Duration::ZERO, report).await;
        let keys = AppKeys::read(&*self.store, &app()).await.unwrap();
        let mut record = Deploy::parse(DEPLOY.as_bytes()).unwrap();
        record.limits.health = limit;
        Run::new(report, &self.store, &held.unwrap(), &keys, record).await.unwrap()
    }
}

fn app() -> AppName {
    "web".parse().unwrap()
}

#[tokio::test]
async fn a_release_out_of_reach_from_here_serves_again_when_the_proxies_say_so() {
    let (way, report) = (Way::open("ssh://root@10.0.0.11").await, Report::new(false));
    way.seen("failing").await;
    let mut run = way.run(&report, Duration::from_mins(1)).await;
    let mut again = pin!(run.served_again(&[]));
    assert!(timeout(Duration::from_secs(1), &mut again).await.is_err(), "no proxy has seen it");
    way.seen("healthy").await;
    again.await.unwrap();
}

#[tokio::test]
async fn a_release_that_has_to_answer_here_and_does_not_is_not_served_again() {
    let (way, report) = (Way::open("unix:///var/run/docker.sock").await, Report::new(false));
    way.seen("healthy").await;
    let mut run = way.run(&report, Duration::from_millis(300)).await;
    let failure = run.served_again(&[]).await.unwrap_err().failure("d2");
    assert_eq!(failure.exit, Exit::Unhealthy);
    assert!(failure.said.contains(&format!("{}: connect: no answer", way.address)), "{failure}");
}
