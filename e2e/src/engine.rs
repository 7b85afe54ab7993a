//! A Docker engine of the test's own.
//!
//! It runs in namespaces of its own for processes, mounts and network, like a second machine: no
//! other engine, no other test and no port of the host is in its way, and whatever it has started
//! is gone with one kill of the namespace's first process.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{attempt, kill_and_wait, tool};
use crate::{Port, Process, until};

/// Where the engine's own registry answers, as seen from the engine: loopback, which Docker
/// trusts without TLS.
pub const REGISTRY: &str = "127.0.0.1:5000";

/// The networks of all engines: what is in them is trusted without TLS.
const NETWORK: &str = "10.231.0.0/16";

/// A Docker engine, and a registry beside it.
#[derive(Debug)]
pub struct Engine {
    /// Its first process, a shell that keeps `dockerd` running. Dropped before the directory.
    namespace: Process,
    registry: Option<Process>,
    link: Link,
    directory: TempDir,
}

/// A container as `docker ps` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// The image it was started from.
    pub image: String,
    /// `running`, `exited`, …
    pub state: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
}

impl Engine {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// The same with more flags for `dockerd`.
    pub async fn with(flags: &str) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "a Docker engine can be started by root only: run the tests as root"
        );
        let directory = TempDir::with_prefix("shunt-engine-").unwrap();
        let namespace =
            Process::start("dockerd", namespace(directory.path(), flags), directory.path());
        let init = until("the engine's first process runs", async || child(namespace.id())).await;
        let link = Link::up(init).await;
        let engine = Self { namespace, registry: None, link, directory };
        engine.ready().await;
        engine
    }

    /// For `DOCKER_HOST` and `[run] hosts`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    /// The address at which the host reaches ports published here, and the engine's own.
    pub fn address(&self) -> Ipv4Addr {
        self.link.theirs
    }

    /// The address at which processes here reach the host.
    pub fn gateway(&self) -> Ipv4Addr {
        self.link.ours
    }

    /// Runs `docker` on this engine and returns what it wrote, without the last line end.
    pub async fn docker(&self, arguments: &[&str]) -> String {
        let host = self.host();
        let written = tool("docker", &[&["--host", &host], arguments].concat()).await;
        written.trim_end().to_owned()
    }

    /// All containers, running or not.
    pub async fn containers(&self) -> Vec<Container> {
        let format = "{{.Labels}}\t{{.ID}}\t{{.Image}}\t{{.State}}";
        let listed = self.docker(&["ps", "--all", "--no-trunc", "--format", format]).await;
        listed.lines().map(Container::parse).collect()
    }

    /// All that a container has written.
    pub async fn logs(&self, container: &str) -> String {
        attempt("docker", &["--host", &self.host(), "logs", container]).await.1
    }

    /// Starts the registry, at [`REGISTRY`] for the engine, with all it held before.
    pub async fn start_registry(&mut self) {
        self.registry("").await;
    }

    /// The same, and `url` is told of all that happens there, by whoever shows `token`.
    pub async fn start_registry_that_tells(&mut self, url: &str, token: &str) {
        let endpoint = format!(
            "{{name: test, url: '{url}', headers: {{Authorization: ['Bearer {token}']}}, timeout: 1s, \
             threshold: 3, backoff: 1s}}"
        );
        self.registry(&format!("notifications: {{endpoints: [{endpoint}]}}\n")).await;
    }

    async fn registry(&mut self, more: &str) {
        let config = self.directory.path().join("registry.yml");
        let storage = self.directory.path().join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{REGISTRY}'}}\n{more}",
            storage.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = self.inside("docker-registry");
        command.arg("serve").arg(config);
        self.registry = Some(Process::start("registry", command, self.directory.path()));
        let pid = self.init().to_string();
        until("the registry answers", async || {
            let url = format!("http://{REGISTRY}/v2/");
            let ask = ["-t", &pid, "-n", "curl", "-sf", &url];
            attempt("nsenter", &ask).await.0.success().then_some(())
        })
        .await;
    }

    /// Kills the registry.
    pub async fn kill_registry(&mut self) {
        if let Some(registry) = self.registry.take() {
            registry.kill().await;
        }
    }

    /// Restarts `dockerd`, as an upgrade of it does, and waits until it answers again.
    pub async fn restart(&self) {
        let before = self.dockerd().expect("dockerd runs");
        signal(before, Signal::TERM);
        until("dockerd runs again", async || self.dockerd().filter(|now| *now != before)).await;
        self.ready().await;
    }

    /// Pulls the cable out of its machine, or puts it back in.
    pub async fn plug(&self, state: &str) {
        ip(&["link", "set", &self.link.name, state]).await;
    }

    /// A command that runs in the engine's network.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init().to_string(), "-n", program]);
        command
    }

    /// The id of a container's first process, within the engine's namespace; 0 if it does not run.
    pub async fn pid(&self, container: &str) -> u32 {
        let pid = self.docker(&["inspect", "--format", "{{.State.Pid}}", container]).await;
        pid.parse().unwrap()
    }

    /// Kills a container's first process, as its host runs out of memory would. (`docker kill` is
    /// a wish, after which Docker starts nothing again.)
    pub async fn kill_process_of(&self, container: &str) {
        let (init, pid) = (self.init().to_string(), self.pid(container).await.to_string());
        tool("nsenter", &["-t", &init, "--pid", "kill", "-KILL", &pid]).await;
    }

    /// Turns everybody away from port `port` of its machine at once; or lets them in again.
    pub async fn turn_away(&self, port: u16, away: bool) {
        let (action, init) = (if away { "-I" } else { "-D" }, self.init().to_string());
        let (enter, port) = (["-t", &init, "-n", "iptables", action, "INPUT"], port.to_string());
        let reject = ["-p", "tcp", "--dport", &port, "-j", "REJECT", "--reject-with", "tcp-reset"];
        tool("nsenter", &[&enter[..], &reject].concat()).await;
    }

    /// Lets nothing pass, either way, between its machine and port `port` elsewhere; or lets it again.
    pub async fn wall_off(&self, port: u16, wall: bool) {
        let (action, port) = (if wall { "-I" } else { "-D" }, port.to_string());
        for (chain, side) in [("OUTPUT", "--dport"), ("INPUT", "--sport")] {
            let init = self.init().to_string();
            let enter = ["-t", &init, "-n", "iptables", action, chain, "-p", "tcp", side, &port];
            tool("nsenter", &[&enter[..], &["-j", "DROP"]].concat()).await;
        }
    }

    pub(crate) fn init(&self) -> u32 {
        child(self.namespace.id()).expect("the engine's first process runs")
    }

    fn dockerd(&self) -> Option<u32> {
        let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        child(self.init()).filter(|pid| name(pid).as_deref() == Some("dockerd\n"))
    }

    async fn ready(&self) {
        let host = self.host();
        until("the engine answers", async || {
            attempt("docker", &["--host", &host, "info"]).await.0.success().then_some(())
        })
        .await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Killing the first process kills all others, and only then are their cgroups empty.
        if let Some(init) = child(self.namespace.id()) {
            kill_and_wait(init);
        }
        let name = cgroup(self.directory.path());
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove_cgroup(&hierarchy.path().join(&name));
        }
        remove_cgroup(&Path::new("/sys/fs/cgroup").join(name));
    }
}

