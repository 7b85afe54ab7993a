//! Standard Webhooks: `webhook-signature: v1,…` is the HMAC-SHA-256 of the delivery's id, its time and the
//! body, in base64, by a key that is written as `whsec_` and base64. Several may stand there, one for
//! each key that is valid. The time is within five minutes of now; it is that of the attempt.

use data_encoding::BASE64;
use jiff::Timestamp;
use shunt_config::secret::Secret;

use super::{Proved, Refused, header, is_signature, is_timely};
use crate::serve::http::Asked;
use crate::serve::secret_file::SIGNING;

/// Signatures in one header at most.
const MOST: usize = 4;

/// Whether `secret` is a key to sign with, and never shown itself.
pub(super) fn is_key(secret: &Secret) -> bool {
    secret.reveal().starts_with(SIGNING)
}

pub(super) fn prove(secrets: &[Secret], asked: &Asked, now: Timestamp) -> Result<Proved, Refused> {
    let shown = |name| header(asked, name).ok_or(Refused::Stranger);
    let (id, time) = (shown("webhook-id")?, shown("webhook-timestamp")?);
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", &asked.body];
    let keys: Vec<_> = secrets.iter().filter_map(key).collect();
    let decode = |one: &str| BASE64.decode(one.strip_prefix("v1,")?.as_bytes()).ok();
    let mut signatures = shown("webhook-signature")?.split(' ').take(MOST).filter_map(decode);
    if !signatures.any(|shown| keys.iter().any(|key| is_signature(key, &parts, &shown))) {
        return Err(Refused::Stranger);
    }
    is_timely(time, now)?;
    Ok(Proved { keys: vec![format!("id:{id}")] })
}

/// The bytes of a key.
fn key(secret: &Secret) -> Option<Vec<u8>> {
    BASE64.decode(secret.reveal().strip_prefix(SIGNING)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved(keys: &[&str], signature: &str, now: i64) -> Result<Proved, Refused> {
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let asked = Asked {
            parts: [].into(),
            query: None,
            headers: headers.into_iter().collect(),
            body: r#"{"test": 2432232314}"#.into(),
        };
        let secrets: Vec<_> = keys.iter().map(|key| Secret::new(*key)).collect();
        prove(&secrets, &asked, Timestamp::from_second(now).unwrap())
    }

    /// The example of the specification's own libraries.
    const EXAMPLE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const TIME: i64 = 1_614_265_330;

    #[test]
    fn a_delivery_is_proved_by_its_signature_and_its_time() {
        let id = "id:msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned();
        let good = Ok(Proved { keys: vec![id] });
        assert_eq!(proved(&[KEY], EXAMPLE, TIME), good);
        let other = "whsec_AAAQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(proved(&[other, KEY], &format!("v1,AAAA v1a,xyz {EXAMPLE}"), TIME + 300), good);
        for (keys, shown) in [
            (&[other][..], EXAMPLE),
            (&[&KEY[6..]], EXAMPLE),
            (&[], EXAMPLE),
            (&[KEY], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="),
            (&[KEY], &EXAMPLE[3..]),
            (&[KEY], ""),
        ] {
            assert_eq!(proved(keys, shown, TIME), Err(Refused::Stranger), "{keys:?} {shown}");
        }
        for time in [TIME - 301, TIME + 301] {
            assert!(matches!(proved(&[KEY], EXAMPLE, time), Err(Refused::Malformed(_))), "{time}");
        }
    }
}
