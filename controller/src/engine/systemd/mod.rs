//! systemd, here or on another machine.
//!
//! A release is instances of a template unit that the operator has installed. What belongs to a deploy
//! is a drop-in of ours beside a unit (`/etc/systemd/system/UNIT.d/50-shunt.conf`): it names the deploy,
//! as labels do, and a file of variables. While it is there the unit is that deploy's, whether it runs or
//! not; systemd's own state says the rest. All is done by `systemctl`, in short scripts that a shell runs
//! here or at the end of an `ssh`, so nothing has to be installed on the other side.

use std::time::Duration;

use async_trait::async_trait;
use shunt_config::command::Command;
use shunt_config::deploy_file::Pull;
use shunt_config::engine::EngineUrl;

use super::{Container, Each, Engine, EngineError, Image, Labels, Life, Spec, State};
use crate::report::Tell;

mod shell;
mod show;
mod unit;

use shell::{Ran, Shell};
use unit::Id;

/// How long a script may take beside what it is asked to wait for.
const TIMEOUT: Duration = Duration::from_mins(1);

const LIST: &str = include_str!("scripts/list.sh");
const STATE: &str = include_str!("scripts/state.sh");
const LOGS: &str = include_str!("scripts/logs.sh");
const START: &str = concat!(include_str!("scripts/begin.sh"), include_str!("scripts/start.sh"));
const WAKE: &str = concat!(include_str!("scripts/begin.sh"), include_str!("scripts/wake.sh"));
const HALT: &str = concat!(include_str!("scripts/begin.sh"), include_str!("scripts/halt.sh"));
const REMOVE: &str = concat!(include_str!("scripts/begin.sh"), include_str!("scripts/remove.sh"));

/// How the scripts end where a unit is not what they were told: nothing was done.
const NOT_OURS: i32 = 3;

/// The units of one machine.
#[derive(Debug)]
pub(super) struct Systemd {
    name: String,
    shell: Shell,
}

impl Systemd {
    /// Looks whether systemd answers there.
    pub(super) async fn open(url: &EngineUrl) -> Result<Self, EngineError> {
        let systemd = Self { name: url.to_string(), shell: Shell::of(url) };
        let ran = systemd.run("systemctl show --property=Version", &[], &[], TIMEOUT).await?;
        match ran.code {
            0 => Ok(systemd),
            _ => Err(EngineError::Unreachable { engine: systemd.name, reason: ran.reason() }),
        }
    }

    async fn run(
        &self,
        script: &str,
        arguments: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Ran, EngineError> {
        let ran = self.shell.run(script, arguments, input, limit).await;
        ran.map_err(|reason| EngineError::Unreachable { engine: self.name.clone(), reason })
    }

    /// Runs a script that has to end well.
    async fn done(
        &self,
        script: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<String, EngineError> {
        let ran = self.run(script, arguments, &[], limit).await?;
        match ran.code {
            0 => Ok(ran.output),
            _ => Err(self.refused(ran.reason())),
        }
    }

    fn refused(&self, reason: impl Into<String>) -> EngineError {
        EngineError::Refused { engine: self.name.clone(), reason: reason.into() }
    }

    fn id(&self, id: &str) -> Result<Id, EngineError> {
        Id::parse(id).ok_or_else(|| self.refused(format!("`{id}` is no unit of a deploy")))
    }
}

#[async_trait]
impl Engine for Systemd {
    fn name(&self) -> &str {
        &self.name
    }

    fn noun(&self) -> &'static str {
        "unit"
    }

    async fn pull(&self, _: &str, _: Pull, _: &mut Tell<'_>) -> Result<Image, EngineError> {
        Err(self.refused("units run no image"))
    }

    async fn start(&self, spec: &Spec) -> Result<Container, EngineError> {
        let id = Id::of(spec).ok_or_else(|| {
            self.refused(format!("`{}` is no name of a template's instance", spec.name))
        })?;
        let conf = unit::drop_in(spec).map_err(|why| self.refused(why))?;
        let variables = unit::variables(&spec.environment).map_err(|why| self.refused(why))?;
        let arguments = [id.unit.as_str(), &id.deploy, &conf];
        let ran = self.run(START, &arguments, variables.reveal().as_bytes(), TIMEOUT).await?;
        match ran.code {
            0 => {
                let (name, labels) = (spec.name.clone(), spec.labels.clone());
                Ok(Container { id: id.to_string(), name, labels, life: Life::Runs })
            }
            NOT_OURS => Err(self.refused(ran.reason())),
            _ => {
                self.remove(&id.to_string(), Duration::ZERO).await?;
                Err(self.refused(ran.reason()))
            }
        }
    }

    async fn list(&self, labels: &Labels) -> Result<Vec<Container>, EngineError> {
        let mut all = show::units(&self.done(LIST, &[], TIMEOUT).await?);
        let has = |unit: &Container, (key, value): (&String, &String)| {
            unit.labels.get(key).is_some_and(|own| value.is_empty() || own == value)
        };
        all.retain(|unit| labels.iter().all(|label| has(unit, label)));
        Ok(all)
    }

    async fn state(&self, id: &str) -> Result<State, EngineError> {
        let id = self.id(id)?;
        Ok(show::state(&self.done(STATE, &[&id.unit, &id.deploy], TIMEOUT).await?))
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>, EngineError> {
        let (id, lines) = (self.id(id)?, lines.to_string());
        let output = self.done(LOGS, &[&id.unit, &id.deploy, &lines], TIMEOUT).await?;
        Ok(output.lines().map(|line| line.trim_end().to_owned()).collect())
    }

    async fn follow(&self, id: &str, lines: usize, each: &mut Each<'_>) -> Result<(), EngineError> {
        let (id, lines) = (self.id(id)?, lines.to_string());
        let followed = self.shell.follow(LOGS, &[&id.unit, &id.deploy, &lines, "on"], each).await;
        followed.map_err(|reason| EngineError::Unreachable { engine: self.name.clone(), reason })
    }

    async fn create(&self, _: &Spec) -> Result<Container, EngineError> {
        Err(self.refused("units are made when they are started"))
    }

    async fn wake(&self, id: &str) -> Result<(), EngineError> {
        let id = self.id(id)?;
        self.done(WAKE, &[&id.unit, &id.deploy], TIMEOUT).await.map(drop)
    }

    async fn exec(&self, _: &str, _: &Command) -> Result<Result<(), String>, EngineError> {
        Err(self.refused("no command is run in a unit"))
    }

    async fn halt(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let id = self.id(id)?;
        self.done(HALT, &[&id.unit, &id.deploy], TIMEOUT + grace).await.map(drop)
    }

    async fn remove(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let id = self.id(id)?;
        self.done(REMOVE, &[&id.unit, &id.deploy], TIMEOUT + grace).await.map(drop)
    }
}
