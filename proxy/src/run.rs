//! One proxy from its start to its end.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use prometheus::Registry;
use sd_notify::NotifyState;
use shunt_config::proxy_file::ProxyFile;
use shunt_config::store::LEASE_TTL;
use shunt_config::{key, store};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::control::identity::Identity;
use crate::control::report::Reporter;
use crate::control::{Control, ControlConfig};
use crate::data::{ClientLimits, Listener, Plane, PlaneConfig, Room};
use crate::descriptors;
use crate::doors::{self, Doors, TlsFiles};
use crate::files;
use crate::metrics::{CertificatesCollector, Collector, PlaneCounts};
use crate::route::{Key, Router};
use crate::saved::{Saver, StateDir, StateLock};
use crate::signals::{Signals, Told};

/// How long clients wait at the door, in the kernel's queue, until the store is read and knows of
/// this proxy, and targets had their first check. After that they are answered with what is known. From a snapshot the wait is short, and only for
/// the case that what it names was replaced while this proxy did not run.
const DOOR: Duration = Duration::from_secs(10);
const DOOR_RESTORED: Duration = Duration::from_secs(1);
/// How long signing off from the store may take.
const SIGN_OFF: Duration = Duration::from_secs(5);

/// Runs the proxy that `file`, read from `path`, describes, until it is told to stop.
pub async fn run(path: &Path, file: ProxyFile) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let descriptors = descriptors::raise();
    // All that may be wrong on this machine comes before the first client and before the store hears
    // of this proxy: it would be missed, and retiring would wait for it.
    let pages = Arc::new(ArcSwap::from_pointee(files::pages(&file)?));
    let pass_keys = Arc::new(ArcSwap::from_pointee(files::pass_keys(&file)?));
    let log = files::access_log(&file)?;
    let about = || format!("[state] directory = \"{}\"", file.state.display());
    let state = StateDir::open(&file.state, &file.name).with_context(about)?;
    // Held to the end of this process. A second one would take clients from the first at the same ports.
    let lock = StateLock::take(&file.state, &file.name).await.with_context(about)?;
    let Doors { listeners, tls } = doors::open(&file)?;
    let admin = TcpListener::bind(file.admin).await;
    let admin = admin.with_context(|| format!("admin listener {}", file.admin))?;
    say_where(&listeners, &admin)?;

    let router = Arc::new(Router::default());
    let identity = Identity::new(file.name.clone(), admin.local_addr()?.to_string(), lock.place());
    let mut proxy = Proxy::start(&file, &router, (identity, state), admin, tls)?;
    let door = if proxy.restored { DOOR_RESTORED } else { DOOR };
    let told = tokio::select! {
        // In time or not: the door opens.
        _ = timeout(door, proxy.caught_up()) => false,
        () = signals.stop() => true,
    };
    if told {
        return proxy.stop().await;
    }
    let client = ClientLimits { client: file.client, bounds: file.limits, http2: file.http2 };
    let plane = PlaneConfig {
        threads: file.threads,
        listeners,
        client,
        room: Room::within(descriptors, file.threads)
            .at_most(file.client.connections as usize)
            .per_client(file.client.per_address),
        log: log.clone(),
        pages: Arc::clone(&pages),
        pass_keys: Arc::clone(&pass_keys),
        health: file.front_health.as_deref().map(Into::into),
    };
    let plane = Plane::start(plane, &router)?;
    proxy.count(&plane, log.as_ref());
    info!(proxy = %file.name, threads = file.threads, "serving");
    notify(&[NotifyState::Ready]);

    let mut settings = file;
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break,
                Told::Reload => {
                    settings = proxy.reload(path, settings);
                    files::reload_pages(&settings, &pages);
                    files::reload_pass_keys(&settings, &pass_keys);
                }
                Told::Reopen => {
                    if let Some(log) = &log {
                        log.reopen();
                    }
                }
            },
            ended = &mut proxy.control => bail!("the control task ended: {ended:?}"),
        }
    }
    info!("stopping: no new connections, and {:?} for what runs", settings.grace);
    notify(&[NotifyState::Stopping]);
    proxy.stopping.send_replace(true);
    tokio::select! {
        cut = plane.shutdown(settings.grace) => {
            if cut > 0 {
                warn!("{cut} connections were cut after {:?}", settings.grace);
            }
        }
        () = signals.stop() => bail!("told to stop a second time: what ran is cut"),
    }
    if let Some(log) = log.and_then(Arc::into_inner) {
        log.close();
    }
    proxy.stop().await
}

/// The tasks beside the data threads.
struct Proxy {
    control: JoinHandle<()>,
    saver: JoinHandle<()>,
    reporter: JoinHandle<()>,
    config: watch::Sender<ControlConfig>,
    caught_up: watch::Receiver<bool>,
    known: watch::Receiver<bool>,
    restored: bool,
    /// Whether this process was told to stop.
    stopping: watch::Sender<bool>,
    /// Whether its last request is over.
    ended: watch::Sender<bool>,
    plane: Arc<OnceLock<PlaneCounts>>,
    /// What to notify to have the certificates read again.
    certificates: Option<Arc<Notify>>,
}

