//! Bodies that both sides can compute, so that each byte is checked and none has to be kept.

use std::fmt;

use bytes::Bytes;

/// An endless pseudo-random sequence of bytes, named by its seed, read from the start.
#[derive(Clone, Debug)]
pub struct Pattern {
    seed: u64,
    at: u64,
}

impl Pattern {
    /// The sequence of `seed`, at its first byte.
    pub fn new(seed: u64) -> Self {
        Self { seed, at: 0 }
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Bytes {
        let skip = (self.at % 8) as usize;
        let first = self.at / 8;
        let words = (skip + len).div_ceil(8) as u64;
        let mut bytes = Vec::with_capacity(skip + len + 8);
        for index in first..first + words {
            bytes.extend_from_slice(&word(self.seed, index).to_le_bytes());
        }
        self.at += len as u64;
        Bytes::from(bytes).slice(skip..skip + len)
    }

    /// Whether `got` is what comes next; reads past it either way.
    pub fn check(&mut self, got: &[u8]) -> Result<(), Mismatch> {
        let start = self.at;
        let expected = self.take(got.len());
        match expected.iter().zip(got).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(i) => Err(Mismatch { at: start + i as u64, expected: expected[i], got: got[i] }),
        }
    }
}

/// The first byte that was not what the pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its offset in the body.
    pub at: u64,
    /// What it should have been.
    pub expected: u8,
    /// What it was.
    pub got: u8,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} is {:#04x} instead of {:#04x}", self.at, self.got, self.expected)
    }
}

impl std::error::Error for Mismatch {}

/// The `index`-th eight bytes of the sequence: a counter scrambled by multiply and shift, so that
/// neighbours, and bodies of neighbouring seeds, have nothing in common.
fn word(seed: u64, index: u64) -> u64 {
    let mut x = seed.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ index;
    for _ in 0..2 {
        x ^= x >> 32;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    x ^ (x >> 32)
}

/// Length and checksum of a body, taken while it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    bytes: u64,
    sum: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { bytes: 0, sum: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Digest {
    /// Takes in the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        // FNV-1a: every byte and its place matter, and it does not depend on how a body is cut up.
        self.sum = piece.iter().fold(self.sum, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:016x}", self.bytes, self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_does_not_depend_on_how_it_is_cut_up() {
        let whole = Pattern::new(7).take(1000);
        let mut pieces = Pattern::new(7);
        let cut: Vec<u8> =
            [1, 2, 13, 0, 984].into_iter().flat_map(|len| pieces.take(len).to_vec()).collect();
        assert_eq!(whole, cut);
        assert_ne!(whole, Pattern::new(8).take(1000));
    }

    #[test]
    fn a_changed_byte_is_found_and_its_place_named() {
        let mut body = Pattern::new(7).take(100).to_vec();
        assert_eq!(Pattern::new(7).check(&body), Ok(()));
        body[50] ^= 1;
        let mut pattern = Pattern::new(7);
        assert_eq!(pattern.check(&body[..40]), Ok(()));
        assert_eq!(pattern.check(&body[40..]).unwrap_err().at, 50);
    }

    #[test]
    fn a_digest_tells_length_content_and_order_apart() {
        let digest = |pieces: &[&[u8]]| {
            let mut digest = Digest::default();
            for piece in pieces {
                digest.update(piece);
            }
            digest
        };
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"abc"]), digest(&[b"acb"]));
        assert_ne!(digest(&[b"abc"]), digest(&[b"abc", b"\0"]));
    }
}
