//! How much memory a peer took at most.

use std::fs;

/// Watches the memory of a process while a case runs.
#[derive(Debug)]
pub(crate) struct Memory {
    process: u32,
    before: u64,
}

impl Memory {
    /// From now on; `None` if the process is not there.
    pub(crate) fn watch(process: u32) -> Option<Self> {
        // proc(5): sets the highest mark back to what is taken now.
        fs::write(format!("/proc/{process}/clear_refs"), "5").ok()?;
        Some(Self { process, before: kibibytes(process, "VmRSS:")? })
    }

    /// KiB taken at most, beyond what was taken at the beginning.
    pub(crate) fn grown(&self) -> Option<u64> {
        Some(kibibytes(self.process, "VmHWM:")?.saturating_sub(self.before))
    }
}

fn kibibytes(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
