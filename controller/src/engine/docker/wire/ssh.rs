//! Through a child `ssh` for each connection, as the `docker` command does it: so that whatever the
//! user's ssh can reach by its configuration, agent and jump hosts can be reached.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Connect, Wire};
use crate::engine::ssh::{self, AT_THE_DOOR};

/// How long one is counted as being there.
const LETTING_IN: Duration = Duration::from_secs(1);

/// How long an `ssh` that says no more may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// Bytes of its standard error that are read.
const SAID: u64 = 16 * 1024;

/// Makes connections to one engine.
#[derive(Clone)]
pub(in super::super) struct Ssh {
    arguments: Arc<[String]>,
    door: Arc<Semaphore>,
}

impl Ssh {
    /// Connections to the engine of `host`, as `ssh` knows it.
    pub(in super::super) fn new(user: Option<&str>, host: &str, port: Option<u16>) -> Self {
        let command = ["docker", "system", "dial-stdio"];
        let all = ssh::arguments(user, host, port, &command);
        Self { arguments: all.into(), door: Arc::new(Semaphore::new(AT_THE_DOOR)) }
    }
}

impl Connect for Ssh {
    async fn connect(self) -> io::Result<Wire> {
        let place = self.door.acquire_owned().await.map_err(io::Error::other)?;
        let mut command = Command::new("ssh");
        command.args(&*self.arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C is for the deploy, which needs its connections to undo what was begun.
        command.process_group(0);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|e| io::Error::new(e.kind(), format!("`ssh`: {e}")))?;
        tokio::spawn(async {
            sleep(LETTING_IN).await;
            drop(place);
        });
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("`ssh` has no input or output"));
        };
        Ok(Wire(Box::new(Talk { stdin, stdout, state: State::Open(Some(child)) })))
    }
}

/// A child `ssh`, which is killed when this is dropped.
struct Talk {
    stdin: ChildStdin,
    stdout: ChildStdout,
    state: State,
}

enum State {
    Open(Option<Child>),
    /// It has closed its output, and is waited for to say why.
    Ending(Pin<Box<dyn Future<Output = io::Result<()>> + Send>>),
}

impl AsyncRead for Talk {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let this = &mut *self;
            match &mut this.state {
                State::Ending(ended) => return ended.as_mut().poll(cx),
                State::Open(child) => {
                    let before = buffer.filled().len();
                    ready!(Pin::new(&mut this.stdout).poll_read(cx, buffer))?;
                    if buffer.filled().len() > before || buffer.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    this.state = State::Ending(Box::pin(ended(child.take())));
                }
            }
        }
    }
}

impl AsyncWrite for Talk {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stdin).poll_write(cx, bytes)) {
            // It has ended: what it said of that is read on the other side.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Poll::Ready(Ok(bytes.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

/// Why `ssh` has ended; nothing is wrong if that is as it should be.
async fn ended(child: Option<Child>) -> io::Result<()> {
    let Some(mut child) = child else { return Ok(()) };
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // A connection that others share may hold it open for as long as it likes.
        let _ = timeout(ENDING, stderr.take(SAID).read_to_end(&mut said)).await;
    }
    match timeout(ENDING, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(io::Error::other(reason(&String::from_utf8_lossy(&said), status))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("`ssh` does not end")),
    }
}

/// What ended it, and the way out.
fn reason(said: &str, status: ExitStatus) -> String {
    let ways = [
        (
            "docker daemon socket",
            "this user may not use Docker there: add it to the group `docker`, or log in as another",
        ),
        ("not found", "the command `docker` has to be installed there, too"),
        ("docker daemon", "is Docker running there?"),
        ("docker.sock", "is Docker running there?"),
    ];
    ssh::reason(said, status, &ways)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn why_ssh_ended_is_told_with_the_way_out() {
        for (said, way) in [
            (
                "No ED25519 host key is known for [10.0.0.11]:22 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "ssh-keyscan",
            ),
            (
                "@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.\n",
                "ssh-keygen -R",
            ),
            ("root@10.0.0.11: Permission denied (publickey).\n", "ssh-add"),
            ("bash: line 1: docker: command not found\n", "has to be installed"),
            (
                "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock\n",
                "group `docker`",
            ),
            (
                "failed to connect: dial unix /var/run/docker.sock: connect: no such file\n",
                "running",
            ),
        ] {
            let text = reason(said, ExitStatus::from_raw(255 << 8));
            assert!(text.contains(way), "{text}");
            assert!(text.starts_with(said.lines().last().unwrap()), "{text}");
        }
        let told = reason("\n", ExitStatus::from_raw(255 << 8));
        assert_eq!(told, "`ssh` ended: exit status: 255");
        let told =
            reason("Timeout, server 10.0.0.11 not responding.\n", ExitStatus::from_raw(255 << 8));
        assert_eq!(told, "Timeout, server 10.0.0.11 not responding.");
    }
}
