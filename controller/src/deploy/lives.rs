//! Whether the containers of a release that is watched go on running: one that ends and is started again by
//! its engine is away too shortly for a health check, and for few requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::check::last_lines_of;
use super::run::Run;
use crate::engine::{self, State, label};
use crate::judge::Finding;
use crate::workers::Placed;

/// How often they are looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Looks in a row at which one has to be ended: an engine that is being restarted starts them again.
const LOOKS: u32 = 3;

impl Run<'_> {
    /// The containers of the new release that get requests, so far as their engines answer.
    pub(super) async fn serving(&self) -> Vec<Placed> {
        let record = self.journal.record();
        let mut found = Vec::new();
        for engine in &record.engines {
            let Ok(engine) = engine::open(engine).await else { continue };
            let labels = label::of_deploy(&self.app, &record.id);
            let mut all = engine.list(&labels).await.unwrap_or_default();
            all.retain(|container| !label::is_worker(container));
            let placed = |container| Placed { engine: Arc::clone(&engine), container };
            found.extend(all.into_iter().map(placed));
        }
        found
    }
}

/// Waits until one of `all` has ended. An engine that does not answer says nothing of that.
pub(super) async fn ended(all: &[Placed]) -> Finding {
    let mut looks = BTreeMap::new();
    loop {
        for Placed { engine, container } in all {
            let seen: &mut u32 = looks.entry(&container.id).or_default();
            match engine.state(&container.id).await {
                Ok(State::Ended(how)) => {
                    *seen += 1;
                    if *seen == LOOKS {
                        let last = last_lines_of(&**engine, container).await;
                        return Finding::Ended(format!("{} {how}", container.name), last);
                    }
                }
                Ok(_) => *seen = 0,
                Err(_) => {}
            }
        }
        sleep(GLANCE).await;
    }
}
