//! Files with secrets: one on each line, so that a new one can be there before the old one goes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use data_encoding::BASE64;
use shunt_config::secret::Secret;

/// Characters of a secret at least: shorter ones can be guessed.
const MIN: usize = 16;

/// How a key begins that deliveries are signed with; base64 follows (Standard Webhooks).
pub(super) const SIGNING: &str = "whsec_";

/// What a file held.
#[derive(Debug)]
pub(super) struct SecretFile {
    /// Each line but empty ones.
    pub(super) secrets: Vec<Secret>,
    /// What is wrong with how it is kept, if anything.
    pub(super) warning: Option<String>,
}

/// Reads the file at `path`; what is wrong with it otherwise.
pub(super) fn read(path: &Path) -> Result<SecretFile, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<_> = lines.map(Secret::new).collect();
    if secrets.is_empty() {
        return Err(format!("{shown} is empty: `openssl rand -hex 32` prints a secret"));
    }
    if secrets.iter().any(|secret| secret.reveal().len() < MIN) {
        return Err(format!("{shown}: a secret has {MIN} characters at least"));
    }
    let unsound = |secret: &Secret| {
        let key = secret.reveal().strip_prefix(SIGNING);
        key.is_some_and(|key| BASE64.decode(key.as_bytes()).is_err())
    };
    if secrets.iter().any(unsound) {
        return Err(format!("{shown}: what follows `{SIGNING}` is not base64"));
    }
    let mode = fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?.mode();
    let open = mode & 0o007 != 0;
    let warning = open.then(|| {
        format!(
            "{shown} can be used by every user of this machine (mode {:03o}): `chmod 640`",
            mode & 0o777
        )
    });
    Ok(SecretFile { secrets, warning })
}
