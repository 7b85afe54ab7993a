//! An answer of the proxy's own.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::template::{Template, Values};
use super::wanted::Wanted;
use super::{Format, Occasion, Pages, grpc};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TEXT: &str = "{{status}} {{reason}}: {{message}}\nrequest {{request_id}}\n";
const HTML: &str = include_str!("error.html");
const JSON: &str = "{\"status\":{{status}},\"error\":\"{{reason}}\",\"message\":\"{{message}}\",\
                    \"request_id\":\"{{request_id}}\"}\n";

/// The pages for whoever has none, in the order of [`Format::ALL`].
static BUILT_IN: LazyLock<[Option<Template>; 3]> = LazyLock::new(|| {
    let texts = [(Format::Text, TEXT), (Format::Html, HTML), (Format::Json, JSON)];
    texts.map(|(format, text)| Template::parse(format, &Bytes::from_static(text.as_bytes())).ok())
});

/// What is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// An error status.
    pub status: StatusCode,
    /// Whether it is because of maintenance.
    pub maintenance: bool,
    /// What went wrong, in words for everybody: nothing of the machines behind.
    pub message: &'a str,
    /// The app, if one was found.
    pub app: Option<&'a str>,
    /// The request's id, if it has one yet.
    pub request_id: Option<&'a HeaderValue>,
}

impl Pages {
    /// The answer that tells `told` to somebody who `wanted` something else. Its length is in
    /// `Content-Length`, also where only the head was asked for and the body is empty (RFC 9110
    /// 9.3.2). No cache keeps it: some statuses may be kept unless told otherwise (RFC 9111 4.2.2).
    pub fn answer(&self, told: &Told<'_>, wanted: &Wanted) -> Response<Bytes> {
        let mut response = if wanted.grpc {
            let mut response = Response::new(Bytes::new());
            *response.headers_mut() = grpc::headers(told.status, told.message);
            response
        } else {
            self.page(told, wanted)
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(id) = told.request_id {
            headers.insert(X_REQUEST_ID, id.clone());
        }
        response
    }

    fn page(&self, told: &Told<'_>, wanted: &Wanted) -> Response<Bytes> {
        let format = wanted.format();
        let occasion = match told.maintenance {
            true => Occasion::Maintenance,
            false => Occasion::Status(told.status.as_u16()),
        };
        let id = told.request_id.and_then(|id| id.to_str().ok()).unwrap_or("-");
        let values = Values { status: told.status, message: told.message, request_id: id };
        let of_operator = self.find(told.app, occasion, format);
        let page = of_operator.or_else(|| BUILT_IN[format as usize].as_ref());
        let body = page.map(|page| page.fill(&values)).unwrap_or_default();
        let length = HeaderValue::from(body.len());
        let mut response = Response::new(if wanted.head { Bytes::new() } else { body });
        *response.status_mut() = told.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        headers.insert(CONTENT_LENGTH, length);
        response
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    static ID: LazyLock<HeaderValue> = LazyLock::new(|| HeaderValue::from_static("<b>&id"));

    fn wanted(method: &str, fields: &[(&str, &str)]) -> Wanted {
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Wanted::of(&request.body(()).unwrap().into_parts().0)
    }

    fn told() -> Told<'static> {
        Told {
            status: StatusCode::SERVICE_UNAVAILABLE,
            maintenance: false,
            message: "the app is not available",
            app: Some("web"),
            request_id: Some(&ID),
        }
    }

    fn answer(method: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        Pages::default().answer(&told(), &wanted(method, fields))
    }

    #[test]
    fn every_built_in_page_is_a_page() {
        assert!(BUILT_IN.iter().all(Option::is_some));
    }

    #[test]
    fn each_client_reads_its_own_format_with_the_request_id() {
        let text = answer("GET", &[]);
        assert_eq!(text.status(), 503);
        assert_eq!(
            text.body(),
            "503 Service Unavailable: the app is not available\nrequest <b>&id\n"
        );
        let html = answer("GET", &[("accept", "text/html,*/*;q=0.8")]);
        assert_eq!(html.headers()["content-type"], "text/html; charset=utf-8");
        let page = std::str::from_utf8(html.body()).unwrap();
        assert!(page.contains("503 Service Unavailable") && page.contains("&lt;b&gt;&amp;id"));
        let json = answer("GET", &[("accept", "application/json")]);
        assert_eq!(json.headers()["content-type"], "application/json");
        let expected = serde_json::json!({
            "status": 503, "error": "Service Unavailable", "message": "the app is not available",
            "request_id": "<b>&id",
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(json.body()).unwrap(), expected);
        for answer in [text, html, json] {
            assert_eq!(answer.headers()["x-request-id"], *ID);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers()["content-length"], answer.body().len().to_string());
        }
    }

    #[test]
    fn head_gets_the_length_of_what_get_would() {
        let (head, get) = (answer("HEAD", &[]), answer("GET", &[]));
        assert!(head.body().is_empty());
        assert_eq!(head.headers(), get.headers());
    }

    #[test]
    fn grpc_gets_headers_alone() {
        let answer = answer("POST", &[("content-type", "application/grpc+proto")]);
        assert_eq!((answer.status(), answer.body().len()), (StatusCode::OK, 0));
        assert_eq!(answer.headers()["grpc-status"], "14");
        assert_eq!(answer.headers()["grpc-message"], "the app is not available");
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        assert_eq!(answer.headers()["x-request-id"], *ID);
        assert!(!answer.headers().contains_key("content-length"));
    }

    #[test]
    fn the_operators_pages_are_shown_where_they_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name, text| std::fs::write(directory.path().join(name), text).unwrap();
        write("maintenance.html", "back soon: {{message}}");
        write("503.json", "{\"sorry\":\"{{request_id}}\"}");
        let pages = Pages::load(directory.path()).unwrap();
        let maintenance = Told { maintenance: true, message: "<5 min", ..told() };
        let shown = |told, accept| {
            let answer = pages.answer(told, &wanted("GET", &[("accept", accept)]));
            assert_eq!(answer.status(), 503);
            String::from_utf8(answer.into_body().to_vec()).unwrap()
        };
        assert_eq!(shown(&maintenance, "text/html"), "back soon: &lt;5 min");
        assert_eq!(shown(&maintenance, "application/json"), r#"{"sorry":"<b>&id"}"#);
        assert!(shown(&maintenance, "text/plain").starts_with("503 Service Unavailable: <5 min\n"));
        assert!(shown(&told(), "text/html").contains("not available"));
    }
}
