//! What a deploy has left to be run when the release before it is gone for good.

use std::future::pending;

use shunt_config::AppName;
use shunt_config::record::Draining;

use super::Reaper;
use crate::exit::Failure;
use crate::hook::{Hook, Variables};

impl Reaper<'_> {
    /// Runs it; why not, where it fails. Then the entry stays, and whoever looks next tries again.
    pub(super) async fn finish(
        &self,
        app: &AppName,
        draining: &Draining,
    ) -> Result<Option<String>, Failure> {
        let Some(finish) = &draining.finish else { return Ok(None) };
        self.held.still_in(&self.keys(app).await?)?;
        let hook = Hook {
            name: "finish",
            command: &finish.command,
            timeout: finish.timeout,
            variables: Variables::of_finish(app, finish).and("SHUNT_STEP", "finish"),
        };
        match hook.run(self.report, pending::<()>()).await {
            Ok(Ok(())) | Err(()) => Ok(None),
            Ok(Err(failed)) => Ok(Some(format!("it is stopped, but {}", failed.said))),
        }
    }
}
