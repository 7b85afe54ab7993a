//! Telling others of a deploy, by requests to addresses of theirs. It never holds a deploy up and never
//! fails one: what cannot be told is told to whoever runs it.

use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use shunt_config::AppName;
use shunt_config::deploy_file::{Notify, NotifyEvent, NotifyKind};
use shunt_config::secret::Secret;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::environment::secret;
use crate::exit::{Exit, Failure};
use crate::lock::who;
use crate::report::Report;
use crate::request::{Fault, post};
use crate::time::{between, show};

/// Between one attempt and the next.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How long a run waits at its end for what is still to be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// What there is to tell of a run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The app.
    pub app: AppName,
    /// What people call the release.
    pub version: Option<String>,
    /// The environment that was asked for.
    pub env: Option<String>,
    /// When the run began.
    pub began: Timestamp,
}

/// Tells others.
#[derive(Debug)]
pub struct Notifier<'a> {
    report: &'a Report,
    subject: Subject,
    targets: Vec<(Notify, Secret)>,
    tasks: Vec<(String, JoinHandle<Result<(), String>>)>,
}

impl<'a> Notifier<'a> {
    /// Tells `all`; files are looked for in `directory`.
    pub fn new(report: &'a Report, all: &[Notify], directory: &Path, subject: Subject) -> Self {
        let mut targets = Vec::new();
        for notify in all {
            match secret(&notify.url, directory) {
                Ok(url) => {
                    report.hide(&url);
                    targets.push((notify.clone(), url));
                }
                Err(why) => report.note(&format!("notify.{} is not told: {why}", notify.name)),
            }
        }
        Self { report, subject, targets, tasks: Vec::new() }
    }

    /// Tells of `event`, and returns at once.
    pub fn tell(&mut self, event: NotifyEvent, reason: Option<&str>) {
        let wanted =
            |notify: &Notify| notify.events.contains(&event) && event.severity() >= notify.severity;
        for (notify, url) in self.targets.iter().filter(|(notify, _)| wanted(notify)) {
            // Before it is made into text, and again: what is escaped there would not be known.
            let reason = reason.map(|reason| self.report.covered(reason));
            let mut body = self.body(notify.kind, event, reason.as_deref());
            self.report.hidden().cover_json(&mut body);
            let task = tokio::spawn(send(url.clone(), body.to_string()));
            self.tasks.push((notify.name.clone(), task));
        }
    }

    /// Tells how a run ended.
    pub fn tell_end(&mut self, result: &Result<(), Failure>) {
        match result {
            Ok(()) => self.tell(NotifyEvent::Done, None),
            Err(failure) if failure.exit == Exit::Undone => {
                self.tell(NotifyEvent::Undone, Some(&failure.said));
            }
            Err(failure) => self.tell(NotifyEvent::Failed, Some(&failure.said)),
        }
    }

    /// Waits a little for what is still on its way, and says what did not arrive.
    pub async fn end(self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for (name, task) in self.tasks {
            let stop = task.abort_handle();
            let said = match tokio::time::timeout_at(deadline, task).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(why))) => why,
                Ok(Err(error)) => error.to_string(),
                Err(_) => {
                    stop.abort();
                    format!("no answer within {}", show(PATIENCE))
                }
            };
            self.report.note(&format!("notify.{name} was not told: {said}"));
        }
    }

    fn body(&self, kind: NotifyKind, event: NotifyEvent, reason: Option<&str>) -> Value {
        let (subject, who) = (&self.subject, who());
        let took = between(subject.began, Timestamp::now());
        let release = subject.version.as_deref().unwrap_or("a release");
        let env = subject.env.as_ref().map_or_else(String::new, |env| format!(" ({env})"));
        let what = match event {
            NotifyEvent::Started => "is being deployed".to_owned(),
            NotifyEvent::Done => format!("is deployed, after {}", show(took)),
            NotifyEvent::Failed => "was not deployed".to_owned(),
            NotifyEvent::Undone => "was undone".to_owned(),
            NotifyEvent::Vanished => "serves, and containers of it are gone".to_owned(),
        };
        let reason_text = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let (app, user, host) = (&subject.app, &who.user, &who.host);
        let text = format!("{app}{env}: {release} {what}{reason_text} (by {user}@{host})");
        match kind {
            NotifyKind::Slack => {
                // What stands for links and mentions there.
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                json!({ "text": text })
            }
            NotifyKind::Json => json!({
                "event": event.as_str(), "severity": event.severity().as_str(), "app": app,
                "env": subject.env, "version": subject.version, "reason": reason,
                "by": format!("{user}@{host}"), "began": subject.began,
                "seconds": took.as_secs_f64(), "text": text,
            }),
        }
    }
}

/// Sends it, and again where it did not arrive.
async fn send(url: Secret, body: String) -> Result<(), String> {
    let mut pauses = PAUSES.iter();
    loop {
        let told = async {
            match post(&url, None, "application/json", body.clone(), 0).await?.status {
                status if status.is_success() => Ok(()),
                // Too many, or a failure of theirs: it may pass.
                status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
                    Err(Fault::Later(status.to_string()))
                }
                status if status.is_server_error() => Err(Fault::Later(status.to_string())),
                status => Err(Fault::Never(status.to_string())),
            }
        };
        let sent = match timeout(LIMIT, told).await {
            Ok(sent) => sent,
            Err(_) => Err(Fault::Later(format!("no answer within {}", show(LIMIT)))),
        };
        match (sent, pauses.next()) {
            (Ok(()), _) => return Ok(()),
            (Err(Fault::Later(_)), Some(pause)) => sleep(*pause).await,
            (Err(Fault::Later(why) | Fault::Never(why)), _) => return Err(why),
        }
    }
}
