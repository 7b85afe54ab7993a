//! What is kept of releases that are gone: their containers, stopped, for their output; and their images.
//! Both by count, the newest first, and by what is known to be the app's alone: labels for containers,
//! its own history for images.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use shunt_config::record::Outcome;
use shunt_config::store::StoreError;
use shunt_config::{AppName, Engine, Slot};

use super::Reaper;
use super::orphans::{deploys, is_shelved};
use crate::app_keys::{AppKeys, Kept};
use crate::engine::{self, Container, label};
use crate::exit::Failure;
use crate::fence::NotDone;

/// How much is kept on each host of releases that are gone; the newest stay.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Of how many releases the containers stay.
    pub releases: u16,
    /// How many images that nothing uses stay; `None` for all.
    pub images: Option<u16>,
}

/// Something that is removed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The engine.
    pub engine: String,
    /// What it is.
    pub what: What,
}

/// What is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A container of a release that is gone, by its name.
    Container(String),
    /// An image that nothing uses, as the history names it.
    Image(String),
}

impl Reaper<'_> {
    /// Removes what is kept of releases that are gone beyond what is to be kept. May be repeated. What
    /// cannot be removed is told, and no failure: the next run looks again.
    pub(super) async fn tidy(&self, engines: &[Engine], app: &AppName) -> Result<(), Failure> {
        let count = Count { releases: self.limits.keep, images: self.limits.keep_images };
        if count.releases == 0 && count.images.is_none() {
            return Ok(());
        }
        let (_, missed) = self.prune(engines, app, count, false).await?;
        for why in missed {
            self.report
                .note(&format!("what is kept of releases that are gone is not counted: {why}"));
        }
        Ok(())
    }

    /// Removes, on each of `engines`, what is kept beyond `count` of releases that are gone; with `dry` it
    /// only tells. What was removed, and which engines did not answer.
    pub async fn prune(
        &self,
        engines: &[Engine],
        app: &AppName,
        count: Count,
        dry: bool,
    ) -> Result<(Vec<Pruned>, Vec<String>), Failure> {
        let keys = self.keys(app).await?;
        self.held.still_in(&keys)?;
        // A key that cannot be read may name anything.
        let Some(named) = deploys(&keys) else { return Ok((Vec::new(), Vec::new())) };
        let named: BTreeSet<String> = named.into_iter().collect();
        let (keys, named) = (&keys, &named);
        let all = engines.iter().map(|engine| async move {
            let mut pruned = Vec::new();
            match self.prune_one(engine, keys, named, count, dry, &mut pruned).await {
                Err(NotDone::Store(error)) => Err(error),
                Err(NotDone::Engine(error)) => Ok((pruned, Some(error.to_string()))),
                Ok(()) => Ok((pruned, None)),
            }
        });
        let all: Result<Vec<_>, StoreError> = join_all(all).await.into_iter().collect();
        let (pruned, missed): (Vec<_>, Vec<_>) = all?.into_iter().unzip();
        Ok((pruned.concat(), missed.into_iter().flatten().collect()))
    }

    async fn prune_one(
        &self,
        engine: &Engine,
        keys: &AppKeys,
        named: &BTreeSet<String>,
        count: Count,
        dry: bool,
        pruned: &mut Vec<Pruned>,
    ) -> Result<(), NotDone> {
        let labels = label::of_app(&keys.name, &keys.store);
        let (engine, all) = engine::look(engine, &labels).await?;
        let mut tell = |what: What| {
            pruned.push(Pruned { engine: engine.name().to_owned(), what });
        };
        let gone = surplus(&all, keys, named, count.releases);
        let fence = self.fence(&keys.name);
        for container in &gone {
            let unnamed = |keys: &AppKeys| {
                let id = container.labels.get(label::DEPLOY);
                deploys(keys).zip(id).is_some_and(|(named, id)| !named.contains(id))
            };
            let removal = engine.remove(&container.id, self.limits.stop);
            if dry || fence.act_if(unnamed, removal).await?.is_some() {
                tell(What::Container(container.name.clone()));
            }
        }
        let Some(images) = count.images else { return Ok(()) };
        for image in old_images(keys, named, images) {
            // Dry, nobody can tell what its removal would say.
            if dry || fence.act(engine.remove_image(&image)).await? {
                tell(What::Image(image));
            }
        }
        Ok(())
    }
}

/// Those of the containers of an engine that are kept of releases that are gone, but of one too old.
fn surplus<'a>(
    all: &'a [Container],
    keys: &AppKeys,
    named: &BTreeSet<String>,
    keep: u16,
) -> Vec<&'a Container> {
    let shelved = all.iter().filter_map(|container| {
        let id = container.labels.get(label::DEPLOY)?;
        (!named.contains(id) && is_shelved(keys, container, id)).then_some((id, container))
    });
    let shelved: Vec<(&String, &Container)> = shelved.collect();
    // An id begins with its time.
    let releases: BTreeSet<&String> = shelved.iter().map(|(id, _)| *id).collect();
    let newest: BTreeSet<&String> = releases.into_iter().rev().take(usize::from(keep)).collect();
    let old = shelved.into_iter().filter(|(id, _)| !newest.contains(id));
    old.map(|(_, container)| container).collect()
}

/// The images of releases that are gone, as the history names them, without the `keep` newest.
fn old_images(keys: &AppKeys, named: &BTreeSet<String>, keep: u16) -> Vec<String> {
    let in_slot = |slot: Slot| keys.slot(slot)?.ok()?.image.clone();
    let mut used: BTreeSet<String> = Slot::BOTH.into_iter().filter_map(in_slot).collect();
    let entries = keys.history.iter().filter_map(|(id, kept)| Some((id, Kept::ok(kept)?)));
    let deploys = entries.filter(|(_, e)| e.verb == "deploy" && e.outcome == Outcome::Done).rev();
    let deploys: Vec<_> = deploys.filter_map(|(id, e)| Some((id, e.image.clone()?))).collect();
    used.extend(deploys.iter().filter(|(id, _)| named.contains(*id)).map(|(_, i)| i.clone()));
    let mut seen = BTreeSet::new();
    let gone = deploys.into_iter().map(|(_, image)| image);
    let gone = gone.filter(|image| !used.contains(image) && seen.insert(image.clone()));
    gone.skip(usize::from(keep)).collect()
}
