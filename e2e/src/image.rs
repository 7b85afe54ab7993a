//! Images to deploy.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cache::cached;
use crate::engine::{Engine, REGISTRY};

impl Engine {
    /// Builds an image of the demo app, release `version`, whose environment gets `settings`
    /// (`BROKEN=true`, `READY_AFTER=5s`); returns its name.
    pub async fn build_demo(&self, version: &str, settings: &[&str]) -> String {
        let name = format!("{REGISTRY}/acme/web:{version}");
        let directory = TempDir::new().unwrap();
        std::fs::hard_link(static_demo(), directory.path().join("app"))
            .or_else(|_| std::fs::copy(static_demo(), directory.path().join("app")).map(|_| ()))
            .unwrap();
        let version = format!("VERSION={version}");
        let environment = [&[version.as_str()], settings].concat().join(" ");
        let text =
            format!("FROM scratch\nCOPY app /app\nENV {environment}\nENTRYPOINT [\"/app\"]\n");
        std::fs::write(directory.path().join("Dockerfile"), text).unwrap();
        self.build(&name, directory.path(), &[]).await;
        name
    }

    /// Imports a Debian system with systemd, Python and curl; returns its name.
    pub async fn import_debian(&self) -> &'static str {
        let name = "test/debian";
        self.docker(&["import", debian().to_str().unwrap(), name]).await;
        name
    }

    /// Builds an image from a Dockerfile and the files beside it in `directory`.
    pub async fn build(&self, name: &str, directory: &Path, arguments: &[&str]) {
        let arguments = arguments.iter().flat_map(|argument| ["--build-arg", argument]);
        let mut all = vec!["build", "--quiet", "--tag", name];
        all.extend(arguments);
        all.push(directory.to_str().unwrap());
        self.docker(&all).await;
    }

    /// The demo app's image, pushed to the registry and removed here, so that a deploy has to pull it.
    pub async fn publish_demo(&self, version: &str, settings: &[&str]) -> String {
        let name = self.build_demo(version, settings).await;
        self.docker(&["push", &name]).await;
        self.docker(&["rmi", &name]).await;
        name
    }
}

impl Engine {
    /// Builds an image of httpbin on the imported Debian system, and pushes it to the registry.
    pub async fn publish_httpbin(&self, debian: &str, version: &str) {
        let name = format!("{REGISTRY}/httpbin:{version}");
        let packages = cached(&format!("httpbin-{version}"), "tools/httpbin");
        let text = format!(
            "FROM {debian}\nCOPY . /packages\nENV PYTHONPATH=/packages PYTHONUNBUFFERED=1\n\
             ENTRYPOINT [\"python3\", \"-m\", \"gunicorn\", \"--bind\", \"0.0.0.0:8080\", \
             \"--workers\", \"2\", \"--threads\", \"8\", \"--access-logfile\", \"-\", \
             \"httpbin:app\"]\n"
        );
        let file = TempDir::new().unwrap();
        let file = file.path().join("Dockerfile");
        std::fs::write(&file, text).unwrap();
        let (file, packages) = (file.to_str().unwrap(), packages.to_str().unwrap());
        self.docker(&["build", "--quiet", "--tag", &name, "--file", file, packages]).await;
        self.docker(&["push", &name]).await;
    }
}

/// The demo app as one file that needs nothing else.
pub fn static_demo() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let path = target.join("static").join(triple).join("debug/shunt-demo-app");
    assert!(path.exists(), "{} is not built: `tools/build` does it", path.display());
    path
}

/// The Debian system that `tools/base-image` has made.
fn debian() -> PathBuf {
    cached("debian-bookworm-2.tar", "tools/base-image")
}
