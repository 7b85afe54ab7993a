//! Where the body of an answer ends (RFC 9112 6.3).

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version, response};

use super::Malformed;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Where the head does: there is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Framing {
    /// Where the body ends that follows `head`, the answer to a request of the method `asked`.
    ///
    /// # Errors
    ///
    /// [`Malformed::Coding`] and [`Malformed::Length`] where others might read two messages in the place
    /// of one: RFC 9112 6.3 lets `Transfer-Encoding` win over a length, and also calls the two of them
    /// an attack.
    pub fn of(asked: &Method, head: &mut response::Parts) -> Result<Self, Malformed> {
        let length = content_length(&mut head.headers)?;
        let chunked = is_chunked(head)?;
        if chunked && length.is_some() {
            return Err(Malformed::Length);
        }
        let bodyless = *asked == Method::HEAD
            || head.status.is_informational()
            || head.status == StatusCode::NO_CONTENT
            || head.status == StatusCode::NOT_MODIFIED;
        Ok(match length {
            _ if bodyless => Self::None,
            _ if chunked => Self::Chunked,
            Some(length) => Self::Length(length),
            None => Self::UntilClose,
        })
    }
}

/// Whether the body is chunked. No other coding is undone here, so none may pass.
fn is_chunked(head: &response::Parts) -> Result<bool, Malformed> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(one), None)
            if head.version == Version::HTTP_11
                && one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(true)
        }
        _ => Err(Malformed::Coding),
    }
}

/// The length that `Content-Length` gives. Several equal ones become one (RFC 9110 8.6), so that
/// everybody after us reads the same.
///
/// # Errors
///
/// [`Malformed::Length`]
pub fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    let mut several = false;
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    for member in lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')) {
        let next = number(member.trim_ascii()).ok_or(Malformed::Length)?;
        match length.replace(next) {
            None => {}
            Some(before) if before == next => several = true,
            Some(_) => return Err(Malformed::Length),
        }
    }
    if let Some(length) = length.filter(|_| several) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(length)
}

/// A number of decimal digits, and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let digit = |b: &u8| b.is_ascii_digit().then(|| u64::from(b - b'0'));
    let first = digits.first().and_then(digit)?;
    digits[1..].iter().try_fold(first, |n, b| n.checked_mul(10)?.checked_add(digit(b)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(asked: &Method, status: u16, fields: &[(&'static str, &str)]) -> Option<Framing> {
        let mut response = http::Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut head = response.body(()).unwrap().into_parts().0;
        Framing::of(asked, &mut head).ok()
    }

    #[test]
    fn a_body_ends_where_exactly_one_field_says() {
        let get = |fields: &[_]| framing(&Method::GET, 200, fields);
        assert_eq!(get(&[]), Some(Framing::UntilClose));
        assert_eq!(get(&[("content-length", "5")]), Some(Framing::Length(5)));
        assert_eq!(
            get(&[("content-length", "5"), ("content-length", "5")]),
            Some(Framing::Length(5))
        );
        assert_eq!(get(&[("transfer-encoding", " Chunked ")]), Some(Framing::Chunked));
        for length in ["", "+5", "-1", "0x5", "5a", "5, 6", "5,", "18446744073709551616"] {
            assert_eq!(get(&[("content-length", length)]), None, "{length}");
        }
        assert_eq!(get(&[("content-length", "5"), ("content-length", "6")]), None);
        assert_eq!(get(&[("content-length", "5"), ("transfer-encoding", "chunked")]), None);
        for coding in ["", "gzip", "chunked, chunked", "gzip, chunked", "identity"] {
            assert_eq!(get(&[("transfer-encoding", coding)]), None, "{coding}");
        }
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(get(&twice), None);
    }

    #[test]
    fn answers_to_head_and_some_statuses_have_no_body_whatever_they_say() {
        let length = [("content-length", "5")];
        assert_eq!(framing(&Method::HEAD, 200, &length), Some(Framing::None));
        assert_eq!(framing(&Method::GET, 204, &length), Some(Framing::None));
        assert_eq!(framing(&Method::GET, 304, &length), Some(Framing::None));
        assert_eq!(framing(&Method::GET, 103, &[]), Some(Framing::None));
        assert_eq!(framing(&Method::GET, 205, &length), Some(Framing::Length(5)));
    }

    #[test]
    fn http_1_0_has_no_codings() {
        let response = http::Response::builder().version(Version::HTTP_10);
        let response = response.header("transfer-encoding", "chunked");
        let mut head = response.body(()).unwrap().into_parts().0;
        assert!(Framing::of(&Method::GET, &mut head).is_err());
    }

    #[test]
    fn several_equal_lengths_become_one() {
        let mut headers = HeaderMap::new();
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("05, 5"));
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("5"));
        assert_eq!(content_length(&mut headers).unwrap(), Some(5));
        assert_eq!(headers.get_all(CONTENT_LENGTH).iter().collect::<Vec<_>>(), ["5"]);
    }
}
