//! Why a step of a deploy failed.

use std::collections::BTreeMap;

use shunt_config::ProxyName;
use shunt_config::store::StoreError;

use crate::engine::EngineError;
use crate::exit::Failure;
use crate::guard::Stop;
use crate::journal::WriteError;

/// Why a step of a deploy failed. What that means depends on how far the deploy had come.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// Stopped from outside.
    Stop(Stop),
    /// The release is not healthy: in a sentence, and what is known beyond it.
    Unhealthy(String, Vec<String>),
    /// Proxies cannot serve it, and why.
    Refused(BTreeMap<ProxyName, String>),
    /// Not every live proxy said in time that it serves it.
    Unacknowledged(String),
    /// The engine failed.
    Engine(EngineError),
    /// The store failed; nothing more can be written.
    Store(String),
    /// Anything else, with its own exit code.
    Other(Failure),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::Stop(Stop::LockLost),
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stop(stop) => Self::Stop(stop),
            WriteError::Store(error) => error.into(),
            WriteError::Record(error) => Self::Store(error.to_string()),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}
