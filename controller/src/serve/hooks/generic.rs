//! A delivery of one's own: `X-Shunt-Signature: t=1760000000,v1=…`, which is the HMAC-SHA-256 of the
//! time, a dot and the body, in hexadecimal digits. The time is within five minutes of now. A signature
//! of Standard Webhooks does as well.

use jiff::Timestamp;
use serde_json::Value;
use shunt_config::secret::Secret;

use super::push::Push;
use super::{Proved, Refused, Told, header, is_signed, is_timely, standard};
use crate::serve::http::Asked;

/// Signatures in one header at most.
const MOST: usize = 4;

pub(super) fn prove(secrets: &[Secret], asked: &Asked, now: Timestamp) -> Result<Proved, Refused> {
    let Some(shown) = header(asked, "x-shunt-signature") else {
        return standard::prove(secrets, asked, now);
    };
    let values = |name: &str| {
        let pairs = shown.split(',').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value).collect::<Vec<_>>()
    };
    let [time] = values("t")[..] else { return Err(Refused::Stranger) };
    let parts: [&[u8]; 3] = [time.as_bytes(), b".", &asked.body];
    let signed = values("v1").into_iter().take(MOST).find(|hex| is_signed(secrets, &parts, hex));
    let signed = signed.ok_or(Refused::Stranger)?;
    is_timely(time, now)?;
    Ok(Proved { keys: vec![format!("v1:{}", signed.to_ascii_lowercase())] })
}

pub(super) fn read(body: &Value) -> Result<Told, String> {
    let said = "write `{\"tag\": …}`, `{\"version\": …}` or `{\"digest\": …}`";
    let fields = body.as_object().ok_or(said)?;
    if let Some(key) =
        fields.keys().find(|key| !matches!(key.as_str(), "tag" | "version" | "digest"))
    {
        return Err(format!("unknown key `{}`: {said}", key.escape_default()));
    }
    let field = |key: &str| match fields.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is no text")),
    };
    let (tag, digest) = (field("tag")?.or(field("version")?), field("digest")?);
    if tag.is_none() && digest.is_none() {
        return Err(said.to_owned());
    }
    Ok(Told::Pushed(vec![Push { tag, digest, ..Push::default() }]))
}
