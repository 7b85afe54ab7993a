//! What is said, and how much it matters that it is heard.

/// What is to be written.
#[derive(Debug)]
pub(super) enum Word {
    /// Text on stdout, with its line end.
    Text(String),
    /// Text on stderr.
    Error(Vec<u8>),
    /// A step begins, on a terminal: its name, and what is done.
    Begin(String, String),
    /// What it waits for.
    Message(String),
    /// It is over.
    Over,
}

/// What becomes of a word while nobody takes what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// It waits its turn, and whoever says it goes on.
    Kept,
    /// The same, but it is left out where too much waits already.
    Spare,
    /// It is left out where anything much waits: the next one says more.
    Passing,
    /// Whoever says it waits until there is room.
    Patient,
}

impl Word {
    /// How much room it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Message(text) => text.len(),
            Self::Error(text) => text.len(),
            Self::Begin(name, what) => name.len() + what.len(),
            Self::Over => 0,
        }
    }
}
