//! A small site: a store, an app with a release in each slot, and proxies in front.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use demo::app::{App, Running};
use demo::load::{Load, Report, Work};
use e2e::{Proxy, Relay, Store, until};

/// The app's host name.
pub(crate) const HOST: &str = "www.example.com";

/// A free port on loopback.
pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The app `web`: release 1 in blue, which is active, and release 2 in green.
pub(crate) struct Site {
    pub(crate) blue: Running,
    pub(crate) green: Running,
    pub(crate) proxy: Proxy,
    pub(crate) store: Store,
}

impl Site {
    /// A site on which release 1 is served.
    pub(crate) async fn on(store: Store) -> Self {
        Self::with(store, "").await
    }

    /// The same with more settings of the proxy.
    pub(crate) async fn with(store: Store, settings: &str) -> Self {
        let section = store.section();
        Self::new(store, Proxy::configured("lb1", settings, &section)).await
    }

    /// The same with a relay between proxy and etcd.
    pub(crate) async fn through(store: Store, relay: &Relay) -> Self {
        let section = format!("[store]\netcd = [\"http://{}\"]\n", relay.address());
        Self::new(store, Proxy::configured("lb1", "", &section)).await
    }

    async fn new(store: Store, mut proxy: Proxy) -> Self {
        let blue = App::new("1").start(LOOPBACK).unwrap();
        let green = App::new("2").start(LOOPBACK).unwrap();
        store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]}}"#)).await;
        store.put("apps/web/blue", release("1", &blue)).await;
        store.put("apps/web/green", release("2", &green)).await;
        store.put("apps/web/active", "blue").await;
        proxy.run();
        proxy.serves(HOST, "1").await;
        let site = Self { blue, green, proxy, store };
        // Also the slot that stands by is proved from here on.
        site.settled().await;
        site
    }

    /// Waits until the proxy has nothing more to wait for.
    pub(crate) async fn settled(&self) {
        until("both slots are proved", async || {
            let status = self.status().await?;
            let targets = status["targets"].as_array()?;
            let healthy = targets.iter().filter(|target| target["state"] == "healthy").count();
            (healthy == 2 && status["pending"].is_null() && status["serving"][0]["slot"] == "blue")
                .then_some(())
        })
        .await;
    }

    /// Load of every kind on the proxy.
    pub(crate) fn load(&self) -> demo::load::Running {
        let load = Load::on(self.proxy.address()).host(HOST);
        let load = load.kept_alive(16, Work::QUICK).kept_alive(4, Work::SLOW);
        load.fresh(2, Work::QUICK).start().unwrap()
    }

    /// What the proxy says in the store of the app, once it says that it serves `slot` alone.
    pub(crate) async fn acknowledged(&self, slot: &str) -> serde_json::Value {
        until(&format!("{} acknowledges {slot}", self.proxy.name()), async || {
            let status = self.status().await?;
            let serving = status["serving"].as_array()?;
            let [one] = serving.as_slice() else { return None };
            (one["slot"] == slot).then_some(status)
        })
        .await
    }

    /// What the proxy says in the store of the app.
    pub(crate) async fn status(&self) -> Option<serde_json::Value> {
        let keys = self.store.keys(&format!("proxies/{}/", self.proxy.name())).await;
        let key = keys.into_iter().find(|key| key.ends_with("/apps/web"))?;
        serde_json::from_str(&self.store.get(&key).await?).ok()
    }

    /// Fails unless every request of `report` went to one release, and to one only.
    pub(crate) fn judge(&self, report: &Report) {
        assert_eq!(report.failed(), 0, "{report}");
        assert_eq!(self.blue.seen() + self.green.seen(), report.sent(), "{report}");
    }
}

/// The release's JSON, as one would type it.
pub(crate) fn release(version: &str, app: &Running) -> String {
    format!(r#"{{"version":"{version}","targets":["{}"]}}"#, app.address())
}

/// Waits until `release` has answered so many requests more than now.
pub(crate) async fn answers(load: &demo::load::Running, release: &str, more: u64) -> Instant {
    let wanted = load.answered_by(release) + more;
    let what = format!("{more} more answers by release {release}");
    until(&what, async || (load.answered_by(release) >= wanted).then(Instant::now)).await
}

/// Whether the long versions are asked for.
pub(crate) fn soak() -> bool {
    std::env::var_os("SHUNT_SOAK").is_some()
}
