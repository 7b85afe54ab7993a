//! Webhooks: requests that start deploys.
//!
//! The order matters: who sends it is proved on the bytes as they came, before anything in them is
//! read; then it must be new; then it may mean something. Nothing of a body is ever logged.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use shunt_config::secret::Secret;
use shunt_config::serve_file::WebhookKind;
use tracing::{error, info, warn};

use super::Serve;
use super::act::{not_kept, of_image};
use super::answer::{self, Answer};
use super::desk::{Order, Taken};
use super::http::Asked;
use super::loaded::{Hook, Loaded};
use push::{Push, wanted};

mod docker_hub;
mod generic;
mod github;
mod gitlab;
mod push;
mod registry;
mod standard;

/// Why a delivery is not taken.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// It is not proved.
    Stranger,
    /// It is proved, and cannot be read: why.
    Malformed(String),
}

/// A delivery that was proved.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proved {
    /// What it is known by; each of them names this delivery alone.
    keys: Vec<String>,
}

/// What a delivery tells.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// These are there.
    Pushed(Vec<Push>),
    /// Nothing that a deploy could begin with, and why.
    Nothing(String),
}

/// Answers a delivery.
pub(super) fn answer(serve: &Arc<Serve>, loaded: &Loaded, asked: &Asked) -> Answer {
    let Some(hook) = loaded.hook(asked.part("app"), asked.part("hook")) else {
        // As much work as a wrong signature is.
        let _ = signature(b"nobody", &[&asked.body]);
        serve.metrics.heard("", "", "refused");
        return stranger();
    };
    let (result, answer) = heard(serve, loaded, hook, asked);
    let app = if result == "refused" { "" } else { hook.app.as_str() };
    let name = if result == "refused" { "" } else { hook.spec.name.as_str() };
    serve.metrics.heard(app, name, result);
    if result != "refused" {
        info!(app = %hook.app, webhook = %hook.spec.name, "{result}");
    }
    answer
}

fn heard(
    serve: &Arc<Serve>,
    loaded: &Loaded,
    hook: &Hook,
    asked: &Asked,
) -> (&'static str, Answer) {
    let name = &hook.spec.name;
    let proved = match prove(hook, asked, Timestamp::now()) {
        Ok(proved) => proved,
        Err(Refused::Stranger) => {
            warn!(app = %hook.app, webhook = %name, "refused: not proved by its secret");
            return ("refused", stranger());
        }
        Err(Refused::Malformed(why)) => return ("malformed", malformed(&why)),
    };
    let keys: Vec<_> = proved.keys.iter().map(|key| format!("{}/{name}/{key}", hook.app)).collect();
    if serve.replays.has(&keys) {
        return ("replayed", result(StatusCode::CONFLICT, "replayed", None, "it was here before"));
    }
    let pushes = match read(hook, asked) {
        Ok(Told::Pushed(pushes)) => pushes,
        Ok(Told::Nothing(why)) => return ignored(serve, &keys, &why),
        Err(why) => return ("malformed", malformed(&why)),
    };
    // A registry tells of several things at once, and again until it was heard: what it told before
    // is no news, and no failure either.
    let own = |push: &Push| push.key.as_ref().map(|key| format!("{}/{name}/{key}", hook.app));
    let count = pushes.len();
    let fresh: Vec<_> = pushes
        .into_iter()
        .filter(|push| own(push).is_none_or(|key| !serve.replays.has(&[key])))
        .collect();
    if fresh.is_empty() && count > 0 {
        return ("replayed", result(StatusCode::OK, "replayed", None, "it was here before"));
    }
    let keys: Vec<_> = keys.into_iter().chain(fresh.iter().filter_map(own)).collect();
    let image = match loaded.deploy_file(&hook.app) {
        Ok(file) => file.image,
        Err(failure) => {
            error!(app = %hook.app, webhook = %name, "{failure}");
            return ("failed", answer::failure(StatusCode::INTERNAL_SERVER_ERROR, &failure));
        }
    };
    // The last one is the newest.
    let mut why = String::from("it tells of nothing");
    for push in fresh.iter().rev() {
        let (tag, digest) = match wanted(&hook.spec, image.as_deref(), push) {
            Ok(wanted) => wanted,
            Err(said) => {
                why = said;
                continue;
            }
        };
        return match of_image(image.as_deref(), tag.as_deref(), digest.as_deref()) {
            Ok((flags, version)) => start(serve, hook, &keys, flags, version, digest),
            Err(failure) => ("malformed", malformed(&failure.said)),
        };
    }
    ignored(serve, &keys, &why)
}

