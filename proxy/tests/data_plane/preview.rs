//! Releases that are reached beside the app's own requests.

use std::sync::Arc;
use std::time::Instant;

use shunt_config::App;
use shunt_config::hold::Hold as Spec;
use shunt_config::pass::{MOST, PassKey};
use shunt_proxy::metrics::Meters;
use shunt_proxy::route::preview::Shown;
use shunt_proxy::route::router::Change;
use shunt_proxy::route::{Epoch, Front, Hold, Preview, Release, Site, Stop};

use crate::backend::Backend;
use crate::client::{Answer, Client, header, within};
use crate::proxy::{Proxy, pass_key};

const HOSTS: &str = r#""preview":{"host":"{slot}.{host}"}"#;

/// The releases of app `web`, and what stands in front of them.
struct Stage {
    proxy: Proxy,
    settings: App,
    epoch: Arc<Epoch>,
    hold: Option<Arc<Hold>>,
    /// What is behind `green`; nothing is behind `blue`.
    green: Shown,
    meters: Arc<Meters>,
}

impl Stage {
    /// Release `one` serves; `settings` are the app's beside its host `web`.
    fn open(one: std::net::SocketAddr, settings: &str) -> Self {
        let proxy = Proxy::start();
        let settings = App::parse(format!(r#"{{"hosts":["web"],{settings}}}"#).as_bytes()).unwrap();
        let epoch = proxy.epoch(&proxy.release("one", &[one]));
        let meters = Arc::new(Meters::new(2));
        let stage = Self { proxy, settings, epoch, hold: None, green: Shown::Nothing, meters };
        stage.publish();
        stage
    }

    /// Makes it live as it stands; returns the epochs that this closed.
    fn publish(&self) -> Vec<Arc<Epoch>> {
        let shown = [Shown::Nothing, self.green.clone()];
        let site = Site {
            app: "web".parse().unwrap(),
            routes: vec![("web".parse().unwrap(), "/".parse().unwrap())],
            strip_prefix: false,
            front: Front::of(&self.settings),
            hold: self.hold.clone(),
            epoch: Some(Arc::clone(&self.epoch)),
            preview: Preview::of(&"web".parse().unwrap(), &self.settings, shown).map(Arc::new),
            mirror: None,
        };
        self.proxy.router.publish(vec![Change::Put(Arc::new(site))])
    }

    /// Shows `release` behind `green`; returns the epoch for it.
    fn show(&mut self, release: &Arc<Release>) -> Arc<Epoch> {
        let own = Arc::new(release.previewed(&Arc::default(), &self.meters));
        let epoch = self.proxy.epoch(&own);
        self.green = Shown::Release(Arc::clone(&epoch));
        self.publish();
        epoch
    }

    async fn send(&self, host: &str) -> Client {
        let mut client = self.proxy.client().await;
        client.write(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        client
    }

    async fn get(&self, host: &str) -> Answer {
        self.send(host).await.answer().await
    }
}

#[tokio::test]
async fn a_preview_host_goes_to_its_slot_and_a_flip_neither_moves_nor_waits_for_it() {
    let (one, two) = (Backend::answering("one").await, Backend::bind().await);
    let mut stage = Stage::open(one.address, HOSTS);
    let release = stage.proxy.release("two", &[two.address()]);
    let preview = stage.show(&release);
    let mut held = stage.send("green.web").await;
    let mut conn = two.accept().await;
    conn.request().await;
    assert_eq!(stage.get("web").await.body, "one", "visitors see nothing of it");
    assert_eq!((preview.all_leases(), release.meters.totals().requests()), (1, 0));

    stage.epoch = stage.proxy.epoch(&release);
    let closed = stage.publish();
    assert_eq!(closed.len(), 1, "the epoch of the app's own requests alone");
    within("the flip's drain ends", closed[0].drained()).await;
    assert!(!preview.is_closed() && preview.all_leases() == 1);

    // The slot is emptied: what is on it goes on, and nothing more is let in.
    stage.green = Shown::Nothing;
    let closed = stage.publish();
    assert!(closed.len() == 1 && Arc::ptr_eq(&closed[0], &preview));
    let refused = stage.get("green.web").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.body.contains("no release is in this slot"), "{}", refused.body);
    assert_eq!(preview.all_leases(), 1);
    conn.answer("two").await;
    assert_eq!(held.answer().await.body, "two");
    within("the preview's drain ends", preview.drained()).await;
    assert_eq!((stage.meters.totals().requests(), release.meters.totals().requests()), (1, 0));
}

#[tokio::test]
async fn an_unproved_release_gets_no_request_by_a_preview_and_says_why() {
    let one = Backend::answering("one").await;
    let mut stage = Stage::open(one.address, HOSTS);
    stage.green = Shown::Unproved("two".into());
    stage.publish();
    let refused = stage.get("green.web").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.body.contains("before its health checks have passed"), "{}", refused.body);
    assert_eq!((stage.get("web").await.body.as_str(), one.answered()), ("one", 1));
    // Without previews these hosts are nobody's.
    stage.settings.preview = None;
    stage.publish();
    assert_eq!(stage.get("green.web").await.status(), 404);
}

#[tokio::test]
async fn targets_are_told_the_host_asked_for_or_the_apps_where_that_is_wanted() {
    let rewritten = r#""preview":{"host":"{slot}.{host}","rewrite_host":true}"#;
    for (settings, host) in [(HOSTS, "green.web"), (rewritten, "web")] {
        let two = Backend::bind().await;
        let mut stage = Stage::open(two.address(), settings);
        let release = stage.proxy.release("two", &[two.address()]);
        stage.show(&release);
        let mut client = stage.send("GREEN.web").await;
        let mut conn = two.accept().await;
        let head = conn.request().await;
        assert_eq!(header(&head, "host"), Some(host), "{head}");
        assert_eq!(header(&head, "x-forwarded-host"), Some("green.web"), "{head}");
        conn.answer("two").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn previews_go_on_while_the_app_is_held_or_in_maintenance() {
    let (one, two) = (Backend::answering("one").await, Backend::answering("two").await);
    let mut stage = Stage::open(one.address, HOSTS);
    stage.show(&stage.proxy.release("two", &[two.address]));
    for (spec, stop) in [
        (r#"{"mode":"maintenance"}"#, Stop::Maintenance),
        (r#"{"mode":"hold","then":"refuse"}"#, Stop::Refuse),
        (r#"{"mode":"hold"}"#, Stop::Wait),
    ] {
        let spec = Arc::new(Spec::parse(spec.as_bytes()).unwrap());
        let until = spec.lasts().map(|lasts| Instant::now() + lasts);
        stage.hold = Some(Arc::new(Hold::new("h".into(), spec, stop, until, &stage.proxy.hall)));
        if stop == Stop::Wait {
            stage.proxy.hall.shut();
        }
        stage.publish();
        if stop != Stop::Wait {
            assert_eq!(stage.get("web").await.status(), 503);
        }
        assert_eq!(stage.get("green.web").await.body, "two", "{stop:?}");
    }
    assert_eq!(one.answered(), 0);
}

#[tokio::test]
async fn who_may_not_pass_to_the_app_or_its_previews_is_told_so() {
    let two = Backend::answering("two").await;
    for (settings, statuses) in [
        (r#""preview":{"host":"{slot}.{host}","allow":["192.0.2.0/24"]}"#, [200, 403]),
        (r#""preview":{"host":"{slot}.{host}","allow":["127.0.0.1"]}"#, [200, 200]),
        (r#""preview":{"host":"{slot}.{host}"},"deny":["127.0.0.1"]"#, [403, 403]),
        (r#""preview":{"host":"{slot}.{host}"},"canonical_host":"web""#, [200, 200]),
        (r#""preview":{"host":"{slot}.{host}"},"https":"redirect""#, [308, 308]),
    ] {
        let mut stage = Stage::open(two.address, settings);
        stage.show(&stage.proxy.release("two", &[two.address]));
        let (own, preview) = (stage.get("web").await, stage.get("green.web").await);
        assert_eq!([own.status(), preview.status()], statuses, "{settings}");
        if preview.status() == 308 {
            assert_eq!(preview.header("location"), Some("https://green.web/a"));
        }
    }
}

#[tokio::test]
async fn no_target_is_left_out_for_what_becomes_of_previews() {
    let gone = Backend::bind().await.address();
    let two = Backend::answering("two").await;
    let settings = format!(r#"{HOSTS},"eject":{{"failures":1}}"#);
    let mut stage = Stage::open(two.address, &settings);
    let release = stage.proxy.spread("two", &[gone, two.address], r#""eject":{"failures":1}"#);
    stage.show(&release);
    for _ in 0..4 {
        assert_eq!(stage.get("green.web").await.body, "two", "the second try is good");
    }
    assert!(release.targets.iter().all(|target| !target.is_ejected()));
    // The same as visitors see it.
    stage.epoch = stage.proxy.epoch(&release);
    stage.publish();
    for _ in 0..4 {
        assert_eq!(stage.get("web").await.body, "two");
    }
    assert!(release.targets[0].is_ejected());
}

/// Only by a pass.
const SIGNED: &str = r#""preview":{}"#;

fn passes(token: &str) -> [String; 2] {
    let pass = pass_key().issue(&"web".parse().unwrap(), &token.into(), MOST);
    [format!("X-Shunt-Preview: {pass}"), format!("Cookie: a=b; shunt-web.preview={pass}; c=d")]
}

impl Stage {
    async fn with(&self, fields: &str) -> Client {
        let mut client = self.proxy.client().await;
        client.write(format!("GET /a HTTP/1.1\r\nHost: web\r\n{fields}\r\n\r\n")).await;
        client
    }
}

#[tokio::test]
async fn a_pass_leads_to_the_release_it_names_and_is_not_passed_on() {
    let (one, two) = (Backend::answering("one").await, Backend::bind().await);
    let mut stage = Stage::open(one.address, SIGNED);
    let release = stage.proxy.release("two", &[two.address()]);
    stage.show(&release);
    for pass in passes("two") {
        let mut client = stage.with(&pass).await;
        let mut conn = two.accept().await;
        let head = conn.request().await;
        assert!(!head.contains("shunt-preview") && !head.contains("preview="), "{head}");
        let others = pass.starts_with("Cookie").then_some("a=b; c=d");
        assert_eq!(header(&head, "cookie"), others, "{head}");
        conn.write("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        assert_eq!(client.head().await.split(' ').nth(1), Some("204"));
    }
    assert_eq!(stage.get("web").await.body, "one", "without a pass all is as it was");
    assert_eq!(release.meters.totals().requests(), 0);
}

#[tokio::test]
async fn a_pass_that_is_not_good_is_refused_whatever_is_wrong_with_it() {
    let one = Backend::answering("one").await;
    let mut stage = Stage::open(one.address, SIGNED);
    stage.show(&stage.proxy.release("two", &[one.address]));
    let [good, _] = passes("two");
    let by = |key: &PassKey, app: &str, token: &str| {
        let pass = key.issue(&app.parse().unwrap(), &token.into(), MOST);
        format!("X-Shunt-Preview: {pass}")
    };
    let (_, hash) = good.rsplit_once('.').unwrap();
    let mut said = Vec::new();
    for bad in [
        by(&PassKey::new(&[8; 32]), "web", "two"),
        by(&pass_key(), "api", "two"),
        by(&pass_key(), "web", "another announcement"),
        format!("X-Shunt-Preview: v1.4000000000.{hash}"),
        format!("X-Shunt-Preview: v1.1000000000.{hash}"),
        format!("X-Shunt-Preview: v1.{}.{hash}", u64::MAX),
        "X-Shunt-Preview: yes".to_owned(),
        "Cookie: shunt-web.preview=".to_owned(),
    ] {
        let answer = stage.with(&bad).await.answer().await;
        assert_eq!(answer.status(), 403, "{bad}");
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        said.push(answer.body.to_lowercase().replace(&id, ""));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    // An old cookie beside a good pass does no harm.
    let both = format!("{good}\r\nCookie: shunt-web.preview=old");
    assert_eq!(stage.with(&both).await.answer().await.status(), 200);
    // The same for the same, once there is nothing to see.
    stage.green = Shown::Nothing;
    stage.publish();
    assert_eq!(stage.with(&good).await.answer().await.status(), 403);
}

#[tokio::test]
async fn a_pass_to_an_unproved_release_waits_for_its_proof() {
    let two = Backend::answering("two").await;
    let mut stage = Stage::open(two.address, SIGNED);
    stage.green = Shown::Unproved("two".into());
    stage.publish();
    for pass in passes("two") {
        assert_eq!(stage.with(&pass).await.answer().await.status(), 503);
    }
    assert_eq!(two.answered(), 0);
}

/// What one tester has seen is not what every visitor gets.
#[tokio::test]
async fn no_cache_keeps_what_a_pass_has_shown_and_all_else_is_as_the_app_says() {
    let (one, two) = (Backend::bind().await, Backend::bind().await);
    let settings = r#""preview":{"host":"{slot}.{host}"}"#;
    let mut stage = Stage::open(one.address(), settings);
    stage.show(&stage.proxy.release("two", &[two.address()]));
    let fields = "Cache-Control: public, max-age=60\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\n\
                  CDN-Cache-Control: max-age=60\r\nX-Accel-Expires: 60\r\nVary: Accept, Cookie\r\n";
    let answer = format!("HTTP/1.1 204 No Content\r\nConnection: close\r\n{fields}\r\n");
    for pass in passes("two") {
        let mut client = stage.with(&pass).await;
        let mut conn = two.accept().await;
        conn.request().await;
        conn.write(&answer).await;
        let head = client.head().await;
        assert_eq!(header(&head, "cache-control"), Some("private, no-store"), "{head}");
        for name in ["expires", "cdn-cache-control", "x-accel-expires"] {
            assert_eq!(header(&head, name), None, "{head}");
        }
        assert_eq!(head.matches("vary: ").count(), 2, "{head}");
        assert!(head.contains("vary: accept, cookie\r\n"), "{head}");
        assert!(head.contains("vary: x-shunt-preview\r\n"), "{head}");
    }
    // Visitors, and a host of its own, which no visitor asks for.
    for (host, backend) in [("web", &one), ("green.web", &two)] {
        let mut client = stage.send(host).await;
        let mut conn = backend.accept().await;
        conn.request().await;
        conn.write(&answer).await;
        let head = client.head().await;
        assert_eq!(header(&head, "cache-control"), Some("public, max-age=60"), "{head}");
        assert_eq!(header(&head, "x-accel-expires"), Some("60"), "{head}");
        assert_eq!(head.matches("vary: ").count(), 1, "{head}");
    }
}
