//! What a delivery tells, in words that all providers have in common, and whether it is deployed.

use shunt_config::serve_file::{Parts, Webhook, is_tag};

use crate::engine::image::Reference;

/// Something that could be deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Push {
    /// What it alone is known by, where a delivery tells of several.
    pub(super) key: Option<String>,
    /// A tag, of an image or of a repository.
    pub(super) tag: Option<String>,
    /// A branch or tag of a repository.
    pub(super) reference: Option<String>,
    /// A commit's id.
    pub(super) sha: Option<String>,
    /// An image's digest.
    pub(super) digest: Option<String>,
    /// The image, where it is told which.
    pub(super) image: Option<Image>,
}

/// An image without tag and digest, as a provider names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Image {
    /// With its registry: `ghcr.io/acme/web`.
    Whole(String),
    /// Of a registry that does not know by what name it is reached: `acme/web`.
    Path(String),
    /// Of Docker's own.
    Hub(String),
}

impl Image {
    /// Whether it is the deploy file's `image`.
    fn is(&self, image: &str) -> bool {
        let repository = Reference::of(image).repository;
        let (host, path) = match repository.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (Some(host), path)
            }
            _ => (None, repository),
        };
        match self {
            Self::Whole(name) => name.eq_ignore_ascii_case(repository),
            Self::Path(name) => name == path,
            Self::Hub(name) => {
                let hub = host.is_none_or(|host| matches!(host, "docker.io" | "index.docker.io"));
                let plain = |name: &str| name.strip_prefix("library/").unwrap_or(name).to_owned();
                hub && plain(name) == plain(path)
            }
        }
    }
}

/// Tag and digest of what is to be deployed for `push`; why nothing is, otherwise.
pub(super) fn wanted(
    hook: &Webhook,
    image: &str,
    push: &Push,
) -> Result<(Option<String>, Option<String>), String> {
    if push.image.as_ref().is_some_and(|told| !told.is(image)) {
        return Err("it tells of another image than the deploy file's".to_owned());
    }
    if !hook.refs.is_empty() {
        let reference = push.reference.as_deref().ok_or("it names no branch or tag")?;
        if !hook.refs.iter().any(|pattern| pattern.matches(reference)) {
            return Err(format!("`{reference}` is none of `refs`"));
        }
    }
    let parts = Parts {
        tag: push.tag.as_deref(),
        reference: push.reference.as_deref(),
        sha: push.sha.as_deref(),
    };
    // Of a tag that is made of other things the digest is not known.
    let digest = push.digest.clone().filter(|_| hook.image_tag.is_plain());
    let tag = match hook.image_tag.fill(parts) {
        Ok(tag) => tag,
        Err(_) if digest.is_some() && hook.tags.is_empty() => return Ok((None, digest)),
        Err("tag") => {
            return Err(
                "it names no tag; `image_tag` can make one of `{ref}` and `{sha}`".to_owned()
            );
        }
        Err(missing) => return Err(format!("it has no `{missing}` to make a tag of")),
    };
    if !is_tag(&tag) {
        return Err("what it names is no tag of an image".to_owned());
    }
    if !hook.tags.is_empty() && !hook.tags.iter().any(|pattern| pattern.matches(&tag)) {
        return Err(format!("`{tag}` is none of `tags`"));
    }
    Ok((Some(tag), digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_the_same_by_what_their_provider_calls_them() {
        for (told, image, same) in [
            (Image::Whole("ghcr.io/Acme/web".into()), "ghcr.io/acme/web:1", true),
            (Image::Whole("ghcr.io/acme/web".into()), "ghcr.io/acme/other", false),
            (Image::Path("acme/web".into()), "registry.example.com:5000/acme/web", true),
            (Image::Path("acme/web".into()), "registry.example.com/other/acme/web", false),
            (Image::Hub("acme/web".into()), "acme/web:1", true),
            (Image::Hub("acme/web".into()), "docker.io/acme/web", true),
            (Image::Hub("acme/web".into()), "ghcr.io/acme/web", false),
            (Image::Hub("library/nginx".into()), "nginx", true),
        ] {
            assert_eq!(told.is(image), same, "{told:?} {image}");
        }
    }
}
