//! The Docker engine.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::{
    ContainerSummaryStateEnum, ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, LogsOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions, StartContainerOptions, StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker as Client};
use futures_util::StreamExt as _;
use shunt_config::command::Command;
use shunt_config::deploy_file::Pull;
use shunt_config::engine::EngineUrl;

use super::image::complete;
use super::{Container, Each, Engine, EngineError, Image, Labels, Life, Spec, State};
use crate::report::Tell;

mod create;
mod credentials;
mod exec;
mod failed;
mod pull;
mod wire;

use exec::failing;
use failed::{failed, is_status};

/// Seconds a request may take beside what it is asked to wait for.
const TIMEOUT: u64 = 60;

/// The Docker engine.
#[derive(Debug)]
pub(super) struct Docker {
    name: String,
    client: Client,
}

impl Docker {
    /// Connects to `engine`, and agrees with it on a version of its API.
    pub(super) async fn open(engine: &shunt_config::Engine) -> Result<Self, EngineError> {
        let name = engine.to_string();
        let client = match &engine.url {
            EngineUrl::Unix(path) => {
                let path = path.to_string_lossy();
                Client::connect_with_unix(&path, TIMEOUT, API_DEFAULT_VERSION)
            }
            EngineUrl::Ssh { user, host, port } => {
                wire::over(wire::ssh::Ssh::new(user.as_deref(), host, *port))
            }
            EngineUrl::Tcp { host, port } => {
                match wire::tls::Tls::new(host, *port, engine.files.as_ref()) {
                    Ok(connector) => wire::over(connector),
                    Err(reason) => return Err(EngineError::Unusable { engine: name, reason }),
                }
            }
            EngineUrl::Systemd | EngineUrl::SystemdSsh { .. } => {
                let reason = "Docker is not what it runs".to_owned();
                return Err(EngineError::Unreachable { engine: name, reason });
            }
        };
        let connected = match client {
            Ok(client) => client.negotiate_version().await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(client) => Ok(Self { name, client }),
            Err(error) => Err(failed(&name, &error)),
        }
    }

    fn failed(&self, error: &Error) -> EngineError {
        failed(&self.name, error)
    }

    fn log_stream(
        &self,
        id: &str,
        options: LogsOptions,
    ) -> impl futures_util::Stream<Item = Result<bollard::container::LogOutput, Error>> {
        self.client.logs(id, Some(options))
    }
}

#[async_trait]
impl Engine for Docker {
    fn name(&self) -> &str {
        &self.name
    }

    async fn pull(
        &self,
        image: &str,
        when: Pull,
        tell: &mut Tell<'_>,
    ) -> Result<Image, EngineError> {
        let image = complete(image);
        if when == Pull::Always || (when == Pull::Missing && self.known(&image).await?.is_none()) {
            self.download(&image, tell).await?;
        }
        let engine = self.name.clone();
        self.known(&image).await?.ok_or(EngineError::NoImage { engine, image })
    }

    async fn would_pull(&self, image: &str, when: Pull) -> Result<(), EngineError> {
        let image = complete(image);
        let here = when != Pull::Always && self.known(&image).await?.is_some();
        match when {
            _ if here => Ok(()),
            Pull::Never => Err(EngineError::NoImage { engine: self.name.clone(), image }),
            Pull::Always | Pull::Missing => self.in_registry(&image).await,
        }
    }

    async fn start(&self, spec: &Spec) -> Result<Container, EngineError> {
        let container = self.create(spec).await?;
        let id = &container.id;
        if let Err(error) = self.client.start_container(id, None::<StartContainerOptions>).await {
            let said = error.to_string();
            self.remove(id, Duration::ZERO).await?;
            // Docker's own proxy says the first, the kernel (another process has it) the second.
            let taken = ["port is already allocated", "address already in use"];
            let taken = taken.iter().any(|words| said.contains(words));
            return Err(match spec.publish.filter(|_| taken) {
                Some(publish) => EngineError::PortTaken(publish.published),
                None => self.failed(&error),
            });
        }
        Ok(Container { life: Life::Runs, ..container })
    }

    async fn create(&self, spec: &Spec) -> Result<Container, EngineError> {
        let id = self.make(spec).await?;
        if let Err(error) = self.join(&id, spec).await {
            self.remove(&id, Duration::ZERO).await?;
            return Err(error);
        }
        let (name, labels) = (spec.name.clone(), spec.labels.clone());
        Ok(Container { id, name, labels, life: Life::Over })
    }

