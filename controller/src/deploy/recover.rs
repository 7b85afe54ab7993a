//! Finishing or undoing a deploy whose controller is gone.

use std::sync::Arc;

use shunt_config::engine::EngineUrl;
use shunt_config::record::{Deploy, Stage, Step};
use shunt_config::store::Store;

use super::run::Run;
use super::trouble::Trouble;
use crate::app_keys::AppKeys;
use crate::exit::{Exit, Failure};
use crate::lock::Held;
use crate::report::Report;
use crate::stop::Stop;

/// Finishes or undoes the deploy that `keys` show half done, and lets go of the lock: before its
/// flip it is undone, after it the rest of it is done. It does not wait for engines that are
/// `forgotten`. What became of it, in words.
pub async fn recover(
    report: &Report,
    store: &Arc<dyn Store>,
    held: Held,
    keys: &AppKeys,
    record: &Deploy,
    forgotten: &[EngineUrl],
) -> Result<String, Failure> {
    let version = record.version.as_deref().unwrap_or("a release");
    let name = format!("the deploy of {version} that {} began", record.who);
    report.note(&format!("{name} is half done"));
    // Its secrets are not in the record: what its containers, checks and hooks write may have them in it.
    let _uncovered = record.has_secrets().then(|| report.hidden().lack());
    let mut run = Run::new(report, store, &held, keys, record.clone()).await?;
    run.forgotten = forgotten.to_vec();
    let ended = match record.stage {
        Stage::Flipped | Stage::Acknowledged => {
            let done = run.rest(record).await;
            Box::pin(run.end(done)).await
        }
        Stage::Preparing | Stage::Announced | Stage::Canary | Stage::Undoing | Stage::Warm => {
            let gone = "its controller was gone, so it was undone".to_owned();
            Box::pin(run.end(Err(Trouble::Other(Failure::new(Exit::Undone, gone))))).await
        }
    };
    match ended {
        Ok(()) => Ok(format!("{name} is finished")),
        Err(failure) if failure.exit == Exit::Undone && failure.hint.is_none() => {
            Ok(format!("{name} is undone: {}", failure.said))
        }
        Err(failure) => Err(failure),
    }
}

impl Run<'_> {
    /// The steps that are left after the flip.
    async fn rest(&mut self, record: &Deploy) -> Result<(), Trouble> {
        if let Some(who) = &record.undo {
            return Err(Stop::Undo(who.clone()).into());
        }
        let done = match record.stage {
            Stage::Acknowledged => Step::Acknowledge,
            _ => Step::Flip,
        };
        let rest = record.after(done);
        let own = rest.iter().copied().filter(|step| *step != Step::Sessions);
        self.walk(&own.collect::<Vec<_>>(), None).await?;
        // To wait for visitors, for hours maybe, was that one's wish, and is not the next one's. They
        // stay all the same.
        if rest.contains(&Step::Sessions)
            && let Some(stay) = record.previous.as_ref().and_then(|old| self.staying(&old.token))
        {
            self.report
                .note(&format!("not waited for: {}, on the old release", stay.text(stay.until)));
        }
        Ok(())
    }
}
