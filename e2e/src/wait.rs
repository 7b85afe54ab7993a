//! Waiting for what must come.

use std::time::{Duration, Instant};

/// Nothing that is waited for takes this long on a machine that is up to its work.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks until there is an answer, and gives it back; fails with `what` after a minute.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// The same with another limit, for what is known to take longer.
pub async fn within<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
