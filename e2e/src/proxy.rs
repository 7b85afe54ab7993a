//! A proxy, as a process of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;

use http::StatusCode;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::ask::{self, Answer};
use crate::process::program;
use crate::{Engine, Port, Process, Store, until};

/// A proxy that keeps its name, its addresses and its snapshot over its restarts.
#[derive(Debug)]
pub struct Proxy {
    name: String,
    ip: IpAddr,
    /// Whose network it is in, by a process that is there; its own machine's if `None`.
    network: Option<u32>,
    http: Port,
    admin: Port,
    process: Option<Process>,
    directory: TempDir,
}

impl Proxy {
    /// Starts a proxy on `store`, and waits until it can serve.
    pub async fn start(name: &str, store: &Store) -> Self {
        let mut proxy = Self::configured(name, "", &store.section());
        proxy.run();
        proxy.ready().await;
        proxy
    }

    /// A proxy that does not run yet: `settings` is TOML for the top of its file, `store` the
    /// section that names its store.
    pub fn configured(name: &str, settings: &str, store: &str) -> Self {
        Self::written(name, settings, store, Ipv4Addr::LOCALHOST.into())
    }

    /// A proxy that does not run yet, on the machine of `engine`: in its network, and at its address.
    pub fn beside(engine: &Engine, name: &str, store: &str) -> Self {
        let ip = engine.address().into();
        Self { network: Some(engine.init()), ..Self::written(name, "", store, ip) }
    }

    fn written(name: &str, settings: &str, store: &str, ip: IpAddr) -> Self {
        let (http, admin) = (Port::free(), Port::free());
        let directory = TempDir::with_prefix("shunt-proxy-").unwrap();
        let text = format!(
            "name = {name:?}\nthreads = 2\n{settings}\n[[listen]]\naddress = \"{}\"\n\
             [admin]\naddress = \"{}\"\n[state]\ndirectory = '{}'\n{store}",
            SocketAddr::new(ip, http.number()),
            SocketAddr::new(ip, admin.number()),
            directory.path().join("state").display(),
        );
        std::fs::write(directory.path().join("proxy.toml"), text).unwrap();
        let (name, network) = (name.to_owned(), None);
        Self { name, ip, network, http, admin, process: None, directory }
    }

    /// Starts the process; does not wait.
    pub fn run(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let mut command = match self.network {
            None => Command::new(program("shunt-proxy")),
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.args(["-t", &process.to_string(), "-n"]).arg(program("shunt-proxy"));
                command
            }
        };
        command.arg("run").arg("--config").arg(self.file());
        self.process = Some(Process::start(&self.name, command, self.directory.path()));
    }

    /// Its `proxy.toml`.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("proxy.toml")
    }

    /// Where its snapshot is kept.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients come in.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.http.number())
    }

    /// Where operators ask.
    pub fn admin(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.admin.number())
    }

    /// Waits until it says that it can serve.
    pub async fn ready(&self) {
        until(&format!("{} is ready", self.name), async || {
            let answer = self.ask("/readyz").await.ok()?;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// GET from its admin listener.
    pub async fn ask(&self, path: &str) -> Result<Answer, String> {
        ask::get(self.admin(), "localhost", path).await
    }

    /// Its `/status`.
    pub async fn status(&self) -> serde_json::Value {
        self.ask("/status").await.unwrap().json()
    }

    /// The value of one line of its `/metrics`, named with its labels as it stands there; `None`
    /// if there is no such line.
    pub async fn metric(&self, series: &str) -> Option<String> {
        let metrics = self.ask("/metrics").await.unwrap().body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(str::to_owned)
    }

    /// The release that answers GET / for `host`, or the status.
    pub async fn release(&self, host: &str) -> String {
        ask::get(self.address(), host, "/").await.map_or_else(|e| e, |answer| answer.release())
    }

    /// Waits until `release` answers for `host`.
    pub async fn serves(&self, host: &str, release: &str) {
        let what = format!("{} serves release {release} for {host}", self.name);
        until(&what, async || (self.release(host).await == release).then_some(())).await;
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running().log()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.running().signal(signal);
    }

    /// Its process.
    pub fn running(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.take().unwrap().ended().await
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.process.take().unwrap().kill().await;
    }

    /// Asks it to stop, and waits until it has; fails unless it says that all went well.
    pub async fn stop(&mut self) {
        let status = self.process.take().unwrap().stop().await;
        assert!(status.success(), "{}: {status}", self.name);
    }
}
