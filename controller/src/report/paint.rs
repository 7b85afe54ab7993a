//! Colours of our own.

/// A colour, or as near to one as a terminal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// To be seen first.
    Bold,
    /// To be seen last.
    Dim,
    /// Wrong.
    Red,
    /// Right.
    Green,
}

/// Ends a colour.
pub(super) const OFF: char = '\u{FDD0}';

impl Paint {
    const ALL: [Self; 4] = [Self::Bold, Self::Dim, Self::Red, Self::Green];

    /// What stands for it until it is written: characters that Unicode has set aside for a
    /// program's own use. So everything that could steer a terminal is escaped in one place, and
    /// what anyone puts into a key is a colour at worst.
    pub(super) fn mark(self) -> char {
        match self {
            Self::Bold => '\u{FDD1}',
            Self::Dim => '\u{FDD2}',
            Self::Red => '\u{FDD3}',
            Self::Green => '\u{FDD4}',
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Red => "\x1b[31m",
            Self::Green => "\x1b[32m",
        }
    }
}

/// `line` with its colours as a terminal takes them.
pub(super) fn painted(line: &str) -> String {
    let painted = |line: String, paint: Paint| line.replace(paint.mark(), paint.code());
    Paint::ALL.into_iter().fold(line.to_owned(), painted).replace(OFF, "\x1b[0m")
}
