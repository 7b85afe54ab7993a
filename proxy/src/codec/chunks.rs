//! A chunked body (RFC 9112 7.1).
//!
//! Every line ends with CR and LF, and nothing else: an LF alone is where others begin to disagree on
//! what is framing and what is body.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;
use hyper::body::Frame;

use super::Malformed;
use super::body::up_to;

/// The most bytes of extensions in one body: nobody reads them.
const EXTENSIONS: u32 = 16 * 1024;
/// The most bytes of trailers.
const TRAILERS: usize = 16 * 1024;
/// The most trailers.
const FIELDS: usize = 64;

/// How far the chunks of one body have come.
#[derive(Debug, Default)]
pub struct Chunks {
    at: At,
    /// Of the size that is being read, or of the chunk.
    left: u64,
    extensions: u32,
    trailers: Vec<u8>,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// The first digit of a size.
    #[default]
    Start,
    /// A further digit.
    Size,
    /// Blanks between a size and its extension (RFC 9112 7.1.1 calls them bad, and not wrong).
    Blank,
    /// An extension.
    Extension,
    /// The LF of a line that has a size.
    SizeEnd,
    /// The chunk.
    Data,
    /// The CR behind a chunk.
    DataCr,
    /// The LF behind it.
    DataLf,
    /// What is behind the last chunk.
    Trailers,
    /// Another message.
    Over,
}

impl Chunks {
    /// Takes the next piece out of `bytes`: some of a chunk, or the trailers, which end the body.
    /// `None` once all bytes are taken, or the body is over.
    ///
    /// # Errors
    ///
    /// [`Malformed::Chunk`], [`Malformed::Trailers`]
    pub fn take(&mut self, bytes: &mut Bytes) -> Result<Option<Frame<Bytes>>, Malformed> {
        while self.at != At::Over && !bytes.is_empty() {
            if self.at == At::Data {
                let piece = up_to(self.left, bytes);
                self.left -= piece.len() as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                return Ok(Some(Frame::data(piece)));
            }
            let byte = bytes.get_u8();
            if self.at != At::Trailers {
                self.at = self.line(byte).ok_or(Malformed::Chunk)?;
            } else if let Some(trailers) = self.trailer(byte)? {
                self.at = At::Over;
                return Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)));
            }
        }
        Ok(None)
    }

    /// Whether the body has ended.
    pub fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// What comes after `byte`, a part of the lines between the chunks.
    fn line(&mut self, byte: u8) -> Option<At> {
        match (self.at, byte) {
            (At::Start | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.left = self.left.checked_mul(16)?.checked_add(digit.into())?;
                Some(At::Size)
            }
            (At::Size | At::Blank, b' ' | b'\t') => self.ignore(At::Blank),
            (At::Size | At::Blank | At::Extension, b'\r') => Some(At::SizeEnd),
            (At::Size | At::Blank, b';') | (At::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.ignore(At::Extension)
            }
            (At::SizeEnd, b'\n') if self.left == 0 => Some(At::Trailers),
            (At::SizeEnd, b'\n') => Some(At::Data),
            (At::DataCr, b'\r') => Some(At::DataLf),
            (At::DataLf, b'\n') => Some(At::Start),
            _ => None,
        }
    }

    fn ignore(&mut self, at: At) -> Option<At> {
        self.extensions += 1;
        (self.extensions <= EXTENSIONS).then_some(at)
    }

    /// The trailers, if they end with `byte`.
    fn trailer(&mut self, byte: u8) -> Result<Option<HeaderMap>, Malformed> {
        let text = &mut self.trailers;
        let follows_cr = text.last() == Some(&b'\r');
        if follows_cr != (byte == b'\n') || text.len() == TRAILERS {
            return Err(Malformed::Trailers);
        }
        text.push(byte);
        if *text == b"\r\n" {
            return Ok(Some(HeaderMap::new()));
        }
        if !text.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        match httparse::parse_headers(text, &mut fields) {
            Ok(Status::Complete((length, fields))) if length == text.len() => {
                fields.iter().map(field).collect::<Option<_>>().ok_or(Malformed::Trailers).map(Some)
            }
            _ => Err(Malformed::Trailers),
        }
    }
}

fn field(field: &httparse::Header<'_>) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
    Some((name, HeaderValue::from_bytes(field.value).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `bytes` that come in pieces of `size`: the body, its trailers, what is left.
    fn read(bytes: &[u8], size: usize) -> Result<(Vec<u8>, HeaderMap, Vec<u8>, bool), Malformed> {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        let (mut trailers, mut left) = (HeaderMap::new(), Vec::new());
        for piece in bytes.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(frame) = chunks.take(&mut piece)? {
                match frame.into_data() {
                    Ok(data) => body.extend_from_slice(&data),
                    Err(frame) => trailers = frame.into_trailers().unwrap(),
                }
            }
            left.extend_from_slice(&piece);
        }
        Ok((body, trailers, left, chunks.is_over()))
    }

    #[test]
    fn chunks_are_joined_however_they_come() {
        let text = b"5\r\nhello\r\n1 ; a=\"b\"\r\n,\r\n0004;x\r\n you\r\n0\r\nX-Sum: 1\r\n\r\nnext";
        for size in 1..=text.len() {
            let (body, trailers, left, over) = read(text, size).unwrap();
            assert_eq!(body, b"hello, you");
            assert_eq!(trailers["x-sum"], "1");
            assert_eq!(left, b"next");
            assert!(over);
        }
    }

    #[test]
    fn a_body_is_not_over_before_its_last_line() {
        let text = b"5\r\nhello\r\n0\r\n\r\n";
        for cut in 0..text.len() {
            assert!(!read(&text[..cut], 3).unwrap().3, "{cut}");
        }
        assert!(read(text, 3).unwrap().3);
    }

    #[test]
    fn whatever_is_not_framing_breaks_off() {
        for text in [
            &b"x\r\n"[..],
            b"+6\r\n",
            b"\r\n",
            b";a\r\n",
            b" 5\r\n",
            b"5\nhello",
            b"5\r\rhello",
            b"5 5\r\n",
            b"5;a\nb\r\n",
            b"5;\0\r\n",
            b"10000000000000000\r\n",
            b"5\r\nhello!\r\n",
            b"5\r\nhello\n",
            b"0\r\n\n",
            b"0\r\nX-A: 1\n\r\n",
            b"0\r\nX-A: 1\rX\r\n\r\n",
            b"0\r\npoison\r\n\r\n",
            b"0\r\n X-A: 1\r\n\r\n",
        ] {
            for size in [1, 64] {
                assert!(read(text, size).is_err(), "{:?}", String::from_utf8_lossy(text));
            }
        }
    }

    #[test]
    fn extensions_and_trailers_have_bounds() {
        let extension = |n| [&b"5;"[..], &vec![b'a'; n], b"\r\n"].concat();
        assert!(read(&extension(EXTENSIONS as usize - 1), 512).is_ok());
        assert!(read(&extension(EXTENSIONS as usize), 512).is_err());
        let trailers = |n| [&b"0\r\nX-A: "[..], &vec![b'a'; n], b"\r\n\r\n"].concat();
        assert!(read(&trailers(TRAILERS - 9), 512).unwrap().3);
        assert!(read(&trailers(TRAILERS - 8), 512).is_err());
    }
}
