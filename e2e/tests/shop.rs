//! A whole small installation: etcd, an engine with a registry, proxies, and a deploy file.

use std::path::PathBuf;

use demo::load::{Load, Work};
use e2e::shuntctl::Run;
use e2e::{Engine, Port, Process, Proxy, Store, shuntctl, start_shuntctl, until};
use tempfile::TempDir;

use crate::site::{HOST, soak};

/// The app `web`, nothing of it deployed yet.
pub(crate) struct Shop {
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    directory: TempDir,
}

impl Shop {
    /// One proxy on one etcd server.
    pub(crate) async fn open() -> Self {
        Self::with(Store::etcd().await, &["lb1"], "").await
    }

    /// One proxy on one etcd server; `settings` is TOML for the end of the deploy file.
    pub(crate) async fn with_settings(settings: &str) -> Self {
        Self::with(Store::etcd().await, &["lb1"], settings).await
    }

    /// Proxies of these names; `settings` is TOML for the end of the deploy file.
    pub(crate) async fn with(store: Store, names: &[&str], settings: &str) -> Self {
        let mut engine = Engine::start().await;
        engine.start_registry().await;
        let mut proxies = Vec::new();
        for name in names {
            proxies.push(Proxy::start(name, &store).await);
        }
        let shop = Self { proxies, engine, store, directory: TempDir::new().unwrap() };
        shop.write_file("acme/web", 8080, "/up", settings);
        shop
    }

    /// Writes the deploy file for an image of the registry.
    pub(crate) fn write_file(&self, image: &str, port: u16, health: &str, settings: &str) {
        let text = format!(
            "app = \"web\"\nimage = \"{}/{image}\"\n[route]\nhosts = [\"{HOST}\"]\n\
             [run]\nport = {port}\nhosts = [\"{}\"]\nbind = \"{}\"\n\
             [health]\npath = \"{health}\"\n{settings}",
            e2e::engine::REGISTRY,
            self.engine.host(),
            self.engine.address(),
        );
        std::fs::write(self.file(), text).unwrap();
    }

    /// The deploy file.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("shunt.toml")
    }

    /// Runs `shuntctl` with the deploy file.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        let file = self.file();
        let with_file = [arguments, &["--file", file.to_str().unwrap()]].concat();
        shuntctl(&self.store, &with_file).await
    }

    /// Starts `shuntctl` with the deploy file; it stands still at the moment that `pause` names.
    pub(crate) fn begin(&self, arguments: &[&str], pause: Option<&str>) -> Process {
        let file = self.file();
        let with_file = [arguments, &["--file", file.to_str().unwrap()]].concat();
        // A directory each, so that logs do not mix.
        let directory = self.directory.path().join(Port::free().number().to_string());
        std::fs::create_dir_all(&directory).unwrap();
        start_shuntctl(&self.store, &with_file, &directory, pause)
    }

    /// Starts a deploy of a release that is published, and waits until it stands at `moment`.
    pub(crate) async fn stopped_at(&self, moment: &str, version: &str) -> Process {
        let mut deploy = self.begin(&["deploy", "--tag", version], Some(moment));
        deploy.said(&format!("paused {moment}")).await;
        deploy
    }

    /// The moments before and after each step of a deploy's plan, which all of `short` have to be among;
    /// only those, unless the long versions are asked for.
    pub(crate) async fn moments(&self, short: &[&str]) -> Vec<String> {
        // The plan is shown whether the image is there already or not.
        let dry = self.run(&["deploy", "--tag", "1", "--dry-run", "--json"]).await;
        let steps = dry.output.lines().filter_map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            Some(value["step"].as_str()?.to_owned())
        });
        let moments = steps.flat_map(|step| [format!("before {step}"), format!("after {step}")]);
        let mut moments: Vec<String> = moments.collect();
        assert!(short.iter().all(|moment| moments.iter().any(|m| m == moment)), "{moments:?}");
        moments.retain(|moment| soak() || short.contains(&moment.as_str()));
        moments
    }

    /// Publishes release `version` of the demo app and begins to deploy it; the controller is killed at
    /// `moment`. Between two steps nothing is under way, and then it is known at once that it does not
    /// run any more; else its lock goes first.
    pub(crate) async fn killed_at(&self, moment: &str, version: &str) {
        self.engine.publish_demo(version, &[]).await;
        self.stopped_at(moment, version).await.kill().await;
        let named = async || {
            let status = self.run(&["status"]).await.ended_with(0);
            status.output.contains("shuntctl resume").then_some(())
        };
        let what = format!("`status` names what is half done, killed {moment}");
        match moment.starts_with("after ") {
            true => assert!(named().await.is_some(), "{what}"),
            false => until(&what, named).await,
        }
    }

    /// Publishes release `version` of the demo app and deploys it; fails unless that goes well.
    pub(crate) async fn deploy(&self, version: &str) -> Run {
        self.engine.publish_demo(version, &[]).await;
        self.run(&["deploy", "--tag", version]).await.ended_with(0)
    }

    /// Load of every kind on the first proxy.
    pub(crate) fn load(&self, kept: usize) -> demo::load::Running {
        let load = Load::on(self.proxies[0].address()).host(HOST);
        let load = load.kept_alive(kept - 6, Work::QUICK).kept_alive(6, Work::SLOW);
        load.fresh(4, Work::QUICK).start().unwrap()
    }

    /// The versions of all containers that run, in order.
    pub(crate) async fn running(&self) -> Vec<String> {
        versions(&self.engine).await
    }

    /// Fails unless all containers run, and are the ones of these versions.
    pub(crate) async fn only(&self, versions: &[&str]) {
        let all = self.engine.containers().await;
        assert!(all.iter().all(|container| container.state == "running"), "{all:#?}");
        assert_eq!(self.running().await, versions, "{all:#?}");
    }

    /// What `active` says.
    pub(crate) async fn active(&self) -> String {
        self.store.get("apps/web/active").await.unwrap_or_default()
    }
}

/// The versions of all containers that run on `engine`, in order.
pub(crate) async fn versions(engine: &Engine) -> Vec<String> {
    let all = engine.containers().await;
    let running = all.iter().filter(|container| container.state == "running");
    let mut versions = Vec::new();
    for container in running {
        let format = "{{range .Config.Env}}{{println .}}{{end}}";
        let inspect = ["inspect", "--format", format, &container.id];
        let environment = engine.docker(&inspect).await;
        let version = environment.lines().find_map(|line| line.strip_prefix("VERSION="));
        versions.push(version.unwrap_or("none").to_owned());
    }
    versions.sort();
    versions
}
