//! Where lines go: standard output or a file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where lines go.
#[derive(Debug)]
pub struct Output {
    file: File,
    /// Where the file is; `None` for standard output.
    path: Option<PathBuf>,
    /// The last write stopped within a line.
    torn: bool,
}

impl Output {
    /// To standard output, which no buffer of ours lies before.
    pub fn stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, path: None, torn: false })
    }

    /// To the file at `path`, made with mode 0640 if there is none. It is only ever appended to, so
    /// that others may write to it, move it away, or cut it off.
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open(path)?, path: Some(path.to_owned()), torn: false })
    }

    /// Writes `lines`, which end with a newline: all in one write(2), unless the system takes less.
    /// Returns how many of their bytes were written, and why not the rest.
    ///
    /// When that is within a line, what is written next begins a new one.
    pub(super) fn write(&mut self, lines: &[u8]) -> (usize, Option<io::Error>) {
        let mut written = 0;
        let outcome = self.try_write(lines, &mut written);
        if let Some(last) = written.checked_sub(1) {
            self.torn = lines[last] != b'\n';
        }
        (written, outcome.err())
    }

    fn try_write(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        while *written < lines.len() {
            match self.file.write(&lines[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => *written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens the file again, which may be a new one now. When that fails it goes on with the old.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.file = open(path)?;
            self.torn = false;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => path.display().fmt(f),
            None => f.pad("stdout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_line_that_was_torn_is_ended_before_the_next() {
        // A pipe that nobody waits for takes a part of what is written, as a full disk does.
        let (mut read, write) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&write, true).unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(write));
        let mut output = Output { file, path: None, torn: false };
        let long = vec![b'x'; 1 << 20];
        let (written, error) = output.write(&long);
        assert!((1..long.len()).contains(&written) && error.is_some(), "{written} {error:?}");
        assert_eq!(output.write(b"lost\n").0, 0);
        read.read_exact(&mut vec![0; written]).unwrap();
        assert_eq!(output.write(b"whole\nlines\n").0, 12);
        drop(output);
        let mut rest = String::new();
        read.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "\nwhole\nlines\n");
    }
}
