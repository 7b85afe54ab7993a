//! etcd: one server, or a cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{attempt, feed, tool};
use crate::{Port, Process, until};

/// etcd servers that form one cluster. Each keeps its data and its ports over its restarts.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    setup: Setup,
    directory: TempDir,
}

/// What is not as usual about a cluster.
#[derive(Debug, Default)]
pub struct Setup {
    /// More flags for every server.
    pub server: Vec<String>,
    /// More flags for `etcdctl`.
    pub client: Vec<String>,
    /// Whether clients have to use TLS; the flags say with which certificates.
    pub tls: bool,
}

#[derive(Debug)]
struct Member {
    name: String,
    client: Port,
    peer: Port,
    process: Option<Process>,
}

impl Etcd {
    /// One server that answers.
    pub async fn single() -> Self {
        Self::cluster(1).await
    }

    /// `size` servers that have a leader.
    pub async fn cluster(size: usize) -> Self {
        Self::with(size, Setup::default()).await
    }

    /// `size` servers set up in another way than usual.
    pub async fn with(size: usize, setup: Setup) -> Self {
        let member = |number| Member {
            name: format!("etcd{number}"),
            client: Port::free(),
            peer: Port::free(),
            process: None,
        };
        let members = (1..=size).map(member).collect();
        let mut etcd = Self { members, setup, directory: TempDir::new().unwrap() };
        etcd.start_all().await;
        etcd
    }

