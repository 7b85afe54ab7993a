//! The unit, under systemd as the first process of a Debian system.

use std::path::Path;

use e2e::process::program;
use e2e::until;

use crate::machine::Machine;

const UNIT: &str = "shunt-proxy";

/// The controller's unit.
const SERVE: &str = "shunt-serve";

/// The status of an answer to a request from outside.
async fn status(machine: &Machine, port: u16) -> String {
    let answer = machine.answer(port, "/readyz").await;
    answer.map_or_else(|e| e, |answer| answer.status.as_str().to_owned())
}

#[tokio::test]
async fn the_unit_starts_serves_port_80_as_nobody_in_particular_restarts_and_stops_clean() {
    let machine = Machine::with_proxy(&[], "", &[]).await;
    machine.active(UNIT).await;
    // Type=notify: active means that it has said so itself.
    assert_eq!(machine.property(UNIT, "NotifyAccess").await, "main");
    assert_eq!(status(&machine, 80).await, "404");
    assert_eq!(status(&machine, 9180).await, "200");

    let pid = machine.property(UNIT, "MainPID").await;
    assert_eq!(machine.run(&format!("stat -c %U /proc/{pid}")).await.trim(), "shunt");
    let status_file = machine.run(&format!("cat /proc/{pid}/status")).await;
    assert!(status_file.contains("NoNewPrivs:\t1"), "{status_file}");
    assert!(status_file.contains("CapBnd:\t0000000000000400"), "{status_file}");

    machine.run("systemctl reload shunt-proxy").await;
    machine.active(UNIT).await;
    assert_eq!(machine.property(UNIT, "MainPID").await, pid, "a reload is no restart");

    machine.run(&format!("kill -KILL {pid}")).await;
    until("another process runs", async || {
        let now = machine.property(UNIT, "MainPID").await;
        (now != pid && now != "0").then_some(())
    })
    .await;
    machine.active(UNIT).await;
    assert_eq!(status(&machine, 80).await, "404");

    machine.run("systemctl stop shunt-proxy").await;
    assert_eq!(machine.property(UNIT, "Result").await, "success");
    assert_eq!(machine.property(UNIT, "ActiveState").await, "inactive");
}

#[tokio::test]
async fn a_bad_file_is_named_by_the_unit_before_anything_is_started() {
    let machine = Machine::with_proxy(&[], "", &[]).await;
    machine.active(UNIT).await;
    machine.run("sed -i s/listen/lisetn/ /etc/shunt/proxy.toml").await;
    let (well, _) = machine.try_run("systemctl restart shunt-proxy").await;
    assert!(!well);
    let journal = machine.journal().await;
    assert!(journal.contains("did you mean `listen`?"), "{journal}");
    machine.run("systemd-analyze verify /lib/systemd/system/shunt-proxy.service").await;
}

#[tokio::test]
async fn the_controllers_unit_says_when_it_is_ready_and_leaves_its_runs_alone() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &Path| std::fs::read(path).unwrap();
    let files = [
        ("shuntctl", read(&program("shuntctl"))),
        ("shunt-serve.service", read(&repository.join("systemd/shunt-serve.service"))),
    ];
    let more = "RUN cp /srv/shuntctl /usr/bin/ && \
                cp /srv/shunt-serve.service /lib/systemd/system/ && groupadd --force docker\n";
    let machine = Machine::with_proxy(&files, more, &[]).await;
    machine.active(UNIT).await;
    let file = "printf '[store]\ndirectory = \"/var/lib/shunt/store\"\n' > /etc/shunt/serve.toml";
    machine.run(file).await;
    machine.run("systemd-analyze verify /lib/systemd/system/shunt-serve.service").await;
    // Type=notify: it returns when the daemon has said that it is ready.
    machine.run("systemctl start shunt-serve").await;
    let pid = machine.property(SERVE, "MainPID").await;
    let status = machine.run(&format!("cat /proc/{pid}/status")).await;
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");
    assert_eq!(machine.run("stat -c %U /var/lib/shunt/serve/runs").await.trim(), "shunt");
    machine.run("systemctl reload shunt-serve").await;
    assert_eq!(machine.property(SERVE, "KillMode").await, "process");
    machine.run("systemctl stop shunt-serve").await;
    assert_eq!(machine.property(SERVE, "Result").await, "success");
}
