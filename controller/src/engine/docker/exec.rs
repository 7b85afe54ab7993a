//! Commands that are run in a container: the deploy file's, and the health check of its image.

use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::{ExecConfig, Health, HealthStatusEnum};
use futures_util::StreamExt as _;
use shunt_config::command::Command;

use super::Docker;

/// How much of what a check has written is shown.
const SHOWN: usize = 300;

impl Docker {
    pub(super) async fn run_in(
        &self,
        id: &str,
        command: &Command,
    ) -> Result<Result<(), String>, Error> {
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.words()),
            ..ExecConfig::default()
        };
        let exec = self.client.create_exec(id, config).await?.id;
        let mut text = String::new();
        if let StartExecResults::Attached { mut output, .. } =
            self.client.start_exec(&exec, None).await?
        {
            while let Some(piece) = output.next().await {
                text.push_str(&String::from_utf8_lossy(&piece?.into_bytes()));
            }
        }
        let code = self.client.inspect_exec(&exec).await?.exit_code.unwrap_or(-1);
        Ok(match code {
            0 => Ok(()),
            code => Err(format!("`{command}` ended with code {code}{}", last(&text))),
        })
    }
}

/// What the health check of a container's image says, if it fails.
pub(super) fn failing(health: Health) -> Option<String> {
    let unhealthy = health.status == Some(HealthStatusEnum::UNHEALTHY);
    let said = health.log.unwrap_or_default().pop().and_then(|result| result.output);
    unhealthy.then(|| format!("the image's HEALTHCHECK fails{}", last(&said.unwrap_or_default())))
}

/// The last line that is one, to be put behind a sentence.
fn last(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(String::new, |line| {
        let line: String = line.trim().chars().take(SHOWN).collect();
        format!(": {line}")
    })
}
