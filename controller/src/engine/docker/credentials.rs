//! What a private registry is shown: the credentials that `docker login` has written down, or that a
//! credential helper keeps. None is ever written anywhere.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;

use data_encoding::BASE64URL;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use http::HeaderValue;
use serde_json::json;

use crate::engine::image::Reference;

/// The value of `X-Registry-Auth` for a pull of `image`; `None` where nothing is known of its
/// registry.
pub(super) async fn header(image: &str) -> Result<Option<HeaderValue>, String> {
    let registry = Reference::of(image).registry().to_owned();
    let asked = registry.clone();
    // A helper is a program that may take its time.
    let known = tokio::task::spawn_blocking(move || credential(&asked)).await;
    let known = known.map_err(|e| e.to_string())?;
    let known = known.map_err(|why| format!("credentials of {registry}: {why}"))?;
    let Some(credential) = known else { return Ok(None) };
    let value = match credential {
        DockerCredential::IdentityToken(token) => {
            json!({ "identitytoken": token, "serveraddress": registry })
        }
        DockerCredential::UsernamePassword(username, password) => {
            json!({ "username": username, "password": password, "serveraddress": registry })
        }
    };
    // With the alphabet for URLs. bollard takes the other one, and an engine that cannot read the
    // header goes on as if there was none.
    let value = HeaderValue::try_from(BASE64URL.encode(value.to_string().as_bytes()));
    let mut value = value.map_err(|e| e.to_string())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// From `DOCKER_AUTH_CONFIG`, which holds a configuration itself as in GitLab's pipelines, or from
/// Docker's `config.json`.
fn credential(registry: &str) -> Result<Option<DockerCredential>, String> {
    if let Ok(text) = std::env::var("DOCKER_AUTH_CONFIG")
        && let Some(found) = known(get_credential_from_reader(text.as_bytes(), registry))
            .map_err(|why| format!("DOCKER_AUTH_CONFIG: {why}"))?
    {
        return Ok(Some(found));
    }
    let variable = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
    let home = || Some(PathBuf::from(variable("HOME")?).join(".docker"));
    let Some(path) = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home) else {
        return Ok(None);
    };
    let path = path.join("config.json");
    let wrong = |why: String| format!("{}: {why}", path.display());
    match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
        Ok(file) => known(get_credential_from_reader(file, registry)).map_err(wrong),
    }
}

/// What is known; that nothing is known is no mistake: an image may be public.
fn known(
    read: Result<DockerCredential, CredentialRetrievalError>,
) -> Result<Option<DockerCredential>, String> {
    match read {
        Ok(credential) => Ok(Some(credential)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // The words of all helpers that are made with Docker's own library.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(None)
        }
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }) => {
            Err(format!("`{helper}` failed: {} {}", stdout.trim(), stderr.trim()).trim().to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
