//! GitHub: `X-Hub-Signature-256: sha256=…`, the HMAC-SHA-256 of the body.
//!
//! `X-GitHub-Delivery` names a delivery, but is not signed: whoever has caught one could give it another
//! name. So the signature is remembered, too. Bodies of two events never are the same, each has its time.

use serde_json::Value;
use shunt_config::secret::Secret;

use super::push::{Image, Push};
use super::{Proved, Refused, Told, header, is_signed, text};
use crate::serve::http::Asked;

pub(super) fn prove(secrets: &[Secret], asked: &Asked) -> Result<Proved, Refused> {
    let shown =
        header(asked, "x-hub-signature-256").and_then(|shown| shown.strip_prefix("sha256="));
    let hex = shown.ok_or(Refused::Stranger)?;
    if !is_signed(secrets, &[&asked.body], hex) {
        return Err(Refused::Stranger);
    }
    let named = header(asked, "x-github-delivery")
        .ok_or_else(|| Refused::Malformed("there is no `X-GitHub-Delivery`".to_owned()))?;
    Ok(Proved {
        keys: vec![format!("delivery:{named}"), format!("v1:{}", hex.to_ascii_lowercase())],
    })
}

pub(super) fn read(body: &Value, event: Option<&str>, wanted: impl Fn(&str) -> bool) -> Told {
    let nothing = |why: &str| Told::Nothing(why.to_owned());
    let Some(event) = event else { return nothing("there is no `X-GitHub-Event`") };
    if event == "ping" {
        return nothing("pong");
    }
    if !wanted(event) {
        return nothing("the event is none of `events`");
    }
    let action = text(body, "/action").unwrap_or_default();
    match (event, action) {
        ("registry_package" | "package", "published") => package(body, event),
        ("release", "published") => release(body),
        ("workflow_run", "completed") => workflow(body),
        _ => nothing("its action starts nothing"),
    }
}

fn package(body: &Value, event: &str) -> Told {
    let field = |path: &str| text(body, &format!("/{event}{path}"));
    let kind = field("/package_type").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("container") {
        return Told::Nothing("the package is no container image".to_owned());
    }
    let owner = field("/namespace").or(field("/owner/login"));
    let (Some(owner), Some(name)) = (owner, field("/name")) else {
        return Told::Nothing("the package has no name".to_owned());
    };
    let tag = "/package_version/container_metadata/tag";
    Told::Pushed(vec![Push {
        tag: field(&format!("{tag}/name")).map(str::to_owned),
        digest: field(&format!("{tag}/digest")).map(str::to_owned),
        image: Some(Image::Whole(format!("ghcr.io/{owner}/{name}"))),
        ..Push::default()
    }])
}

fn release(body: &Value) -> Told {
    let is = |path: &str| body.pointer(path).and_then(Value::as_bool).unwrap_or(false);
    if is("/release/draft") || is("/release/prerelease") {
        return Told::Nothing("the release is a draft or a prerelease".to_owned());
    }
    let Some(tag) = text(body, "/release/tag_name") else {
        return Told::Nothing("the release has no tag".to_owned());
    };
    let (tag, reference) = (Some(tag.to_owned()), Some(tag.to_owned()));
    Told::Pushed(vec![Push { tag, reference, ..Push::default() }])
}

/// A run for a pull request names a branch of someone else's repository, which may be called `main`.
fn workflow(body: &Value) -> Told {
    let nothing = |why: &str| Told::Nothing(why.to_owned());
    if text(body, "/workflow_run/conclusion") != Some("success") {
        return nothing("the workflow did not succeed");
    }
    let cause = text(body, "/workflow_run/event").unwrap_or_default();
    if !matches!(cause, "push" | "release" | "workflow_dispatch" | "schedule") {
        return nothing("the workflow did not run for a push, a release, a schedule or by hand");
    }
    let own = text(body, "/repository/full_name");
    if own.is_none() || text(body, "/workflow_run/head_repository/full_name") != own {
        return nothing("the workflow ran for another repository");
    }
    Told::Pushed(vec![Push {
        reference: text(body, "/workflow_run/head_branch").map(str::to_owned),
        sha: text(body, "/workflow_run/head_sha").map(str::to_owned),
        ..Push::default()
    }])
}
