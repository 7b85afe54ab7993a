//! Reading requests strictly.

use crate::message::{Message, framing, head, is_token, message, shown, values};
use crate::record::{Side, contains};

/// What a request's start line says.
fn request_line(start: &[u8]) -> Result<(), String> {
    let bad = |what: &str| Err(format!("{what}: `{}`", start.escape_ascii()));
    let parts: Vec<_> = start.split(|b| *b == b' ').collect();
    let [method, target, version] = parts[..] else { return bad("not three words") };
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return bad("a method that is no token");
    }
    if !(target.starts_with(b"/") || target == b"*") || target.contains(&b'\t') {
        return bad("neither origin-form nor asterisk-form");
    }
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        return bad("a version that nobody asked for");
    }
    Ok(())
}

/// The request at the start of `bytes` and its length; `None` if its head is not whole.
pub(crate) fn request(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    let Some(head) = head(bytes)? else { return Ok(None) };
    request_line(&head.start)?;
    let hosts = values(&head.fields, "host");
    let sound = |host: &[u8]| !host.iter().any(|b| b"/@ \t".contains(b));
    if hosts.len() != 1 && !head.start.ends_with(b"1.0") || !hosts.iter().all(|host| sound(host)) {
        return Err(format!("Host {}", shown(&hosts)));
    }
    let framing = framing(&head.fields)?;
    message(head, framing, bytes, None).map(Some)
}

/// All requests on a connection of the target's, the last of them perhaps not whole.
pub(crate) fn requests(side: &Side) -> Result<Vec<Message>, String> {
    let mut all = Vec::new();
    let mut rest = &side.got[..side.tunnel.unwrap_or(side.got.len())];
    while !rest.is_empty() {
        match request(rest)? {
            Some((message, len)) => {
                all.push(message);
                rest = &rest[len..];
            }
            None => break,
        }
    }
    Ok(all)
}

/// Whether a path is one that the suite itself asks for, beside the cases.
pub(crate) fn is_own(head: &[u8]) -> bool {
    contains(&head[..head.len().min(64)], b" /following ")
        || contains(&head[..head.len().min(64)], b" /after ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";

    fn with(from: &str, to: &str) -> Result<Option<(Message, usize)>, String> {
        assert!(SOUND.contains(from), "{from}");
        request(SOUND.replace(from, to).as_bytes())
    }

    #[test]
    fn a_sound_request_is_read_to_its_end_and_no_further() {
        let (message, len) = request(format!("{SOUND}GET").as_bytes()).unwrap().unwrap();
        assert_eq!((&message.body[..], message.complete, len), (&b"ok"[..], true, SOUND.len()));
        let (message, _) = with("ok", "o").unwrap().unwrap();
        assert!(!message.complete);
        assert!(with("\r\n\r\nok", "\r\n").unwrap().is_none());
    }

    #[test]
    fn what_another_reader_could_read_otherwise_is_a_fault() {
        for (from, to) in [
            (" /a", "  /a"),
            (" /a", " a"),
            (" /a", " http://a/"),
            ("1.1", "2.0"),
            ("a\r\nC", "a\nC"),
            ("a\r\nC", "a\rX: 1\r\nC"),
            ("a\r\nC", "a\r\n X: 1\r\nC"),
            ("a\r\nC", "a\r\nHost: b\r\nC"),
            ("a\r\nC", "a\r\nX: \0\r\nC"),
            ("Host: a\r\n", ""),
            ("Host:", "Host :"),
            (": 2", ": +2"),
            (": 2", ": 2, 2"),
            (": 2", ": "),
            ("Content-Length: 2", "Content-Length: 2\r\nContent-Length: 2"),
            ("Content-Length: 2", "Content-Length: 2\r\nTransfer-Encoding: chunked"),
            ("Content-Length: 2", "Transfer-Encoding: gzip, chunked"),
        ] {
            assert!(with(from, to).is_err(), "{to:?} instead of {from:?}");
        }
    }
}
