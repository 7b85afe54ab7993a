//! The files that `proxy.toml` names, opened: pages, keys and the access log.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use rustix::fs::{Access, access};
use shunt_config::pass::PassKey;
use shunt_config::proxy_file::{AccessLog as Section, Destination, Format as LogFormat, ProxyFile};
use tracing::error;

use crate::access_log::{AccessLog, Format, Output};
use crate::pages::Pages;

/// The access log that `file` asks for, running.
pub(crate) fn access_log(file: &ProxyFile) -> anyhow::Result<Option<Arc<AccessLog>>> {
    let Some(section) = &file.access_log else { return Ok(None) };
    let output = match &section.path {
        Destination::Stdout => Output::stdout()?,
        Destination::File(path) => Output::file(path).with_context(|| place(path))?,
    };
    let format = match section.format {
        LogFormat::Json => Format::Json,
        LogFormat::Combined => Format::Combined,
    };
    Ok(Some(Arc::new(AccessLog::start(output, format, section.buffer)?)))
}

/// Whether the access log of `file` could be opened. Makes none.
pub(crate) fn access_log_opens(file: &ProxyFile) -> anyhow::Result<()> {
    let Some(Section { path: Destination::File(path), .. }) = &file.access_log else {
        return Ok(());
    };
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(Path::new("/"));
            can_make_in(parent).with_context(|| place(path))
        }
        opened => opened.map(drop).with_context(|| place(path)),
    }
}

fn place(path: &Path) -> String {
    format!("[access_log] path = \"{}\"", path.display())
}

/// Whether this user may make files in `directory`.
pub(crate) fn can_make_in(directory: &Path) -> anyhow::Result<()> {
    let about = || directory.display().to_string();
    let found = std::fs::metadata(directory).with_context(about)?;
    if !found.is_dir() {
        return Err(anyhow!("{} is no directory", directory.display()));
    }
    access(directory, Access::WRITE_OK | Access::EXEC_OK).with_context(about)
}

/// The pages that `file` asks for.
pub(crate) fn pages(file: &ProxyFile) -> anyhow::Result<Pages> {
    let Some(directory) = &file.pages else { return Ok(Pages::default()) };
    Pages::load(directory).map_err(|mistakes| {
        let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        anyhow!("[pages] directory = \"{}\": {}", directory.display(), all.join("; "))
    })
}

/// Reads the pages again; those in use stay if there is a mistake.
pub(crate) fn reload_pages(file: &ProxyFile, used: &ArcSwap<Pages>) {
    match pages(file) {
        Ok(pages) => used.store(Arc::new(pages)),
        Err(error) => error!("the pages stay as they were: {error:#}"),
    }
}

/// The keys that `file` names.
pub(crate) fn pass_keys(file: &ProxyFile) -> anyhow::Result<Vec<PassKey>> {
    let load = |path: &PathBuf| PassKey::load(path);
    file.preview_keys.iter().map(load).collect::<Result<_, _>>().context("[preview] keys")
}

/// Reads the keys again; those in use stay if there is a mistake.
pub(crate) fn reload_pass_keys(file: &ProxyFile, used: &ArcSwap<Vec<PassKey>>) {
    match pass_keys(file) {
        Ok(keys) => used.store(Arc::new(keys)),
        Err(error) => error!("the keys stay as they were: {error:#}"),
    }
}
