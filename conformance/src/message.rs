//! A strict reader of HTTP/1 messages. What a peer sends is held against it: whatever another
//! parser could understand in another way is a fault, and named.

use crate::chunked;
use crate::record::{Over, Side, contains, find};

/// Field lines in their order; names in lower case.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// How the end of a body is told (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A start line and field lines.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) start: Vec<u8>,
    pub(crate) fields: Fields,
    /// Bytes up to the body.
    pub(crate) len: usize,
}

/// A message as it came; `complete` is false if the connection has said only a part of it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Without line end; empty where there is no such thing (HTTP/2).
    pub(crate) start: String,
    /// Of a response, else 0.
    pub(crate) status: u16,
    /// Interim statuses before it.
    pub(crate) interim: Vec<u16>,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    pub(crate) framing: Framing,
    pub(crate) complete: bool,
}

impl Message {
    /// All values of a field, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        values(&self.fields, name)
    }
}

/// All values of a field, in order.
pub(crate) fn values<'a>(fields: &'a Fields, name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_slice()).collect()
}

/// The head at the start of `bytes`; `None` if there is more to come.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let end = find(bytes, b"\r\n\r\n");
    let text = &bytes[..end.unwrap_or(bytes.len())];
    if let Some(at) = (0..text.len()).find(|at| text[*at] == b'\n' && !text[..*at].ends_with(b"\r"))
    {
        return Err(format!("line feed without carriage return at byte {at}"));
    }
    let Some(end) = end else { return Ok(None) };
    let mut lines = lines(&bytes[..end + 2])?.into_iter();
    let start = lines.next().unwrap_or_default().to_vec();
    let fields = lines.map(field).collect::<Result<_, _>>()?;
    Ok(Some(Head { start, fields, len: end + 4 }))
}

/// Whole lines without their CRLF, none of them with a control byte.
pub(crate) fn lines(bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = find(rest, b"\r\n") {
        let line = &rest[..end];
        if let Some(byte) = line.iter().find(|b| (**b < 0x20 && **b != b'\t') || **b == 0x7f) {
            return Err(format!("control byte {byte:#04x} in `{}`", line.escape_ascii()));
        }
        lines.push(line);
        rest = &rest[end + 2..];
    }
    Ok(lines)
}

/// A field line (RFC 9112 5).
pub(crate) fn field(line: &[u8]) -> Result<(String, Vec<u8>), String> {
    let bad = |what: &str| Err(format!("{what} in field line `{}`", line.escape_ascii()));
    let Some(colon) = line.iter().position(|b| *b == b':') else { return bad("no colon") };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return bad("a name that is no token");
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// How the body after a head ends, as far as its fields say so.
fn framing(fields: &Fields) -> Result<Framing, String> {
    let (lengths, codings) =
        (values(fields, "content-length"), values(fields, "transfer-encoding"));
    match (&*lengths, &*codings) {
        ([], []) => Ok(Framing::None),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = String::from_utf8_lossy(length).parse();
            length.map(Framing::Length).map_err(|e| format!("Content-Length: {e}"))
        }
        _ => Err(format!(
            "a body framed by Content-Length {} and Transfer-Encoding {}",
            shown(&lengths),
            shown(&codings)
        )),
    }
}

/// Values as a list for people.
pub(crate) fn shown(values: &[&[u8]]) -> String {
    let all: Vec<_> = values.iter().map(|value| format!("`{}`", value.escape_ascii())).collect();
    format!("[{}]", all.join(", "))
}

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

/// The message with `head`, as far as `bytes` have it, and its length.
fn message(
    head: Head,
    framing: Framing,
    bytes: &[u8],
    over: Option<Over>,
) -> Result<(Message, usize), String> {
    let rest = &bytes[head.len..];
    let mut trailers = Fields::new();
    let (body, len, complete) = match framing {
        Framing::None => (Vec::new(), 0, true),
        Framing::Length(length) => {
            let here = length.min(rest.len());
            (rest[..here].to_vec(), here, here == length)
        }
        Framing::Close => (rest.to_vec(), rest.len(), over == Some(Over::Ended)),
        Framing::Chunked => {
            let read = chunked::read(rest)?;
            trailers = read.trailers;
            (read.body, read.len, read.complete)
        }
    };
    let start = String::from_utf8_lossy(&head.start).into_owned();
    let (status, interim) = (0, Vec::new());
    let fields = head.fields;
    let message = Message { start, status, interim, fields, body, trailers, framing, complete };
    Ok((message, head.len + len))
}

/// Whether a path is one that the suite itself asks for, beside the cases.
pub(crate) fn is_own(head: &[u8]) -> bool {
    contains(&head[..head.len().min(64)], b" /following ")
        || contains(&head[..head.len().min(64)], b" /after ")
}
