//! The key that sticky cookies are signed with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER_PERMISSIVE;

use super::directory::StateDir;

/// The file's name in the state directory.
const FILE: &str = "cookie.key";

impl StateDir {
    /// The key in `cookie.key`, made by chance if the file is not there: 64 hexadecimal digits that
    /// nobody but the owner may read. Proxies that serve the same visitors share it by a copy of the
    /// file; an error names the file, and the way out.
    pub fn cookie_key(&self) -> io::Result<[u8; 32]> {
        match self.cookie_key_there()? {
            Some(key) => Ok(key),
            None => self.make().map_err(|error| self.about(&error)),
        }
    }

    /// The same, and `None` if the file is not there.
    pub(crate) fn cookie_key_there(&self) -> io::Result<Option<[u8; 32]>> {
        match fs::read(self.path().join(FILE)) {
            Ok(text) => decode(&text).map(Some).ok_or_else(|| {
                let said = "no key of 64 hexadecimal digits; copy it again, or remove it for a new \
                            one, which ends the stay of every visitor";
                self.about(&io::Error::other(said))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.about(&error)),
        }
    }

    fn about(&self, error: &io::Error) -> io::Error {
        let path = self.path().join(FILE);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    }

    fn make(&self) -> io::Result<[u8; 32]> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(io::Error::other)?;
        let written = self.path().join(format!("{FILE}.new"));
        // What a killed process left may be torn, or readable for others.
        match fs::remove_file(&written) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&written)?;
        file.write_all(HEXLOWER_PERMISSIVE.encode(&key).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&written, self.path().join(FILE))?;
        File::open(self.path())?.sync_all()?;
        Ok(key)
    }
}

fn decode(text: &[u8]) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.trim_ascii()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(directory: &tempfile::TempDir) -> StateDir {
        StateDir::open(directory.path(), &"lb1".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_nobody_else_may_read_it() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = open(&here).cookie_key().unwrap();
        assert_eq!(open(&here).cookie_key().unwrap(), key, "a restart keeps it");
        assert_ne!(open(&there).cookie_key().unwrap(), key);
        let mode = fs::metadata(here.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_copied_key_is_taken_and_a_torn_one_is_named_with_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let state = open(&directory);
        fs::write(directory.path().join(FILE), "AB".repeat(32) + "\n").unwrap();
        assert_eq!(state.cookie_key().unwrap(), [0xab; 32]);
        for torn in ["", "abcd", &"xy".repeat(32)] {
            fs::write(directory.path().join(FILE), torn).unwrap();
            let said = state.cookie_key().unwrap_err().to_string();
            assert!(said.contains("cookie.key: no key") && said.contains("remove it"), "{said}");
        }
    }

    #[test]
    fn what_a_killed_process_left_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cookie.key.new"), "torn").unwrap();
        let key = open(&directory).cookie_key().unwrap();
        assert_eq!(open(&directory).cookie_key().unwrap(), key);
        assert!(!directory.path().join("cookie.key.new").exists());
    }
}
