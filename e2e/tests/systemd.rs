//! The unit, under systemd as the first process of a Debian system.

use std::path::Path;

use e2e::process::{attempt, program};
use e2e::{Engine, ask, until};
use tempfile::TempDir;

/// A Debian system that runs in a container, with the unit installed as a package would.
struct Machine {
    engine: Engine,
    container: String,
}

const CONFIG: &str = "name = \"lb1\"\n[[listen]]\naddress = \"0.0.0.0:80\"\n\
                      [admin]\naddress = \"0.0.0.0:9180\"\n\
                      [store]\ndirectory = \"/var/lib/shunt/store\"\n";

impl Machine {
    async fn start() -> Self {
        let engine = Engine::start().await;
        let debian = engine.import_debian().await;
        let build = TempDir::new().unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (file, name) in [
            (program("shunt-proxy"), "shunt-proxy"),
            (program("shuntctl"), "shuntctl"),
            (repository.join("systemd/shunt-proxy.service"), "shunt-proxy.service"),
            (repository.join("systemd/shunt-serve.service"), "shunt-serve.service"),
            (repository.join("systemd/shunt.sysusers"), "shunt.conf"),
        ] {
            std::fs::copy(file, build.path().join(name)).unwrap();
        }
        std::fs::write(build.path().join("proxy.toml"), CONFIG).unwrap();
        let text = format!(
            "FROM {debian}\nCOPY shunt-proxy shuntctl /usr/bin/\nCOPY shunt.conf /usr/lib/sysusers.d/\n\
             COPY shunt-proxy.service shunt-serve.service /lib/systemd/system/\nCOPY proxy.toml /etc/shunt/\n\
             RUN systemctl enable shunt-proxy\n"
        );
        std::fs::write(build.path().join("Dockerfile"), text).unwrap();
        engine.build("machine", build.path(), &[]).await;
        let run = "run --detach --cap-add SYS_ADMIN --cap-add NET_ADMIN --cgroupns=host \
                   --security-opt apparmor=unconfined --security-opt seccomp=unconfined \
                   --tmpfs /run --tmpfs /run/lock --volume /sys/fs/cgroup:/sys/fs/cgroup \
                   --publish 80:80 --publish 9180:9180 machine /sbin/init";
        let arguments: Vec<_> = run.split_whitespace().collect();
        let container = engine.docker(&arguments).await;
        Self { engine, container }
    }

    /// Runs a command on the machine; what it wrote, and whether it went well.
    async fn try_run(&self, command: &str) -> (bool, String) {
        let host = self.engine.host();
        let exec = ["--host", &host, "exec", &self.container, "sh", "-c", command];
        let (status, output) = attempt("docker", &exec).await;
        (status.success(), output)
    }

    async fn run(&self, command: &str) -> String {
        let (well, output) = self.try_run(command).await;
        assert!(well, "{command}: {output}\n{}", self.journal().await);
        output
    }

    async fn journal(&self) -> String {
        self.try_run("journalctl --no-pager --unit shunt-proxy").await.1
    }

    async fn active(&self) {
        until("the unit is active", async || {
            self.try_run("systemctl is-active --quiet shunt-proxy").await.0.then_some(())
        })
        .await;
    }

    async fn property(&self, name: &str) -> String {
        let show = format!("systemctl show --value --property {name} shunt-proxy");
        self.run(&show).await.trim().to_owned()
    }

    /// The status of an answer to a request from outside.
    async fn answer(&self, port: u16) -> String {
        let address = (self.engine.address(), port).into();
        ask::get(address, "www.example.com", "/readyz")
            .await
            .map_or_else(|e| e, |answer| answer.status.as_str().to_owned())
    }
}

#[tokio::test]
async fn the_unit_starts_serves_port_80_as_nobody_in_particular_restarts_and_stops_clean() {
    let machine = Machine::start().await;
    machine.active().await;
    // Type=notify: active means that it has said so itself.
    assert_eq!(machine.property("NotifyAccess").await, "main");
    assert_eq!(machine.answer(80).await, "404");
    assert_eq!(machine.answer(9180).await, "200");

    let pid = machine.property("MainPID").await;
    assert_eq!(machine.run(&format!("stat -c %U /proc/{pid}")).await.trim(), "shunt");
    let status = machine.run(&format!("cat /proc/{pid}/status")).await;
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("CapBnd:\t0000000000000400"), "{status}");

    machine.run("systemctl reload shunt-proxy").await;
    machine.active().await;
    assert_eq!(machine.property("MainPID").await, pid, "a reload is no restart");

    machine.run(&format!("kill -KILL {pid}")).await;
    until("another process runs", async || {
        let now = machine.property("MainPID").await;
        (now != pid && now != "0").then_some(())
    })
    .await;
    machine.active().await;
    assert_eq!(machine.answer(80).await, "404");

    machine.run("systemctl stop shunt-proxy").await;
    assert_eq!(machine.property("Result").await, "success");
    assert_eq!(machine.property("ActiveState").await, "inactive");
}

#[tokio::test]
async fn a_bad_file_is_named_by_the_unit_before_anything_is_started() {
    let machine = Machine::start().await;
    machine.active().await;
    machine.run("sed -i s/listen/lisetn/ /etc/shunt/proxy.toml").await;
    let (well, _) = machine.try_run("systemctl restart shunt-proxy").await;
    assert!(!well);
    let journal = machine.journal().await;
    assert!(journal.contains("did you mean `listen`?"), "{journal}");
    machine.run("systemd-analyze verify /lib/systemd/system/shunt-proxy.service").await;
}

#[tokio::test]
async fn the_controllers_unit_says_when_it_is_ready_and_leaves_its_runs_alone() {
    let machine = Machine::start().await;
    machine.run("groupadd --force docker").await;
    machine
        .run("printf '[store]\ndirectory = \"/var/lib/shunt/store\"\n' > /etc/shunt/serve.toml")
        .await;
    machine.run("systemd-analyze verify /lib/systemd/system/shunt-serve.service").await;
    // Type=notify: it returns when the daemon has said that it is ready.
    machine.run("systemctl start shunt-serve").await;
    let pid = machine.run("systemctl show --value --property MainPID shunt-serve").await;
    let status = machine.run(&format!("cat /proc/{}/status", pid.trim())).await;
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");
    assert_eq!(machine.run("stat -c %U /var/lib/shunt/serve/runs").await.trim(), "shunt");
    machine.run("systemctl reload shunt-serve").await;
    let kill = machine.run("systemctl show --value --property KillMode shunt-serve").await;
    assert_eq!(kill.trim(), "process");
    machine.run("systemctl stop shunt-serve").await;
    let result = machine.run("systemctl show --value --property Result shunt-serve").await;
    assert_eq!(result.trim(), "success");
}
