//! Where containers run, or units in their place.
//!
//! Containers are found by their labels alone, never by slot or name: a label says which deploy
//! started them, and a deploy's id is given once. Where it speaks of containers, a unit of systemd is
//! one: its labels are in a file of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shunt_config::Slot;
use shunt_config::command::Command;
use shunt_config::deploy_file::{Host, Pull, Run, Settings, Variable};
use shunt_config::engine::EngineUrl;
use shunt_config::secret::Secret;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::report::Tell;
use crate::time::show;

mod docker;
pub mod image;
pub mod label;
mod ssh;
mod systemd;

/// How long a host may take to let a connection in.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an engine may take to say that it is there, connection and all: one that hangs must not keep
/// others waiting.
const OPEN: Duration = Duration::from_secs(15);

/// How long an engine may take to say what is on it, or how a container is: whoever asks has somebody to
/// keep waiting.
const ANSWER: Duration = Duration::from_secs(10);

/// Containers' labels.
pub type Labels = BTreeMap<String, String>;

/// Given each line of output.
pub type Each<'a> = dyn FnMut(&str) + Send + 'a;

/// A place where containers run. Every call but [`Engine::pull`] and [`Engine::follow`] ends within
/// a minute and the stop timeout.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// How the engine is named: `unix:///var/run/docker.sock`.
    fn name(&self) -> &str;

    /// What it runs, in a word.
    fn noun(&self) -> &'static str {
        "container"
    }

    /// Sees to it that `image` is there, and tells by what it is known from now on.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled; what was pulled so far is kept by the engine.
    async fn pull(
        &self,
        image: &str,
        when: Pull,
        tell: &mut Tell<'_>,
    ) -> Result<Image, EngineError>;

    /// An error where [`Engine::pull`] would not find `image`, as far as that can be told without it.
    async fn would_pull(&self, _image: &str, _when: Pull) -> Result<(), EngineError> {
        Ok(())
    }

    /// Creates and starts a container. Nothing is left of it if that fails.
    async fn start(&self, spec: &Spec) -> Result<Container, EngineError>;

    /// The containers with all of `labels`, running or not.
    async fn list(&self, labels: &Labels) -> Result<Vec<Container>, EngineError>;

    /// Whether a container runs, and how it ended if not.
    async fn state(&self, id: &str) -> Result<State, EngineError>;

    /// The last `lines` lines of a container's output.
    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>, EngineError>;

    /// A container's last `lines` lines and all that follow, until it is gone.
    async fn follow(&self, id: &str, lines: usize, each: &mut Each<'_>) -> Result<(), EngineError>;

    /// Creates a container, to be started later. Nothing is left of it if that fails.
    async fn create(&self, spec: &Spec) -> Result<Container, EngineError>;

    /// Starts a container that was created or stopped; one that runs is left alone.
    async fn wake(&self, id: &str) -> Result<(), EngineError>;

    /// Runs `command` in a container that runs: why it did not end well, if it did not.
    async fn exec(&self, id: &str, command: &Command) -> Result<Result<(), String>, EngineError>;

    /// Stops a container (its stop signal, and KILL after `grace`), to be started again.
    async fn halt(&self, id: &str, grace: Duration) -> Result<(), EngineError>;

    /// Stops a container for good, but keeps it for its output; an engine that cannot removes it.
    async fn shelve(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        self.remove(id, grace).await
    }

    /// Removes an image that nothing uses, whether it runs or not; whether it was removed.
    async fn remove_image(&self, _: &str) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Stops a container (TERM, and KILL after `grace`) and removes it; done already is done, too.
    async fn remove(&self, id: &str, grace: Duration) -> Result<(), EngineError>;
}

/// An image on an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// By what a container is started from it: by digest where a registry gave one.
    pub reference: String,
    /// Whether that is a digest, which means the same bytes everywhere and forever.
    pub by_digest: bool,
    /// What the engine itself calls it.
    pub id: Option<String>,
}

/// A container to be started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its labels.
    pub labels: Labels,
    /// Where it is to be reached, if it is to be.
    pub publish: Option<Publish>,
    /// How it is made, but for its variables.
    pub settings: Settings,
    /// Its variables.
    pub environment: Vec<(Variable, Secret)>,
    /// Between the signals TERM and KILL, where the engine stops it by itself.
    pub grace: Duration,
}

