//! What an engine's client says that went wrong, and what that means.

use bollard::errors::Error;

use super::TIMEOUT;
use crate::engine::EngineError;

/// Whether the engine answered with `status`.
pub(super) fn is_status(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// What did not work, as what is told of it.
pub(super) fn failed(engine: &str, error: &Error) -> EngineError {
    let engine = engine.to_owned();
    match error {
        Error::DockerResponseServerError { message, .. } => {
            EngineError::Refused { engine, reason: message.clone() }
        }
        Error::DockerStreamError { error } => {
            EngineError::Refused { engine, reason: error.clone() }
        }
        Error::RequestTimeoutError => {
            EngineError::Unreachable { engine, reason: format!("no answer within {TIMEOUT} s") }
        }
        other => EngineError::Unreachable { engine, reason: root(other) },
    }
}

/// What is at the bottom of an error: the layers above say only that there was one.
fn root(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
