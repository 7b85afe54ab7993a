//! One machine: a directory store, a proxy on it, and this program's verbs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use shunt_config::key::{AppKey, Key};
use shunt_config::store::{self, Store, StoreConfig, Txn};
use shunt_config::{AppName, Mistake};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::release::{Kind, Release};
use crate::exit::{Exit, Failure};
use crate::fleet::Fleet;

/// The app's name.
pub(super) const APP: &str = "demo";

/// Nothing here takes this long on a machine that is up to it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Log lines kept of the proxy.
const KEPT: usize = 20;

/// A proxy that runs, and what it runs on.
#[derive(Debug)]
pub(super) struct Site {
    /// Where the proxy answers.
    pub(super) proxy: SocketAddr,
    process: Child,
    store: Arc<dyn Store>,
    log: Arc<Mutex<Vec<String>>>,
    directory: TempDir,
}

impl Site {
    pub(super) async fn start() -> Result<Self, Failure> {
        let broken = |e: std::io::Error| unreachable(&format!("no place for the demo: {e}"));
        let directory = TempDir::with_prefix("shunt-demo-").map_err(broken)?;
        let path = directory.path().join("store");
        let file = directory.path().join("proxy.toml");
        std::fs::create_dir(&path).map_err(broken)?;
        std::fs::write(&file, proxy_file(directory.path())).map_err(broken)?;
        let store = store::open(&StoreConfig::directory(&path))?;
        let value = r#"{"hosts": ["*"]}"#;
        store.commit(Txn::new().put(key(AppKey::App)?, value)).await?;
        let (process, mut output) = start_proxy(&file)?;
        let listening = tokio::time::timeout(PATIENCE, listening(&mut output)).await;
        let proxy = listening.map_err(|_| unreachable("the proxy does not listen"))??;
        let log = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(keep(output, Arc::clone(&log)));
        let site = Self { proxy, process, store, log, directory };
        site.known().await?;
        Ok(site)
    }

    /// Waits until the proxy has said to the store that it is there, which it does only after it
    /// listens: before that nobody could prove a release.
    async fn known(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        while Fleet::read(&*self.store, None).await?.live().next().is_none() {
            if Instant::now() > deadline {
                return Err(unreachable("the proxy does not sign on to its store"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Starts a release.
    pub(super) async fn release(&self, version: &str, kind: Kind) -> Result<Release, Failure> {
        Release::start(version, kind).await
    }

    /// Runs a verb of this program as a person would, and returns what it wrote; fails unless it
    /// ends with `expected`.
    pub(super) async fn verb(&self, arguments: &[&str], expected: Exit) -> Result<String, Failure> {
        let shown = format!("`shuntctl {}`", arguments.join(" "));
        let failed = |e: std::io::Error| unreachable(&format!("{shown}: {e}"));
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.env("SHUNT_STORE", self.directory.path().join("store")).args(arguments);
        // A deploy file that happens to lie here is none of the demo's business.
        command.current_dir(self.directory.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(failed)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        match output.status.code() == Some(i32::from(expected.code())) {
            true => Ok(said),
            false => Err(Failure::new(Exit::Failed, format!("{shown}: {}", output.status))
                .details(said.lines().map(str::to_owned))),
        }
    }

    /// Puts `active`, as `echo` would.
    pub(super) async fn put_active(&self, value: &str) -> Result<(), Failure> {
        let txn = Txn::new().put(key(AppKey::Active)?, value.to_owned());
        self.store.commit(txn).await?;
        Ok(())
    }

    /// What the proxy logged last.
    pub(super) fn log_tail(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Stops the proxy; what does not stop in time is killed when it is dropped.
    pub(super) async fn stop(mut self) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself meanwhile; then there is nothing to ask.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
            let _ = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        }
    }
}

/// Polls until `done` is true.
pub(super) async fn within(what: &str, done: impl Fn() -> bool) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err(Failure::new(Exit::Failed, format!("waited {PATIENCE:?} for {what}")));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

fn key(key: AppKey) -> Result<Key, Failure> {
    let app: AppName = APP.parse().map_err(|e: Mistake| Failure::usage(e.to_string()))?;
    Ok(key.of(&app))
}

fn proxy_file(directory: &Path) -> String {
    format!(
        "name = \"demo\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [admin]\naddress = \"127.0.0.1:0\"\n\
         [store]\ndirectory = '{0}/store'\n[state]\ndirectory = '{0}/state'\n",
        directory.display()
    )
}

fn start_proxy(file: &Path) -> Result<(Child, Lines<BufReader<ChildStdout>>), Failure> {
    let program = beside("shunt-proxy");
    let failed = |said: String| {
        let said = format!("`{}` did not start: {said}", program.display());
        Failure::new(Exit::Unreachable, said).hint("shunt-proxy belongs beside shuntctl")
    };
    let mut command = Command::new(&program);
    command.arg("run").arg("--config").arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.kill_on_drop(true).spawn().map_err(|e| failed(e.to_string()))?;
    let output = process.stdout.take().ok_or_else(|| failed("it has no output".to_owned()))?;
    Ok((process, BufReader::new(output).lines()))
}

/// A program that lies beside this one, or else wherever PATH says.
fn beside(name: &str) -> PathBuf {
    let here = std::env::current_exe().ok().map(|program| program.with_file_name(name));
    here.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(name))
}

/// Reads the line that says where clients come in.
async fn listening(output: &mut Lines<BufReader<ChildStdout>>) -> Result<SocketAddr, Failure> {
    let mut last = String::new();
    while let Ok(Some(line)) = output.next_line().await {
        if let Some(address) = line.strip_prefix("listening http ") {
            let said = || unreachable(&format!("the proxy listens on `{address}`"));
            return address.trim().parse().map_err(|_| said());
        }
        last = line;
    }
    Err(unreachable(&format!("the proxy ended at once: {last}")))
}

async fn keep(mut output: Lines<BufReader<ChildStdout>>, log: Arc<Mutex<Vec<String>>>) {
    while let Ok(Some(line)) = output.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT {
            log.remove(0);
        }
        log.push(line);
    }
}

/// The failure of something that the demo stands on.
pub(super) fn unreachable(said: &str) -> Failure {
    Failure::new(Exit::Unreachable, said)
}
