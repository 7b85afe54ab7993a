//! Webhooks: what proves them, that none is taken twice, and what each provider's tell.

use e2e::ask::Answer;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::daemon::{Daemon, SECRET, SIGNING_KEY, signed, standard};
use crate::serve_queue::locked;
use crate::site::Site;
use crate::words::Words;

/// A daemon whose deploys wait for a lock, so that what was asked for can be looked at.
struct Ear {
    daemon: Daemon,
    site: Site,
    _held: Box<dyn std::any::Any>,
}

impl Ear {
    async fn open(settings: &str) -> Self {
        let site = Site::with_two_releases().await;
        let proxy = Words::of("lb1", &site).await.obeys();
        let held = locked(&site).await;
        let settings = format!("[[apps.web.webhooks]]\nsecret_file = \"SECRET\"\n{settings}");
        let daemon = Daemon::start(&site, &settings).await;
        Self { daemon, site, _held: Box::new((proxy, held)) }
    }

    async fn hears(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.daemon.ask("POST", &format!("/hooks/web/{path}"), headers, body).await
    }

    /// What the last run deploys.
    async fn version(&self) -> Value {
        self.daemon.runs().await.last().map_or(Value::Null, |run| run["version"].clone())
    }

    async fn count(&self) -> usize {
        self.daemon.runs().await.len()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // Deploys wait for the lock for ten minutes, and outlive their daemon.
        let directory = self.site.directory.path().join("state/runs");
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let Ok(record) = serde_json::from_str::<Value>(&text) else { continue };
            let pid = record["process"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

#[track_caller]
fn is(answer: &Answer, status: u16, result: &str) {
    let said = (answer.status.as_u16(), answer.json()["result"].clone());
    assert_eq!(said, (status, json!(result)), "{}", answer.body);
}

#[tokio::test]
async fn a_script_signs_what_it_sends_with_the_time() {
    let ear = Ear::open("kind = \"generic\"\n").await;
    let body = r#"{"version":"1.1"}"#;
    let sign = |time: i64, body: &str| format!("t={time},v1={}", signed(&format!("{time}.{body}")));
    let now = Timestamp::now().as_second();
    let send = async |signature: &str, body: &str| {
        ear.hears("generic", &[("x-shunt-signature", signature)], body).await
    };
    let stranger = ear.daemon.ask("POST", "/hooks/nothing/generic", &[], body).await;
    assert_eq!(stranger.status, 401);
    for (signature, body) in [
        ("", body),
        (&*sign(now, "{}"), body),
        (&*sign(now, body).replace("t=", "t=1"), body),
        (&*sign(now, body).replace("v1=", "v1=00"), body),
        (&*sign(now, body), r#"{"version":"1.2"}"#),
        (&*format!("t={now},{}", sign(now, body)), body),
    ] {
        let answer = send(signature, body).await;
        assert_eq!((answer.status, &answer.body), (stranger.status, &stranger.body), "{signature}");
    }
    // Signed well, and too old or too far ahead.
    for time in [now - 400, now + 400] {
        let answer = send(&sign(time, body), body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    assert_eq!(ear.count().await, 0);
    is(&send(&sign(now, body), body).await, 202, "queued");
    assert_eq!(ear.version().await, "1.1");
    let run = ear.daemon.runs().await.remove(0);
    assert_eq!(run["by"], "webhook generic");
    is(&send(&sign(now, body), body).await, 409, "replayed");
    is(
        &send(&sign(now, body).to_uppercase().replace("T=", "t=").replace("V1=", "v1="), body)
            .await,
        409,
        "replayed",
    );
    for wrong in
        [r#"{"tag":"--help"}"#, r#"{"tga":"1"}"#, "[]", "{}", "no", r#"{"digest":"sha256:x"}"#]
    {
        assert!(
            matches!(send(&sign(now, wrong), wrong).await.status.as_u16(), 400 | 200),
            "{wrong}"
        );
    }
    assert_eq!(ear.count().await, 1);
    let digest = format!("sha256:{}", "ab".repeat(32));
    let body = json!({ "tag": "1.2", "digest": digest }).to_string();
    is(&send(&sign(now, &body), &body).await, 202, "queued");
    let body = json!({ "digest": digest, "tag": "1.2" }).to_string() + " ";
    is(&send(&sign(now, &body), &body).await, 200, "same");
    let metrics = ear.daemon.get("/metrics", crate::daemon::READ).await.body;
    for line in [
        r#"shuntctl_webhooks_total{app="web",result="queued",webhook="generic"} 2"#,
        r#"shuntctl_webhooks_total{app="",result="refused",webhook=""} 7"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(!ear.daemon.process.log().contains("1.2\""), "no body is logged");
}

#[tokio::test]
async fn what_was_seen_is_known_after_a_restart() {
    let ear = Ear::open("kind = \"generic\"\n").await;
    let (now, body) = (Timestamp::now().as_second(), r#"{"version":"1.1"}"#);
    let signature = format!("t={now},v1={}", signed(&format!("{now}.{body}")));
    let headers = [("x-shunt-signature", &*signature)];
    is(&ear.hears("generic", &headers, body).await, 202, "queued");
    let address = ear.daemon.address;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(ear.daemon.process.id()).unwrap()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    e2e::until("the daemon is gone", async || {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    // The run tells of it, too.
    std::fs::remove_file(ear.site.directory.path().join("state/deliveries")).unwrap();
    let again = Daemon::again(&ear.site, None).await;
    let answer = again.ask("POST", "/hooks/web/generic", &headers, body).await;
    is(&answer, 409, "replayed");
    assert_eq!(again.runs().await.len(), 1);
}

#[tokio::test]
async fn a_delivery_that_could_not_be_written_down_may_come_again() {
    let ear = Ear::open("kind = \"generic\"\n").await;
    let (now, body) = (Timestamp::now().as_second(), r#"{"version":"1.1"}"#);
    let signature = format!("t={now},v1={}", signed(&format!("{now}.{body}")));
    let headers = [("x-shunt-signature", &*signature)];
    let (runs, aside) = ("state/runs", "state/aside");
    let directory = ear.site.directory.path();
    std::fs::rename(directory.join(runs), directory.join(aside)).unwrap();
    let answer = ear.hears("generic", &headers, body).await;
    assert!(answer.status.is_server_error(), "{}: {}", answer.status, answer.body);
    assert_eq!(ear.count().await, 0);
    std::fs::rename(directory.join(aside), directory.join(runs)).unwrap();
    is(&ear.hears("generic", &headers, body).await, 202, "queued");
    is(&ear.hears("generic", &headers, body).await, 409, "replayed");
    assert_eq!(ear.count().await, 1);
}

const PACKAGE: &str = r#"{"action":"published","registry_package":{"name":"web","namespace":"acme",
    "package_type":"CONTAINER","package_version":{"container_metadata":{"tag":{"name":"v1",
    "digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001"}}}}}"#;

#[tokio::test]
async fn github_signs_its_bodies() {
    let settings = "kind = \"github\"\nimage_tag = \"{short_sha}\"\nname = \"builds\"\n\
        events = [\"workflow_run\"]\nrefs = [\"main\"]\n\
        [[apps.web.webhooks]]\nkind = \"github\"\nsecret_file = \"SECRET\"\n\
        events = [\"registry_package\", \"release\"]\ntags = [\"v*\"]\n";
    let ear = Ear::open(settings).await;
    let send = async |hook: &str, event: &str, delivery: &str, body: &str| {
        let signature = format!("sha256={}", signed(body));
        let headers = [
            ("x-hub-signature-256", signature.as_str()),
            ("x-github-event", event),
            ("x-github-delivery", delivery),
        ];
        ear.hears(hook, &headers, body).await
    };
    let ping = send("github", "ping", "0", "{}").await;
    is(&ping, 200, "ignored");
    assert_eq!(ping.json()["reason"], "pong");
    // The deploy file's image is of another registry.
    is(&send("github", "registry_package", "1", PACKAGE).await, 200, "ignored");
    let file = std::fs::read_to_string(ear.site.directory.path().join("shunt.toml")).unwrap();
    ear.site.write("shunt.toml", &file.replace("registry.example.com", "ghcr.io"));
    let package = PACKAGE.replace("\"v1\"", "\"v2\"");
    let unsigned = [
        ("x-hub-signature-256", "sha256=00"),
        ("x-github-event", "registry_package"),
        ("x-github-delivery", "2"),
    ];
    assert_eq!(ear.hears("github", &unsigned, &package).await.status, 401);
    is(&send("github", "registry_package", "2", &package).await, 202, "queued");
    assert_eq!(ear.version().await, "v2");
    // Neither the same delivery nor the same body under another name.
    is(&send("github", "registry_package", "2", &package).await, 409, "replayed");
    is(&send("github", "registry_package", "3", &package).await, 409, "replayed");
    is(
        &send("github", "registry_package", "4", &package.replace("v2", "nightly")).await,
        200,
        "ignored",
    );
    let release = |more: &str| {
        format!(
            r#"{{"action":"published","release":{{"tag_name":"v3","draft":false,"prerelease":{more}}}}}"#
        )
    };
    is(&send("github", "release", "5", &release("true")).await, 200, "ignored");
    is(&send("github", "release", "6", &release("false")).await, 202, "queued");
    assert_eq!(ear.version().await, "v3");
    is(&send("github", "package", "7", &release("null")).await, 200, "ignored");

    let workflow = |event: &str, from: &str, branch: &str, conclusion: &str| {
        json!({ "action": "completed", "repository": { "full_name": "acme/web" }, "workflow_run": {
            "conclusion": conclusion, "event": event, "head_branch": branch,
            "head_sha": "0123456789abcdef", "head_repository": { "full_name": from } } })
        .to_string()
    };
    for (n, body) in [
        workflow("pull_request", "acme/web", "main", "success"),
        workflow("push", "mallory/web", "main", "success"),
        workflow("push", "acme/web", "topic", "success"),
        workflow("push", "acme/web", "main", "failure"),
    ]
    .iter()
    .enumerate()
    {
        is(&send("builds", "workflow_run", &format!("w{n}"), body).await, 200, "ignored");
    }
    let body = workflow("push", "acme/web", "main", "success");
    is(&send("builds", "workflow_run", "w9", &body).await, 202, "queued");
    assert_eq!(ear.version().await, "01234567");
}

#[tokio::test]
async fn gitlab_shows_its_token() {
    let settings = "kind = \"gitlab\"\n[[apps.web.webhooks]]\nkind = \"gitlab\"\nname = \"tags\"\n\
        secret_file = \"SECRET\"\nevents = [\"tag_push\"]\n";
    let ear = Ear::open(settings).await;
    let send = async |hook: &str, token: &str, key: &str, body: &str| {
        let headers = [("x-gitlab-token", token), ("idempotency-key", key)];
        ear.hears(hook, &headers, body).await
    };
    let pipeline = |tag: bool, status: &str, source: &str| {
        json!({ "object_kind": "pipeline", "object_attributes":
            { "ref": "v1", "tag": tag, "sha": "abc", "status": status, "source": source } })
        .to_string()
    };
    let good = pipeline(true, "success", "push");
    assert_eq!(send("gitlab", "wrong-0123456789abcdef", "1", &good).await.status, 401);
    assert_eq!(ear.hears("gitlab", &[], &good).await.status, 401);
    is(&send("gitlab", SECRET, "1", &pipeline(true, "running", "push")).await, 200, "ignored");
    is(&send("gitlab", SECRET, "2", &pipeline(false, "success", "push")).await, 200, "ignored");
    let merge = pipeline(true, "success", "merge_request_event");
    is(&send("gitlab", SECRET, "3", &merge).await, 200, "ignored");
    assert_eq!(ear.count().await, 0);
    is(&send("gitlab", SECRET, "4", &good).await, 202, "queued");
    assert_eq!(ear.version().await, "v1");
    is(&send("gitlab", SECRET, "4", &good).await, 409, "replayed");
    let push = r#"{"object_kind":"tag_push","ref":"refs/tags/v2","checkout_sha":"abc"}"#;
    is(&send("gitlab", SECRET, "5", push).await, 200, "ignored");
    is(&send("tags", SECRET, "6", &push.replace("\"abc\"", "null")).await, 200, "ignored");
    // Before 17.4 there is no key that is meant for this.
    let old = [("x-gitlab-token", SECRET), ("x-gitlab-event-uuid", "7")];
    is(&ear.hears("tags", &old, push).await, 202, "queued");
    assert_eq!(ear.version().await, "v2");
    is(&ear.hears("tags", &old, push).await, 409, "replayed");
}

#[tokio::test]
async fn gitlab_signs_with_its_signing_token() {
    let ear = Ear::open("kind = \"gitlab\"\nevents = [\"tag_push\"]\n").await;
    let body = r#"{"object_kind":"tag_push","ref":"refs/tags/v2","checkout_sha":"abc"}"#;
    let now = Timestamp::now().as_second().to_string();
    let send = async |id: &str, signature: &str| {
        let headers =
            [("webhook-id", id), ("webhook-timestamp", &now), ("webhook-signature", signature)];
        ear.hears("gitlab", &headers, body).await
    };
    let good = standard("1", &now, body);
    assert_eq!(send("2", &good).await.status, 401, "of another delivery");
    assert_eq!(send("1", &good.replace("v1,", "v1,A")).await.status, 401);
    let shown = ear.hears("gitlab", &[("x-gitlab-token", SIGNING_KEY)], body).await;
    assert_eq!(shown.status, 401, "the key signs, and is never shown");
    assert_eq!(ear.count().await, 0);
    is(&send("1", &good).await, 202, "queued");
    assert_eq!(ear.version().await, "v2");
    is(&send("1", &good).await, 409, "replayed");
}

#[tokio::test]
async fn docker_hub_is_known_by_a_secret_address() {
    let ear = Ear::open("kind = \"docker_hub\"\nname = \"hub\"\ntags = [\"v*\"]\n").await;
    let file = std::fs::read_to_string(ear.site.directory.path().join("shunt.toml")).unwrap();
    ear.site.write("shunt.toml", &file.replace("registry.example.com/", ""));
    let body = |tag: &str, at: u32, name: &str| {
        json!({ "callback_url": "http://127.0.0.1:1/", "repository": { "repo_name": name },
            "push_data": { "tag": tag, "pushed_at": at, "pusher": "ann" } })
        .to_string()
    };
    let path = format!("hub?token={SECRET}");
    let good = body("v1", 1, "acme/web");
    assert_eq!(ear.hears("hub", &[], &good).await.status, 401);
    assert_eq!(ear.hears("hub?token=wrong-0123456789abcdef", &[], &good).await.status, 401);
    is(&ear.hears(&path, &[], &body("latest", 1, "acme/web")).await, 200, "ignored");
    is(&ear.hears(&path, &[], &body("v1", 1, "acme/other")).await, 200, "ignored");
    is(&ear.hears(&path, &[], &good).await, 202, "queued");
    assert_eq!(ear.version().await, "v1");
    is(&ear.hears(&path, &[], &good).await, 200, "replayed");
    is(&ear.hears(&path, &[], &body("v2", 2, "acme/web")).await, 202, "queued");
    assert_eq!(ear.version().await, "v2");
    assert_eq!(ear.hears(&path, &[], "{}").await.status, 400);
}

#[tokio::test]
async fn a_registry_tells_of_several_things_at_once_and_again_until_it_is_heard() {
    let ear = Ear::open("kind = \"registry\"\n").await;
    let event = |id: &str, action: &str, repository: &str, tag: Option<&str>, digit: &str| {
        json!({ "id": id, "action": action, "target": { "repository": repository, "tag": tag,
            "digest": format!("sha256:{}", digit.repeat(64)) } })
    };
    let envelope = |events: &[Value]| json!({ "events": events }).to_string();
    let bearer = format!("Bearer {SECRET}");
    let send = async |body: &str| ear.hears("registry", &[("authorization", &bearer)], body).await;
    let first = [
        event("1", "push", "acme/web", None, "1"),
        event("2", "push", "acme/web", Some("v1"), "2"),
        event("3", "push", "acme/other", Some("v7"), "3"),
        event("4", "pull", "acme/web", Some("v0"), "4"),
    ];
    let body = envelope(&first);
    assert_eq!(ear.hears("registry", &[("authorization", "Bearer x")], &body).await.status, 401);
    is(&send(&body).await, 202, "queued");
    assert_eq!(ear.version().await, "v1");
    let run = ear.daemon.runs().await.remove(0);
    assert_eq!(run["digest"], format!("sha256:{}", "2".repeat(64)));
    // It would come again and again if that were a failure.
    is(&send(&body).await, 200, "replayed");
    let second = [first[1].clone(), event("5", "push", "acme/web", Some("v2"), "5")];
    is(&send(&envelope(&second)).await, 202, "queued");
    assert_eq!(ear.version().await, "v2");
    assert_eq!(ear.count().await, 2);
    is(&send(&envelope(&[])).await, 200, "ignored");
    assert_eq!(send(r#"{"event":[]}"#).await.status, 400);
}
