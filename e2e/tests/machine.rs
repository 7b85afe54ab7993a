//! A Debian system with systemd as its first process.

use std::path::{Path, PathBuf};

use e2e::process::{attempt, program};
use e2e::{Engine, ask, until};
use tempfile::TempDir;

/// A Debian system that runs in a container.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) container: String,
}

/// The proxy's file on a machine that has one.
const PROXY: &str = "name = \"lb1\"\n[[listen]]\naddress = \"0.0.0.0:80\"\n\
                     [admin]\naddress = \"0.0.0.0:9180\"\n\
                     [store]\ndirectory = \"/var/lib/shunt/store\"\n";

impl Machine {
    /// Boots one that has `files` (name and content) in `/srv`, after the lines of `more` of its
    /// Dockerfile; its `ports` are reached at the engine's address.
    pub(crate) async fn boot(files: &[(&str, Vec<u8>)], more: &str, ports: &[u16]) -> Self {
        let engine = Engine::start().await;
        let debian = engine.import_debian().await;
        let build = TempDir::new().unwrap();
        for (name, content) in files {
            std::fs::write(build.path().join(name), content).unwrap();
        }
        let text = format!("FROM {debian}\nCOPY . /srv/\nRUN chmod 755 /srv/*\n{more}");
        std::fs::write(build.path().join("Dockerfile"), text).unwrap();
        engine.build("machine", build.path(), &[]).await;
        let run = "run --detach --cap-add SYS_ADMIN --cap-add NET_ADMIN --cgroupns=host \
                   --security-opt apparmor=unconfined --security-opt seccomp=unconfined \
                   --tmpfs /run --tmpfs /run/lock --volume /sys/fs/cgroup:/sys/fs/cgroup";
        let ports: Vec<_> = ports.iter().map(|port| format!("--publish={port}:{port}")).collect();
        let mut arguments: Vec<_> = run.split_whitespace().collect();
        arguments.extend(ports.iter().map(String::as_str));
        arguments.extend(["machine", "/sbin/init"]);
        let container = engine.docker(&arguments).await;
        let machine = Self { engine, container };
        machine.booted().await;
        machine
    }

    /// One with the proxy, installed as a package would, and `files` as above.
    pub(crate) async fn with_proxy(files: &[(&str, Vec<u8>)], more: &str, ports: &[u16]) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let mut all = files.to_vec();
        all.push(("shunt-proxy", read(program("shunt-proxy"))));
        all.push(("shunt-proxy.service", read(repository.join("systemd/shunt-proxy.service"))));
        all.push(("shunt.sysusers", read(repository.join("systemd/shunt.sysusers"))));
        all.push(("proxy.toml", PROXY.into()));
        let text = format!(
            "RUN cp /srv/shunt-proxy /usr/bin/ && mkdir /etc/shunt && cp /srv/proxy.toml /etc/shunt/ && \
             cp /srv/shunt.sysusers /usr/lib/sysusers.d/shunt.conf && \
             cp /srv/shunt-proxy.service /lib/systemd/system/ && systemctl enable shunt-proxy\n{more}"
        );
        Self::boot(&all, &text, &[&[80, 9180], ports].concat()).await
    }

    /// Waits until its systemd answers.
    async fn booted(&self) {
        until("systemd answers", async || {
            let state = self.try_run("systemctl is-system-running").await.1;
            ["running", "degraded"].contains(&state.trim()).then_some(())
        })
        .await;
    }

    /// Turns it off and on again.
    pub(crate) async fn reboot(&self) {
        self.engine.docker(&["restart", "--time", "0", &self.container]).await;
        self.booted().await;
    }

    /// Runs a command on the machine; what it wrote, and whether it went well.
    pub(crate) async fn try_run(&self, command: &str) -> (bool, String) {
        let host = self.engine.host();
        let exec = ["--host", &host, "exec", &self.container, "sh", "-c", command];
        let (status, output) = attempt("docker", &exec).await;
        (status.success(), output)
    }

    /// The same where it has to go well.
    pub(crate) async fn run(&self, command: &str) -> String {
        let (well, output) = self.try_run(command).await;
        assert!(well, "{command}: {output}\n{}", self.journal().await);
        output
    }

    pub(crate) async fn journal(&self) -> String {
        self.try_run("journalctl --no-pager --lines 100").await.1
    }

    /// Waits until `unit` is active.
    pub(crate) async fn active(&self, unit: &str) {
        until(&format!("{unit} is active"), async || {
            self.try_run(&format!("systemctl is-active --quiet {unit}")).await.0.then_some(())
        })
        .await;
    }

    pub(crate) async fn property(&self, unit: &str, name: &str) -> String {
        let show = format!("systemctl show --value --property {name} {unit}");
        self.run(&show).await.trim().to_owned()
    }

    /// The answer to a request from outside.
    pub(crate) async fn answer(&self, port: u16, path: &str) -> Result<ask::Answer, String> {
        ask::get((self.engine.address(), port).into(), "www.example.com", path).await
    }
}
