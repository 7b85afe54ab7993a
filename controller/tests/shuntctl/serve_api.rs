//! The API of `shuntctl serve`: its description, who may use it, and that it says what the verbs say.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use e2e::until;
use rustix::process::Signal;
use serde_json::{Value, json};
use shunt_controller::serve::route::routes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::daemon::{ALL, DEPLOY, Daemon, READ, write};
use crate::site::Site;
use crate::words::Words;

const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

/// What is wrong with `value` by `schema`, in as much of JSON Schema as the description uses.
fn wrong(doc: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = doc.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name}"));
        return wrong(doc, schema, value, place);
    }
    let mut found = Vec::new();
    for one in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(wrong(doc, one, value, place));
    }
    if let Some(any) = schema["anyOf"].as_array()
        && any.iter().all(|one| !wrong(doc, one, value, place).is_empty())
    {
        found.push(format!("{place}: none of those it could be"));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let sound = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        _ => true,
    };
    if !sound {
        found.push(format!("{place}: {value} is no {}", schema["type"]));
    }
    if let Some(all) = schema["enum"].as_array()
        && !all.contains(value)
    {
        found.push(format!("{place}: {value} is none of {all:?}"));
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.get(key.as_str().unwrap()).is_none() {
            found.push(format!("{place}: {key} is missing"));
        }
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(key) {
            found.extend(wrong(doc, schema, value, &format!("{place}.{key}")));
        }
    }
    for (i, value) in value.as_array().into_iter().flatten().enumerate() {
        if schema.get("items").is_some() {
            found.extend(wrong(doc, &schema["items"], value, &format!("{place}[{i}]")));
        }
    }
    found
}

/// Fails unless the answer is one that the description has for this path, method and status.
fn described(doc: &Value, path: &str, method: &str, answer: &e2e::ask::Answer) {
    let (status, what) = (answer.status.as_u16().to_string(), format!("{method} {path}"));
    let response = &doc["paths"][path][method]["responses"][&status];
    assert!(response.is_object(), "{what}: {status} is not described: {}", answer.body);
    let kind = answer.headers["content-type"].to_str().unwrap();
    let kind = kind.split(';').next().unwrap();
    let schema = &response["content"][kind]["schema"];
    assert!(schema.is_object(), "{what}: {status} {kind} is not described");
    if kind == "application/json" {
        let found = wrong(doc, schema, &answer.json(), "");
        assert!(found.is_empty(), "{what}: {found:#?}\n{}", answer.body);
    }
}

