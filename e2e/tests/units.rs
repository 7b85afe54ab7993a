//! Deploys of units, under a real systemd: on another machine over ssh, and on this one.

use demo::load::{Load, Work};
use e2e::image::static_demo;
use e2e::process::program;
use e2e::shuntctl::Run;
use e2e::{Proxy, SshUser, Sshd, Store, shuntctl_with, start_shuntctl_with, until};
use tempfile::TempDir;

use crate::machine::Machine;
use crate::site::{HOST, answers};

/// What an operator has installed for each colour.
const TEMPLATE: &str = "[Unit]\nDescription=web, %p on %i\n\
                        [Service]\nExecStart=/bin/sh /srv/web/${SHUNT_VERSION}/run\n";

/// A release, as a pipeline puts it there.
const RUN: &str = "VERSION=$SHUNT_VERSION exec /srv/app\n";

const BROKEN: &str = "echo 'no configuration found in /etc/web.conf'; exit 7\n";

const FILES: &str = "RUN cp /srv/web@.service /lib/systemd/system/web-blue@.service && \
    cp /srv/web@.service /lib/systemd/system/web-green@.service && \
    for version in 1 2 3 4 5; do mkdir -p /srv/web/$version && cp /srv/run /srv/web/$version/run; done && \
    cp /srv/broken /srv/web/3/run\n";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let app = std::fs::read(static_demo()).unwrap();
    let text = [("web@.service", TEMPLATE), ("run", RUN), ("broken", BROKEN)];
    let mut all: Vec<_> = text.map(|(name, text)| (name, text.as_bytes().to_vec())).into();
    all.push(("app", app));
    all
}

/// A machine that ssh leads to, and a proxy in front.
struct Estate {
    proxy: Proxy,
    machine: Machine,
    _door: Sshd,
    ssh: SshUser,
    store: Store,
    directory: TempDir,
}

impl Estate {
    async fn new() -> Self {
        let store = Store::etcd().await;
        let machine = Machine::boot(&files(), FILES, &[9001, 9002, 9101, 9102]).await;
        let ssh = SshUser::new().await;
        let door = machine.engine.start_sshd_into(&ssh, &machine.container).await;
        ssh.get_to_know(&machine.engine).await;
        let proxy = Proxy::start("lb1", &store).await;
        let directory = TempDir::new().unwrap();
        let text = format!(
            "app = \"web\"\n[route]\nhosts = [\"{HOST}\"]\n[run]\nengine = \"systemd\"\n\
             ports = {{ blue = [9001, 9002], green = [9101, 9102] }}\nhosts = [\"ssh://root@{}\"]\n\
             [health]\npath = \"/up\"\n",
            machine.engine.address()
        );
        std::fs::write(directory.path().join("shunt.toml"), text).unwrap();
        Self { proxy, machine, _door: door, ssh, store, directory }
    }

    fn config(&self) -> String {
        self.ssh.config().display().to_string()
    }

    fn file(&self) -> String {
        self.directory.path().join("shunt.toml").display().to_string()
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        let file = self.file();
        let all = [arguments, &["--file", &file]].concat();
        shuntctl_with(&self.store, &[("SHUNT_SSH_CONFIG", &self.config())], &all).await
    }

    async fn deploy(&self, version: &str) -> Run {
        self.run(&["deploy", "--tag", version]).await.ended_with(0)
    }

    /// The units that run, and the version of each, as systemd and its files tell.
    async fn units(&self) -> Vec<String> {
        let list = "for unit in $(systemctl list-units --plain --no-legend 'web-*' | cut -d' ' -f1); do \
                    echo $unit $(systemctl is-active $unit) \
                    $(sed -n 's/^SHUNT_VERSION=\"\\(.*\\)\"/\\1/p' /etc/systemd/system/$unit.d/shunt.env); done";
        let mut units: Vec<String> =
            self.machine.run(list).await.lines().map(str::to_owned).collect();
        units.sort();
        units
    }

