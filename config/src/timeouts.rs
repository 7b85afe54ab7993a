//! How long the proxy waits for an app.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;

/// Timeouts as written: what is left out comes from the app, then from the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Until a connection to a target stands.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub connect: Option<Duration>,
    /// From the end of the request to the response head.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub response: Option<Duration>,
    /// Without a byte moving in either body.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// Without a byte moving in an upgraded connection, such as a WebSocket.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Duration>,
}

/// Timeouts with nothing left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Until a connection to a target stands.
    #[serde(with = "duration")]
    pub connect: Duration,
    /// From the end of the request to the response head.
    #[serde(with = "duration")]
    pub response: Duration,
    /// Without a byte moving in either body.
    #[serde(with = "duration")]
    pub idle: Duration,
    /// Without a byte moving in an upgraded connection, such as a WebSocket.
    #[serde(with = "duration")]
    pub tunnel: Duration,
}

impl Timeouts {
    /// These with their gaps filled from `defaults` (the app's), then from the built-in ones.
    pub fn over(&self, defaults: &Self) -> Limits {
        let pick = |own: Option<Duration>, app: Option<Duration>, secs| {
            own.or(app).unwrap_or(Duration::from_secs(secs))
        };
        Limits {
            connect: pick(self.connect, defaults.connect, 2),
            response: pick(self.response, defaults.response, 30),
            idle: pick(self.idle, defaults.idle, 60),
            tunnel: pick(self.tunnel, defaults.tunnel, 3600),
        }
    }
}
