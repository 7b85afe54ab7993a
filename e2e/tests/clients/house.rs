//! A proxy with a door of each kind, and the app `web` behind it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use demo::app::{App, Running};
use e2e::{Authority, Port, Proxy, Store, until};
use tempfile::TempDir;

/// The app's host name.
pub(crate) const HOST: &str = "www.example.com";

/// A proxy that listens in the clear, with TLS, behind a PROXY header and with client certificates.
pub(crate) struct House {
    pub(crate) proxy: Proxy,
    pub(crate) store: Store,
    /// TLS.
    pub(crate) tls: Port,
    /// In the clear, with a PROXY header.
    pub(crate) behind: Port,
    /// TLS with client certificates.
    pub(crate) mutual: Port,
    files: TempDir,
}

impl House {
    /// A house without apps.
    pub(crate) async fn open() -> Self {
        let files = TempDir::with_prefix("shunt-clients-").unwrap();
        let path = files.path();
        let certificates = path.join("certificates");
        std::fs::create_dir(&certificates).unwrap();
        let servers = Authority::new("servers");
        servers.write(path, "servers");
        servers.issue(&certificates, "www", &[HOST]);
        let clients = Authority::new("clients");
        clients.write(path, "clients");
        clients.issue(path, "alice", &["alice"]);
        Authority::new("others").issue(path, "mallory", &["alice"]);

        let [tls, behind, mutual] = [Port::free(), Port::free(), Port::free()];
        let settings = format!(
            "[[listen]]\naddress = \"{}\"\ntls = true\n\
             [[listen]]\naddress = \"{}\"\nproxy_protocol = true\n\
             [[listen]]\naddress = \"{}\"\ntls = true\nclient_ca = '{path}/clients.pem'\n\
             [tls]\ncertificates = '{path}/certificates'\n\
             [trust]\nproxy_protocol = [\"127.0.0.1\"]\n\
             [access_log]\npath = '{path}/access.log'\n",
            tls.address(),
            behind.address(),
            mutual.address(),
            path = path.display(),
        );
        let store = Store::directory();
        let mut proxy = Proxy::configured("lb1", &settings, &store.section());
        proxy.run();
        proxy.ready().await;
        Self { proxy, store, tls, behind, mutual, files }
    }

    /// Lets `web` be served, release 1 in blue, which is active, and release 2 in green; `settings`
    /// are more keys of the app.
    pub(crate) async fn serve(&self, settings: &str, blue: &str, green: &str) {
        self.store.put("apps/web/app", format!(r#"{{"hosts":["{HOST}"]{settings}}}"#)).await;
        self.store.put("apps/web/blue", blue).await;
        self.store.put("apps/web/green", green).await;
        self.flip("blue").await;
    }

    /// Lets `web` be served by two demo apps.
    pub(crate) async fn serve_demo(&self, settings: &str) -> [Running; 2] {
        let start = |version| App::new(version).start(([127, 0, 0, 1], 0).into());
        let apps = [start("1").unwrap(), start("2").unwrap()];
        let [blue, green] = apps.each_ref().map(|app| release("http/1.1", app.address()));
        self.serve(settings, &blue, &green).await;
        apps
    }

    /// Makes a slot of `web` active and waits until it serves and both slots are proved.
    pub(crate) async fn flip(&self, slot: &str) {
        self.store.put("apps/web/active", slot).await;
        until(&format!("{slot} serves"), async || {
            let keys = self.store.keys("proxies/lb1/").await;
            let key = keys.into_iter().find(|key| key.ends_with("/apps/web"))?;
            let status = self.store.get(&key).await?;
            let status: serde_json::Value = serde_json::from_str(&status).ok()?;
            let targets = status["targets"].as_array()?;
            let healthy = targets.iter().filter(|target| target["state"] == "healthy").count();
            let serves = status["serving"][0]["slot"] == slot && status["pending"].is_null();
            (serves && healthy == 2).then_some(())
        })
        .await;
    }

    /// Flips to and fro, `pause` after each flip, until `done`; how often.
    pub(crate) async fn flips_until<T>(
        &self,
        pause: Duration,
        done: impl Future<Output = T>,
    ) -> (T, usize) {
        let mut done = std::pin::pin!(done);
        let mut flips = 0;
        loop {
            let slot = if flips % 2 == 0 { "green" } else { "blue" };
            let flip = async {
                self.flip(slot).await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                result = &mut done => return (result, flips),
                () = flip => flips += 1,
            }
        }
    }

    /// A file among the house's own; [`Authority::write`] and [`Authority::issue`] made some.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Where all its files are.
    pub(crate) fn files(&self) -> &Path {
        self.files.path()
    }

    /// The lines of the access log so far.
    pub(crate) fn access_log(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.file("access.log")).unwrap_or_default();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How many of `web`'s tunnels in `slot` have ended for that reason.
    pub(crate) async fn tunnels(&self, slot: &str, end: &str) -> u64 {
        let series = format!("shunt_tunnels_total{{app=\"web\",slot=\"{slot}\",end=\"{end}\"}}");
        self.proxy.metric(&series).await.map_or(0, |value| value.parse().unwrap())
    }
}

/// A release's JSON: one target that speaks `protocol`. gRPC servers have no page for checks.
pub(crate) fn release(protocol: &str, address: std::net::SocketAddr) -> String {
    let kind = if protocol == "h2c" { "tcp" } else { "http" };
    format!(r#"{{"protocol":"{protocol}","targets":["{address}"],"health":{{"kind":"{kind}"}}}}"#)
}

/// The short figure, or the long one where the long versions are asked for.
pub(crate) fn short_or_long<T>(short: T, long: T) -> T {
    if soak() { long } else { short }
}

/// Whether the long versions are asked for.
pub(crate) fn soak() -> bool {
    std::env::var_os("SHUNT_SOAK").is_some()
}
