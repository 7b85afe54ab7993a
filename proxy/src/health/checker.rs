//! One target checked again and again, and its name resolved.

use std::sync::Arc;
use std::time::Duration;

use shunt_config::health::Check;
use shunt_config::status::TargetState;
use shunt_config::{AppName, Token};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::counter::Counter;
use super::limits::Limits;
use super::name::Name;
use super::outcome::Outcome;
use super::probe::probe;
use crate::reach::Reach;
use crate::route::Target;

/// Time between two checks of a target that is not proved yet, at most: a flip may wait for it.
const UNPROVED_INTERVAL: Duration = Duration::from_millis(250);
/// One target of one announcement, to be checked.
#[derive(Debug)]
pub struct Checker {
    /// The app.
    pub app: AppName,
    /// The announcement.
    pub token: Token,
    /// Its place among the announcement's targets.
    pub index: usize,
    /// Tells its reports from those of an earlier checker of the same target.
    pub round: u64,
    /// What data threads read the verdict from.
    pub target: Arc<Target>,
    /// How to get there.
    pub reach: Arc<Reach>,
    /// How to check.
    pub check: Arc<Check>,
    /// What is known already.
    pub state: TargetState,
}

/// What the checks of a target say now; told when it differs from what was told before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The app.
    pub app: AppName,
    /// The announcement.
    pub token: Token,
    /// Which of its targets.
    pub index: usize,
    /// The checker's own.
    pub round: u64,
    /// The verdict.
    pub state: TargetState,
    /// Whether the last check passed.
    pub passed: bool,
    /// The last answer or error.
    pub last: String,
}

impl Checker {
    /// Begins to check: at once, and then for ever, until the handle is aborted.
    pub fn spawn(self, reports: mpsc::Sender<Report>, limits: Limits) -> AbortHandle {
        tokio::spawn(self.run(reports, limits)).abort_handle()
    }

    async fn run(self, reports: mpsc::Sender<Report>, limits: Limits) {
        let mut counter = Counter::new(self.state, self.check.rise, self.check.fall);
        let mut name = Name::new(&self.target);
        let mut told: Option<(TargetState, bool, String)> = None;
        loop {
            let begun = Instant::now();
            // Boxed: thousands of checkers sleep most of the time, and need the room only here.
            let Ok(permit) = Box::pin(limits.probes.acquire()).await else { return };
            let outcome = Box::pin(self.check_once(&mut name, &limits)).await;
            drop(permit);
            let passed = matches!(outcome, Outcome::Passed(_));
            let last = match outcome {
                Outcome::Passed(said) => {
                    counter.count(true);
                    said
                }
                Outcome::Failed(said) => {
                    counter.count(false);
                    said
                }
                Outcome::Unasked(said) => format!("not asked: {said}"),
            };
            self.target.set_usable(counter.state() == TargetState::Healthy);
            let now = (counter.state(), passed, last);
            if told.as_ref() != Some(&now) {
                let report = self.report(now.0, passed, now.2.clone());
                if Box::pin(reports.send(report)).await.is_err() {
                    return;
                }
                told = Some(now);
            }
            sleep_until(begun + self.pause(counter.state())).await;
        }
    }

    async fn check_once(&self, name: &mut Name, limits: &Limits) -> Outcome {
        if let Err(reason) = self.reach.prepare().await {
            return Outcome::Failed(reason);
        }
        match name.refresh(&self.target, limits).await {
            Ok(()) => probe(&self.target, &self.reach, &self.check).await,
            Err(reason) => Outcome::Failed(reason),
        }
    }

    fn report(&self, state: TargetState, passed: bool, last: String) -> Report {
        let (app, token) = (self.app.clone(), self.token.clone());
        Report { app, token, index: self.index, round: self.round, state, passed, last }
    }

    /// Ten percent more or less, so that proxies and targets that began together spread out.
    fn pause(&self, state: TargetState) -> Duration {
        let interval = match state {
            TargetState::Unproved => self.check.interval.min(UNPROVED_INTERVAL),
            TargetState::Healthy | TargetState::Failing => self.check.interval,
        };
        interval.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_config::Health;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    fn checker(address: &str, health: &str) -> Checker {
        let health: Health = shunt_config::strict::json(health).unwrap();
        let target = shunt_config::Target::new(address.parse().unwrap());
        Checker {
            app: "web".parse().unwrap(),
            token: "t".into(),
            index: 0,
            round: 1,
            target: Arc::new(Target::new(&target)),
            reach: Arc::default(),
            check: Arc::new(health.over(&Health::default())),
            state: TargetState::Unproved,
        }
    }

    #[tokio::test]
    async fn a_target_is_proved_fails_and_recovers_and_each_is_told_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serve = |listener: TcpListener| {
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                }
            })
        };
        let server = serve(listener);
        let name = format!("localhost:{}", at.port());
        let checker = checker(&name, r#"{"interval":"5ms","fall":2}"#);
        let target = Arc::clone(&checker.target);
        let (sender, mut reports) = mpsc::channel(8);
        let handle = checker.spawn(sender, Limits::default());

        let first = reports.recv().await.unwrap();
        assert_eq!((first.state, first.last.as_str()), (TargetState::Healthy, "200 OK"));
        assert!(target.is_usable());
        assert!(target.addresses().contains(&at), "{:?}", target.addresses());

        server.abort();
        let failing = loop {
            let report = reports.recv().await.unwrap();
            if report.state == TargetState::Failing {
                break report;
            }
            assert!(target.is_usable());
        };
        assert_eq!(failing.last, "connection refused");
        assert!(!target.is_usable());

        serve(TcpListener::bind(at).await.unwrap());
        while reports.recv().await.unwrap().state != TargetState::Healthy {}
        assert!(target.is_usable());
        handle.abort();
    }

    #[tokio::test]
    async fn a_name_that_stands_for_nothing_is_told_with_the_reason() {
        let checker = checker("no-such-host.invalid:80", "{}");
        let (sender, mut reports) = mpsc::channel(8);
        let handle = checker.spawn(sender, Limits::default());
        let report = reports.recv().await.unwrap();
        assert_eq!(report.state, TargetState::Unproved);
        assert!(
            report.last.starts_with("name `no-such-host.invalid` is not resolved"),
            "{report:?}"
        );
        handle.abort();
    }
}
