//! Pulling an image, and by what the engine knows it.

use std::collections::HashMap;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use super::{Client, Docker, credentials, is_status};
use crate::engine::image::Reference;
use crate::engine::{EngineError, Image};
use crate::report::Tell;

impl Docker {
    pub(super) async fn download(
        &self,
        image: &str,
        tell: &mut Tell<'_>,
    ) -> Result<(), EngineError> {
        let options = CreateImageOptionsBuilder::default().from_image(image).build();
        let mut layers = Layers::default();
        let client = self.with_credentials(image).await?;
        let mut stream = Box::pin(client.create_image(Some(options), None, None));
        while let Some(info) = stream.next().await {
            match info {
                Err(error) if is_status(&error, 404) => {
                    let (engine, image) = (self.name.clone(), format!("{image}: {error}"));
                    return Err(EngineError::NoImage { engine, image });
                }
                info => layers.note(info.map_err(|error| self.failed(&error))?),
            }
            tell("pulling", &layers.text(image));
        }
        Ok(())
    }

    /// An error where the engine finds no `image` in its registry. Nothing is downloaded.
    pub(super) async fn in_registry(&self, image: &str) -> Result<(), EngineError> {
        let client = self.with_credentials(image).await?;
        match client.inspect_registry_image(image, None).await {
            Ok(_) => Ok(()),
            // An engine that is none of Docker's may not know the question.
            Err(error)
                if is_status(&error, 404) && error.to_string().contains("page not found") =>
            {
                Ok(())
            }
            Err(error)
                if is_status(&error, 404) || error.to_string().contains("manifest unknown") =>
            {
                let (engine, image) = (self.name.clone(), format!("{image}: {error}"));
                Err(EngineError::NoImage { engine, image })
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The client, with what the registry of `image` is shown.
    async fn with_credentials(&self, image: &str) -> Result<Client, EngineError> {
        let wrong = |reason| EngineError::Credentials { engine: self.name.clone(), reason };
        let client = self.client.clone();
        Ok(match credentials::header(image).await.map_err(wrong)? {
            Some(value) => client.with_request_modifier(move |mut request| {
                request.headers_mut().insert("x-registry-auth", value.clone());
                request
            }),
            None => client,
        })
    }

    /// By what the engine knows `image`; `None` if it does not.
    pub(super) async fn known(&self, image: &str) -> Result<Option<Image>, EngineError> {
        let found = match self.client.inspect_image(image).await {
            Err(error) if is_status(&error, 404) => return Ok(None),
            found => found.map_err(|error| self.failed(&error))?,
        };
        let repository = Reference::of(image).repository;
        let digests = found.repo_digests.unwrap_or_default();
        let (id, own) = (
            found.id,
            digests.into_iter().find(|digest| Reference::of(digest).repository == repository),
        );
        // An image built or loaded here has no digest of a registry; its id is as exact.
        let by_digest = own.is_some();
        let reference = own.or_else(|| id.clone()).unwrap_or_else(|| image.to_owned());
        Ok(Some(Image { reference, by_digest, id }))
    }
}

/// How far a pull has come, over all layers.
#[derive(Debug, Default)]
struct Layers(HashMap<String, (i64, i64)>);

impl Layers {
    fn note(&mut self, info: CreateImageInfo) {
        let (Some(id), Some(detail)) = (info.id, info.progress_detail) else { return };
        let downloading = info.status.as_deref() == Some("Downloading");
        if let (true, Some(current), Some(total)) = (downloading, detail.current, detail.total) {
            self.0.insert(id, (current, total));
        }
    }

    fn text(&self, image: &str) -> String {
        let mib = |bytes: i64| bytes / (1 << 20);
        let (current, total) =
            self.0.values().fold((0, 0), |(a, b), (current, total)| (a + current, b + total));
        match total {
            0 => image.to_owned(),
            _ => format!("{image}: {} of {} MiB", mib(current), mib(total)),
        }
    }
}
