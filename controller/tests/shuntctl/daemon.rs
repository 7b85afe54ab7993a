//! `shuntctl serve` on a directory store, and a strict client.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use aws_lc_rs::hmac;
use data_encoding::{BASE64, HEXLOWER};
use e2e::ask::{Answer, send};
use e2e::{Process, until};
use http::Request;
use serde_json::Value;

use crate::site::Site;

/// What one shows who may do everything.
pub(crate) const ALL: &str = "all-0123456789abcdef";
/// The same for one who may deploy.
pub(crate) const DEPLOY: &str = "deploy-0123456789abcdef";
/// And for one who may look.
pub(crate) const READ: &str = "read-0123456789abcdef";
/// The secret of every webhook.
pub(crate) const SECRET: &str = "hook-0123456789abcdef";

/// The key of every webhook that signs as Standard Webhooks do.
pub(crate) const SIGNING_KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A daemon. Its runs outlive it, as they should, so whoever starts one has to see it end.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// Writes `serve.toml` and all it names; `settings` go to its end.
pub(crate) fn write(site: &Site, settings: &str) {
    let path = site.directory.path().display().to_string();
    let secrets = format!("{SECRET}\n{SIGNING_KEY}");
    for (name, text) in [("all", ALL), ("deploy", DEPLOY), ("read", READ), ("secret", &secrets)] {
        let file = site.write(name, &format!("{text}\n"));
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    if !site.directory.path().join("shunt.toml").exists() {
        let text = "app = \"web\"\nimage = \"registry.example.com/acme/web\"\n\
            [route]\nhosts = [\"www.example.com\"]\n\
            [run]\nport = 80\nhosts = [\"unix:///nowhere.sock\"]\nbind = \"127.0.0.1\"\n";
        site.write("shunt.toml", text);
    }
    let text = format!(
        "listen = \"127.0.0.1:0\"\nstate = \"{path}/state\"\nlook = \"1s\"\n\
         [store]\ndirectory = \"{path}/store\"\n\
         [tokens.all]\nfile = \"{path}/all\"\nmay = \"all\"\n\
         [tokens.deploy]\nfile = \"{path}/deploy\"\nmay = \"deploy\"\n\
         [tokens.read]\nfile = \"{path}/read\"\n\
         [apps.web]\ndeploy_file = \"{path}/shunt.toml\"\n{settings}"
    );
    site.write("serve.toml", &text.replace("SECRET", &format!("{path}/secret")));
}

impl Daemon {
    /// Starts one with `settings` at the end of its file, in the table `[apps.web]`.
    pub(crate) async fn start(site: &Site, settings: &str) -> Self {
        write(site, settings);
        Self::again(site, None).await
    }

    /// Starts one with the file that is there; what it runs stands still at `pause`.
    pub(crate) async fn again(site: &Site, pause: Option<&str>) -> Self {
        let mut process = site.begin(&["serve", "--config", "serve.toml"], pause);
        let address = process.said("listening ").await.parse().unwrap();
        Self { process, address }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], "").await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &str) -> Answer {
        self.ask("POST", path, &[("authorization", &format!("Bearer {token}"))], body).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned().into_bytes().into()).unwrap();
        send(self.address, request).await.unwrap()
    }

    /// The run `id` as it stands.
    pub(crate) async fn run(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/runs/{id}"), READ).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// All runs, the oldest first.
    pub(crate) async fn runs(&self) -> Vec<Value> {
        let mut runs = self.get("/v1/runs?limit=100", READ).await.json()["runs"].take();
        let mut runs = std::mem::take(runs.as_array_mut().unwrap());
        runs.reverse();
        runs
    }

    /// Waits until the run `id` is in `state`.
    pub(crate) async fn is(&self, id: &str, state: &str) -> Value {
        until(&format!("run {id} is {state}"), async || {
            let run = self.run(id).await;
            (run["state"] == state).then_some(run)
        })
        .await
    }
}

/// `webhook-signature` of a delivery, by the key.
pub(crate) fn standard(id: &str, time: &str, body: &str) -> String {
    let key = BASE64.decode(SIGNING_KEY.trim_start_matches("whsec_").as_bytes()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(tag.as_ref()))
}

/// HMAC-SHA-256 by the secret, in hexadecimal digits.
pub(crate) fn signed(text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}
