//! What is wrong with a release whose health check sees nothing of it.

use std::time::Duration;

use http::{Response, StatusCode};

use super::State;
use super::answer::plain;
use super::body::Body;

/// What is wrong with a release; by default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// How long an answer takes, give or take a half.
    pub latency: Duration,
    /// The share of answers that take ten times as long, 0 to 1.
    pub tail: f64,
    /// The share of answers that are 500, 0 to 1.
    pub errors: f64,
    /// Bytes that each request leaves in memory for good.
    pub leak: usize,
}

impl Faults {
    /// Lets a request for `path` feel them; the answer where that is a failure.
    pub(super) async fn strike(&self, state: &State, path: &str) -> Option<Response<Body>> {
        if path == "/up" {
            return None;
        }
        if !self.latency.is_zero() {
            let times = if fastrand::f64() < self.tail { 10.0 } else { 1.0 };
            tokio::time::sleep(self.latency.mul_f64(times * (0.5 + fastrand::f64()))).await;
        }
        if self.leak > 0
            && let Ok(mut leaked) = state.leaked.lock()
        {
            // Written to, or the kernel would not count it.
            leaked.push(vec![1; self.leak]);
        }
        let fails = fastrand::f64() < self.errors;
        fails.then(|| plain(StatusCode::INTERNAL_SERVER_ERROR, "one of those days\n"))
    }
}
