//! Verbs that change something: each becomes a run.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Map, Value};
use shunt_config::AppName;
use shunt_config::duration;
use shunt_config::serve_file::{May, is_tag};

use super::Serve;
use super::answer::{self, Answer, Refused};
use super::desk::Order;
use super::http::Asked;
use super::loaded::{Loaded, Token};
use super::look::{app_of, run_view};
use super::verbs::{Verb, sound};
use crate::engine::image::Reference;
use crate::exit::{Exit, Failure};

/// How long a request may wait for the end of its run.
const LONGEST: Duration = Duration::from_mins(10);

/// Does `verb`, or has it wait for its turn. The answer is the run; with `?wait=30s` once it is over.
pub(super) async fn act(
    serve: &Arc<Serve>,
    loaded: &Arc<Loaded>,
    token: &Token,
    verb: &'static Verb,
    asked: &Asked,
) -> Result<Answer, Refused> {
    let app = app_of(loaded, token, asked)?;
    if token.may < verb.may {
        return Err(may_not(token, verb.name, verb.may));
    }
    let wait = match asked.query("wait").map(duration::parse) {
        None => Duration::ZERO,
        Some(Ok(wait)) => wait.min(LONGEST),
        Some(Err(why)) => return Err(failed(&Failure::usage(format!("wait: {why}")))),
    };
    let wanted = verb.asked(&asked.body).map_err(|failure| failed(&failure))?;
    if wanted.contains_key("image") && token.may < May::All {
        return Err(may_not(token, "deploy another image", May::All));
    }
    let order = order(loaded, &app, token, verb, &wanted).map_err(|f| failed(&f))?;
    let done = serve.desk.take(order).map_err(|e| failed(&not_kept(&e)))?;
    let id = done.run().to_owned();
    let run = match wait.is_zero() {
        true => serve.desk.run(&id),
        false => serve.desk.over(&id, wait).await,
    };
    let Some(run) = run else { return Err(super::look::nothing()) };
    let status = if run.state.is_over() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut answer = answer::json(status, &run_view(serve, &run, true));
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/runs/{id}")) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    Ok(answer)
}

fn order(
    loaded: &Loaded,
    app: &AppName,
    token: &Token,
    verb: &Verb,
    wanted: &Map<String, Value>,
) -> Result<Order, Failure> {
    let (mut flags, words) = verb.arguments(wanted)?;
    let (mut version, mut digest) = (None, None);
    if verb.name == "deploy" {
        let text = |key: &str| match wanted.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => sound(key, text).map(|text| Some(text.to_owned())),
            Some(_) => Err(Failure::usage(format!("`{key}` is a text"))),
        };
        let (tag, image) = (text("tag")?, text("image")?);
        digest = text("digest")?;
        let ours = loaded.deploy_file(app)?.image;
        (flags, version) = match image {
            Some(_) if tag.is_some() || digest.is_some() => {
                return Err(Failure::usage("`image` goes with neither `tag` nor `digest`"));
            }
            Some(image) => (vec![format!("--image={image}")], Reference::of(&image).version()),
            None => of_image(ours.as_deref(), tag.as_deref(), digest.as_deref())?,
        };
    }
    Ok(Order {
        app: app.clone(),
        verb: verb.name.to_owned(),
        flags,
        words,
        waits: verb.waits,
        by: format!("token {}", token.name),
        why: None,
        version,
        digest,
        delivery: Vec::new(),
    })
}

/// The flags that deploy a tag or a digest of the deploy file's `image`, and the version that it is.
/// Without an image, as with units, a tag is what the release is called.
pub(super) fn of_image(
    image: Option<&str>,
    tag: Option<&str>,
    digest: Option<&str>,
) -> Result<(Vec<String>, Option<String>), Failure> {
    if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
        return Err(Failure::usage(format!("`{tag}` is no tag of an image")));
    }
    if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
        return Err(Failure::usage(format!("`{digest}` is no digest: write `sha256:…`")));
    }
    let ours = image.map(Reference::of);
    Ok(match (tag, digest) {
        (Some(tag), None) => (vec![format!("--tag={tag}")], Some(tag.to_owned())),
        (None, None) => (Vec::new(), ours.and_then(|ours| ours.version())),
        (tag, Some(digest)) => {
            let Some(Reference { repository, .. }) = ours else {
                return Err(Failure::usage("units have no image, and so no digest".to_owned()));
            };
            let tag = tag.map_or_else(String::new, |tag| format!(":{tag}"));
            let image = format!("{repository}{tag}@{digest}");
            let version = Reference::of(&image).version();
            (vec![format!("--image={image}")], version)
        }
    })
}

fn is_digest(text: &str) -> bool {
    let hex = |hex: &str| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    text.strip_prefix("sha256:").is_some_and(hex)
}

fn failed(failure: &Failure) -> Refused {
    Box::new(answer::failed(failure))
}

fn may_not(token: &Token, what: &str, may: May) -> Refused {
    let (name, has) = (&token.name, token.may.as_str());
    let said =
        format!("`{name}` may not {what}: that takes `may = \"{}\"`, not `{has}`", may.as_str());
    Box::new(answer::refused(StatusCode::FORBIDDEN, &said))
}

/// The failure of one whose order cannot be written down.
pub(super) fn not_kept(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("it cannot be written down here: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_or_digest_is_of_the_deploy_files_image() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let flags = |tag, digest: Option<&str>| {
            let (flags, version) =
                of_image(Some("registry.example.com/web:1"), tag, digest).unwrap();
            (flags.join(" "), version.unwrap_or_default())
        };
        assert_eq!(flags(Some("2"), None), ("--tag=2".to_owned(), "2".to_owned()));
        assert_eq!(flags(None, None), (String::new(), "1".to_owned()));
        let image = format!("--image=registry.example.com/web:2@{digest}");
        assert_eq!(flags(Some("2"), Some(&digest)), (image, "2".to_owned()));
        assert_eq!(flags(None, Some(&digest)).1, "a1a1a1a1a1a1");
        assert!(of_image(Some("web"), Some("--help"), None).is_err());
        assert!(of_image(Some("web"), None, Some("sha256:short")).is_err());
        assert_eq!(of_image(None, Some("2"), None).unwrap().0, ["--tag=2"]);
        assert!(of_image(None, None, Some(&digest)).is_err(), "units have no digest");
    }
}
