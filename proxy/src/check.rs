//! What would end `run` on this machine, found without making, changing or serving anything.

use std::path::Path;

use anyhow::Context;
use shunt_config::proxy_file::ProxyFile;
use shunt_config::store;

use crate::saved::{StateDir, StateLock};
use crate::{doors, files};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Each would end `run`.
    pub faults: Vec<String>,
    /// Each is good to know, and ends nothing.
    pub remarks: Vec<String>,
}

impl Found {
    fn take<T>(&mut self, done: anyhow::Result<T>) -> Option<T> {
        done.map_err(|error| self.faults.push(format!("{error:#}"))).ok()
    }
}

/// Looks at all that `file` names on this machine, as the user that this process runs as.
pub fn check(file: &ProxyFile) -> Found {
    let mut found = Found::default();
    found.take(files::pages(file));
    found.take(files::pass_keys(file));
    found.take(files::access_log_opens(file));
    let about = || format!("[state] directory = \"{}\"", file.state.display());
    found.take(state(file).with_context(about));
    found.take(store::open(&file.store).context("[store]"));
    certificates(file, &mut found);
    match StateLock::holder(&file.state) {
        // They are its own.
        Some(holder) => found.remarks.push(format!("it runs ({holder}): its ports were not tried")),
        None => drop(found.take(doors::can_bind(file))),
    }
    found
}

/// Whether what is served can be saved, and a directory that is not there be made.
fn state(file: &ProxyFile) -> anyhow::Result<()> {
    let path = &file.state;
    if !path.exists() {
        // Its parents are made as well.
        let there = path.ancestors().find(|parent| parent.exists()).unwrap_or(Path::new("/"));
        return files::can_make_in(there);
    }
    files::can_make_in(path)?;
    let apps = path.join("apps");
    if apps.exists() {
        files::can_make_in(&apps)?;
    }
    StateDir::as_it_is(path, &file.name).cookie_key_there().context("key of sticky cookies")?;
    Ok(())
}

/// A certificate that is no good is one host's trouble; the directory, or a client authority, is all's.
fn certificates(file: &ProxyFile, found: &mut Found) {
    let Some(tls) = &file.tls else { return };
    let Some(certificates) = found.take(doors::certificates(tls)) else { return };
    let state = certificates.state();
    if state.certificates.is_empty() {
        let directory = tls.certificates.display();
        found
            .remarks
            .push(format!("{directory}: there is no certificate in it: TLS handshakes will fail"));
    }
    let bad = state.certificates.iter().filter_map(|one| Some((&one.name, one.error.as_ref()?)));
    found.remarks.extend(bad.map(|(name, error)| format!("certificate `{name}`: {error}")));
    for listen in file.listen.iter().filter(|listen| listen.tls) {
        found.take(doors::server(&certificates, tls, listen));
    }
}
