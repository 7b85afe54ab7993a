//! The step that waits for visitors who stay on the old release.

use super::run::Run;
use super::trouble::Trouble;
use crate::report::Ended;
use crate::stay::{setting, who_is_left};

impl Run<'_> {
    /// Waits until nobody stays on the old release, or has to go. Whoever stays goes on staying when
    /// this ends early.
    pub(super) async fn sessions(&mut self) -> Result<(Ended, String), Trouble> {
        let previous = self.journal.record().previous.clone();
        let keys = self.journal.refresh().await?;
        let (Some(previous), Some(setting)) = (previous, setting(&keys)) else {
            return Ok((Ended::Skipped, "nobody stays on an old release".to_owned()));
        };
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let tokens = [previous.token];
        let left = tokio::select! {
            left = who_is_left(&mut self.sight, &tokens, setting.deadline, &mut tell) => left,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        Ok(match left {
            None => (Ended::Done, "nobody is left on the old release".to_owned()),
            Some(left) => (Ended::Skipped, left),
        })
    }
}
