//! What may stop a deploy from outside: a signal, `undo`, the loss of its lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shunt_config::AppName;
use shunt_config::key::AppKey;
use shunt_config::record::{Deploy, Who};
use shunt_config::store::{Change, Store, Watch, WatchEvent};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::{Exit, Failure};
use crate::lock::Held;
use crate::report::LastWord;

/// How many look out in this process.
static LOOKING_OUT: AtomicUsize = AtomicUsize::new(0);

/// Whether someone looks out for signals, and does what they ask for.
pub fn someone_looks_out() -> bool {
    LOOKING_OUT.load(Ordering::Relaxed) > 0
}

/// Why a deploy does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C or SIGTERM.
    Signal,
    /// Someone ran `undo`.
    Undo(Who),
    /// The lock is gone: another may deploy by now, so nothing more may be changed.
    LockLost,
    /// Someone else changed the same keys.
    Superseded(String),
}

/// Watches for what may stop a deploy from outside, until it is dropped.
#[derive(Debug)]
pub struct Lookout {
    stop: watch::Receiver<Option<Stop>>,
    task: JoinHandle<()>,
}

impl Lookout {
    /// Begins to watch over the deploy `id` of `app`, which holds `held`; `last` is for one that is left
    /// as it is, at a second signal.
    pub fn new(
        store: &Arc<dyn Store>,
        app: &AppName,
        id: &str,
        held: Held,
        last: LastWord,
    ) -> Result<Self, Failure> {
        let no_signals = |e: std::io::Error| Failure::new(Exit::Unreachable, e.to_string());
        let interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
        let terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
        let (sender, stop) = watch::channel(None);
        let key = AppKey::Deploy.of(app).to_string();
        let records = store.watch(&key);
        let outside = Outside { interrupt, terminate, records, key, id: id.to_owned(), held, last };
        LOOKING_OUT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { stop, task: tokio::spawn(outside.watch(sender)) })
    }

    /// Waits until something stops the deploy; at once if it was stopped before.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled and called again.
    pub async fn stopped(&self) -> Stop {
        let mut stop = self.stop.clone();
        // The sender goes only when the task does: with this.
        let seen = stop.wait_for(Option::is_some).await.ok().and_then(|stop| stop.clone());
        match seen {
            Some(stop) => stop,
            None => std::future::pending().await,
        }
    }

    /// The same for one that may outlive a borrow of this, to be told of a signal.
    pub fn signalled(&self) -> impl Future<Output = ()> + 'static {
        let mut stop = self.stop.clone();
        async move {
            let by_signal = |stop: &Option<Stop>| *stop == Some(Stop::Signal);
            if stop.wait_for(by_signal).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What stopped the deploy, if something has.
    pub fn seen(&self) -> Option<Stop> {
        self.stop.borrow().clone()
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.task.abort();
        LOOKING_OUT.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Outside {
    interrupt: Signal,
    terminate: Signal,
    records: Watch,
    key: String,
    id: String,
    held: Held,
    last: LastWord,
}

impl Outside {
    async fn watch(mut self, sender: watch::Sender<Option<Stop>>) {
        let stop = self.first().await;
        let (lost, held) = (stop == Stop::LockLost, self.held.clone());
        sender.send_replace(Some(stop));
        // Taking a deploy back takes its time and needs the lock, too. Whoever sends a second
        // signal wants out; what is half done then is for `resume`.
        tokio::select! {
            () = held.lost(), if !lost => drop(sender.send_replace(Some(Stop::LockLost))),
            () = self.signal() => self.last.leave(),
        }
        self.signal().await;
        self.last.leave();
    }

    async fn signal(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn first(&mut self) -> Stop {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Stop::Signal,
                _ = self.terminate.recv() => return Stop::Signal,
                () = self.held.lost() => return Stop::LockLost,
                Some(event) = self.records.next() => {
                    if let Some(who) = self.undone(event) {
                        return Stop::Undo(who);
                    }
                }
            }
        }
    }

    /// Who wants this deploy undone, if the event says so.
    fn undone(&self, event: WatchEvent) -> Option<Who> {
        let entries = match event {
            WatchEvent::Full(view) => view.entries.into_values().collect(),
            WatchEvent::Changed(all) => all.into_iter().filter_map(put).collect::<Vec<_>>(),
            WatchEvent::Confirmed | WatchEvent::Lost(_) => return None,
        };
        let own = entries.into_iter().filter(|entry| entry.key == self.key);
        let records = own.filter_map(|entry| Deploy::parse(&entry.value).ok());
        records.filter(|record| record.id == self.id).find_map(|record| record.undo)
    }
}

fn put(change: Change) -> Option<shunt_config::store::Entry> {
    match change {
        Change::Put(entry) => Some(entry),
        Change::Deleted(_) => None,
    }
}