    /// The files that make units a deploy's, beside those that there always are.
    async fn traces(&self) -> Vec<String> {
        let find = "find /etc/systemd/system /run/systemd/system -name 'web-*' | sort";
        self.machine.run(find).await.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn units_on_another_machine_are_deployed_undone_and_cleared_away_and_no_request_is_lost() {
    let estate = Estate::new().await;
    let run = estate.run(&["deploy", "--tag", "1", "--dry-run"]).await.ended_with(0);
    assert!(run.output.contains("web-blue@9001.service web-blue@9002.service on systemd+ssh://"));
    estate.deploy("1").await;
    let of_1 = ["web-blue@9001.service active 1", "web-blue@9002.service active 1"];
    assert_eq!(estate.units().await, of_1);
    let load = Load::on(estate.proxy.address()).host(HOST);
    let load = load.kept_alive(12, Work::QUICK).kept_alive(4, Work::SLOW).fresh(4, Work::QUICK);
    let load = load.start().unwrap();
    answers(&load, "1", 100).await;
    let run = estate.deploy("2").await;
    assert!(!run.text().contains("container"), "{run}");
    answers(&load, "2", 100).await;
    let of_2 = ["web-green@9101.service active 2", "web-green@9102.service active 2"];
    assert_eq!(estate.units().await, [of_1, of_2].concat());

    // One write, while the old release is warm.
    let _ = estate.run(&["undo"]).await.ended_with(0);
    answers(&load, "1", 100).await;
    let _ = estate.run(&["undo"]).await.ended_with(0);
    answers(&load, "2", 100).await;
    assert_eq!(estate.units().await, [of_1, of_2].concat());

    // 1 has to make way for 3, which does not start: what it said is shown, and 2 serves on.
    let run = estate.run(&["deploy", "--tag", "3"]).await.ended_with(3);
    assert!(run.text().contains("the unit ended with code 7"), "{run}");
    assert!(run.text().contains("| no configuration found in /etc/web.conf"), "{run}");
    assert!(!run.text().contains("release 1 listens on"), "lines of another release: {run}");
    assert_eq!(estate.proxy.release(HOST).await, "2");
    assert_eq!(estate.units().await, of_2);
    let run = estate.run(&["undo"]).await.ended_with(2);
    assert!(run.errors.contains("cannot go back to 1: it was stopped before 3"), "{run}");

    // Killed with its units in their slot and proved.
    let (file, config) = (estate.file(), estate.config());
    let deploy = ["deploy", "--tag", "4", "--file", &file];
    let (ssh, pause) = ([("SHUNT_SSH_CONFIG", config.as_str())], Some("after prove"));
    let mut killed =
        start_shuntctl_with(&estate.store, &ssh, &deploy, estate.directory.path(), pause);
    killed.said("paused after prove").await;
    assert_eq!(estate.units().await.len(), 4);
    killed.kill().await;
    let _ = estate.run(&["resume"]).await.ended_with(0);
    assert_eq!(estate.units().await, of_2);
    let left = estate.traces().await;
    assert!(left.iter().all(|path| path.contains("web-green")), "{left:#?}");

    // By hand somebody runs what is in the way.
    let by_hand =
        "systemctl set-environment SHUNT_VERSION=1 PORT=9002 && systemctl start web-blue@9002";
    estate.machine.run(by_hand).await;
    let run = estate.run(&["deploy", "--tag", "5"]).await.ended_with(3);
    assert!(run.text().contains("no deploy has started it"), "{run}");
    assert_eq!(estate.machine.property("web-blue@9002", "ActiveState").await, "active");
    let no_more = "systemctl stop web-blue@9002 && systemctl unset-environment SHUNT_VERSION PORT";
    estate.machine.run(no_more).await;
    let run = estate.run(&["undo"]).await.ended_with(2);
    assert!(run.errors.contains("cannot go back to 1"), "three deploys have failed since: {run}");

    // From the store alone.
    estate.deploy("5").await;
    answers(&load, "5", 100).await;
    let ssh = [("SHUNT_SSH_CONFIG", config.as_str())];
    let run = shuntctl_with(&estate.store, &ssh, &["logs", "web"]).await.ended_with(0);
    assert!(run.output.contains("web-blue@9002.service | release 5 listens on"), "{run}");
    assert!(!run.output.contains("release 1"), "lines of another release: {run}");
    let report = load.stop().await;
    println!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
    let _ = shuntctl_with(&estate.store, &ssh, &["remove", "web", "--yes"]).await.ended_with(0);
    assert!(estate.units().await.is_empty() && estate.traces().await.is_empty());
}

#[tokio::test]
async fn units_of_this_machine_get_their_variables_come_back_with_it_and_may_be_held_for() {
    let mut all = files();
    all.push(("shuntctl", std::fs::read(program("shuntctl")).unwrap()));
    let secret = r#"it's $HOME "quoted" `x` \ back\nslash # and; more "#;
    all.push(("secret", secret.into()));
    let file = format!(
        "app = \"web\"\n[route]\nhosts = [\"{HOST}\"]\n[run]\nengine = \"systemd\"\n\
         ports = {{ blue = [9001], green = [9002] }}\nsecrets = {{ NASTY = [\"cat\", \"/srv/secret\"] }}\n\
         [store]\ndirectory = \"/var/lib/shunt/store\"\n[deploy]\nwarm = \"1h\"\nstrategy = \"hold\"\n"
    );
    all.push(("shunt.toml", file.into()));
    let machine = Machine::with_proxy(&all, FILES, &[]).await;
    machine.active("shunt-proxy").await;
    let shuntctl = |arguments: &str| format!("cd /srv && ./shuntctl {arguments} 2>&1");
    machine.run(&shuntctl("deploy --tag 1")).await;
    assert_eq!(machine.answer(80, "/").await.unwrap().release(), "1");
    let unit = "web-blue@9001";
    let pid = machine.property(unit, "MainPID").await;
    let variables = machine.run(&format!("tr '\\0' '\\n' </proc/{pid}/environ")).await;
    for line in [format!("NASTY={secret}"), "PORT=9001".to_owned(), "SHUNT_SLOT=blue".to_owned()] {
        assert!(variables.lines().any(|own| own == line), "{line}: {variables}");
    }
    let shown = machine.run(&format!("systemctl show {unit}; systemctl cat {unit}")).await;
    assert!(!shown.contains("quoted"), "{shown}");
    let rights = machine.run(&format!("stat -c %a /etc/systemd/system/{unit}.service.d/*")).await;
    assert_eq!(rights, "644\n600\n");

    machine.reboot().await;
    machine.active(unit).await;
    until("the release is served again", async || {
        (machine.answer(80, "/").await.ok()?.release() == "1").then_some(())
    })
    .await;

    // Stopped while requests wait, and started again since 3 does not start.
    let (well, said) = machine.try_run(&shuntctl("deploy --tag 3")).await;
    assert!(!well && said.contains("no configuration found"), "{said}");
    assert_eq!(machine.answer(80, "/").await.unwrap().release(), "1");
    machine.run(&shuntctl("deploy --tag 2")).await;
    assert_eq!(machine.answer(80, "/").await.unwrap().release(), "2");
    let left = machine.run("find /etc/systemd/system -name 'web-*' | sort").await;
    let wants = "/etc/systemd/system/multi-user.target.wants/web-green@9002.service";
    assert_eq!(left, format!("{wants}\n/etc/systemd/system/web-green@9002.service.d\n"));
}
