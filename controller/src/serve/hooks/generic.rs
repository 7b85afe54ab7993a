//! A delivery of one's own: `X-Shunt-Signature: t=1760000000,v1=…`, which is the HMAC-SHA-256 of the
//! time, a dot and the body, in hexadecimal digits. The time is within five minutes of now. A signature
//! of Standard Webhooks does as well.

use jiff::Timestamp;
use serde_json::Value;
use shunt_config::secret::Secret;

use super::push::Push;
use super::{Proved, Refused, Told, fingerprint, header, is_signed, is_timely, standard};
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
    if !values("v1").into_iter().take(MOST).any(|hex| is_signed(secrets, &parts, hex)) {
        return Err(Refused::Stranger);
    }
    is_timely(time, now)?;
    // Known by what was signed: while a secret is replaced, one delivery has several signatures.
    Ok(Proved { keys: vec![format!("signed:{}", fingerprint(&parts.concat()))] })
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

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use http::HeaderMap;

    use super::super::signature;
    use super::*;

    #[test]
    fn a_delivery_is_known_by_what_was_signed_whichever_signature_is_shown() {
        let secrets = ["old-0123456789abcdef", "new-0123456789abcdef"].map(Secret::new);
        let [old, new] = [0, 1].map(|at| {
            let parts: [&[u8]; 1] = [b"1760000000.{}"];
            HEXLOWER.encode(signature(secrets[at].reveal().as_bytes(), &parts).as_ref())
        });
        let now = Timestamp::from_second(1_760_000_001).unwrap();
        let proved = |shown: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-shunt-signature", shown.parse().unwrap());
            let (parts, body) = ([].into(), "{}".into());
            prove(&secrets, &Asked { parts, query: None, headers, body }, now)
        };
        let both = proved(&format!("t=1760000000,v1={old},v1={new}")).unwrap();
        for shown in [&old, &new, &new.to_uppercase()] {
            assert_eq!(proved(&format!("t=1760000000,v1={shown}")).unwrap(), both);
        }
        assert_eq!(proved("t=1760000000,v1=00"), Err(Refused::Stranger));
    }
}
