//! Reading what an HTTP/2 server sends.

use loona_hpack::Decoder;

use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PRIORITY,
    RST_STREAM, SETTINGS,
};
use crate::message::{Fields, Message, values};
use crate::record::Side;

/// What a server has sent so far.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Responses by stream, in the order in which they began.
    pub(crate) streams: Vec<(u32, Message)>,
    /// Streams that were reset, and their error codes.
    pub(crate) resets: Vec<(u32, u32)>,
    /// The connection's error code, if the server has ended it.
    pub(crate) goaway: Option<u32>,
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// The frame at the start of `bytes`, and what follows it.
fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(9)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Frame { kind: head[3], flags: head[4], stream, payload }, rest))
}

/// Whether the server's own preface is here (RFC 9113 3.4), or will never be.
pub(crate) fn greeted(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/") || split(bytes).is_some()
}

/// Reads all frames that are whole.
pub(crate) fn responses(side: &Side) -> Result<Read, String> {
    let mut read = Read::default();
    let mut decoder = Decoder::new();
    let mut block: Option<(u32, u8, Vec<u8>)> = None;
    let mut rest = &side.got[..];
    if rest.starts_with(b"HTTP/") {
        return Err(format!("no HTTP/2 but `{}`", rest[..rest.len().min(40)].escape_ascii()));
    }
    let mut first = true;
    while let Some((frame, more)) = split(rest) {
        rest = more;
        if std::mem::take(&mut first) && (frame.kind != SETTINGS || frame.flags & ACK != 0) {
            return Err(format!("a frame of type {} before SETTINGS", frame.kind));
        }
        match (frame.kind, &mut block) {
            (CONTINUATION, Some((stream, _, all))) if *stream == frame.stream => {
                all.extend_from_slice(frame.payload);
            }
            (kind, Some(_)) => return Err(format!("a frame of type {kind} in a header block")),
            (HEADERS, None) => block = Some((frame.stream, frame.flags, fragment(&frame)?)),
            (DATA, None) => read.data(&frame)?,
            (RST_STREAM, None) => {
                read.resets.push((frame.stream, number(frame.payload)?));
            }
            (GOAWAY, None) => {
                read.goaway = Some(number(frame.payload.get(4..).unwrap_or_default())?);
            }
            _ => {}
        }
        if frame.flags & END_HEADERS != 0
            && matches!(frame.kind, HEADERS | CONTINUATION)
            && let Some((stream, flags, block)) = block.take()
        {
            let fields =
                decoder.decode(&block).map_err(|e| format!("a bad header block: {e:?}"))?;
            read.head(stream, flags & END_STREAM != 0, fields)?;
        }
    }
    Ok(read)
}

fn number(payload: &[u8]) -> Result<u32, String> {
    let bytes = payload.first_chunk().ok_or("a frame that is too short")?;
    Ok(u32::from_be_bytes(*bytes))
}

/// The part of a header block in a HEADERS frame.
fn fragment(frame: &Frame<'_>) -> Result<Vec<u8>, String> {
    let payload = unpadded(frame)?;
    let skip = if frame.flags & PRIORITY != 0 { 5 } else { 0 };
    Ok(payload.get(skip..).ok_or("a HEADERS frame that is too short")?.to_vec())
}

fn unpadded<'a>(frame: &Frame<'a>) -> Result<&'a [u8], String> {
    if frame.flags & PADDED == 0 {
        return Ok(frame.payload);
    }
    let (padding, rest) = frame.payload.split_first().ok_or("a padded frame without length")?;
    let end = rest.len().checked_sub(usize::from(*padding)).ok_or("too much padding")?;
    Ok(&rest[..end])
}

impl Read {
    fn stream(&mut self, id: u32) -> Option<&mut Message> {
        self.streams.iter_mut().find(|(stream, _)| *stream == id).map(|(_, message)| message)
    }

    fn data(&mut self, frame: &Frame<'_>) -> Result<(), String> {
        let content = unpadded(frame)?;
        let stream = self.stream(frame.stream).filter(|message| message.status >= 200);
        let message =
            stream.ok_or_else(|| format!("DATA on stream {} before HEADERS", frame.stream))?;
        if message.complete {
            return Err(format!("DATA after the end of stream {}", frame.stream));
        }
        message.body.extend_from_slice(content);
        message.complete = frame.flags & END_STREAM != 0;
        if message.complete { sound_length(message) } else { Ok(()) }
    }

    fn head(&mut self, id: u32, end: bool, fields: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), String> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut fields: Fields =
            fields.into_iter().map(|(name, value)| (text(name), value)).collect();
        sound(&fields)?;
        let pseudo: Vec<_> = fields.extract_if(.., |(name, _)| name.starts_with(':')).collect();
        match (self.stream(id), &pseudo[..]) {
            (Some(message), []) if message.status >= 200 && end => {
                message.trailers = fields;
                message.complete = true;
                sound_length(message)
            }
            (_, [(name, status)]) if name == ":status" => {
                let status =
                    String::from_utf8_lossy(status).parse().map_err(|_| "a bad :status")?;
                self.began(id, status, end, fields)
            }
            _ => Err(format!("the pseudo-header fields {pseudo:?} on stream {id}")),
        }
    }

    fn began(&mut self, id: u32, status: u16, end: bool, fields: Fields) -> Result<(), String> {
        if self.stream(id).is_none() {
            let message = Message {
                start: String::new(),
                status: 0,
                interim: Vec::new(),
                fields: Fields::new(),
                body: Vec::new(),
                trailers: Fields::new(),
                complete: false,
            };
            self.streams.push((id, message));
        }
        let Some(message) = self.stream(id) else { return Ok(()) };
        if status < 200 {
            message.interim.push(status);
            return Ok(());
        }
        if message.status != 0 {
            return Err(format!("two responses on stream {id}"));
        }
        (message.status, message.fields, message.complete) = (status, fields, end);
        Ok(())
    }
}

/// RFC 9113 8.2: what a field block may not have.
fn sound(fields: &Fields) -> Result<(), String> {
    const OF_A_CONNECTION: [&str; 5] =
        ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];
    for (name, value) in fields {
        if name.bytes().any(|b| b.is_ascii_uppercase() || b <= b' ' || b >= 0x7f) {
            return Err(format!("the field name `{name}`"));
        }
        if value.iter().any(|b| b"\0\r\n".contains(b)) {
            return Err(format!("{name}: `{}`", value.escape_ascii()));
        }
        if OF_A_CONNECTION.contains(&name.as_str()) {
            return Err(format!("{name} over HTTP/2"));
        }
    }
    Ok(())
}

/// RFC 9113 8.1.1: the sum of the DATA is what Content-Length says.
fn sound_length(message: &Message) -> Result<(), String> {
    let lengths = values(&message.fields, "content-length");
    let told = |length: &&[u8]| String::from_utf8_lossy(length).parse() == Ok(message.body.len());
    match message.body.is_empty() || lengths.iter().all(told) {
        true => Ok(()),
        false => Err(format!("{} bytes with a Content-Length of others", message.body.len())),
    }
}
