//! A registry on this machine that asks who one is.

use std::net::Ipv4Addr;
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::process::attempt;
use crate::{Engine, Port, Process, until};

/// Who may use it. The password is one whose header differs between the alphabets of base64.
pub const USER: &str = "ci";
/// Their password.
pub const PASSWORD: &str = "p>>>???~~~\u{ff}";
/// Its bcrypt hash, as `htpasswd -B` makes it.
const HASH: &str = "$2b$04$knGCxaOCg2o8oY0M14Hd2eq/bbknC4G3eQ.ean7v1Fcj/ez89XMCW";

/// A private registry.
#[derive(Debug)]
pub struct Registry {
    address: Ipv4Addr,
    port: Port,
    _process: Process,
    directory: TempDir,
}

impl Registry {
    /// Starts one on an address of this machine.
    pub async fn start(address: Ipv4Addr) -> Self {
        let (directory, port) = (TempDir::with_prefix("shunt-registry-").unwrap(), Port::free());
        let path = directory.path();
        std::fs::write(path.join("htpasswd"), format!("{USER}:{HASH}\n")).unwrap();
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {0}/data}}}}\n\
             http: {{addr: '{address}:{1}'}}\nauth: {{htpasswd: {{realm: tests, path: {0}/htpasswd}}}}\n",
            path.display(),
            port.number(),
        );
        std::fs::write(path.join("config.yml"), text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path.join("config.yml"));
        let process = Process::start("registry", command, path);
        let url = format!("http://{address}:{}/v2/", port.number());
        until("the registry answers", async || {
            attempt("curl", &["-s", &url]).await.0.success().then_some(())
        })
        .await;
        let registry = Self { address, port, _process: process, directory };
        let auth = format!("{USER}:{PASSWORD}");
        let auth = base64(auth.as_bytes());
        let name = registry.name();
        let text = format!(r#"{{"auths":{{"{name}":{{"auth":"{auth}"}}}}}}"#);
        registry.write_config("docker", &text);
        registry
    }

    /// Its name in images: `10.231.0.1:10007`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.address, self.port.number())
    }

    /// Where Docker's configuration with the login for it is: for `DOCKER_CONFIG`.
    pub fn config(&self) -> String {
        self.directory.path().join("docker").display().to_string()
    }

    /// Writes another configuration of Docker's, and returns where.
    pub fn write_config(&self, name: &str, text: &str) -> String {
        let directory = self.directory.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("config.json"), text).unwrap();
        directory.display().to_string()
    }

    /// A directory for `PATH` with a credential helper of the name `test`, which knows the login.
    pub fn helper(&self) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = self.directory.path().join("bin");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("docker-credential-test");
        let text = format!(
            "#!/bin/sh\nread server\n[ \"$1 $server\" = 'get {}' ] || exit 1\n\
             echo '{{\"ServerURL\":\"\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n",
            self.name()
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        directory.display().to_string()
    }

    /// Builds the demo app's image on `engine`, pushes it here, and removes it there.
    pub async fn publish_demo(&self, engine: &Engine, version: &str) {
        let built = engine.build_demo(version, &[]).await;
        let name = format!("{}/acme/web:{version}", self.name());
        engine.docker(&["tag", &built, &name]).await;
        let config = self.config();
        assert!(Path::new(&config).exists());
        engine.docker(&["--config", &config, "push", &name]).await;
        engine.docker(&["rmi", &name, &built]).await;
    }
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}
