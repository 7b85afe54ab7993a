//! A shell on the machine whose systemd is asked: here, or at the end of an `ssh`.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use shunt_config::engine::EngineUrl;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::engine::ssh;
use crate::time::show;

/// How `ssh` ends where it was itself that failed.
const SSH_FAILED: i32 = 255;

/// Bytes of output that are read.
const MOST: u64 = 4 * 1024 * 1024;

/// A shell on one machine.
#[derive(Debug)]
pub(super) struct Shell {
    ssh: Option<Ssh>,
    door: Semaphore,
}

#[derive(Debug)]
struct Ssh {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// How a script ended.
#[derive(Debug)]
pub(super) struct Ran {
    /// Its exit code; -1 if a signal ended it.
    pub(super) code: i32,
    /// What it wrote.
    pub(super) output: String,
    errors: String,
    status: ExitStatus,
}

impl Shell {
    /// The one of the machine of `url`.
    pub(super) fn of(url: &EngineUrl) -> Self {
        let ssh = match url {
            EngineUrl::SystemdSsh { user, host, port } => {
                Some(Ssh { user: user.clone(), host: host.clone(), port: *port })
            }
            _ => None,
        };
        Self { ssh, door: Semaphore::new(ssh::AT_THE_DOOR) }
    }

    /// Runs `script` with `arguments` as `$1` and so on, and `input` to read; why it did not run.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, a script here is killed; one elsewhere may run to its end.
    pub(super) async fn run(
        &self,
        script: &str,
        arguments: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Ran, String> {
        let _place = self.door.acquire().await.map_err(|error| error.to_string())?;
        let mut child = self.spawn(script, arguments)?;
        let ended = async {
            let written = write(child.stdin.take(), input);
            let (output, errors) = (child.stdout.take(), child.stderr.take());
            let (mut text, mut said) = (Vec::new(), Vec::new());
            // Whoever does not read all of its input has its reasons, and says them by its code.
            let ((), read, _) = tokio::join!(
                written,
                async { output?.take(MOST).read_to_end(&mut text).await.ok() },
                async { errors?.take(MOST).read_to_end(&mut said).await.ok() },
            );
            read.ok_or("its output is not to be had")?;
            let status = child.wait().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, text, said))
        };
        let ended = timeout(limit, ended).await;
        let (status, text, said) =
            ended.map_err(|_| format!("no answer within {}", show(limit)))??;
        let ran = Ran {
            code: status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&text).into_owned(),
            errors: String::from_utf8_lossy(&said).into_owned(),
            status,
        };
        self.through(ran)
    }

    /// Runs `script`, and gives each line that it writes, until it ends.
    pub(super) async fn follow(
        &self,
        script: &str,
        arguments: &[&str],
        each: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), String> {
        let mut child = self.spawn(script, arguments)?;
        drop(child.stdin.take());
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("its output is not to be had".to_owned());
        };
        let mut lines = BufReader::new(output).split(b'\n');
        while let Some(line) = lines.next_segment().await.map_err(|error| error.to_string())? {
            each(String::from_utf8_lossy(&line).trim_end());
        }
        let mut said = Vec::new();
        // What it says is worth showing, and no reason to fail.
        let _ = errors.take(MOST).read_to_end(&mut said).await;
        let status = child.wait().await.map_err(|error| error.to_string())?;
        let errors = String::from_utf8_lossy(&said).into_owned();
        let code = status.code().unwrap_or(-1);
        self.through(Ran { code, output: String::new(), errors, status }).map(drop)
    }

    fn spawn(&self, script: &str, arguments: &[&str]) -> Result<Child, String> {
        let words = [&["sh", "-c", script, "shunt"], arguments].concat();
        let (program, words): (_, Vec<String>) = match &self.ssh {
            None => ("sh", words.iter().skip(1).map(|word| (*word).to_owned()).collect()),
            Some(Ssh { user, host, port }) => {
                // It gives the other side one line for a shell, whatever it is given here.
                let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
                ("ssh", ssh::arguments(user.as_deref(), host, *port, &[&line]))
            }
        };
        let mut command = Command::new(program);
        command.args(words).kill_on_drop(true).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C is for the deploy, which needs its engines to undo what was begun.
        command.process_group(0);
        command.spawn().map_err(|error| format!("`{program}`: {error}"))
    }

    /// `ran`, unless it was `ssh` that did not get through.
    fn through(&self, ran: Ran) -> Result<Ran, String> {
        match self.ssh.is_some() && ran.code == SSH_FAILED {
            true => Err(ssh::reason(&ran.errors, ran.status, &[])),
            false => Ok(ran),
        }
    }
}

