//! Notifications of a registry (CNCF distribution), which have several events in one envelope, and are
//! sent again until they are answered with success. The secret is in `Authorization`, which is among
//! the `headers` of the endpoint in the registry's configuration.

use serde_json::Value;
use shunt_config::secret::Secret;

use super::push::{Image, Push};
use super::{Proved, Refused, Told, header, is_one_of, text};
use crate::serve::http::Asked;

pub(super) fn prove(secrets: &[Secret], asked: &Asked) -> Result<Proved, Refused> {
    let shown = header(asked, "authorization").ok_or(Refused::Stranger)?;
    let shown = shown.strip_prefix("Bearer ").unwrap_or(shown);
    match is_one_of(secrets, shown) {
        true => Ok(Proved::default()),
        false => Err(Refused::Stranger),
    }
}

pub(super) fn read(body: &Value) -> Result<Told, String> {
    let events =
        body.pointer("/events").and_then(Value::as_array).ok_or("there are no `events`")?;
    let mut pushes = Vec::new();
    for event in events.iter().filter(|event| text(event, "/action") == Some("push")) {
        // An image for several machines is many manifests, and one of them has the tag.
        let (Some(tag), Some(name)) =
            (text(event, "/target/tag"), text(event, "/target/repository"))
        else {
            continue;
        };
        let id = text(event, "/id").ok_or("an event has no `id`")?;
        pushes.push(Push {
            key: Some(format!("event:{id}")),
            tag: Some(tag.to_owned()),
            digest: text(event, "/target/digest").map(str::to_owned),
            image: Some(Image::Path(name.to_owned())),
            ..Push::default()
        });
    }
    match pushes.is_empty() {
        true => Ok(Told::Nothing("no tag was pushed".to_owned())),
        false => Ok(Told::Pushed(pushes)),
    }
}
