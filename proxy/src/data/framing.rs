//! Where frames of HTTP/2 begin in the bytes of one direction (RFC 9113 4.1).

/// Bytes in front of each frame's payload.
pub(super) const HEADER: usize = 9;

/// The bytes of one direction so far.
#[derive(Debug)]
pub(super) struct Framing {
    /// What of the next frame's header has come.
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the present frame's payload still to come.
    payload: usize,
}

impl Framing {
    /// A direction in which `skip` bytes come before the first frame.
    pub(super) fn new(skip: usize) -> Self {
        Self { header: [0; HEADER], have: 0, payload: skip }
    }

    /// The header of the next frame that begins in `bytes`, of which what was looked at is taken off;
    /// `None` if they end before it does.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEADER]> {
        let skipped = self.payload.min(bytes.len());
        self.payload -= skipped;
        let taken = (HEADER - self.have).min(bytes.len() - skipped);
        let (seen, rest) = bytes.split_at(skipped + taken);
        self.header[self.have..self.have + taken].copy_from_slice(&seen[skipped..]);
        self.have += taken;
        *bytes = rest;
        if self.have < HEADER {
            return None;
        }
        self.have = 0;
        self.payload = length(&self.header);
        Some(self.header)
    }

    /// Whether a frame may begin here: none is under way.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.payload == 0
    }
}

/// How long the payload is that follows `header`.
pub(super) fn length(header: &[u8; HEADER]) -> usize {
    let [a, b, c, ..] = *header;
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_begin_where_those_before_them_end_however_the_bytes_are_cut() {
        let first = [0, 0, 2, 4, 0, 0, 0, 0, 0];
        let second = [0, 0, 0, 6, 1, 0, 0, 0, 0];
        let all = [&b"skip"[..], &first, b"xy", &second].concat();
        for cut in 1..=all.len() {
            let mut framing = Framing::new(4);
            let mut found = Vec::new();
            for mut piece in all.chunks(cut) {
                while let Some(header) = framing.next(&mut piece) {
                    found.push(header);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(found, [first, second], "{cut} at a time");
            assert!(framing.is_between());
        }
        let mut framing = Framing::new(0);
        for (end, between) in [(1, false), (9, false), (10, false), (11, true)] {
            framing = Framing::new(0);
            let bytes = [&first[..], b"xy"].concat();
            let mut bytes = &bytes[..end];
            while framing.next(&mut bytes).is_some() {}
            assert_eq!(framing.is_between(), between, "after {end}");
        }
        assert_eq!(framing.next(&mut &second[..3]), None);
        assert!(!framing.is_between());
    }
}