fn start(
    serve: &Arc<Serve>,
    hook: &Hook,
    keys: &[String],
    flags: Vec<String>,
    version: Option<String>,
    digest: Option<String>,
) -> (&'static str, Answer) {
    let order = Order {
        app: hook.app.clone(),
        verb: "deploy".to_owned(),
        flags,
        words: Vec::new(),
        waits: true,
        by: format!("webhook {}", hook.spec.name),
        why: None,
        version,
        digest,
        delivery: Vec::new(),
    };
    let taken = serve.replays.start(keys, |delivery| serve.desk.take(Order { delivery, ..order }));
    match taken {
        Ok(None) => {
            let said = "it was here before";
            ("replayed", result(StatusCode::CONFLICT, "replayed", None, said))
        }
        Ok(Some(Taken::New(run))) => {
            ("queued", result(StatusCode::ACCEPTED, "queued", Some(&run), ""))
        }
        Ok(Some(Taken::Same(run))) => ("same", result(StatusCode::OK, "same", Some(&run), "")),
        Err(error) => {
            error!(app = %hook.app, "a delivery is not taken: {error}");
            ("failed", answer::failed(&not_kept(&error)))
        }
    }
}

fn ignored(serve: &Serve, keys: &[String], why: &str) -> (&'static str, Answer) {
    if let Err(error) = serve.replays.remember(keys) {
        warn!("a delivery is not remembered: {error}");
    }
    ("ignored", result(StatusCode::OK, "ignored", None, why))
}

fn result(status: StatusCode, result: &str, run: Option<&str>, reason: &str) -> Answer {
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    answer::json(status, &json!({ "result": result, "run": run, "reason": reason }))
}

/// What everyone gets who proves nothing, whether there is such a webhook or not.
fn stranger() -> Answer {
    answer::json(StatusCode::UNAUTHORIZED, &json!({ "error": "not accepted" }))
}

fn malformed(why: &str) -> Answer {
    answer::json(StatusCode::BAD_REQUEST, &json!({ "error": why }))
}

fn prove(hook: &Hook, asked: &Asked, now: Timestamp) -> Result<Proved, Refused> {
    let secrets = &hook.secrets;
    match hook.spec.kind {
        WebhookKind::Generic => generic::prove(secrets, asked, now),
        WebhookKind::Github => github::prove(secrets, asked),
        WebhookKind::Gitlab => gitlab::prove(secrets, asked, now),
        WebhookKind::DockerHub => docker_hub::prove(secrets, asked),
        WebhookKind::Registry => registry::prove(secrets, asked),
    }
}

fn read(hook: &Hook, asked: &Asked) -> Result<Told, String> {
    let body: Value =
        serde_json::from_slice(&asked.body).map_err(|e| format!("the body is no JSON: {e}"))?;
    let event = |name: &str| hook.spec.events.iter().any(|event| event == name);
    match hook.spec.kind {
        WebhookKind::Generic => generic::read(&body),
        WebhookKind::Github => Ok(github::read(&body, header(asked, "x-github-event"), event)),
        WebhookKind::Gitlab => Ok(gitlab::read(&body, event)),
        WebhookKind::DockerHub => docker_hub::read(&body),
        WebhookKind::Registry => registry::read(&body),
    }
}

/// Seconds that clocks may differ, and a signed delivery may take.
const WINDOW: u64 = 300;

/// Whether the signed `time`, in seconds, is near enough to `now`.
fn is_timely(time: &str, now: Timestamp) -> Result<(), Refused> {
    let time: i64 = time.parse().map_err(|_| Refused::Stranger)?;
    if now.as_second().abs_diff(time) > WINDOW {
        let said =
            format!("it was signed more than {WINDOW} seconds from now: look at both clocks");
        return Err(Refused::Malformed(said));
    }
    Ok(())
}

/// A header, as text.
fn header<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.headers.get(name)?.to_str().ok()
}

/// A text in `value`, where it is one and not empty.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// Whether one of `secrets` is what was shown. In constant time, and by hashes, since their lengths
/// are nobody's affair either.
fn is_one_of(secrets: &[Secret], shown: &str) -> bool {
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    let shown = hash(shown);
    let same = |secret: &Secret| {
        verify_slices_are_equal(hash(secret.reveal()).as_ref(), shown.as_ref()).is_ok()
    };
    secrets.iter().any(same)
}

/// HMAC-SHA-256 of all `parts`.
fn signature(key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Whether `shown` is the signature of all `parts` by `key`, in constant time.
fn is_signature(key: &[u8], parts: &[&[u8]], shown: &[u8]) -> bool {
    verify_slices_are_equal(signature(key, parts).as_ref(), shown).is_ok()
}

/// Whether `hex` is the signature of all `parts` by one of `secrets`.
fn is_signed(secrets: &[Secret], parts: &[&[u8]], hex: &str) -> bool {
    let Ok(shown) = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) else { return false };
    secrets.iter().any(|secret| is_signature(secret.reveal().as_bytes(), parts, &shown))
}

/// What a body is known by, where its provider gives it no name.
fn fingerprint(body: &[u8]) -> String {
    format!("body:{}", HEXLOWER.encode(digest(&SHA256, body).as_ref()))
}
