//! Where containers run.

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not reached, or no answer in time.
    #[error("engine {engine} is not reachable: {reason}")]
    Unreachable {
        /// Which engine.
        engine: String,
        /// What was tried and what came back.
        reason: String,
    },
}
