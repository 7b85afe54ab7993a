//! The steps in which requests begin to wait, until nothing is on the old release, and are let go.

use std::time::Duration;

use shunt_config::hold::{Hold, MAX_LASTS, Mode, Then};
use shunt_config::key::AppKey;
use shunt_config::record::Step;
use shunt_config::status::{AppStatus, HoldState};
use shunt_config::store::{StoreError, Txn};
use shunt_config::{ProxyName, Token};

use super::run::Run;
use super::trouble::Trouble;
use crate::ack::{Taken, acknowledged, applied, join};
use crate::app_keys::AppKeys;
use crate::drained::leases;
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;
use crate::hold::{Asked, holds};
use crate::report::Ended;
use crate::sight::{Look, Waited};
use crate::stop::Stop;

/// What a proxy adds to the time that tunnels have: for their clients' farewell.
pub(super) const FAREWELL: Duration = Duration::from_secs(6);

/// What else may take its time between two steps.
const MARGIN: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// New requests wait in every known proxy. Should nobody come to go on, they are let through to the
    /// old release again.
    pub(super) async fn hold(&mut self) -> Result<String, Trouble> {
        let limits = self.journal.record().limits;
        let keys = self.journal.refresh().await?;
        // Found out later, visitors would wait for it.
        self.all_answer(&keys).await?;
        let lasts = (2 * limits.drain + FAREWELL + MARGIN).min(MAX_LASTS);
        let token = self.put_hold(Then::Release, lasts).await?;
        let by = self.held_by_all(&token, limits.drain, false).await?;
        Ok(format!("requests wait, in {by}"))
    }

    /// Nothing is on the old release any more.
    pub(super) async fn empty(&mut self) -> Result<String, Trouble> {
        let limit = self.journal.record().limits.drain + FAREWELL;
        let keys = self.journal.refresh().await?;
        let Some(hold) = keys.hold.as_ref().filter(|_| self.holds(&keys)) else {
            return Err(Stop::Superseded("`hold` was put by someone else".to_owned()).into());
        };
        let by = self.held_by_all(&hold.token, limit, true).await?;
        Ok(format!("no request is left on the old release, says {by}"))
    }

    /// Requests are let go, to what serves now. A proxy that does not hear of it follows when it does.
    pub(super) async fn release(&mut self) -> Result<(Ended, String), Trouble> {
        let keys = self.journal.refresh().await?;
        // The last moment: whoever undoes it from here on is refused, or this write is.
        if let Some(who) = self.journal.record().undo.clone().filter(|_| self.holds(&keys)) {
            return Err(Stop::Undo(who).into());
        }
        self.lift(&keys).await?;
        let said = self.let_through().await;
        // Not while requests wait.
        self.flipped().await;
        Ok(match said {
            Ok(by) => (Ended::Done, by),
            Err(waits) => (Ended::Skipped, format!("not everywhere yet: {waits}")),
        })
    }

    /// Whether what holds the app is this deploy's.
    pub(super) fn holds(&self, keys: &AppKeys) -> bool {
        holds(keys, self.journal.record())
    }

    /// Whether requests wait that nobody has let go yet: nothing was ever sent to the new release. The step
    /// `release` may have begun, as long as the hold is there.
    pub(super) async fn is_held(&mut self) -> Result<bool, StoreError> {
        let begun = self.journal.record().has_begun(Step::Release);
        Ok(match self.journal.record().holds() && begun {
            true => holds(&self.journal.refresh().await?, self.journal.record()),
            false => self.journal.record().holds(),
        })
    }

    /// Takes back the hold of this deploy, if there is one.
    pub(super) async fn lift(&mut self, keys: &AppKeys) -> Result<(), Trouble> {
        if self.holds(keys) {
            let key = AppKey::Hold;
            let txn = Txn::new().when(keys.unchanged(&key)).delete(key.of(&self.app));
            self.journal.write(|_| {}, txn).await?;
        }
        Ok(())
    }

    /// Waits until every live proxy lets requests through: who has said so, or what is still waited for.
    pub(super) async fn let_through(&mut self) -> Result<String, String> {
        let (report, limit) = (self.report, self.journal.record().limits.drain);
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        // Nothing that stops a deploy stops this: it is over in a moment, and there is no way back.
        match acknowledged(&mut self.sight, &Asked::Free, limit, &mut tell).await {
            Taken::Applied { by, lost } => Ok(applied(by, &lost)),
            Taken::TimedOut(said) | Taken::Superseded(said) => Err(said),
            Taken::Refused(why) => Err(join(why.keys())),
        }
    }

    pub(super) async fn put_hold(&mut self, then: Then, lasts: Duration) -> Result<Token, Trouble> {
        let keys = self.journal.refresh().await?;
        if keys.hold.is_some() != (then == Then::Refuse)
            || (keys.hold.is_some() && !self.holds(&keys))
        {
            let said = "`hold` was put, or deleted, by someone else";
            return Err(Stop::Superseded(said.to_owned()).into());
        }
        let deploy = Some(self.journal.record().id.clone());
        let (then, lasts) = (Some(then), Some(lasts));
        let spec = Hold { then, lasts, deploy, ..Hold::new(Mode::Hold) };
        let value = serde_json::to_vec(&spec).map_err(|e| Trouble::Store(e.to_string()))?;
        let key = AppKey::Hold.of(&self.app);
        let txn = Txn::new().when(keys.unchanged(&AppKey::Hold)).put(&key, value);
        let tokens = self.journal.write(|_| {}, txn).await?;
        let token = tokens.get(&key.to_string()).cloned();
        token.ok_or_else(|| Trouble::Store(format!("no token for {key}")))
    }

    /// Waits until every known proxy holds requests as `token` asks for, and, if it is to be `empty`, has
    /// none on any release. A lost one cannot say so, and is not waited for.
    pub(super) async fn held_by_all(
        &mut self,
        token: &Token,
        limit: Duration,
        empty: bool,
    ) -> Result<String, Trouble> {
        let report = self.report;
        let mut tell = |key: &str, text: &str| report.progress(key, text);
        let look = |keys: &AppKeys, fleet: &Fleet| {
            if keys.hold.as_ref().map(|kept| &kept.token) != Some(token) {
                let said = "`hold` was put, or deleted, by someone else";
                return Err(Trouble::from(Stop::Superseded(said.to_owned())));
            }
            Ok(match waits_for(fleet, token, empty).map_err(|said| not_empty(&said))? {
                waits if waits.is_empty() => Look::Done(join(fleet.live().map(|(name, _)| name))),
                waits => {
                    let text: Vec<_> = waits.iter().map(|(_, why)| why.as_str()).collect();
                    let key: Vec<_> = waits.iter().map(|(name, _)| name.as_str()).collect();
                    Look::Wait(key.join(" "), format!("waiting for {}", text.join(", ")))
                }
            })
        };
        let waited = tokio::select! {
            waited = self.sight.wait(limit, &mut tell, look) => waited?,
            stop = self.lookout.stopped() => return Err(stop.into()),
        };
        match waited {
            Waited::Done(by) => Ok(by),
            Waited::TimedOut(waits) => Err(not_empty(&format!("not in time: {waits}"))),
        }
    }
}

