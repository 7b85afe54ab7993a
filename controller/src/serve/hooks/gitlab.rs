//! GitLab: a hook with a signing token signs as Standard Webhooks do, and `X-Gitlab-Token` of one with a
//! secret token is the secret itself.
//!
//! Of the second kind a delivery is named by `Idempotency-Key`, which stays the same when it is tried
//! again; before GitLab 17.4 by `X-Gitlab-Event-UUID`, which hooks that set off one another share, so the
//! body goes with it.

use jiff::Timestamp;
use serde_json::Value;
use shunt_config::secret::Secret;

use super::push::Push;
use super::{Proved, Refused, Told, fingerprint, header, is_one_of, standard, text};
use crate::serve::http::Asked;

pub(super) fn prove(secrets: &[Secret], asked: &Asked, now: Timestamp) -> Result<Proved, Refused> {
    // A key to sign with is shown to nobody: whoever shows one has it from somewhere else.
    let (keys, tokens): (Vec<_>, Vec<_>) = secrets.iter().cloned().partition(standard::is_key);
    match standard::prove(&keys, asked, now) {
        // The hook may have a secret token, too, and only that is known here yet.
        Err(Refused::Stranger) => {}
        signed => return signed,
    }
    let shown = header(asked, "x-gitlab-token").ok_or(Refused::Stranger)?;
    if !is_one_of(&tokens, shown) {
        return Err(Refused::Stranger);
    }
    let body = fingerprint(&asked.body);
    let key = match (header(asked, "idempotency-key"), header(asked, "x-gitlab-event-uuid")) {
        (Some(key), _) => format!("key:{key}"),
        (None, Some(uuid)) => format!("uuid:{uuid}:{body}"),
        (None, None) => body,
    };
    Ok(Proved { keys: vec![key] })
}

pub(super) fn read(body: &Value, wanted: impl Fn(&str) -> bool) -> Told {
    let nothing = |why: &str| Told::Nothing(why.to_owned());
    let kind = text(body, "/object_kind").unwrap_or_default();
    if !wanted(kind) {
        return nothing("the event is none of `events`");
    }
    match kind {
        "pipeline" => pipeline(body),
        "tag_push" => tag_push(body),
        "deployment" => deployment(body),
        _ => nothing("the event starts nothing"),
    }
}

/// Of a merge request the ref is a branch of someone else's, which may be called `main`.
fn pipeline(body: &Value) -> Told {
    let field = |name: &str| text(body, &format!("/object_attributes/{name}"));
    if field("status") != Some("success") {
        return Told::Nothing("the pipeline has not succeeded".to_owned());
    }
    if field("source")
        .is_some_and(|source| source.contains("merge_request") || source.contains("pull_request"))
    {
        return Told::Nothing("the pipeline ran for a merge request".to_owned());
    }
    let reference = field("ref").map(str::to_owned);
    let of_tag = body.pointer("/object_attributes/tag").and_then(Value::as_bool).unwrap_or(false);
    Told::Pushed(vec![Push {
        tag: reference.clone().filter(|_| of_tag),
        reference,
        sha: field("sha").map(str::to_owned),
        ..Push::default()
    }])
}

fn tag_push(body: &Value) -> Told {
    // Without a commit the tag was deleted.
    let (Some(sha), Some(name)) = (text(body, "/checkout_sha"), text(body, "/ref")) else {
        return Told::Nothing("the tag was deleted".to_owned());
    };
    let tag = name.strip_prefix("refs/tags/").unwrap_or(name).to_owned();
    let sha = Some(sha.to_owned());
    Told::Pushed(vec![Push {
        reference: Some(tag.clone()),
        tag: Some(tag),
        sha,
        ..Push::default()
    }])
}

fn deployment(body: &Value) -> Told {
    if text(body, "/status") != Some("success") {
        return Told::Nothing("the deployment has not succeeded".to_owned());
    }
    Told::Pushed(vec![Push {
        reference: text(body, "/ref").map(str::to_owned),
        sha: text(body, "/short_sha").map(str::to_owned),
        ..Push::default()
    }])
}
