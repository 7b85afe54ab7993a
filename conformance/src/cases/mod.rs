//! The cases, by subject.

use crate::case::Case;

macro_rules! subjects {
    ($($subject:ident),* $(,)?) => {
        $(mod $subject;)*

        /// All cases, by subject.
        pub fn all() -> Vec<(&'static str, Vec<Case>)> {
            vec![$((stringify!($subject), $subject::cases())),*]
        }
    };
}

subjects![
    request_line,
    host,
    fields,
    connection,
    lengths,
    codings,
    chunks,
    answers,
    endings,
    pipelines,
    interim,
    forwarded,
    upgrades,
    streams,
    h2_frames,
    h2_heads,
    h2_downgrade,
    h2_floods,
];
