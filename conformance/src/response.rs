//! Reading responses strictly.

use crate::message::{Framing, Message, framing, head, message};
use crate::record::Side;

/// All responses a client got, the last perhaps not whole, and what came after a 101. `to_head`
/// are the numbers of those that answer HEAD.
pub(crate) fn responses(side: &Side, to_head: &[usize]) -> Result<(Vec<Message>, Vec<u8>), String> {
    let (mut all, mut interim) = (Vec::new(), Vec::new());
    let mut rest = &side.got[..];
    while !rest.is_empty() {
        let Some(head) = head(rest)? else {
            match rest.starts_with(b"HTTP/1.") || b"HTTP/1.".starts_with(rest) {
                true => break,
                false => return Err(format!("`{}` where a response begins", rest.escape_ascii())),
            }
        };
        let status = status(&head.start)?;
        let fields = framing(&head.fields)?;
        if (status < 200 || status == 204) && fields != Framing::None {
            return Err(format!("a body is announced in a {status} (RFC 9110 8.6, RFC 9112 6.1)"));
        }
        if (100..200).contains(&status) && status != 101 {
            interim.push(status);
            rest = &rest[head.len..];
            continue;
        }
        let framing = match fields {
            _ if status == 101 || status == 204 || status == 304 => Framing::None,
            _ if to_head.contains(&all.len()) => Framing::None,
            Framing::None => Framing::Close,
            told => told,
        };
        let (mut message, len) = message(head, framing, rest, side.over)?;
        (message.status, message.interim) = (status, std::mem::take(&mut interim));
        all.push(message);
        rest = &rest[len..];
        if status == 101 {
            return Ok((all, rest.to_vec()));
        }
    }
    Ok((all, Vec::new()))
}

fn status(start: &[u8]) -> Result<u16, String> {
    let bad = || format!("status line `{}`", start.escape_ascii());
    let rest = start.strip_prefix(b"HTTP/1.1 ").or(start.strip_prefix(b"HTTP/1.0 "));
    let (digits, reason) = rest.and_then(|rest| rest.split_at_checked(3)).ok_or_else(bad)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(reason.is_empty() || reason.starts_with(b" ")) {
        return Err(bad());
    }
    String::from_utf8_lossy(digits).parse().map_err(|_| bad())
}