    /// The URLs at which clients reach it.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| self.url(member)).collect()
    }

    fn url(&self, member: &Member) -> String {
        let url = member.client.url();
        if self.setup.tls { url.replace("http://", "https://") } else { url }
    }

    /// Has `etcdctl` log in as `user:password` from now on.
    pub fn log_in(&mut self, user: &str) {
        self.setup.client.extend(["--user".to_owned(), user.to_owned()]);
    }

    /// The address at which clients reach the `index`-th server.
    pub fn address(&self, index: usize) -> SocketAddr {
        self.members[index].client.address()
    }

    /// Starts every server that does not run, and waits until a write goes through.
    pub async fn start_all(&mut self) {
        for index in 0..self.members.len() {
            self.start(index);
        }
        self.ready().await;
    }

    /// Starts the `index`-th server unless it runs; does not wait.
    pub fn start(&mut self, index: usize) {
        let cluster: Vec<_> =
            self.members.iter().map(|m| format!("{}={}", m.name, m.peer.url())).collect();
        let data = self.data(index);
        let client = self.url(&self.members[index]);
        let member = &mut self.members[index];
        if member.process.is_some() {
            return;
        }
        let mut command = Command::new("etcd");
        command
            .args(["--name", &member.name, "--data-dir"])
            .arg(data)
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &member.peer.url()])
            .args(["--initial-advertise-peer-urls", &member.peer.url()])
            .args(["--initial-cluster", &cluster.join(",")])
            // The disk is shared with compilers; an election for each slow fsync helps nobody.
            .args(["--heartbeat-interval", "100", "--election-timeout", "1000"])
            .args(["--unsafe-no-fsync"])
            .args(&self.setup.server);
        member.process = Some(Process::start(&member.name, command, self.directory.path()));
    }

    /// Waits until a linearizable read is answered.
    pub async fn ready(&self) {
        until("etcd answers", async || {
            let ask = self.attempt(&["--command-timeout=2s", "get", "none"]).await;
            ask.0.success().then_some(())
        })
        .await;
    }

    /// Kills the `index`-th server.
    pub async fn kill(&mut self, index: usize) {
        if let Some(process) = self.members[index].process.take() {
            process.kill().await;
        }
    }

    /// Kills all servers.
    pub async fn kill_all(&mut self) {
        for index in 0..self.members.len() {
            self.kill(index).await;
        }
    }

    /// The server that leads.
    pub async fn leader(&self) -> usize {
        for (index, member) in self.members.iter().enumerate() {
            if member.process.is_none() {
                continue;
            }
            let endpoint = self.url(member);
            let mut ask = vec!["--endpoints", &endpoint, "endpoint", "status", "-w", "json"];
            ask.extend(self.setup.client.iter().map(String::as_str));
            let status = tool("etcdctl", &ask).await;
            let status: serde_json::Value = serde_json::from_str(&status).unwrap();
            let status = &status[0]["Status"];
            if status["leader"] == status["header"]["member_id"] {
                return index;
            }
        }
        panic!("no server leads");
    }

    /// Stops all servers' clocks: connections stay open and nothing is answered.
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Stops the clock of the `index`-th server alone.
    pub fn pause_one(&self, index: usize) {
        if let Some(process) = &self.members[index].process {
            process.signal(Signal::STOP);
        }
    }

    /// Lets paused servers go on.
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        for process in self.members.iter().filter_map(|member| member.process.as_ref()) {
            process.signal(signal);
        }
    }

    /// `etcdctl put`.
    pub async fn put(&self, key: &str, value: impl AsRef<[u8]>) {
        let (value, endpoints) = (value.as_ref(), self.endpoints().join(","));
        let put = ["--endpoints", &endpoints, "put", "--", key];
        // By standard input, which takes what an argument cannot, NUL or half a megabyte; but not
        // nothing at all.
        match value.is_empty() {
            true => feed("etcdctl", &[&put[..], &[""]].concat(), &[]).await,
            false => feed("etcdctl", &put, value).await,
        };
    }

    /// `etcdctl del`, with a prefix if the key ends with a slash.
    pub async fn delete(&self, key: &str) {
        let prefix: &[&str] = if key.ends_with('/') { &["--prefix"] } else { &[] };
        self.ctl(&[&["del"], prefix, &["--", key]].concat()).await;
    }

    /// The value of a key, without the line end that `etcdctl get` adds.
    pub async fn get(&self, key: &str) -> Option<String> {
        let found = self.ctl(&["get", "--print-value-only", "--", key]).await;
        found.strip_suffix('\n').map(str::to_owned)
    }

    /// Runs `etcdctl` on all endpoints and returns its output.
    pub async fn ctl(&self, arguments: &[&str]) -> String {
        let (status, output) = self.attempt(arguments).await;
        assert!(status.success(), "etcdctl {arguments:?}: {status}\n{output}");
        output
    }

    async fn attempt(&self, arguments: &[&str]) -> (std::process::ExitStatus, String) {
        let endpoints = self.endpoints().join(",");
        let flags: Vec<&str> = self.setup.client.iter().map(String::as_str).collect();
        let before = ["--endpoints", &endpoints];
        attempt("etcdctl", &[&before[..], &flags, arguments].concat()).await
    }

    /// Saves a snapshot of the first server's data, as an operator's nightly backup does.
    pub async fn backup(&self) -> PathBuf {
        let file = self.directory.path().join("backup");
        let path = file.to_str().unwrap();
        let endpoint = self.members[0].client.url();
        tool("etcdctl", &["--endpoints", &endpoint, "snapshot", "save", path]).await;
        file
    }

    /// Puts a single server's data back to what `backup` holds, and starts it again. Name and
    /// address stay, and with them the cluster's identity.
    pub async fn restore(&mut self, backup: &Path) {
        self.restore_as(backup, "etcd-cluster").await;
    }

    /// The same, as a cluster with another token and so another identity.
    pub async fn restore_as(&mut self, backup: &Path, token: &str) {
        assert_eq!(self.members.len(), 1, "only a single server can be restored here");
        self.kill_all().await;
        let data = self.data(0);
        std::fs::remove_dir_all(&data).unwrap();
        let member = &self.members[0];
        let cluster = format!("{}={}", member.name, member.peer.url());
        let (data, backup) = (data.to_str().unwrap(), backup.to_str().unwrap());
        let arguments = ["snapshot", "restore", backup, "--data-dir", data];
        let arguments = [&arguments[..], &["--initial-cluster-token", token]].concat();
        let identity = ["--name", &member.name, "--initial-cluster", &cluster];
        let peer = member.peer.url();
        let all = [&arguments[..], &identity, &["--initial-advertise-peer-urls", &peer]].concat();
        tool("etcdctl", &all).await;
        self.start_all().await;
    }

    fn data(&self, index: usize) -> PathBuf {
        self.directory.path().join(&self.members[index].name)
    }
}
