//! Deploys to machines with engines of their own, over ssh, from a registry that asks for a
//! login.

use std::time::Instant;

use demo::load::{Load, Work};
use e2e::shuntctl::Run;
use e2e::{Engine, Proxy, Registry, SshUser, Sshd, Store, until};
use e2e::{shuntctl_with, start_shuntctl_with};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::shop::versions;
use crate::site::{HOST, answers};

/// Where `ssh` is let in.
const SSH: u16 = 22;

/// Two machines that ssh leads to, and two proxies in front.
struct Estate {
    proxies: Vec<Proxy>,
    one: Engine,
    two: Engine,
    doors: [Sshd; 2],
    registry: Registry,
    ssh: SshUser,
    store: Store,
    directory: TempDir,
}

impl Estate {
    async fn new() -> Self {
        let store = Store::etcd().await;
        let (one, two) = tokio::join!(Engine::start(), Engine::start());
        let ssh = SshUser::new().await;
        let doors = [one.start_sshd(&ssh).await, two.start_sshd(&ssh).await];
        ssh.get_to_know(&one).await;
        ssh.get_to_know(&two).await;
        ssh.call("droplet2", &two);
        let registry = Registry::start(one.gateway()).await;
        let mut proxies = Vec::new();
        for name in ["lb1", "lb2"] {
            proxies.push(Proxy::start(name, &store).await);
        }
        let directory = TempDir::new().unwrap();
        Self { proxies, one, two, doors, registry, ssh, store, directory }
    }

    /// The first machine, by its address.
    fn one(&self) -> String {
        format!("\"ssh://root@{}\"", self.one.address())
    }

    /// The second one, by its name in the ssh configuration.
    fn two(&self) -> String {
        let address = self.two.address();
        format!("{{ engine = \"ssh://droplet2\", address = \"{address}\" }}")
    }

    fn write_file(&self, run: &str) {
        let text = format!(
            "app = \"web\"\nimage = \"{}/acme/web\"\n[route]\nhosts = [\"{HOST}\"]\n\
             [run]\nport = 8080\n{run}\n[health]\npath = \"/up\"\n",
            self.registry.name(),
        );
        std::fs::write(self.file(), text).unwrap();
    }

    fn file(&self) -> String {
        self.directory.path().join("shunt.toml").display().to_string()
    }

    async fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
        let config = self.ssh.config().display().to_string();
        let variables = [&[("SHUNT_SSH_CONFIG", config.as_str())], variables].concat();
        let file = self.file();
        let all = [arguments, &["--file", &file]].concat();
        shuntctl_with(&self.store, &variables, &all).await
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(&[("DOCKER_CONFIG", &self.registry.config())], arguments).await
    }

    async fn deploy(&self, version: &str) -> Run {
        self.registry.publish_demo(&self.one, version).await;
        self.run(&["deploy", "--tag", version]).await.ended_with(0)
    }

    fn load(&self) -> demo::load::Running {
        let load = Load::on(self.proxies[0].address()).host(HOST);
        load.kept_alive(12, Work::QUICK)
            .kept_alive(4, Work::SLOW)
            .fresh(4, Work::QUICK)
            .start()
            .unwrap()
    }
}

