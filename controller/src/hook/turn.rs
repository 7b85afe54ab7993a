//! Whose turn it is. A hook goes on when the run that began it is killed, and the app's lock is another's
//! soon after. So hooks of one app run one at a time on a machine: each has a lock on a file, which is
//! gone when its processes are.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::geteuid;
use shunt_config::AppName;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::report::Report;
use crate::time::show;

/// One and the same for all of a machine, where `/tmp` is each service's own and `TMPDIR` each job's.
const DIRECTORY: &str = "/dev/shm";

/// How often the lock is tried.
const AGAIN: Duration = Duration::from_millis(200);

/// Where the hooks of an app wait for each other: those of one user, since a file that others may lock
/// would let them hold up any deploy.
#[derive(Clone, Debug)]
pub struct Turn {
    app: AppName,
    path: PathBuf,
}

impl Turn {
    /// That of `app` in the store with this identity: two installations may have an app of one name.
    pub fn of(store: &str, app: &AppName) -> Self {
        let (user, store) = (geteuid().as_raw(), fnv(store.as_bytes()));
        let path = format!("{DIRECTORY}/shunt-hook.{user}.{app}.{store:016x}").into();
        Self { app: app.clone(), path }
    }

    /// Waits until no other hook of the app runs, for `limit` at most: why the hook `name` cannot begin,
    /// in a sentence, if one still does then. Where nobody can tell, that is said, and it begins.
    ///
    /// # Cancel safety
    ///
    /// May be cancelled; nothing is taken then.
    pub async fn take(
        &self,
        name: &str,
        limit: Duration,
        report: &Report,
    ) -> Result<Taken, String> {
        let (app, path, began) = (&self.app, self.path.display(), Instant::now());
        let unknown = |error: io::Error| {
            report.note(&format!(
                "not known whether another hook of `{app}` runs here: {path}: {error}"
            ));
            Ok(Taken(None))
        };
        let file = match self.open() {
            Ok(file) => file,
            Err(error) => return unknown(error),
        };
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Taken(Some(file))),
                Err(TryLockError::Error(error)) => return unknown(error),
                Err(TryLockError::WouldBlock) => {}
            }
            if began.elapsed() >= limit {
                let limit = show(limit);
                return Err(format!(
                    "the hook `{name}` did not begin: another hook of `{app}` runs on this machine, and \
                     was not over after {limit} (`fuser -v {path}` names its processes)"
                ));
            }
            if !std::mem::replace(&mut told, true) {
                report.note(&format!(
                    "`{name}` waits: another hook of `{app}` runs on this machine, whose run was killed"
                ));
            }
            sleep(AGAIN).await;
        }
    }

    fn open(&self) -> io::Result<File> {
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |more| rustix::fs::open(&self.path, how | more, Mode::RUSR | Mode::WUSR);
        let file = match open(OFlags::empty()) {
            Err(Errno::NOENT) => match open(OFlags::CREATE | OFlags::EXCL) {
                Err(Errno::EXIST) => open(OFlags::empty()),
                made => made,
            },
            opened => opened,
        };
        let file = File::from(file?);
        let about = file.metadata()?;
        match about.is_file() && about.uid() == geteuid().as_raw() {
            true => Ok(file),
            false => Err(io::Error::other("it is another user's, or no file")),
        }
    }
}

/// While this is there it is its holder's turn, and after its end for as long as a hook lives that nobody
/// watches any more.
#[derive(Debug)]
pub struct Taken(Option<File>);

impl Taken {
    /// For what has no turns.
    pub fn none() -> Self {
        Self(None)
    }

    /// Lets go of it as the end of this process would: whoever else has it keeps it.
    #[cfg(test)]
    pub fn forget(mut self) -> Option<File> {
        self.0.take()
    }

    /// Starts a hook, whose processes have the lock, too: as an open file that they do not know of, and as
    /// what they read, which is empty. A shell that becomes `psql < file` lets go of the one, and `sudo` of
    /// the other.
    pub fn start(&self, command: &mut Command) -> io::Result<Child> {
        let Some(file) = &self.0 else { return command.stdin(Stdio::null()).spawn() };
        command.stdin(file.try_clone()?);
        // Nothing else is started meanwhile: that would take a turn, too.
        fcntl_setfd(file, FdFlags::empty())?;
        let child = command.spawn();
        let _ = fcntl_setfd(file, FdFlags::CLOEXEC);
        child
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // For all who have it: what a hook leaves running in the background is its own affair.
        let _ = self.0.as_ref().map(File::unlock);
    }
}

/// FNV-1a, the same in every build.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
