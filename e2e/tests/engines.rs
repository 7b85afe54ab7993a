//! Engines that are not on this machine: who is let in, and what is said where nobody is.

use std::net::SocketAddr;

use e2e::{Authority, Engine, Proxy, Relay, SshUser, Store, shuntctl_with};
use tempfile::TempDir;

use crate::site::HOST;

#[tokio::test]
async fn an_engine_that_cannot_be_reached_over_ssh_is_told_with_the_way_out() {
    let store = Store::etcd().await;
    let _proxy = Proxy::start("lb1", &store).await;
    let engine = Engine::start().await;
    let ssh = SshUser::new().await;
    let _door = engine.start_sshd(&ssh).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("shunt.toml");
    let text = format!(
        "app = \"web\"\nimage = \"web\"\n[route]\nhosts = [\"{HOST}\"]\n[run]\nport = 80\npull = \"never\"\n\
         hosts = [\"ssh://root@{}\"]\n",
        engine.address()
    );
    std::fs::write(&file, text).unwrap();
    let deploy = ["deploy", "--file", file.to_str().unwrap()];
    let config = ssh.config().display().to_string();
    let run = shuntctl_with(&store, &[("SHUNT_SSH_CONFIG", &config)], &deploy).await.ended_with(7);
    assert!(run.errors.contains("ssh-keyscan"), "an unknown host key: {run}");

    ssh.get_to_know(&engine).await;
    let run = shuntctl_with(&store, &[("SHUNT_SSH_CONFIG", &config)], &deploy).await.ended_with(2);
    assert!(run.errors.contains("there is no image web:latest"), "it got through: {run}");

    let stranger = SshUser::new().await;
    stranger.get_to_know(&engine).await;
    let config = stranger.config().display().to_string();
    let run = shuntctl_with(&store, &[("SHUNT_SSH_CONFIG", &config)], &deploy).await.ended_with(7);
    assert!(run.errors.contains("ssh-add"), "a key that is not known there: {run}");
    assert!(store.get("apps/web/deploy").await.is_none());
}

#[tokio::test]
async fn an_engine_behind_tls_is_used_with_its_files_and_never_without() {
    let store = Store::etcd().await;
    let proxy = Proxy::start("lb1", &store).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let authority = Authority::new("engines");
    let ca = authority.write(path, "ca");
    authority.issue(path, "client", &["client"]);
    // The address is not known before the engine runs, so it is known by a name.
    authority.issue(path, "engine", &["localhost"]);
    let shown = path.display();
    let flags = format!(
        "--tlsverify --tlscacert {shown}/ca.pem --tlscert {shown}/engine.crt --tlskey {shown}/engine.key \
         --host tcp://0.0.0.0:2376"
    );
    let engine = Engine::with(&flags).await;
    let relay = Relay::to(SocketAddr::from((engine.address(), 2376))).await;
    engine.build_demo("1", &[]).await;
    let url = format!("tcp://localhost:{}", relay.address().port());
    let address = engine.address();
    let write = |name: &str, entry: &str| {
        let file = path.join(name);
        let text = format!(
            "app = \"web\"\nimage = \"{}/acme/web\"\n[route]\nhosts = [\"{HOST}\"]\n[run]\nport = 8080\n\
             pull = \"never\"\nhosts = [{{ engine = \"{url}\", address = \"{address}\"{entry} }}]\n",
            e2e::engine::REGISTRY
        );
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let plain = write("plain.toml", "");
    let none = [("DOCKER_CERT_PATH", "")];
    let run = shuntctl_with(&store, &none, &["deploy", "--tag", "1", "--file", &plain]).await;
    let run = run.ended_with(2);
    assert!(run.errors.contains("DOCKER_CERT_PATH"), "{run}");

    let files = format!(
        ", ca = \"{}\", certificate = \"{shown}/client.crt\", key = \"{shown}/client.key\"",
        ca.display()
    );
    let file = write("shunt.toml", &files);
    let run = shuntctl_with(&store, &none, &["deploy", "--tag", "1", "--file", &file]).await;
    let _ = run.ended_with(0);
    assert_eq!(proxy.release(HOST).await, "1");
    // From the store alone, on a machine that keeps its files elsewhere.
    let run = shuntctl_with(&store, &none, &["logs", "web"]).await.ended_with(0);
    assert!(run.output.contains("release 1 listens on"), "{run}");

    let other = Authority::new("others").write(path, "other");
    let files = files.replace(ca.to_str().unwrap(), other.to_str().unwrap());
    let file = write("other.toml", &files);
    let run = shuntctl_with(&store, &none, &["deploy", "--tag", "1", "--file", &file]).await;
    let run = run.ended_with(7);
    assert!(run.errors.contains("certificate"), "{run}");
}
