//! A change of `hold` by hand, from its refusal to its acknowledgement.

use std::time::Duration;

use serde_json::json;
use shunt_config::AppName;
use shunt_config::hold::{Hold as Spec, Mode};
use shunt_config::key::AppKey;
use shunt_config::store::Txn;

use crate::app_keys::{AppKeys, Kept};
use crate::context::Context;
use crate::exit::Failure;
use crate::flip::{someone_serves, unlocked};
use crate::history::Open;
use crate::hold::Asked;
use crate::lock::is_held;
use crate::report::Ended;
use crate::sight::Sight;
use crate::verb::announce::changed_meanwhile;
use crate::verb::flip::{Ways, unsure, wait_applied};
use crate::verb::status::no_app;

/// A refusal says enough.
const WAYS: Ways = Ways {
    refused: None,
    late: "it stays as it was put, and proxies follow when they can: `shuntctl status` shows who differs",
};

/// A change of `hold` by hand.
pub(super) struct Change<'a> {
    pub(super) verb: &'static str,
    pub(super) app: &'a AppName,
    /// The mode that is begun or ended.
    pub(super) of: Mode,
    /// What is put; `None` for nothing any more.
    pub(super) to: Option<Spec>,
}

impl Change<'_> {
    /// Puts it, and waits for `limit` at most until every live proxy does it.
    pub(super) async fn run(self, context: &Context, limit: Duration) -> Result<(), Failure> {
        let (report, app) = (&context.report, self.app);
        if let Some(mistake) = self.to.as_ref().and_then(|spec| spec.validate().err()) {
            return Err(Failure::usage(mistake.to_string()));
        }
        let store = context.store()?;
        let mut sight = Sight::open(&store, app).await?;
        let keys = sight.keys.clone();
        if keys.app.is_none() {
            return Err(no_app(app, &*store));
        }
        self.refuse_what_is_anothers(&keys)?;
        someone_serves(&sight.fleet)?;
        report.begin(self.verb, &format!("`{app}`"));
        if self.to.is_none() && keys.hold.is_none() {
            report.end(Ended::Skipped, &self.said());
            return wait_applied(report, &mut sight, &Asked::Free, limit, &WAYS).await;
        }
        let entry = Open::plain(self.verb, &keys).reason(self.reason());
        let txn = entry.begin(self.txn(&keys)?, &keys);
        report.stands(unsure(app));
        let outcome = store.commit(txn).await?;
        if outcome == shunt_config::store::Outcome::Refused {
            return Err(changed_meanwhile(&AppKeys::read(&*store, app).await?));
        }
        report.end(Ended::Done, &self.said());
        let token = outcome.token(AppKey::Hold.of(app));
        report.stands(format!("{} all the same; {}", self.said(), self.back()));
        report.event(self.verb, json!({ "app": app, "hold": self.to, "token": token }));
        let asked = token.map_or(Asked::Free, Asked::Held);
        let done = wait_applied(report, &mut sight, &asked, limit, &WAYS).await;
        entry.end(&*store, &outcome, &done).await;
        done
    }

    fn txn(&self, keys: &AppKeys) -> Result<Txn, Failure> {
        let key = AppKey::Hold.of(self.app);
        let txn = Txn::new().when(unlocked(keys)).when(keys.unchanged(&AppKey::Hold));
        Ok(match &self.to {
            Some(spec) => {
                let value = serde_json::to_vec(spec).map_err(|e| Failure::usage(e.to_string()))?;
                txn.put(key, value)
            }
            None => txn.delete(key),
        })
    }

    /// Who lets a deploy's requests through sends them to whatever it has left half done.
    fn refuse_what_is_anothers(&self, keys: &AppKeys) -> Result<(), Failure> {
        let app = self.app;
        let Some(present) = keys.hold.as_ref().and_then(Kept::ok) else { return Ok(()) };
        if let Some(deploy) = present.deploy.as_ref().filter(|_| !is_held(keys)) {
            let said = format!("`{app}` is held by deploy {deploy}, which is half done");
            let hint = format!("`shuntctl resume {app}` finishes or undoes it");
            return Err(Failure::usage(said).hint(hint));
        }
        if present.mode == self.of {
            return Ok(());
        }
        let (said, way) = match present.mode {
            Mode::Hold => ("held", format!("`shuntctl release {app}`")),
            Mode::Maintenance => ("in maintenance", format!("`shuntctl maintenance {app} off`")),
        };
        Err(Failure::usage(format!("`{app}` is {said}")).hint(format!("{way} ends that")))
    }

    fn said(&self) -> String {
        let app = self.app;
        match (self.of, self.to.is_some()) {
            (Mode::Hold, true) => format!("requests of `{app}` are to wait"),
            (Mode::Maintenance, true) => format!("`{app}` is to be in maintenance"),
            (_, false) => format!("requests of `{app}` are to go through"),
        }
    }

    /// How to take it back.
    fn back(&self) -> String {
        let app = self.app;
        match (self.of, self.to.is_some()) {
            (Mode::Hold, true) => format!("`shuntctl release {app}` ends that"),
            (Mode::Maintenance, true) => format!("`shuntctl maintenance {app} off` ends that"),
            (_, false) => format!("`shuntctl status {app}` shows which proxies do so"),
        }
    }

    /// What its entry in the history says.
    fn reason(&self) -> Option<String> {
        match (self.of, &self.to) {
            (Mode::Maintenance, Some(spec)) => {
                Some(spec.message.as_ref().map_or_else(|| "on".to_owned(), |m| format!("on: {m}")))
            }
            (Mode::Maintenance, None) => Some("off".to_owned()),
            (Mode::Hold, spec) => spec.as_ref().map(|spec| {
                let lasts = spec.lasts().map(crate::time::show).unwrap_or_default();
                format!("for {lasts}, then {}", spec.then())
            }),
        }
    }
}
