//! Header fields set, added and removed.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

/// Changes to the fields of one kind of head, in the order: removed, set, added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderValue)]>,
    add: Box<[(HeaderName, HeaderValue)]>,
}

/// A field whose change would make one message look like two, or that is the connection's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` belongs to the connection: it is the proxy's own affair")]
pub struct Framing(pub HeaderName);

/// Fields that say where a message ends, or speak of one connection (RFC 9110 7.6.1, RFC 9112 6).
fn is_framing(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || ["keep-alive", "proxy-connection"].contains(&name.as_str())
}

impl Fields {
    /// Removes `remove`, puts `set` in the place of all lines of the same name, adds `add` to them.
    pub fn new(
        remove: impl IntoIterator<Item = HeaderName>,
        set: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        add: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Self, Framing> {
        let fields = Self {
            remove: remove.into_iter().collect(),
            set: set.into_iter().collect(),
            add: add.into_iter().collect(),
        };
        let given = fields.set.iter().chain(&fields.add).map(|(name, _)| name);
        match fields.remove.iter().chain(given).find(|name| is_framing(name)) {
            Some(name) => Err(Framing(name.clone())),
            None => Ok(fields),
        }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Makes the changes. Costs a compare when there are none.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    }

    #[test]
    fn all_lines_are_removed_or_replaced_and_one_is_added() {
        let mut headers: HeaderMap =
            [pair("server", "x"), pair("a", "1"), pair("a", "2"), pair("b", "1"), pair("c", "1")]
                .into_iter()
                .collect();
        headers.append("server", HeaderValue::from_static("y"));
        let remove = [HeaderName::from_static("server"), HeaderName::from_static("absent")];
        let rules =
            Fields::new(remove, [pair("a", "3")], [pair("b", "2"), pair("d", "1")]).unwrap();
        rules.apply(&mut headers);
        for (name, expected) in
            [("server", &[][..]), ("a", &["3"]), ("b", &["1", "2"]), ("c", &["1"]), ("d", &["1"])]
        {
            assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn no_rule_changes_nothing() {
        let mut headers: HeaderMap = [pair("a", "1")].into_iter().collect();
        let before = headers.clone();
        Fields::default().apply(&mut headers);
        assert_eq!(headers, before);
        assert!(Fields::default().is_empty());
    }

    #[test]
    fn where_a_message_ends_is_not_for_rules() {
        for name in ["content-length", "transfer-encoding", "connection", "keep-alive", "trailer"] {
            let name = HeaderName::from_static(name);
            let refused = Err(Framing(name.clone()));
            assert_eq!(Fields::new([name.clone()], [], []), refused);
            assert_eq!(Fields::new([], [(name.clone(), 1.into())], []), refused);
            assert_eq!(Fields::new([], [], [(name, 1.into())]), refused);
        }
    }
}