#[tokio::test]
async fn every_route_is_described_and_whatever_is_described_is_answered_so() {
    let doc: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let paths = doc["paths"].as_object().unwrap();
    let methods = |path: &Value| path.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let described_all: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, all)| methods(all).into_iter().map(move |method| (path.clone(), method)))
        .collect();
    let routed: BTreeSet<_> =
        routes().into_iter().map(|route| (route.path, route.method.to_lowercase())).collect();
    assert_eq!(described_all, routed);

    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let daemon = Daemon::start(&site, "").await;
    // So that there is a run to look at, and something in the history.
    let flip = daemon.post("/v1/apps/web/flip?wait=1m", ALL, "{}").await;
    assert_eq!((flip.status.as_u16(), &flip.json()["exit"]), (200, &json!(0)), "{}", flip.body);
    let run = flip.json()["id"].as_str().unwrap().to_owned();
    for (path, method) in &described_all {
        let real = path.replace("{app}", "web").replace("{run}", &run).replace("{hook}", "none");
        let open = doc["paths"][path][method]["security"] == json!([]);
        let method_name = method.to_uppercase();
        let stranger = daemon.ask(&method_name, &real, &[], "{}").await;
        described(&doc, path, method, &stranger);
        let refused = stranger.status == 401;
        assert_eq!(refused, !open || path.starts_with("/hooks"), "{path}: {}", stranger.status);
        let other = if method == "get" { "POST" } else { "GET" };
        assert_eq!(daemon.ask(other, &real, &[], "").await.status, 405, "{other} {path}");
        let real = if method == "post" { format!("{real}?wait=1m") } else { real };
        let token = [("authorization", format!("Bearer {ALL}"))];
        let token = [(token[0].0, token[0].1.as_str())];
        let answer = daemon.ask(&method_name, &real, &token, "{}").await;
        described(&doc, path, method, &answer);
        if !path.starts_with("/hooks") {
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
        let wrong_body = [("authorization", token[0].1)];
        if method == "post" && !path.starts_with("/hooks") {
            let answer = daemon.ask("POST", &real, &wrong_body, r#"{"no_such_key":1}"#).await;
            described(&doc, path, method, &answer);
            assert_eq!(answer.status, 400, "{path}");
        }
    }
    assert_eq!(daemon.get("/v1/nothing", ALL).await.status, 404);
    assert_eq!(daemon.ask("GET", "/v1/openapi.json", &[], "").await.json(), doc);
}

#[tokio::test]
async fn answers_are_what_the_verbs_write() {
    let site = Site::with_two_releases().await;
    let _proxy = Words::of("lb1", &site).await.obeys();
    let daemon = Daemon::start(&site, "").await;
    site.run(&["flip", "web"]).await.ended_with(0);
    let verb = async |arguments: &[&str]| {
        let run = site.run(&[arguments, &["--json"]].concat()).await.ended_with(0);
        run.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    assert_eq!(
        daemon.get("/v1/apps/web/status", READ).await.json(),
        verb(&["status", "web"]).await[0]
    );
    assert_eq!(daemon.get("/v1/apps", READ).await.json()["apps"], json!(verb(&["list"]).await));
    let history = daemon.get("/v1/apps/web/history", READ).await.json();
    assert_eq!(history["history"], json!(verb(&["history", "web"]).await));
    assert_eq!(history["history"][0]["entry"]["verb"], "flip");
    // What cannot be done is said in the same words, and with the same code.
    let there = site.run(&["promote", "web", "--json"]).await.ended_with(2).json();
    let here = daemon.post("/v1/apps/web/promote?wait=1m", DEPLOY, "").await.json();
    assert_eq!((&here["exit"], &here["error"]), (&json!(2), &there["error"]));
    assert_eq!(here["events"].as_array().unwrap().last().unwrap(), &there);
    // And who it was done for is in the history.
    let flip = daemon.post("/v1/apps/web/flip?wait=1m", ALL, r#"{"to":"blue"}"#).await.json();
    assert_eq!((&flip["exit"], &flip["by"]), (&json!(0), &json!("token all")));
    assert_eq!(site.active().await, "blue");
    let history = daemon.get("/v1/apps/web/history?limit=1", READ).await.json();
    assert_eq!(history["history"][0]["entry"]["who"]["user"], "token all");
    assert_eq!(history["history"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_opens_what_it_is_for_and_nothing_else() {
    let site = Site::with_two_releases().await;
    let other = "[apps.shop]\ndeploy_file = \"/nowhere/shunt.toml\"\n";
    write(&site, other);
    let path = site.directory.path().join("serve.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let narrow = "[tokens.deploy]\napps = [\"shop\"]\n";
    std::fs::write(&path, text.replace("[tokens.deploy]\n", narrow)).unwrap();
    let daemon = Daemon::again(&site, None).await;
    for token in ["", "read", "read-0123456789abcdeg", "read-0123456789abcdef0"] {
        let answer = daemon.get("/v1/apps/web/status", token).await;
        assert_eq!(answer.status, 401, "{token}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let basic = [("authorization", &*format!("Basic {READ}"))];
    assert_eq!(daemon.ask("GET", "/v1/runs", &basic, "").await.status, 401);
    assert_eq!(daemon.get("/v1/apps/web/status", READ).await.status, 200);
    let refused = daemon.post("/v1/apps/web/undo", READ, "").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("may not undo"), "{}", refused.body);
    // An app that it is not for does not exist.
    let foreign = daemon.post("/v1/apps/web/undo", DEPLOY, "").await;
    let missing = daemon.post("/v1/apps/nothing/undo", DEPLOY, "").await;
    assert_eq!((foreign.status.as_u16(), &foreign.body), (404, &missing.body));
    let apps = daemon.get("/v1/status", DEPLOY).await.json();
    assert_eq!(apps["apps"].as_array().unwrap().len(), 1, "{apps}");
    let counted = async |token| {
        let metrics = daemon.get("/metrics", token).await.body;
        ["web", "shop"].map(|app| metrics.contains(&format!("app=\"{app}\"")))
    };
    until("both are counted", async || (counted(ALL).await == [true; 2]).then_some(())).await;
    assert_eq!(counted(DEPLOY).await, [false, true]);
    assert_eq!(daemon.post("/v1/apps/shop/flip", DEPLOY, "").await.status, 403);
    let image = daemon.post("/v1/apps/shop/deploy", DEPLOY, r#"{"image":"evil"}"#).await;
    assert_eq!(image.status, 403, "{}", image.body);
    assert!(daemon.runs().await.is_empty());
}

#[tokio::test]
async fn mistakes_are_all_named_before_anything_is_served() {
    let site = Site::empty();
    write(&site, "[[apps.web.webhooks]]\nkind = \"gitlab\"\nsecret_file = \"/nowhere/secret\"\n");
    site.write("read", "short\n");
    let check = ["serve", "--config", "serve.toml", "--check"];
    let run = site.run(&check).await.ended_with(2).says("2 mistakes");
    run.says("tokens.read.file: ").says("16 characters").says("/nowhere/secret: No such file");
    write(&site, "");
    site.run(&check).await.ended_with(0).says("is sound: 1 app(s)");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o604);
    std::fs::set_permissions(site.directory.path().join("all"), open).unwrap();
    site.write("shunt.toml", "app = \"shop\"\nimage = \"web\"\n[run]\nport = 80\n");
    let run = site.run(&check).await.ended_with(2).says("every user of this machine (mode 604)");
    run.says("is of `shop`, not of `web`");
}

#[tokio::test]
async fn a_file_is_read_again_when_told_to_and_one_with_a_mistake_changes_nothing() {
    let site = Site::with_two_releases().await;
    let daemon = Daemon::start(&site, "").await;
    assert_eq!(daemon.get("/v1/runs", "other-0123456789abcdef").await.status, 401);
    site.write("read", "other-0123456789abcdef\n\nread-0123456789abcdef\n");
    daemon.process.signal(Signal::HUP);
    until("the new token opens", async || {
        (daemon.get("/v1/runs", "other-0123456789abcdef").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(daemon.get("/v1/runs", READ).await.status, 200, "the old one opens, too");
    site.write("read", "");
    daemon.process.signal(Signal::HUP);
    until("the mistake is told", async || daemon.process.log().contains("is empty").then_some(()))
        .await;
    assert_eq!(daemon.get("/v1/runs", READ).await.status, 200);
}

#[tokio::test]
async fn two_daemons_do_not_work_in_one_directory() {
    let site = Site::empty();
    let daemon = Daemon::start(&site, "").await;
    let run = site.run(&["serve", "--config", "serve.toml"]).await.ended_with(4);
    run.says("another `shuntctl serve`");
    assert!(daemon.process.stop().await.success());
}

#[tokio::test]
async fn what_is_too_large_is_not_read_and_what_was_done_is_counted() {
    let site = Site::with_two_releases().await;
    let daemon = Daemon::start(&site, "").await;
    let large = format!(r#"{{"to":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(daemon.post("/v1/apps/web/undo", DEPLOY, &large).await.status, 413);
    let ended = daemon.post("/v1/apps/web/promote?wait=1m", DEPLOY, "").await.json();
    assert_eq!(ended["state"], "failed");
    let id = ended["id"].as_str().unwrap();
    let metrics = daemon.get("/metrics", READ).await;
    let line = r#"shuntctl_runs_total{app="web",outcome="usage",verb="promote"} 1"#;
    assert!(metrics.body.contains(line), "{}", metrics.body);
    // Followed from its beginning to its end.
    let events = daemon.get(&format!("/v1/runs/{id}/events"), READ).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let first = events.body.lines().next().unwrap();
    assert!(first.starts_with("data: {\"event\":"), "{}", events.body);
    assert!(events.body.contains("event: run\ndata: {"), "{}", events.body);
}

/// One that asks for much and takes nothing of it.
async fn glutton(daemon: &Daemon) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(daemon.address).await.unwrap();
    let request = "GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.repeat(50).as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn whoever_shows_no_token_keeps_nobody_out_and_whoever_does_keeps_the_place() {
    let site = Site::with_two_releases().await;
    let proxy = Words::of("lb1", &site).await;
    proxy.serves_what_is_asked().await;
    let daemon = Daemon::start(&site, "").await;
    // It goes on until the proxy says more, and is followed all the time.
    let flip = daemon.post("/v1/apps/web/flip", ALL, "").await.json();
    let id = flip["id"].as_str().unwrap();
    let mut follower = TcpStream::connect(daemon.address).await.unwrap();
    let head = format!(
        "GET /v1/runs/{id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ}\r\n\
         Connection: close\r\n\r\n"
    );
    follower.write_all(head.as_bytes()).await.unwrap();
    let mut text = vec![0; 12];
    follower.read_exact(&mut text).await.unwrap();
    assert_eq!(text, b"HTTP/1.1 200");
    until("the flip", async || (site.active().await == "green").then_some(())).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(glutton(&daemon).await);
    }
    let health = daemon.ask("GET", "/healthz", &[], "");
    let health = timeout(Duration::from_mins(1), health).await.expect("nobody gets in");
    assert_eq!(health.status, 200);
    assert_eq!(daemon.get("/v1/apps/web/status", READ).await.status, 200);
    // The first of them had to go.
    let gone = async {
        let mut piece = vec![0; 1 << 16];
        while !matches!(crowd[0].read(&mut piece).await, Ok(0) | Err(_)) {}
    };
    timeout(Duration::from_mins(1), gone).await.expect("the first one is still there");
    proxy.serves_what_is_asked().await;
    let rest = follower.read_to_end(&mut text);
    timeout(Duration::from_mins(1), rest).await.expect("the run goes on").unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("event: run"), "{text}");
}

#[tokio::test]
async fn whoever_comes_often_and_says_nothing_keeps_nobody_out_who_comes_from_elsewhere() {
    let site = Site::with_two_releases().await;
    let daemon = Daemon::start(&site, "").await;
    // It is far away: what it asks for comes when all the others are there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut slow = socket.connect(daemon.address).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..600 {
        crowd.push(TcpStream::connect(daemon.address).await.unwrap());
    }
    let gone = async { while !matches!(crowd[0].read(&mut [0]).await, Ok(0) | Err(_)) {} };
    timeout(Duration::from_mins(1), gone).await.expect("there is room for all of them");
    let head = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    slow.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_directory_that_others_can_write_into_is_refused_with_the_way_out() {
    let site = Site::empty();
    write(&site, "");
    let state = site.directory.path().join("state");
    for directory in [state.clone(), state.join("runs")] {
        std::fs::create_dir(&directory).unwrap();
        for mode in [0o770, 0o707] {
            let open = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&directory, open).unwrap();
            let run = site.run(&["serve", "--config", "serve.toml"]).await.ended_with(2);
            run.says(&format!("chmod 700 {}", directory.display()));
        }
        let closed = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&directory, closed).unwrap();
    }
    let daemon = Daemon::again(&site, None).await;
    assert!(daemon.process.stop().await.success());
}