    async fn wake(&self, id: &str) -> Result<(), EngineError> {
        match self.client.start_container(id, None::<StartContainerOptions>).await {
            // 304: it runs.
            Err(error) if !is_status(&error, 304) => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    async fn exec(&self, id: &str, command: &Command) -> Result<Result<(), String>, EngineError> {
        self.run_in(id, command).await.map_err(|error| self.failed(&error))
    }

    async fn halt(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        // The client's own timeout must not end a stop that was granted more time.
        let mut client = self.client.clone();
        client.set_timeout(Duration::from_secs(TIMEOUT) + grace);
        let stop = StopContainerOptionsBuilder::default().t(seconds).build();
        match client.stop_container(id, Some(stop)).await {
            // 304: it does not run; 404: it is gone.
            Err(error) if !is_status(&error, 304) && !is_status(&error, 404) => {
                Err(self.failed(&error))
            }
            _ => Ok(()),
        }
    }

    async fn list(&self, labels: &Labels) -> Result<Vec<Container>, EngineError> {
        let labels = labels.iter().map(|(key, value)| match value.is_empty() {
            true => key.clone(),
            false => format!("{key}={value}"),
        });
        let filters = HashMap::from([("label".to_owned(), labels.collect())]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.client.list_containers(Some(options)).await;
        let found = found.map_err(|error| self.failed(&error))?;
        let container = |summary: bollard::models::ContainerSummary| {
            let name = summary.names.unwrap_or_default().into_iter().next().unwrap_or_default();
            Some(Container {
                id: summary.id?,
                name: name.trim_start_matches('/').to_owned(),
                labels: summary.labels.unwrap_or_default().into_iter().collect(),
                life: life(summary.state),
            })
        };
        Ok(found.into_iter().filter_map(container).collect())
    }

    async fn state(&self, id: &str) -> Result<State, EngineError> {
        let found = match self.client.inspect_container(id, None).await {
            Err(error) if is_status(&error, 404) => return Ok(State::Gone),
            found => found.map_err(|error| self.failed(&error))?,
        };
        let state = found.state.unwrap_or_default();
        let restarts = found.restart_count.unwrap_or_default();
        let running = state.running == Some(true) && state.restarting != Some(true);
        if running && restarts == 0 {
            return Ok(state.health.and_then(failing).map_or(State::Running, State::Failing));
        }
        let code = state.exit_code.unwrap_or_default();
        let memory = if state.oom_killed == Some(true) { " (out of memory)" } else { "" };
        let again = match restarts {
            0 => String::new(),
            n => format!(", and was started again {n} time(s)"),
        };
        // A container that runs again shows the code of its present life, which is none yet.
        let ended =
            if running { "ended".to_owned() } else { format!("ended with code {code}{memory}") };
        Ok(State::Ended(format!("{ended}{again}")))
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>, EngineError> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true);
        let options = options.tail(&lines.to_string()).build();
        let mut stream = Box::pin(self.log_stream(id, options));
        let mut text = Vec::new();
        while let Some(output) = stream.next().await {
            let output = output.map_err(|error| self.failed(&error))?.into_bytes();
            text.extend(
                String::from_utf8_lossy(&output).lines().map(|line| line.trim_end().to_owned()),
            );
        }
        // Output without line ends comes in pieces, each of which counts as a line here.
        let surplus = text.len().saturating_sub(lines);
        Ok(text.split_off(surplus))
    }

    async fn follow(&self, id: &str, lines: usize, each: &mut Each<'_>) -> Result<(), EngineError> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).follow(true);
        let options = options.tail(&lines.to_string()).build();
        let mut stream = Box::pin(self.log_stream(id, options));
        while let Some(output) = stream.next().await {
            let output = output.map_err(|error| self.failed(&error))?.into_bytes();
            String::from_utf8_lossy(&output).lines().for_each(|line| each(line.trim_end()));
        }
        Ok(())
    }

    async fn shelve(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        self.halt(id, grace).await?;
        // With `restart = "always"` it would come back with its engine.
        let name = Some(RestartPolicyNameEnum::NO);
        let restart_policy = Some(RestartPolicy { name, maximum_retry_count: None });
        let update = ContainerUpdateBody { restart_policy, ..ContainerUpdateBody::default() };
        match self.client.update_container(id, update).await {
            Err(error) if !is_status(&error, 404) => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    async fn remove_image(&self, name: &str) -> Result<bool, EngineError> {
        // By its id: it goes under all the names it has in one repository, and by force alone if it has
        // some in another.
        let Some(id) = self.known(name).await?.and_then(|image| image.id) else { return Ok(false) };
        match self.client.remove_image(&id, None::<RemoveImageOptions>, None).await {
            // 409: a container uses it.
            Err(error) if is_status(&error, 404) || is_status(&error, 409) => Ok(false),
            removed => removed.map(|_| true).map_err(|error| self.failed(&error)),
        }
    }

    async fn remove(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        self.halt(id, grace).await?;
        let remove = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
        match self.client.remove_container(id, Some(remove)).await {
            // 409: its removal is under way already.
            Err(error) if is_status(&error, 404) || is_status(&error, 409) => Ok(()),
            removed => removed.map_err(|error| self.failed(&error)),
        }
    }
}

/// What Docker's word for it means.
fn life(state: Option<ContainerSummaryStateEnum>) -> Life {
    use ContainerSummaryStateEnum as Said;
    match state {
        Some(Said::RUNNING) => Life::Runs,
        Some(Said::CREATED | Said::EXITED | Said::REMOVING | Said::DEAD) => Life::Over,
        // It restarts, or is paused. Whatever else it may be, it is not known to be over.
        _ => Life::Returns,
    }
}
