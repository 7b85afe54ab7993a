//! The body of an answer, piece by piece.

use bytes::Bytes;
use hyper::body::Frame;

use super::Malformed;
use super::chunks::Chunks;
use super::framing::Framing;

/// Finds a body's pieces among the bytes that come.
#[derive(Debug)]
pub struct Body(State);

#[derive(Debug)]
enum State {
    Ended,
    Length(u64),
    /// In a box: few answers are chunked, and all of them are moved.
    Chunked(Box<Chunks>),
    UntilClose,
}

impl Body {
    /// No body.
    pub const NONE: Self = Self(State::Ended);

    /// A body that ends as `framing` says.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::None | Framing::Length(0) => State::Ended,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Box::default()),
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Takes the next piece out of `bytes`; `None` if all of what was taken is framing, or the body
    /// has ended. What is behind its end stays.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: the body is broken off where it is.
    pub fn take(&mut self, bytes: &mut Bytes) -> Result<Option<Frame<Bytes>>, Malformed> {
        match &mut self.0 {
            State::Ended => Ok(None),
            State::Length(left) => {
                let piece = up_to(*left, bytes);
                *left -= piece.len() as u64;
                if *left == 0 {
                    self.0 = State::Ended;
                }
                Ok((!piece.is_empty()).then(|| Frame::data(piece)))
            }
            State::Chunked(chunks) => {
                let piece = chunks.take(bytes)?;
                if chunks.is_over() {
                    self.0 = State::Ended;
                }
                Ok(piece)
            }
            State::UntilClose => {
                let piece = std::mem::take(bytes);
                Ok((!piece.is_empty()).then(|| Frame::data(piece)))
            }
        }
    }

    /// The connection has come to its end. Whether the body has, too.
    pub fn close(&mut self) -> bool {
        if matches!(self.0, State::UntilClose) {
            self.0 = State::Ended;
        }
        self.is_over()
    }

    /// Whether nothing more of it will come.
    pub fn is_over(&self) -> bool {
        matches!(self.0, State::Ended)
    }

    /// Bytes that are still to come, where that is known.
    pub fn left(&self) -> Option<u64> {
        match &self.0 {
            State::Ended => Some(0),
            State::Length(left) => Some(*left),
            State::Chunked(_) | State::UntilClose => None,
        }
    }
}

/// Takes up to `most` of `bytes`.
pub(super) fn up_to(most: u64, bytes: &mut Bytes) -> Bytes {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if bytes.len() <= most { std::mem::take(bytes) } else { bytes.split_to(most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `body` makes of `pieces`, and what it leaves.
    fn read(mut body: Body, pieces: &[&'static str]) -> (String, String, bool) {
        let (mut read, mut left) = (String::new(), String::new());
        for piece in pieces {
            let mut bytes = Bytes::from_static(piece.as_bytes());
            while let Some(frame) = body.take(&mut bytes).unwrap() {
                read += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
            }
            left += std::str::from_utf8(&bytes).unwrap();
        }
        (read, left, body.is_over())
    }

    #[test]
    fn a_body_of_a_length_ends_there_and_leaves_the_rest() {
        let body = || Body::new(Framing::Length(5));
        assert_eq!(read(body(), &["he", "ll"]), ("hell".into(), String::new(), false));
        assert_eq!(read(body(), &["he", "llo", "x"]), ("hello".into(), "x".into(), true));
        assert_eq!(read(body(), &["hello, you"]), ("hello".into(), ", you".into(), true));
    }

    #[test]
    fn only_a_body_without_a_length_ends_with_its_connection() {
        let mut open = Body::new(Framing::UntilClose);
        assert!(!open.is_over() && open.left().is_none());
        assert!(open.close() && open.is_over());
        assert!(!Body::new(Framing::Length(5)).close());
        assert!(!Body::new(Framing::Chunked).close());
        assert!(Body::new(Framing::Length(0)).is_over() && Body::new(Framing::None).is_over());
    }
}
