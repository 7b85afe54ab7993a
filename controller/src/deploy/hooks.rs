//! The operator's own commands, as steps of a deploy and beside them.

use std::future::pending;

use shunt_config::command::Command;
use shunt_config::pass::MOST;

use super::run::Run;
use super::trouble::Trouble;
use crate::exit::Failure;
use crate::hook::{Hook, Turn, Variables};
use crate::preview::View;

impl Run<'_> {
    pub(super) async fn migrate(&mut self) -> Result<String, Trouble> {
        let Some(command) = self.journal.record().hooks.migrate.clone() else {
            return Ok("there is nothing to run".to_owned());
        };
        self.hook("migrate", &command).await?;
        Ok(command.to_string())
    }

    pub(super) async fn verify(&mut self) -> Result<String, Trouble> {
        let commands = self.journal.record().hooks.verify.clone();
        for command in &commands {
            self.hook("verify", command).await?;
        }
        Ok(format!("{} passed", commands.len()))
    }

    /// Runs `command`, unless something stops the deploy meanwhile.
    async fn hook(&self, name: &'static str, command: &Command) -> Result<(), Trouble> {
        let variables = self.variables(name);
        let timeout = self.journal.record().hooks.timeout;
        let hook = Hook { name, command, timeout, variables, turn: Some(self.turn()) };
        let ran = hook.run(self.report, self.lookout.stopped()).await;
        ran?.map_err(Trouble::Hook)
    }

    /// Runs the hook `flipped`, if there is one. The flip stands, whatever comes of it.
    pub(super) async fn flipped(&self) {
        let hooks = self.journal.record().hooks.clone();
        let Some(command) = &hooks.flipped else { return };
        let variables = self.variables("flipped");
        let (name, timeout) = ("flipped", hooks.timeout);
        let hook = Hook { name, command, timeout, variables, turn: Some(self.turn()) };
        if let Ok(Err(failed)) = hook.run(self.report, self.lookout.stopped()).await {
            self.report.note(&format!("{}; the flip stands", failed.said));
        }
    }

    /// The hook that is to be run if the deploy fails, once all that can be is taken back.
    pub(super) fn on_failure(&self) -> Option<OnFailure> {
        let record = self.journal.record();
        let step = record.step().map_or("", |time| time.step.as_str());
        Some(OnFailure {
            command: record.hooks.failed.clone()?,
            timeout: record.hooks.timeout,
            variables: self.variables(step),
            turn: self.turn(),
        })
    }

    fn turn(&self) -> Turn {
        Turn::of(&self.sight.keys.store, &self.app)
    }

    fn variables(&self, step: &str) -> Variables {
        let release = self.announced.as_ref().map(|(_, release)| release);
        let targets = release.map(|release| {
            let all: Vec<_> = release.targets.iter().map(|t| t.address.to_string()).collect();
            all.join(" ")
        });
        let view = self.view();
        let pass = view.as_ref().and_then(|view| view.pass.as_ref());
        for secret in pass.into_iter().flat_map(|pass| [&pass.header, &pass.cookie]) {
            self.report.hide(secret);
        }
        let url = view.as_ref().and_then(|view| view.urls.first());
        Variables::of(&self.app, self.journal.record())
            .and("SHUNT_STEP", step)
            .maybe("SHUNT_TARGETS", targets.as_deref())
            .maybe("SHUNT_PREVIEW_URL", url.map(String::as_str))
            .maybe("SHUNT_PREVIEW_HEADER", pass.map(|pass| pass.header.reveal()))
            .maybe("SHUNT_PREVIEW_COOKIE", pass.map(|pass| pass.cookie.reveal()))
    }

    /// What it takes to see the new release, once it was announced.
    fn view(&self) -> Option<View> {
        let (token, _) = self.announced.as_ref()?;
        let settings = self.settings.as_ref()?;
        let slot = self.journal.record().slot;
        View::of(&self.app, settings, (slot, token), self.pass_key.as_ref(), MOST)
    }
}

/// The hook that is run when a deploy has failed.
#[derive(Debug)]
pub(super) struct OnFailure {
    command: Command,
    timeout: std::time::Duration,
    variables: Variables,
    turn: Turn,
}

impl OnFailure {
    pub(super) async fn run(self, report: &crate::report::Report, failure: &Failure) {
        let variables = self.variables.and("SHUNT_REASON", report.covered(&failure.said));
        let (name, command, timeout) = ("failed", &self.command, self.timeout);
        // It waits for its turn and does not keep it: the lock is let go of by now, and it may be a deploy.
        if let Err(said) = self.turn.take(name, timeout, report).await {
            return report.note(&said);
        }
        let hook = Hook { name, command, timeout, variables, turn: None };
        if let Ok(Err(failed)) = hook.run(report, pending::<()>()).await {
            report.note(&failed.said);
        }
    }
}
