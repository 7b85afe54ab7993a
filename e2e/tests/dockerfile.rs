//! The image that the Dockerfile makes.

use std::path::Path;

use e2e::process::program;
use e2e::{Engine, Store, ask, until};
use tempfile::TempDir;

/// Its last stage as it stands, with the first one replaced by `programs`: building that would take
/// a toolchain image, which cannot be counted on to be pulled.
fn last_stage(programs: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("Dockerfile");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, stage) = text.split_once("FROM ${RUNTIME}\n").unwrap();
    format!("ARG RUNTIME\nFROM {programs} AS build\nFROM ${{RUNTIME}}\n{stage}")
}

#[tokio::test]
async fn the_runtime_image_serves_as_a_user_without_rights() {
    let engine = Engine::start().await;
    let debian = engine.import_debian().await;
    let build = TempDir::new().unwrap();
    for name in ["shunt-proxy", "shuntctl"] {
        std::fs::copy(program(name), build.path().join(name)).unwrap();
    }
    let programs = "FROM scratch\nCOPY shunt-proxy shuntctl /programs/\n";
    std::fs::write(build.path().join("Dockerfile"), programs).unwrap();
    engine.build("programs", build.path(), &[]).await;
    std::fs::write(build.path().join("Dockerfile"), last_stage("programs")).unwrap();
    engine.build("shunt", build.path(), &[&format!("RUNTIME={debian}")]).await;

    let store = Store::directory();
    store.put("apps/web/app", r#"{"hosts":["www.example.com"]}"#).await;
    let file = build.path().join("proxy.toml");
    let config = "name = \"lb1\"\n[[listen]]\naddress = \"0.0.0.0:8080\"\n\
                  [admin]\naddress = \"0.0.0.0:9180\"\n\
                  [store]\ndirectory = \"/var/lib/shunt/store\"\n";
    std::fs::write(&file, config).unwrap();
    // The store is the host's directory, and the proxy writes to it what it has to say.
    let owner = std::process::Command::new("chown").args(["-R", "65532", &store.flag()]).status();
    assert!(owner.unwrap().success());
    let config = format!("{}:/etc/shunt/proxy.toml:ro", file.display());
    let shared = format!("{}:/var/lib/shunt/store", store.flag());
    let run = ["run", "--detach", "--publish", "80:8080", "--publish", "9180:9180"];
    let run = [&run[..], &["--volume", &config, "--volume", &shared, "shunt"]].concat();
    let container = engine.docker(&run).await;

    let admin = (engine.address(), 9180).into();
    until("the proxy is ready", async || {
        let answer = ask::get(admin, "localhost", "/readyz").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    let front = (engine.address(), 80).into();
    let answer = ask::get(front, "www.example.com", "/").await.unwrap();
    assert_eq!(answer.status, 503, "no release yet: {}", answer.body);
    let user = engine.docker(&["exec", &container, "id", "-u"]).await;
    assert_eq!(user, "65532");
    engine.docker(&["stop", &container]).await;
    let code = engine.docker(&["inspect", "--format", "{{.State.ExitCode}}", &container]).await;
    assert_eq!(code, "0");
    let version = ["run", "--rm", "--entrypoint", "shuntctl", "shunt", "--version"];
    assert!(engine.docker(&version).await.starts_with("shuntctl "));
}
