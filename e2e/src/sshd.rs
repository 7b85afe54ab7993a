//! SSH servers on engines' machines, and a user who may log in there.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::process::tool;
use crate::{Engine, Process, until};

/// A user's key, known hosts and configuration: what `ssh` reads in place of those in `~/.ssh`.
#[derive(Debug)]
pub struct SshUser {
    directory: TempDir,
}

/// An SSH server. What was logged in goes with it.
#[derive(Debug)]
pub struct Sshd {
    process: Process,
    _directory: TempDir,
}

impl SshUser {
    /// A user with a new key, who knows no host yet.
    pub async fn new() -> Self {
        let directory = TempDir::with_prefix("shunt-ssh-").unwrap();
        key(&directory.path().join("id")).await;
        let path = directory.path().display();
        let text = format!(
            "Host *\n  IdentityFile {path}/id\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {path}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        );
        std::fs::write(directory.path().join("config"), text).unwrap();
        std::fs::write(directory.path().join("known_hosts"), "").unwrap();
        Self { directory }
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Adds a name for a host to the configuration.
    pub fn call(&self, name: &str, engine: &Engine) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let host = format!("Host {name}\n  HostName {}\n  User root\n", engine.address());
        std::fs::write(self.config(), host + &text).unwrap();
    }

    /// Takes over the host key of `engine`'s machine.
    pub async fn get_to_know(&self, engine: &Engine) {
        let known = tool("ssh-keyscan", &[&engine.address().to_string()]).await;
        let path = self.directory.path().join("known_hosts");
        let text = std::fs::read_to_string(&path).unwrap() + &known;
        std::fs::write(path, text).unwrap();
    }

    /// Forgets all host keys.
    pub fn forget_hosts(&self) {
        std::fs::write(self.directory.path().join("known_hosts"), "").unwrap();
    }
}

impl Engine {
    /// Starts an SSH server on its machine, on which `user` may log in as root.
    pub async fn start_sshd(&self, user: &SshUser) -> Sshd {
        self.sshd(user, "").await
    }

    /// The same, but who logs in is root of the system in `container`.
    pub async fn start_sshd_into(&self, user: &SshUser, container: &str) -> Sshd {
        let enter = format!("docker exec --interactive {container} /bin/sh -c");
        self.sshd(user, &format!("ForceCommand {enter} \"$SSH_ORIGINAL_COMMAND\"\n")).await
    }

    async fn sshd(&self, user: &SshUser, more: &str) -> Sshd {
        let directory = TempDir::with_prefix("shunt-sshd-").unwrap();
        key(&directory.path().join("host")).await;
        let config = directory.path().join("sshd_config");
        let address = self.address();
        // `docker` finds its engine by the variable, as on a machine it would by itself.
        let text = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\nUsePAM yes\n\
             PidFile none\nSetEnv DOCKER_HOST={}\n{more}",
            directory.path().join("host").display(),
            user.directory.path().join("id.pub").display(),
            self.host(),
        );
        std::fs::write(&config, text).unwrap();
        // Where the service of that name would make it.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let mut command: Command = self.inside("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(&config);
        let process = Process::start("sshd", command, directory.path());
        until("the SSH server answers", async || {
            let door = (address, 22);
            tokio::net::TcpStream::connect(door).await.ok().map(drop)
        })
        .await;
        Sshd { process, _directory: directory }
    }
}

impl Sshd {
    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// How many times someone has logged in.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }
}

async fn key(path: &Path) {
    let path = path.to_str().unwrap();
    tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path]).await;
}
