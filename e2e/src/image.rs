//! Images to deploy.

use std::path::PathBuf;

use tempfile::TempDir;

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
        self.docker(&["build", "--quiet", "--tag", &name, directory.path().to_str().unwrap()])
            .await;
        name
    }

    /// The same, pushed to the registry and removed here, so that a deploy has to pull it.
    pub async fn publish_demo(&self, version: &str, settings: &[&str]) -> String {
        let name = self.build_demo(version, settings).await;
        self.docker(&["push", &name]).await;
        self.docker(&["rmi", &name]).await;
        name
    }
}

/// The demo app as one file that needs nothing else.
fn static_demo() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let path = target.join("static").join(triple).join("debug/shunt-demo-app");
    assert!(path.exists(), "{} is not built: `tools/build` does it", path.display());
    path
}
