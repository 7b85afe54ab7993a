//! Names of images: `registry.example.com:5000/acme/web:1.1@sha256:…`.

/// A reference taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Registry and path: what all tags and digests of an image have in common.
    pub repository: &'a str,
    /// The tag.
    pub tag: Option<&'a str>,
    /// The digest, `sha256:…`.
    pub digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Takes `text` apart. A colon before the last slash belongs to a registry's port.
    pub fn of(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let name = rest.rfind('/').map_or(0, |slash| slash + 1);
        match rest[name..].split_once(':') {
            Some((last, tag)) => {
                Self { repository: &rest[..name + last.len()], tag: Some(tag), digest }
            }
            None => Self { repository: rest, tag: None, digest },
        }
    }

    /// The registry it comes from, as Docker's configuration names it.
    pub fn registry(&self) -> &'a str {
        match self.repository.split_once('/') {
            Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
            _ => "https://index.docker.io/v1/",
        }
    }

    /// What people would call it: the tag, or the beginning of the digest.
    pub fn version(&self) -> Option<String> {
        let short = |digest: &str| digest.trim_start_matches("sha256:").chars().take(12).collect();
        self.tag.map(str::to_owned).or_else(|| self.digest.map(short))
    }

    /// The same image with another tag.
    pub fn with_tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository)
    }
}

/// What an engine is asked to pull: without tag and digest it would pull all there are.
pub fn complete(text: &str) -> String {
    let reference = Reference::of(text);
    match (reference.tag, reference.digest) {
        (None, None) => reference.with_tag("latest"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_port_is_no_tag() {
        let plain = Reference::of("registry.example.com:5000/acme/web");
        assert_eq!((plain.repository, plain.tag), ("registry.example.com:5000/acme/web", None));
        let tagged = Reference::of("registry.example.com:5000/acme/web:1.1");
        assert_eq!(tagged.tag, Some("1.1"));
        assert_eq!(tagged.with_tag("1.2"), "registry.example.com:5000/acme/web:1.2");
    }

    #[test]
    fn an_image_without_a_registry_is_of_dockers_own() {
        for (image, registry) in [
            ("registry.example.com:5000/acme/web:1.1", "registry.example.com:5000"),
            ("localhost/web", "localhost"),
            ("acme/web:1.1", "https://index.docker.io/v1/"),
            ("web", "https://index.docker.io/v1/"),
        ] {
            assert_eq!(Reference::of(image).registry(), registry);
        }
    }

    #[test]
    fn the_version_is_the_tag_or_the_beginning_of_the_digest() {
        assert_eq!(Reference::of("web:1.1@sha256:aabb").version().unwrap(), "1.1");
        let digest = "web@sha256:0123456789abcdef";
        assert_eq!(Reference::of(digest).version().unwrap(), "0123456789ab");
        assert_eq!(Reference::of("web").version(), None);
    }

    #[test]
    fn what_is_pulled_is_one_image() {
        assert_eq!(complete("web"), "web:latest");
        assert_eq!(complete("web@sha256:aa"), "web@sha256:aa");
    }
}