impl Proxy {
    /// Starts all that is not a data thread.
    fn start(
        file: &ProxyFile,
        router: &Arc<Router>,
        (identity, directory): (Identity, StateDir),
        admin: TcpListener,
        tls: Option<TlsFiles>,
    ) -> anyhow::Result<Self> {
        let cookie_key = Key::new(&directory.cookie_key().context("key of sticky cookies")?);
        let store = store::open(&file.store)?;
        let (config, configured) = watch::channel(config(file));
        let (stopping, stopped) = watch::channel(false);
        let ended = watch::Sender::new(false);
        let (updates, saving) = mpsc::unbounded_channel();
        let (statuses, told) = mpsc::unbounded_channel();

        let loaded = directory.load();
        let router = Arc::clone(router);
        let control =
            Control::new(router, file.threads, configured.clone(), loaded, cookie_key, updates);
        let (shown, caught_up) = (control.shown(), control.caught_up());
        let restored = shown.load().restored;
        let failures = Arc::new(AtomicU64::new(0));
        let saver = Saver::new(directory, saving, statuses, Arc::clone(&failures));
        let (name, end) = (identity.clone(), ended.subscribe());
        // As long as one that is stopped may take, and is then still seen.
        let overlap = file.grace + LEASE_TTL;
        let reporter = Reporter::new(Arc::clone(&store), name, told, end, overlap);
        let known = reporter.known();

        let plane = Arc::new(OnceLock::new());
        let registry = Registry::new();
        let collector =
            Collector::new(identity.clone(), Arc::clone(&shown), Arc::clone(&plane), failures)?;
        registry.register(Box::new(collector))?;
        let reload = tls.as_ref().map(|tls| Arc::clone(&tls.reload));
        let shown_certificates = tls.as_ref().map(|tls| Arc::clone(&tls.certificates));
        if let Some(TlsFiles { certificates, servers, .. }) = tls {
            registry.register(Box::new(CertificatesCollector::new(certificates, servers)?))?;
        }
        let (store_name, config_read) = (store.name(), configured);
        let page = Admin {
            identity,
            store: store_name,
            shown,
            config: config_read,
            stopping: stopped,
            certificates: shown_certificates,
            registry,
        };
        tokio::spawn(Arc::new(page).run(admin));
        Ok(Self {
            control: tokio::spawn(control.run(store.watch(key::APPS))),
            saver: tokio::spawn(saver.run()),
            reporter: tokio::spawn(reporter.run()),
            config,
            caught_up,
            known,
            restored,
            stopping,
            ended,
            plane,
            certificates: reload,
        })
    }

    /// Waits until what the store asks for can be served, and the store knows of this proxy.
    async fn caught_up(&mut self) {
        // The tasks behind these outlive this wait.
        let _ = self.caught_up.wait_for(|caught_up| *caught_up).await;
        let _ = self.known.wait_for(|known| *known).await;
    }

    /// Shows what `plane` counts.
    fn count(&self, plane: &Plane, log: Option<&Arc<AccessLog>>) {
        let meters = Arc::clone(plane.meters());
        let connections = Arc::clone(plane.connection_counts());
        // It is set once: there is one plane.
        let _ = self.plane.set(PlaneCounts {
            meters,
            connections,
            room: Arc::clone(plane.room()),
            log: log.map(|log| Arc::clone(log.counts())),
        });
    }

    /// Reads the file again and returns the settings that hold from now on.
    fn reload(&self, path: &Path, old: ProxyFile) -> ProxyFile {
        if let Some(certificates) = &self.certificates {
            certificates.notify_one();
        }
        let new = match ProxyFile::load(path) {
            Ok(new) => new,
            Err(mistakes) => {
                error!("{} was read again and changes nothing:", path.display());
                for mistake in mistakes {
                    error!("{mistake}");
                }
                return old;
            }
        };
        self.config.send_replace(config(&new));
        let kept = ProxyFile {
            flip_timeout: new.flip_timeout,
            lost_after: new.lost_after,
            grace: new.grace,
            preview_keys: new.preview_keys.clone(),
            ..old
        };
        let shown = path.display();
        let restart = differing(&kept, &new).join(", ");
        if restart.is_empty() {
            info!("{shown} was read again: all of it holds");
        } else {
            warn!("{shown} was read again: these hold only after a restart: {restart}");
        }
        kept
    }

    /// Ends the tasks: what is served is saved, and the store is told that this proxy is gone.
    async fn stop(self) -> anyhow::Result<()> {
        self.ended.send_replace(true);
        // What feeds the saver goes with the control task: it finishes what it has and ends.
        self.control.abort();
        if timeout(SIGN_OFF, self.reporter).await.is_err() {
            warn!("the store did not answer in time; it will take this proxy for lost");
        }
        if timeout(SIGN_OFF, self.saver).await.is_err() {
            warn!("the snapshot is not whole: a restart may serve an earlier state at first");
        }
        info!("stopped");
        Ok(())
    }
}

fn config(file: &ProxyFile) -> ControlConfig {
    ControlConfig { flip_timeout: file.flip_timeout, lost_after: file.lost_after }
}

fn differing(a: &ProxyFile, b: &ProxyFile) -> Vec<&'static str> {
    [
        ("name", a.name == b.name),
        ("threads", a.threads == b.threads),
        ("listen", a.listen == b.listen),
        ("store", a.store == b.store),
        ("admin", a.admin == b.admin),
        ("state", a.state == b.state),
        ("tls", a.tls == b.tls),
        ("trust", a.trust == b.trust),
        ("client", a.client == b.client),
        ("limits", a.limits == b.limits),
        ("http2", a.http2 == b.http2),
        ("access_log", a.access_log == b.access_log),
        ("pages", a.pages == b.pages),
        ("front", a.front_health == b.front_health),
    ]
    .into_iter()
    .filter_map(|(key, same)| (!same).then_some(key))
    .collect()
}

/// One line per listener on stdout, for scripts that asked for port 0.
fn say_where(listeners: &[Listener], admin: &TcpListener) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for listener in listeners {
        writeln!(out, "listening {} {}", listener.scheme(), listener.local_addr())?;
    }
    writeln!(out, "listening admin {}", admin.local_addr()?)?;
    out.flush()?;
    Ok(())
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!("systemd was not told: {error}");
    }
}
