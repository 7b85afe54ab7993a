//! The answers' bodies.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};

use crate::pattern::{Digest, Pattern};

/// Any body; it can break off if it depends on the request's.
pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Bytes sent at a time.
const PIECE: u64 = 64 * 1024;

/// A text that is known beforehand.
pub(super) fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// `len` bytes of the pattern of `seed`.
pub(super) fn pattern(seed: u64, len: u64) -> Body {
    from_stream(stream::unfold((Pattern::new(seed), len), |(mut pattern, left)| async move {
        let now = left.min(PIECE);
        let piece = pattern.take(usize::try_from(now).ok()?);
        (now > 0).then_some((piece, (pattern, left - now)))
    }))
}

/// `count` pieces made by `piece` from their number, with a pause before each but the first.
pub(super) fn paced<F>(count: u64, pause: Duration, mut piece: F) -> Body
where
    F: FnMut(u64) -> Bytes + Send + 'static,
{
    from_stream(stream::unfold(0, move |number| {
        let next = (number < count).then(|| piece(number));
        async move {
            if number > 0 && next.is_some() {
                tokio::time::sleep(pause).await;
            }
            next.map(|piece| (piece, number + 1))
        }
    }))
}

/// Reads `upload` and, when it has ended, says what it was: a head that precedes the request's end.
pub(super) fn digest_of(upload: Incoming) -> Body {
    let step = stream::unfold(Some(upload), |upload| async move {
        let said = digest(upload?).await.map(|digest| Frame::data(Bytes::from(digest.to_string())));
        Some((said, None))
    });
    StreamBody::new(step).boxed_unsync()
}

/// Reads `upload` to its end.
pub(super) async fn digest(mut upload: Incoming) -> Result<Digest, hyper::Error> {
    let mut digest = Digest::default();
    while let Some(frame) = upload.frame().await {
        if let Some(piece) = frame?.data_ref() {
            digest.update(piece);
        }
    }
    Ok(digest)
}

fn from_stream(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    use futures_util::StreamExt;
    StreamBody::new(pieces.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}
