//! A request written down for a second try.

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::body::RequestBody;

/// A request without a body, to be sent again if the kept connection it is sent on turns out dead, or
/// its target has done nothing with it.
///
/// Every request on a kept connection may be, and hardly any is: so this is made to be cheap to make,
/// not to use. A copy of a header map costs several times as much as writing it down.
#[derive(Debug)]
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    version: Version,
    /// Names and values in turn, each with a line end after it; neither can hold one.
    fields: Vec<u8>,
}

/// Room for the fields of a usual request.
const ROOM: usize = 1024;

impl Spare {
    /// What is needed to send `request` again.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let mut fields = Vec::with_capacity(ROOM);
        for (name, value) in request.headers() {
            for text in [name.as_str().as_bytes(), value.as_bytes()] {
                fields.extend_from_slice(text);
                fields.push(b'\n');
            }
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { method, uri, version: request.version(), fields }
    }

    /// The request again.
    pub(super) fn request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        let mut texts = self.fields.split(|b| *b == b'\n');
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            // They were valid before.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                request.headers_mut().append(name, value);
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_again() {
        let request = Request::get("/a?b=c")
            .header("host", "www.example.com")
            .header("cookie", "a=b")
            .header("x-two", "first")
            .header("x-two", "second")
            .header("x-empty", "")
            .header("x-odd", &b"\xff a:\tb "[..])
            .body(())
            .unwrap();
        let again = Spare::of(&request).request();
        assert_eq!(again.method(), request.method());
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.version(), request.version());
        assert_eq!(again.headers(), request.headers());
    }
}
