//! One page and its placeholders.

use bytes::Bytes;
use http::StatusCode;

use super::Format;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    /// `{{status}}`: `503`.
    Status,
    /// `{{reason}}`: `Service Unavailable`.
    Reason,
    /// `{{message}}`: what went wrong, or what the operator says of the maintenance.
    Message,
    /// `{{request_id}}`
    RequestId,
}

/// All placeholders, as mistakes name them.
const PLACEHOLDERS: [(&str, Placeholder); 4] = [
    ("status", Placeholder::Status),
    ("reason", Placeholder::Reason),
    ("message", Placeholder::Message),
    ("request_id", Placeholder::RequestId),
];

/// One page, read once and filled in many times.
#[derive(Clone, Debug)]
pub struct Template {
    format: Format,
    /// Text before each placeholder.
    parts: Vec<(Bytes, Placeholder)>,
    end: Bytes,
}

/// What a page is filled in with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The status.
    pub status: StatusCode,
    /// What went wrong, in words for everybody.
    pub message: &'a str,
    /// The request's id; client's choice, so not to be trusted. Empty if there is none.
    pub request_id: &'a str,
}

/// Why a text is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It must be UTF-8: the answer says so.
    #[error("it is not UTF-8")]
    Utf8,
    /// A placeholder that there is not.
    #[error("`{{{{{0}}}}}` stands for nothing: use status, reason, message or request_id")]
    Placeholder(String),
    /// A page in JSON must be JSON.
    #[error("it is not JSON once it is filled in: {0}")]
    Json(String),
}

impl Template {
    /// Reads a page in `format`. Spaces within the braces of a placeholder do not matter.
    pub fn parse(format: Format, text: &Bytes) -> Result<Self, Malformed> {
        let mut rest = std::str::from_utf8(text).map_err(|_| Malformed::Utf8)?;
        let mut parts = Vec::new();
        while let Some((before, name, after)) = split(rest) {
            let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name);
            let shown = || Malformed::Placeholder(name.chars().take(50).collect());
            let (_, placeholder) = known.ok_or_else(shown)?;
            parts.push((text.slice_ref(before.as_bytes()), *placeholder));
            rest = after;
        }
        let template = Self { format, parts, end: text.slice_ref(rest.as_bytes()) };
        if format == Format::Json {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let filled = template.fill(&Values { status, message: "\"", request_id: "\"" });
            serde_json::from_slice::<serde::de::IgnoredAny>(&filled)
                .map_err(|error| Malformed::Json(error.to_string()))?;
        }
        Ok(template)
    }

    /// The page with `values`, each escaped as the format needs it.
    pub fn fill(&self, values: &Values<'_>) -> Bytes {
        let room = self.parts.iter().map(|(text, _)| text.len() + 64).sum::<usize>();
        let mut page = Vec::with_capacity(room + self.end.len());
        for (text, placeholder) in &self.parts {
            page.extend_from_slice(text);
            match placeholder {
                Placeholder::Status => page.extend_from_slice(values.status.as_str().as_bytes()),
                Placeholder::Reason => self.escape(reason(values.status), &mut page),
                Placeholder::Message => self.escape(values.message, &mut page),
                Placeholder::RequestId => self.escape(values.request_id, &mut page),
            }
        }
        page.extend_from_slice(&self.end);
        page.into()
    }

    fn escape(&self, value: &str, page: &mut Vec<u8>) {
        match self.format {
            Format::Text => page.extend(value.bytes().filter(|b| !b.is_ascii_control())),
            Format::Html => {
                for b in value.bytes() {
                    match b {
                        b'&' => page.extend_from_slice(b"&amp;"),
                        b'<' => page.extend_from_slice(b"&lt;"),
                        b'>' => page.extend_from_slice(b"&gt;"),
                        b'"' => page.extend_from_slice(b"&quot;"),
                        b'\'' => page.extend_from_slice(b"&#39;"),
                        _ => page.push(b),
                    }
                }
            }
            Format::Json => {
                // Within the quotes that the page has. A text always has a JSON form.
                let quoted = serde_json::to_string(value).unwrap_or_default();
                let within = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                page.extend_from_slice(within.unwrap_or_default().as_bytes());
            }
        }
    }
}

/// What is before the first placeholder, its name, and what is after it.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name.trim(), after))
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(format: Format, text: &'static str) -> Result<Template, Malformed> {
        Template::parse(format, &Bytes::from_static(text.as_bytes()))
    }

    fn filled(format: Format, text: &'static str) -> String {
        let values = Values {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "a\nb",
            request_id: r#"<script>"&'\"#,
        };
        String::from_utf8(parse(format, text).unwrap().fill(&values).to_vec()).unwrap()
    }

    #[test]
    fn placeholders_are_filled_in_and_the_rest_stays() {
        let text = "{{status}} {{ reason }}{{status}}: { {message} }} {{";
        assert_eq!(filled(Format::Text, text), "503 Service Unavailable503: { {message} }} {{");
        assert_eq!(filled(Format::Text, ""), "");
        assert_eq!(filled(Format::Text, "{{message}}"), "ab");
    }

    #[test]
    fn what_a_client_chose_cannot_break_out_of_its_place() {
        let html = filled(Format::Html, "<p id='{{request_id}}'>");
        assert_eq!(html, "<p id='&lt;script&gt;&quot;&amp;&#39;\\'>");
        let json = filled(Format::Json, r#"{"id":"{{request_id}}","message":"{{message}}"}"#);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["id"], &value["message"]), (&r#"<script>"&'\"#.into(), &"a\nb".into()));
    }

    #[test]
    fn what_is_no_page_is_refused_with_the_way_out() {
        let said = parse(Format::Html, "{{statsu}}").unwrap_err().to_string();
        assert_eq!(
            said,
            "`{{statsu}}` stands for nothing: use status, reason, message or request_id"
        );
        assert!(matches!(parse(Format::Json, "{\"id\":{{request_id}}}"), Err(Malformed::Json(_))));
        assert!(parse(Format::Json, "{\"status\":{{status}}}").is_ok());
        let text = Bytes::from_static(&[0xff]);
        assert_eq!(Template::parse(Format::Text, &text).unwrap_err(), Malformed::Utf8);
    }
}