#[tokio::test]
async fn blue_on_one_droplet_and_green_on_the_other_are_one_deploy_each_and_no_request_is_lost() {
    let estate = Estate::new().await;
    let (one, two) = (estate.one(), estate.two());
    estate.write_file(&format!("hosts = {{ blue = [{one}], green = [{two}] }}"));

    // Without a login nothing is pulled, and nothing is left.
    estate.registry.publish_demo(&estate.one, "1").await;
    let nobody = estate.registry.write_config("nobody", "{}");
    let run = estate.run_with(&[("DOCKER_CONFIG", &nobody)], &["deploy", "--tag", "1"]).await;
    assert!(run.code != 0 && run.text().contains("no basic auth"), "{run}");

    let run = estate.run(&["deploy", "--tag", "1"]).await.ended_with(0);
    assert!(run.output.contains("@sha256:"), "{run}");
    assert_eq!(versions(&estate.one).await, ["1"], "{run}");
    assert!(estate.two.containers().await.is_empty());
    let load = estate.load();
    answers(&load, "1", 100).await;
    let began = Instant::now();
    estate.deploy("2").await;
    println!("a deploy over ssh: {:?}", began.elapsed());
    answers(&load, "2", 100).await;
    assert_eq!(versions(&estate.two).await, ["2"]);

    // The login of a credential helper, and of GitLab's variable.
    estate.registry.publish_demo(&estate.one, "3").await;
    let name = estate.registry.name();
    let helped = format!(r#"{{"credHelpers":{{"{name}":"test"}}}}"#);
    let helped = estate.registry.write_config("helped", &helped);
    let path = format!("{}:{}", estate.registry.helper(), std::env::var("PATH").unwrap());
    let variables = [("DOCKER_CONFIG", helped.as_str()), ("PATH", path.as_str())];
    let _ = estate.run_with(&variables, &["deploy", "--tag", "3"]).await.ended_with(0);
    answers(&load, "3", 100).await;
    estate.registry.publish_demo(&estate.one, "4").await;
    let text =
        std::fs::read_to_string(format!("{}/config.json", estate.registry.config())).unwrap();
    let variables = [("DOCKER_CONFIG", nobody.as_str()), ("DOCKER_AUTH_CONFIG", text.as_str())];
    let _ = estate.run_with(&variables, &["deploy", "--tag", "4"]).await.ended_with(0);
    answers(&load, "4", 100).await;

    let _ = estate.run(&["undo"]).await.ended_with(0);
    answers(&load, "3", 100).await;
    let report = load.stop().await;
    println!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
    for proxy in &estate.proxies {
        assert_eq!(proxy.release(HOST).await, "3");
    }
    assert_eq!(versions(&estate.one).await, ["3"]);
    assert_eq!(versions(&estate.two).await, ["4"]);

    // The containers are found without the deploy file, by what the store says.
    let config = estate.ssh.config().display().to_string();
    let ssh = [("SHUNT_SSH_CONFIG", config.as_str())];
    let run = shuntctl_with(&estate.store, &ssh, &["logs", "web", "green"]).await.ended_with(0);
    assert!(run.output.contains("release 4 listens on"), "{run}");
    for door in &estate.doors {
        // A connection is used for more than one request.
        println!("{} logins", door.logins());
        assert!(door.logins() > 0, "{}", door.log());
    }
}

#[tokio::test]
async fn a_host_that_dies_in_the_middle_undoes_the_deploy_everywhere_and_is_cleared_when_it_is_back()
 {
    let estate = Estate::new().await;
    let (one, two) = (estate.one(), estate.two());
    estate.write_file(&format!("hosts = {{ blue = [{one}], green = [{one}, {two}] }}"));
    let run = estate.deploy("1").await;
    assert_eq!(
        versions(&estate.one).await,
        ["1", "1"],
        "as many as the slot with more hosts: {run}"
    );
    let load = estate.load();
    answers(&load, "1", 100).await;

    estate.registry.publish_demo(&estate.one, "2").await;
    let docker = estate.registry.config();
    let ssh = estate.ssh.config().display().to_string();
    let variables = [("SHUNT_SSH_CONFIG", ssh.as_str()), ("DOCKER_CONFIG", docker.as_str())];
    let file = estate.file();
    let deploy = ["deploy", "--tag", "2", "--file", &file];
    let directory = estate.directory.path();
    let pause = Some("after start");
    let mut deploy = start_shuntctl_with(&estate.store, &variables, &deploy, directory, pause);
    deploy.said("paused after start").await;
    assert_eq!(versions(&estate.one).await, ["1", "1", "2"]);
    assert_eq!(versions(&estate.two).await, ["2"]);
    estate.two.plug("down").await;
    deploy.signal(Signal::USR1);
    let ended = deploy.ended().await;
    let said = deploy.log();
    println!("{said}");
    assert_eq!(ended.code(), Some(7), "{said}");
    assert!(said.contains("engine ssh://droplet2 is not reachable"), "{said}");
    assert_eq!(versions(&estate.one).await, ["1", "1"], "{said}");
    let run = estate.run(&["status", "web"]).await.ended_with(0);
    assert!(run.output.contains("may be left on ssh://droplet2"), "{run}");

    // A deploy that needs it fails before anything is done, and says which host it is. That nobody answers
    // there has been seen; to be turned away is the same, and quicker.
    estate.two.turn_away(SSH, true).await;
    estate.two.plug("up").await;
    let run = estate.run(&["deploy", "--tag", "2"]).await.ended_with(7);
    assert!(run.errors.contains("ssh://droplet2"), "{run}");
    assert_eq!(versions(&estate.one).await, ["1", "1"], "{run}");
    answers(&load, "1", 100).await;
    let report = load.stop().await;
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(report.by_release().into_keys().collect::<Vec<_>>(), ["1"]);

    // What was left there goes as soon as it answers.
    estate.two.turn_away(SSH, false).await;
    assert_eq!(versions(&estate.two).await, ["2"]);
    until("what was left is removed", async || {
        let _ = estate.run(&["resume"]).await.ended_with(0);
        estate.two.containers().await.is_empty().then_some(())
    })
    .await;
    let run = estate.run(&["status", "web"]).await.ended_with(0);
    assert!(!run.output.contains("may be left"), "{run}");

    // And replicas are spread, one on each.
    let _ = estate.run(&["deploy", "--tag", "2"]).await.ended_with(0);
    assert_eq!(versions(&estate.one).await, ["1", "1", "2"]);
    assert_eq!(versions(&estate.two).await, ["2"]);

    // A host that is gone keeps no other from being retired, until it is given up.
    estate.two.turn_away(SSH, true).await;
    let _ = estate.run(&["undo"]).await.ended_with(0);
    let run = estate.run(&["retire"]).await.ended_with(5);
    assert!(run.text().contains("ssh://droplet2") && run.text().contains("--forget"), "{run}");
    assert_eq!(versions(&estate.one).await, ["1", "1"], "{run}");
    let _ = estate.run(&["resume", "--forget", "ssh://droplet2"]).await.ended_with(0);
    assert!(estate.store.keys("apps/web/draining/").await.is_empty());
}
