//! Whether a deploy that is undone has heard of it: one that runs does the rest itself.

use std::time::Duration;

use shunt_config::record::Deploy;
use shunt_config::store::{LEASE_TTL, Store};
use shunt_config::{AppName, Token};
use tokio::time::{Instant, sleep};

use crate::app_keys::AppKeys;
use crate::exit::Failure;
use crate::lock::{holder, is_held};
use crate::report::Report;

/// For longer than this no lock outlives its holder: the lease, and what a store takes to see that it is
/// over.
const OUTLIVES: Duration = Duration::from_secs(LEASE_TTL.as_secs() + 3);

/// Whoever runs a deploy has seen by then that it is undone, as a rule.
const MOMENT: Duration = Duration::from_secs(1);

/// How often the record is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Who has heard that a deploy is undone.
pub(super) enum Heard {
    /// None is half done any more.
    Over,
    /// Whoever runs it, in words.
    By(String),
    /// Its controller is gone, and so is its lock.
    ByNobody,
}

/// Waits until whoever holds the lock of `app` writes on in its record, which was put as `asked`, or the
/// lock is gone.
pub(super) async fn heard(
    report: &Report,
    store: &dyn Store,
    app: &AppName,
    mut asked: Option<Token>,
) -> Result<Heard, Failure> {
    let (began, mut told) = (Instant::now(), false);
    loop {
        let keys = AppKeys::read(store, app).await?;
        if !keys.record().is_some_and(Deploy::unfinished) {
            return Ok(Heard::Over);
        }
        if !is_held(&keys) {
            return Ok(Heard::ByNobody);
        }
        let now = keys.deploy.as_ref().map(|kept| kept.token.clone());
        asked = asked.or_else(|| now.clone());
        // One that stands for longer has a holder that lives.
        if asked != now || began.elapsed() > OUTLIVES {
            return Ok(Heard::By(holder(&keys)));
        }
        if began.elapsed() > MOMENT && !std::mem::replace(&mut told, true) {
            report.note(&format!("waiting for a sign of life: {}", holder(&keys)));
        }
        sleep(LOOK).await;
    }
}