async fn write(pipe: Option<ChildStdin>, input: &[u8]) {
    // Closed by its drop: then it is at its end.
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
}

/// `word` as a shell reads it as one word again.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Ran {
    /// Why it did not end well, with the way out.
    pub(super) fn reason(&self) -> String {
        let lines = self.errors.lines().map(str::trim).filter(|line| !line.is_empty());
        let said = lines.collect::<Vec<_>>().join("; ");
        let ways = [
            ("booted with systemd", "systemd has to be the first process there"),
            ("systemctl: not found", "the command `systemctl` has to be there"),
            ("authentication required", "whoever starts units there has to be root"),
            ("permission denied", "whoever starts units there has to be root"),
            ("read-only file system", "drop-ins are written to /etc/systemd/system"),
            ("does not exist", "the template unit has to be installed there first"),
            ("not found", "the template unit has to be installed there first"),
        ];
        let small = said.to_lowercase();
        match ways.into_iter().find(|(words, _)| small.contains(words)) {
            Some((_, way)) => format!("{said} ({way})"),
            None if said.is_empty() => self.status.to_string(),
            None => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(1);

    fn here() -> Shell {
        Shell::of(&EngineUrl::Systemd)
    }

    #[tokio::test]
    async fn words_stay_words_here_and_through_the_line_that_ssh_hands_on() {
        let nasty =
            ["a b", "$(touch x)", "`id`", "it's", "\"", "; exit 7", "-n", "*", "line\nend", ""];
        let script = r#"for word in "$@"; do printf '<%s>' "$word"; done"#;
        let expected = nasty.map(|word| format!("<{word}>")).concat();
        let ran = here().run(script, &nasty, &[], TIMEOUT).await.unwrap();
        assert_eq!((ran.code, ran.output), (0, expected.clone()));
        // What sshd does with the line that it gets.
        let words = [&["sh", "-c", script, "shunt"], &nasty[..]].concat();
        let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let ran = here().run(&line, &[], &[], TIMEOUT).await.unwrap();
        assert_eq!((ran.code, ran.output), (0, expected));
    }

    #[tokio::test]
    async fn what_a_script_reads_is_on_no_command_line_and_what_it_says_is_told_with_the_way_out() {
        let ran = here().run("cat; echo said >&2; exit 3", &[], b"secret", TIMEOUT).await.unwrap();
        assert_eq!((ran.code, ran.output.as_str(), ran.reason().as_str()), (3, "secret", "said"));
        for (said, way) in [
            ("System has not been booted with systemd as init system (PID 1).", "first process"),
            ("Failed to start a@1.service: Interactive authentication required.", "root"),
            ("Failed to start a@1.service: Unit a@1.service not found.", "installed there first"),
            ("sh: 1: systemctl: not found", "`systemctl` has to be there"),
        ] {
            let script = r#"echo "$1" >&2; exit 1"#;
            let ran = here().run(script, &[said], &[], TIMEOUT).await.unwrap();
            let told = ran.reason();
            assert!(told.starts_with(said) && told.contains(way), "{told}");
        }
        let ran = here().run("exit 4", &[], &[], TIMEOUT).await.unwrap();
        assert_eq!(ran.reason(), "exit status: 4");
    }

    #[tokio::test]
    async fn lines_that_follow_come_one_by_one() {
        let mut lines = Vec::new();
        let mut each = |line: &str| lines.push(line.to_owned());
        here().follow("echo one; printf 'two  \\n\\nlast'", &[], &mut each).await.unwrap();
        assert_eq!(lines, ["one", "two", "", "last"]);
    }
}
