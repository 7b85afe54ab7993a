//! Docker Hub: its deliveries prove nothing, so the secret is in the address (`?token=…`), and the
//! address is a secret. `callback_url` is not called: whoever knows the secret could name any.

use serde_json::Value;
use shunt_config::secret::Secret;

use super::push::{Image, Push};
use super::{Proved, Refused, Told, is_one_of, text};
use crate::serve::http::Asked;

pub(super) fn prove(secrets: &[Secret], asked: &Asked) -> Result<Proved, Refused> {
    let shown = asked.query("token").ok_or(Refused::Stranger)?;
    match is_one_of(secrets, shown) {
        true => Ok(Proved::default()),
        false => Err(Refused::Stranger),
    }
}

pub(super) fn read(body: &Value) -> Result<Told, String> {
    let name = text(body, "/repository/repo_name").ok_or("there is no `repository.repo_name`")?;
    let tag = text(body, "/push_data/tag").ok_or("there is no `push_data.tag`")?;
    let time = body.pointer("/push_data/pushed_at").filter(|time| time.is_number());
    let time = time.ok_or("there is no `push_data.pushed_at`")?;
    Ok(Told::Pushed(vec![Push {
        key: Some(format!("push:{name}:{tag}:{time}")),
        tag: Some(tag.to_owned()),
        image: Some(Image::Hub(name.to_owned())),
        ..Push::default()
    }]))
}
