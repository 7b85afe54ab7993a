//! A directory store, an engine with images, and a deploy file.

use e2e::engine::REGISTRY;
use e2e::{Engine, Process};
use shunt_config::Slot;
use shunt_config::record::Outcome;

use crate::site::{Run, Site};
use crate::words::{Obedient, Words};

/// A store, an engine with images, and a deploy file.
pub(crate) struct Shop {
    pub(crate) site: Site,
    pub(crate) engine: Engine,
}

impl Shop {
    /// Images of these versions; `settings` go to the end of the deploy file.
    pub(crate) async fn open(versions: &[&str], settings: &str) -> Self {
        let (site, engine) = (Site::empty(), Engine::start().await);
        for version in versions {
            engine.build_demo(version, &[]).await;
        }
        let shop = Self { site, engine };
        shop.write_file("hosts = [\"www.example.com\"]", settings);
        shop
    }

    pub(crate) fn write_file(&self, route: &str, settings: &str) {
        self.write_file_for(&format!("[{:?}]", self.engine.host()), route, settings);
    }

    /// The same with other `hosts`, as TOML, by which the engine is reached.
    pub(crate) fn write_file_for(&self, hosts: &str, route: &str, settings: &str) {
        let address = self.engine.address();
        let text = format!(
            "app = \"web\"\nimage = \"{REGISTRY}/acme/web\"\n[route]\n{route}\n\
             [run]\nport = 8080\nhosts = {hosts}\nbind = \"{address}\"\npull = \"never\"\n{settings}"
        );
        self.site.write("shunt.toml", &text);
    }

    /// A second host with the same images, on which half of each release runs from now on.
    pub(crate) async fn second_host(
        &self,
        versions: &[&str],
        route: &str,
        settings: &str,
    ) -> Engine {
        let two = Engine::start().await;
        let images = self.site.directory.path().join("images.tar").display().to_string();
        let names: Vec<_> = versions.iter().map(|v| format!("{REGISTRY}/acme/web:{v}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let save = ["save", "--output", images.as_str()];
        self.engine.docker(&[&save[..], &names].concat()).await;
        two.docker(&["load", "--input", &images]).await;
        let host = |engine: &Engine| {
            format!("{{ engine = \"{}\", address = \"{}\" }}", engine.host(), engine.address())
        };
        let (one, other) = (host(&self.engine), host(&two));
        let text = format!(
            "app = \"web\"\nimage = \"{REGISTRY}/acme/web\"\n[route]\n{route}\n\
             [run]\nport = 8080\nhosts = [{one}, {other}]\nreplicas = 2\npull = \"never\"\n{settings}"
        );
        self.site.write("shunt.toml", &text);
        two
    }

    pub(crate) async fn proxy(&self, name: &str) -> Words {
        Words::of(name, &self.site).await
    }

    pub(crate) async fn obedient(&self, name: &str) -> Obedient {
        self.proxy(name).await.obeys()
    }

    pub(crate) async fn deploy(&self, version: &str) -> Run {
        self.site.run(&["deploy", "--tag", version]).await
    }

    /// A deploy that stands still at `moment`.
    pub(crate) async fn stopped_at(&self, moment: &str, version: &str) -> Process {
        let mut deploy = self.site.begin(&["deploy", "--tag", version], Some(moment));
        deploy.said(&format!("paused {moment}")).await;
        deploy
    }

    /// The versions of all containers there are, by their images.
    pub(crate) async fn containers(&self) -> Vec<String> {
        versions_on(&self.engine).await
    }

    /// The version of a container, by its image.
    pub(crate) async fn version(&self, container: &str) -> String {
        version(&self.engine, container).await
    }

    /// What is active, and the versions in both slots: `green: 1 2`.
    pub(crate) async fn slots(&self) -> String {
        let keys = self.site.keys().await;
        let version = |slot| keys.slot(slot)?.ok()?.version.clone();
        let [blue, green] = Slot::BOTH.map(|slot| version(slot).unwrap_or_else(|| "-".to_owned()));
        format!("{}: {blue} {green}", self.site.active().await)
    }

    pub(crate) async fn last_outcome(&self) -> Outcome {
        let keys = self.site.keys().await;
        keys.history.values().last().unwrap().ok().unwrap().outcome
    }
}

/// The versions of all containers there are on `engine`, by their images.
pub(crate) async fn versions_on(engine: &Engine) -> Vec<String> {
    let mut versions = Vec::new();
    for container in engine.containers().await {
        versions.push(version(engine, &container.id).await);
    }
    versions.sort();
    versions
}

async fn version(engine: &Engine, container: &str) -> String {
    let format = "{{range .Config.Env}}{{println .}}{{end}}";
    let environment = engine.docker(&["inspect", "--format", format, container]).await;
    let version = environment.lines().find_map(|line| line.strip_prefix("VERSION="));
    version.unwrap_or("none").to_owned()
}