impl Container {
    fn parse(line: &str) -> Self {
        let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [labels, id, image, state] = <[String; 4]>::try_from(fields).unwrap();
        let label = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(label).collect();
        Self { id, image, state, labels }
    }
}

/// The command whose child is the first process of the namespaces.
fn namespace(directory: &Path, flags: &str) -> Command {
    let path = directory.display();
    std::fs::write(directory.join("daemon.json"), "{}").unwrap();
    let dockerd = format!(
        "dockerd --log-level error --config-file {path}/daemon.json --data-root {path}/data --exec-root {path}/exec \
         --pidfile {path}/pid --cgroup-parent /{} --host unix://{path}/docker.sock \
         --insecure-registry {NETWORK} {flags}",
        cgroup(directory).display()
    );
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "sh", "-c"])
        // The shell reaps what containers leave behind, and outlives a restart of dockerd.
        .arg(format!("ip link set lo up; while :; do {dockerd}; done"));
    command
}

fn cgroup(directory: &Path) -> PathBuf {
    directory.file_name().unwrap().into()
}

fn remove_cgroup(path: &Path) {
    for child in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&child.path());
        }
    }
    // Best effort: an empty cgroup costs nothing, and a full one is not ours any more.
    let _ = std::fs::remove_dir(path);
}

/// The first child of a process.
fn child(parent: u32) -> Option<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A virtual cable between the host and a network namespace; it goes with the namespace.
#[derive(Debug)]
struct Link {
    ours: Ipv4Addr,
    theirs: Ipv4Addr,
    name: String,
    /// Stands for the network of four addresses: no other test gets the same.
    _number: Port,
}

impl Link {
    async fn up(pid: u32) -> Self {
        let number = Port::free();
        let [high, low] = (number.place() * 4).to_be_bytes();
        let [ours, theirs] = [1, 2].map(|host| Ipv4Addr::new(10, 231, high, low + host));
        let (name, pid) = (format!("shunt{}", number.number()), pid.to_string());
        ip(&["link", "add", &name, "type", "veth", "peer", "name", "eth0", "netns", &pid]).await;
        ip(&["address", "add", &format!("{ours}/30"), "dev", &name]).await;
        ip(&["link", "set", &name, "up"]).await;
        let inside = ["-t", &pid, "-n", "ip"];
        let address = format!("{theirs}/30");
        tool("nsenter", &[&inside[..], &["address", "add", &address, "dev", "eth0"]].concat())
            .await;
        tool("nsenter", &[&inside[..], &["link", "set", "eth0", "up"]].concat()).await;
        // The engines of two machines reach the same registry.
        let route = ["route", "add", NETWORK, "via", &ours.to_string()];
        tool("nsenter", &[&inside[..], &route].concat()).await;
        Self { ours, theirs, name, _number: number }
    }
}

async fn ip(arguments: &[&str]) {
    tool("ip", arguments).await;
}