/// The proxies that are still waited for, and why; an error where waiting is of no use.
fn waits_for(
    fleet: &Fleet,
    token: &Token,
    empty: bool,
) -> Result<Vec<(ProxyName, String)>, String> {
    let lost: Vec<&ProxyName> = fleet.lost().collect();
    if !lost.is_empty() {
        return Err(format!("{}, lost, may still send requests to the old release", join(lost)));
    }
    let mut waits = Vec::new();
    for (name, proxy) in fleet.live() {
        for process in proxy.processes.values() {
            let said = process.status.as_ref();
            match said.and_then(|status| status.hold.as_ref()).filter(|hold| hold.token == *token) {
                Some(hold) if hold.state != HoldState::Stops => {
                    return Err(format!("the time to wait is over on {name}"));
                }
                Some(hold) if empty && !hold.leases.is_empty() => {
                    let left = [(name.clone(), Some(hold.leases.values().sum()))].into();
                    waits.push((name.clone(), leases(&left)));
                }
                Some(_) => {}
                None => match said.and_then(|status| refusal(status, token)) {
                    Some(why) => return Err(format!("refused by {name}: {why}")),
                    None => waits.push((name.clone(), format!("{name} (has not applied it yet)"))),
                },
            }
        }
    }
    match fleet.live().next() {
        Some(_) => Ok(waits),
        None => Err("no proxy is running".to_owned()),
    }
}

fn refusal<'a>(status: &'a AppStatus, token: &Token) -> Option<&'a str> {
    let refused = status.refused.iter().find(|refusal| refusal.token.as_ref() == Some(token))?;
    Some(&refused.reason)
}

/// Nothing was stopped and nothing cut.
fn not_empty(said: &str) -> Trouble {
    Failure::new(Exit::Unacknowledged, format!("the old release is not let go of: {said}"))
        .hint("nothing was stopped; `shuntctl status` shows what each proxy says")
        .into()
}
