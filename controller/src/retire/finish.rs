//! What a deploy has left to be run when the release before it is gone for good.

use shunt_config::AppName;
use shunt_config::record::Draining;
use shunt_config::store::StoreError;

use super::Reaper;
use crate::exit::Failure;
use crate::hook::{Hook, Turn, Variables};

impl Reaper<'_> {
    /// Runs it; why not, where it fails. Then the entry stays, and whoever looks next tries again.
    pub(super) async fn finish(
        &self,
        app: &AppName,
        draining: &Draining,
    ) -> Result<Option<String>, Failure> {
        let Some(finish) = &draining.finish else { return Ok(None) };
        let keys = self.keys(app).await?;
        self.held.still_in(&keys)?;
        let hook = Hook {
            name: "finish",
            command: &finish.command,
            timeout: finish.timeout,
            variables: Variables::of_finish(app, finish).and("SHUNT_STEP", "finish"),
            turn: Some(Turn::of(&keys.store, app)),
        };
        // Whoever has the lock next runs it again, on another machine maybe.
        match hook.run(self.report, self.held.lost()).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(failed)) => Ok(Some(format!("it is stopped, but {}", failed.said))),
            Err(()) => Err(StoreError::LeaseLost.into()),
        }
    }
}
