//! What would stop a deploy, as far as that can be told without changing anything.

use futures_util::future::join_all;
use shunt_config::store::Store;

use super::host::Host;
use super::job::Job;
use super::plan::Plan;
use super::pull::hinted;
use crate::app_keys::AppKeys;
use crate::engine;
use crate::exit::Failure;
use crate::fleet::Fleet;
use crate::flip::someone_serves;
use crate::hosts;

/// What would stop the deploy of `job` after `plan`, in the order in which it would come upon it. Asks
/// engines whether they answer, and them or their registries whether the image is there.
pub async fn foresee(
    store: &dyn Store,
    keys: &AppKeys,
    fleet: &Fleet,
    plan: &Plan,
    job: &Job,
) -> Vec<Failure> {
    let mut found: Vec<Failure> = someone_serves(fleet).err().into_iter().collect();
    found.extend(hosts::free(store, keys, fleet, job.file.route.as_ref()).await.err());
    let opened = match engine::hosts(&job.file.run, plan.slot) {
        Ok(hosts) => Host::open(hosts).await,
        Err(failure) => Err(failure),
    };
    match (opened, &job.image) {
        (Ok(hosts), Some(image)) => {
            let when = job.file.run.pull;
            let asked = join_all(hosts.iter().map(|host| async move {
                let error = host.engine.would_pull(image, when).await.err()?;
                Some(hinted(host, image, when, error).await)
            }));
            found.extend(asked.await.into_iter().flatten());
        }
        (Ok(_), None) => {}
        (Err(failure), _) => found.push(failure),
    }
    found
}
