//! How the tag of an image is made of what a webhook tells.

use serde::Deserialize;

use crate::strict::Mistake;

/// Characters of an abbreviated commit id, as GitLab's `CI_COMMIT_SHORT_SHA` has.
const SHORT: usize = 8;

/// A tag with places for what a webhook tells: `{tag}`, `{ref}`, `{sha}`, `{short_sha}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TagFrom(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tag,
    Reference,
    Sha,
    ShortSha,
}

/// What a webhook tells, as far as it does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// A tag, of an image or of a repository.
    pub tag: Option<&'a str>,
    /// A branch or tag of a repository.
    pub reference: Option<&'a str>,
    /// A commit's id.
    pub sha: Option<&'a str>,
}

impl TagFrom {
    /// The tag; the name of what is missing for it otherwise.
    pub fn fill(&self, parts: Parts<'_>) -> Result<String, &'static str> {
        let mut tag = String::new();
        for piece in &self.0 {
            tag.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Tag => parts.tag.ok_or("tag")?,
                Piece::Reference => parts.reference.ok_or("ref")?,
                Piece::Sha => parts.sha.ok_or("sha")?,
                Piece::ShortSha => {
                    let sha = parts.sha.ok_or("sha")?;
                    sha.get(..SHORT).unwrap_or(sha)
                }
            });
        }
        Ok(tag)
    }

    /// Whether it is what the webhook calls a tag, and nothing else.
    pub fn is_plain(&self) -> bool {
        self.0 == [Piece::Tag]
    }
}

impl Default for TagFrom {
    fn default() -> Self {
        Self(vec![Piece::Tag])
    }
}

impl TryFrom<String> for TagFrom {
    type Error = Mistake;

    fn try_from(text: String) -> Result<Self, Mistake> {
        let wrong = |why: &str| Mistake::new(format!("`{text}` is no tag: {why}"));
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        while let Some((before, place)) = rest.split_once('{') {
            let Some((name, after)) = place.split_once('}') else {
                return Err(wrong("a `{` is not closed"));
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name {
                "tag" => Piece::Tag,
                "ref" => Piece::Reference,
                "sha" => Piece::Sha,
                "short_sha" => Piece::ShortSha,
                _ => return Err(wrong("there are `{tag}`, `{ref}`, `{sha}` and `{short_sha}`")),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        if pieces.is_empty() {
            return Err(wrong("it is empty"));
        }
        Ok(Self(pieces))
    }
}

/// Whether `text` can be an image's tag (OCI distribution 1.1, "pulling manifests").
pub fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<TagFrom, Mistake> {
        TagFrom::try_from(text.to_owned())
    }

    #[test]
    fn places_are_filled_with_what_is_known() {
        let parts = Parts { tag: None, reference: Some("main"), sha: Some("0123456789abcdef") };
        assert_eq!(from("{ref}-{short_sha}").unwrap().fill(parts).unwrap(), "main-01234567");
        assert_eq!(from("sha-{sha}").unwrap().fill(parts).unwrap(), "sha-0123456789abcdef");
        assert_eq!(TagFrom::default().fill(parts), Err("tag"));
        assert!(from("{tag}").unwrap().is_plain() && !from("v{tag}").unwrap().is_plain());
    }

    #[test]
    fn places_that_do_not_exist_are_refused() {
        for text in ["{commit}", "{tag", ""] {
            assert!(from(text).unwrap_err().to_string().contains("is no tag"), "{text}");
        }
    }

    #[test]
    fn what_could_be_a_flag_or_a_path_is_no_tag() {
        for (text, sound) in [
            ("v1.2", true),
            ("_x", true),
            ("-x", false),
            (".x", false),
            ("a/b", false),
            ("", false),
        ] {
            assert_eq!(is_tag(text), sound, "{text}");
        }
        assert!(!is_tag(&"a".repeat(129)));
    }
}
