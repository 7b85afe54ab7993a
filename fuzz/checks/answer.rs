//! What holds for whatever a target answers: what is read depends on the bytes, not on how they
//! arrive, and nothing is read that did not come.

use bytes::Bytes;
use http::Method;
use shunt_proxy::codec::body::Body;
use shunt_proxy::codec::framing::{Framing, content_length};
use shunt_proxy::codec::{Malformed, head};

/// An answer as far as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    status: u16,
    fields: usize,
    body: Vec<u8>,
    trailers: usize,
    over: bool,
    /// What is left for whoever is next.
    left: Vec<u8>,
    malformed: bool,
}

pub(crate) fn check(bytes: &[u8]) {
    for asked in [Method::GET, Method::HEAD] {
        let whole = read(bytes, bytes.len().max(1), &asked);
        let single = read(bytes, 1, &asked);
        assert_eq!(single.malformed, whole.malformed);
        if whole.malformed {
            // What came before the fault has gone on to the client, piece by piece.
            assert!(single.body.starts_with(&whole.body) || whole.body.starts_with(&single.body));
        } else {
            assert_eq!(single, whole, "byte by byte");
        }
        assert!(whole.body.len() + whole.left.len() <= bytes.len());
        assert!(asked != Method::HEAD || whole.body.is_empty());
    }
}

/// What is read of `bytes` that come in pieces of `size`.
fn read(bytes: &[u8], size: usize, asked: &Method) -> Answer {
    let mut answer = Answer::default();
    let (mut part, mut body) = (Vec::new(), None);
    for piece in bytes.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        if body.is_none() {
            part.extend_from_slice(&piece);
            match start(&Bytes::copy_from_slice(&part), asked, &mut answer) {
                Ok(Some((length, begun))) => {
                    piece = Bytes::copy_from_slice(&part[length..]);
                    body = Some(begun);
                }
                Ok(None) => continue,
                Err(_) => return Answer { malformed: true, ..answer },
            }
        }
        let Some(body) = &mut body else { continue };
        loop {
            match body.take(&mut piece) {
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) => answer.body.extend_from_slice(&data),
                    Err(frame) => answer.trailers = frame.into_trailers().map_or(0, |t| t.len()),
                },
                Ok(None) => break,
                Err(_) => return Answer { malformed: true, ..answer },
            }
        }
        answer.over = body.is_over();
        answer.left.extend_from_slice(&piece);
    }
    answer
}

fn start(
    bytes: &Bytes,
    asked: &Method,
    answer: &mut Answer,
) -> Result<Option<(usize, Body)>, Malformed> {
    let Some((length, mut head)) = head::read(bytes)? else { return Ok(None) };
    let framing = Framing::of(asked, &mut head)?;
    if let Framing::Length(length) = framing {
        assert_eq!(content_length(&mut head.headers)?, Some(length), "it has become one");
    }
    (answer.status, answer.fields) = (head.status.as_u16(), head.headers.len());
    Ok(Some((length, Body::new(framing))))
}
