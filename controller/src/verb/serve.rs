//! `shuntctl serve`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shunt_config::serve_file;

use crate::context::Context;
use crate::exit::Failure;
use crate::serve::loaded::Loaded;
use crate::serve::run;

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Its own file
    #[arg(long, value_name = "PATH", default_value = serve_file::PATH)]
    config: PathBuf,
    /// Names every mistake in the file, in the secrets and in the deploy files, and serves nothing
    #[arg(long)]
    check: bool,
}

impl Serve {
    /// Serves until it is told to stop.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let loaded = Loaded::load(&self.config)?;
        if !self.check {
            return run(&self.config, loaded).await;
        }
        let shown = self.config.display().to_string();
        let warnings = loaded.warnings();
        if !warnings.is_empty() {
            let said = format!("{shown} is sound, but what it names is not");
            return Err(Failure::usage(said).details(warnings.iter().cloned()));
        }
        let apps: Vec<_> = loaded.file.apps.keys().map(ToString::to_string).collect();
        context.report.value(&json!({ "file": shown, "apps": apps, "sound": true }));
        context.report.line(&format!("{shown} is sound: {} app(s)", apps.len()));
        Ok(())
    }
}
