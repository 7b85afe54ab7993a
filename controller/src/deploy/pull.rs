//! The step in which every host gets the image, and all get the same one.

use futures_util::future::try_join_all;
use shunt_config::deploy_file::Pull;
use shunt_config::record::Deploy;
use shunt_config::store::Txn;

use super::host::Host;
use super::job::Job;
use super::run::Run;
use super::trouble::Trouble;
use crate::engine::{EngineError, Image};
use crate::exit::Failure;
use crate::report::Report;

impl Run<'_> {
    pub(super) async fn pull(&mut self, job: &Job) -> Result<String, Trouble> {
        let images = tokio::select! {
            images = same_everywhere(self.report, &self.hosts, job) => images?,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        let Some(first) = images.first() else { return Ok("nowhere".to_owned()) };
        let reference = first.reference.clone();
        // An id of one engine alone would tell nobody else what ran; the name given does. But a name may
        // stand for something else later.
        let (shown, id) = match first.by_digest {
            true => (reference.clone(), None),
            false => (named(job).to_owned(), first.id.clone()),
        };
        let change = |record: &mut Deploy| (record.image, record.image_id) = (Some(shown), id);
        self.journal.write(change, Txn::new()).await?;
        for (host, image) in self.hosts.iter_mut().zip(images) {
            host.image = Some(image.reference);
        }
        Ok(reference)
    }
}

/// Pulls the image on all hosts at once. A tag that was moved meanwhile is another image on some:
/// then the one of the first host is it.
async fn same_everywhere(
    report: &Report,
    hosts: &[Host],
    job: &Job,
) -> Result<Vec<Image>, Trouble> {
    let (wanted, when) = match &job.image_id {
        // No registry knows it by this name.
        Some(id) => (id.as_str(), Pull::Never),
        None => (named(job), job.file.run.pull),
    };
    let all = hosts.iter().map(|host| async move {
        match on(report, hosts, host, wanted, when).await {
            Ok(image) => Ok(image),
            Err(error) => Err(explained(host, job, (wanted, when), error).await),
        }
    });
    let mut images = try_join_all(all).await?;
    let Some(first) = images.first().cloned() else { return Ok(images) };
    for (host, image) in hosts.iter().zip(&mut images).skip(1) {
        let same = |image: &Image| {
            image.reference == first.reference || (image.id.is_some() && image.id == first.id)
        };
        if !same(image) && first.by_digest && when != Pull::Never {
            *image = on(report, hosts, host, &first.reference, Pull::Missing).await?;
        }
        if !same(image) {
            let (engine, at) = (host.engine.name(), hosts[0].engine.name());
            let said = format!(
                "{} is not the same image on all hosts: {} on {at}, {} on {engine}",
                named(job),
                first.reference,
                image.reference
            );
            let hint = "push it to a registry that all hosts pull from";
            return Err(Failure::usage(said).hint(hint).into());
        }
    }
    Ok(images)
}

fn named(job: &Job) -> &str {
    job.image.as_deref().unwrap_or_default()
}

/// Why `wanted` was not to be had on `host`; it may have to be an image of before.
async fn explained(
    host: &Host,
    job: &Job,
    (wanted, when): (&str, Pull),
    error: EngineError,
) -> Failure {
    let (EngineError::NoImage { engine, .. }, Some(id)) = (&error, &job.image_id) else {
        return hinted(host, wanted, when, error).await;
    };
    let (name, version) = (named(job), job.version.as_deref().unwrap_or("the release"));
    let said = format!("{version} ran {id}, which engine {engine} does not have any more");
    let hint = format!(
        "no registry has it, and `{name}` may be another image by now: `shuntctl deploy --image {name}` \
         deploys what it is"
    );
    Failure::usage(said).hint(hint)
}

async fn on(
    report: &Report,
    hosts: &[Host],
    host: &Host,
    image: &str,
    when: Pull,
) -> Result<Image, EngineError> {
    let name = host.engine.name();
    let mut tell = |key: &str, text: &str| match hosts.len() {
        1 => report.progress(key, text),
        _ => report.progress(&format!("{name} {key}"), &format!("{name}: {text}")),
    };
    host.engine.pull(image, when, &mut tell).await
}

/// Why `image` was not to be had on `host`, with the way out where it was built there, and is in no
/// registry.
pub(super) async fn hinted(host: &Host, image: &str, when: Pull, error: EngineError) -> Failure {
    let no_image = matches!(error, EngineError::NoImage { .. });
    let refused = matches!(error, EngineError::Refused { .. });
    let failure = Failure::from(error);
    if when == Pull::Never {
        let hint = "with `pull = \"never\"` it has to be built or loaded there before";
        return if no_image { failure.hint(hint) } else { failure };
    }
    match no_image || refused {
        true if host.engine.would_pull(image, Pull::Never).await.is_ok() => {
            let hint = "that engine has an image of this name: `pull = \"never\"` in [run] takes it, and \
                        asks no registry";
            failure.hint(hint)
        }
        true => failure.hint(
            "`docker push` puts it into its registry; for one that is private, \
                              `docker login` where shuntctl runs",
        ),
        false => failure,
    }
}
