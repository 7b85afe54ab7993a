//! Which host port a container gets.

use std::collections::BTreeSet;

use shunt_config::deploy_file::PortRange;

/// Ports of a range, each given once, but for those that are taken.
///
/// It begins at a random place: a proxy that is cut off from the store may still send requests to
/// the port of a release that is long gone, and they must not meet another one there.
#[derive(Debug)]
pub struct Ports {
    range: PortRange,
    taken: BTreeSet<u16>,
    begin: u16,
    given: u16,
}

impl Ports {
    /// The ports of `range` without those `taken`.
    pub fn new(range: PortRange, taken: impl IntoIterator<Item = u16>) -> Self {
        let begin = fastrand::u16(range.first..=range.last);
        Self { range, taken: taken.into_iter().collect(), begin, given: 0 }
    }

    fn at(&self, offset: u16) -> u16 {
        let size = u32::from(self.range.last - self.range.first) + 1;
        let place = (u32::from(self.begin - self.range.first) + u32::from(offset)) % size;
        // Below `size`, which is at most 65536.
        self.range.first + u16::try_from(place).unwrap_or_default()
    }
}

impl Iterator for Ports {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let last = self.range.last - self.range.first;
        while self.given <= last {
            let port = self.at(self.given);
            // A range of all 65535 ports ends here, one port early.
            self.given = self.given.checked_add(1)?;
            if !self.taken.contains(&port) {
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_free_port_is_given_once_and_no_taken_one() {
        let range: PortRange = "20000-20009".parse().unwrap();
        let given: Vec<u16> = Ports::new(range, [20003, 20007, 80]).collect();
        assert_eq!(given.len(), 8);
        let sorted: BTreeSet<u16> = given.into_iter().collect();
        assert_eq!(sorted, (20000..20010).filter(|p| ![20003, 20007].contains(p)).collect());
    }
}
