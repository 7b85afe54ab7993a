//! A strict reader of HTTP/1 messages. What a peer sends is held against it: whatever another
//! parser could understand in another way is a fault, and named.

use crate::chunked;
use crate::record::{Over, find};

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

pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// How the body after a head ends, as far as its fields say so.
pub(crate) fn framing(fields: &Fields) -> Result<Framing, String> {
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

/// The message with `head`, as far as `bytes` have it, and its length.
pub(crate) fn message(
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
    let message = Message { start, status, interim, fields, body, trailers, complete };
    Ok((message, head.len + len))
}