/// Where a container is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The port it listens on.
    pub port: u16,
    /// The address its port is published on.
    pub bind: IpAddr,
    /// The port its port is published as. It is ours to choose and stays the same over restarts of
    /// the container and of the engine; one the engine chooses does not.
    pub published: u16,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Whether it runs.
    pub life: Life,
}

/// Whether a container runs, or will by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Runs,
    /// It does not at this moment, and will again unless it is stopped: its engine starts it again after
    /// it has ended, or someone has paused it.
    Returns,
    /// It was not started yet, or has ended: only a start brings it back.
    Over,
}

/// Whether a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, and has not ended before.
    Running,
    /// It runs, and the health check of its own image fails: what that said last.
    Failing(String),
    /// It has ended, though the engine may have started it again.
    Ended(String),
    /// There is no such container.
    Gone,
}

/// Why an engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Not reached, or no answer in time.
    #[error("engine {engine} is not reachable: {reason}")]
    Unreachable {
        /// Which engine.
        engine: String,
        /// What was tried and what came back.
        reason: String,
    },
    /// What it takes to reach it is not named, or cannot be read here.
    #[error("engine {engine} cannot be used: {reason}")]
    Unusable {
        /// Which engine.
        engine: String,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// It answered, and said no.
    #[error("engine {engine} refused: {reason}")]
    Refused {
        /// Which engine.
        engine: String,
        /// What it said.
        reason: String,
    },
    /// There is no such image.
    #[error("engine {engine}: there is no image {image}")]
    NoImage {
        /// Which engine.
        engine: String,
        /// Its name, and what was said of it.
        image: String,
    },
    /// The credentials for the image's registry cannot be read here.
    #[error("engine {engine} can be shown no credentials: {reason}")]
    Credentials {
        /// Which engine.
        engine: String,
        /// Where they were looked for, and what is wrong there.
        reason: String,
    },
    /// The port is taken; another may do.
    #[error("port {0} is taken")]
    PortTaken(u16),
}

/// Opens `engine`, and looks whether it answers.
pub async fn open(engine: &shunt_config::Engine) -> Result<Arc<dyn Engine>, EngineError> {
    let opened = async {
        Ok::<Arc<dyn Engine>, _>(match engine.url.is_systemd() {
            true => Arc::new(systemd::Systemd::open(&engine.url).await?),
            false => Arc::new(docker::Docker::open(engine).await?),
        })
    };
    timeout(OPEN, opened).await.unwrap_or_else(|_| {
        let reason = format!("no answer within {}", show(OPEN));
        Err(EngineError::Unreachable { engine: engine.to_string(), reason })
    })
}

/// The containers with all of `labels` on `engine`, which is opened for that. One that hangs is given up
/// after 10 seconds.
pub async fn look(
    engine: &shunt_config::Engine,
    labels: &Labels,
) -> Result<(Arc<dyn Engine>, Vec<Container>), EngineError> {
    let looked = async {
        let engine = open(engine).await?;
        let containers = engine.list(labels).await?;
        Ok((engine, containers))
    };
    in_time(&engine.to_string(), looked).await
}

/// What `engine` answers, if it does so within 10 seconds.
pub async fn in_time<T>(
    engine: &str,
    asked: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    timeout(ANSWER, asked).await.unwrap_or_else(|_| {
        let reason = format!("no answer within {}", show(ANSWER));
        Err(EngineError::Unreachable { engine: engine.to_owned(), reason })
    })
}

/// So many of what `engines` run, in words.
pub fn count<'a>(n: usize, engines: impl IntoIterator<Item = &'a shunt_config::Engine>) -> String {
    let mut engines = engines.into_iter().peekable();
    let units = engines.peek().is_some() && engines.all(|engine| engine.url.is_systemd());
    format!("{n} {}(s)", if units { "unit" } else { "container" })
}

/// The hosts that `slot`'s containers run on: those of the deploy file, else the engine that
/// `DOCKER_HOST` names, else the local one.
pub fn hosts(run: &Run, slot: Slot) -> Result<Vec<Host>, Failure> {
    let named = run.hosts.of(slot);
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let variable = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let url = variable.as_deref().unwrap_or("unix:///var/run/docker.sock");
    let host = url.parse::<EngineUrl>().and_then(|url| Host::new(url.into(), None, run.bind));
    host.map(|host| vec![host]).map_err(|mistake| {
        Failure::usage(format!("DOCKER_HOST: {mistake}")).hint("or name it in `hosts` of [run]")
    })
}
