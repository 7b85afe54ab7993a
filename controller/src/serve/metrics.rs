//! What is counted.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use super::desk::State;

/// Counters of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    runs: IntCounterVec,
    hooks: IntCounterVec,
    queued: IntGaugeVec,
    running: IntGaugeVec,
    vanished: IntGaugeVec,
}

impl Metrics {
    pub(super) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["app"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let runs =
            counter("shuntctl_runs_total", "Runs that are over", &["app", "verb", "outcome"])?;
        let hooks = counter(
            "shuntctl_webhooks_total",
            "Requests to webhooks; those that proved nothing have no app",
            &["app", "webhook", "result"],
        )?;
        let queued = gauge("shuntctl_queued_runs", "Runs that wait for their turn")?;
        let running = gauge("shuntctl_running_runs", "Runs that are under way")?;
        let vanished =
            gauge("shuntctl_vanished_containers", "Containers of what serves that are gone")?;
        Ok(Self { registry, runs, hooks, queued, running, vanished })
    }

    /// A run is over.
    pub(super) fn ran(&self, app: &str, verb: &str, outcome: &str) {
        self.runs.with_label_values(&[app, verb, outcome]).inc();
    }

    /// A webhook was called.
    pub(super) fn heard(&self, app: &str, hook: &str, result: &str) {
        self.hooks.with_label_values(&[app, hook, result]).inc();
    }

    /// So many containers are gone.
    pub(super) fn vanished(&self, app: &str, count: usize) {
        self.vanished.with_label_values(&[app]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The runs of each app that wait or are under way.
    pub(super) fn lines<'a>(&self, all: impl Iterator<Item = (&'a str, State)>) {
        self.queued.reset();
        self.running.reset();
        for (app, state) in all {
            match state {
                State::Queued => self.queued.with_label_values(&[app]).inc(),
                State::Running => self.running.with_label_values(&[app]).inc(),
                _ => {}
            }
        }
    }

    /// All of the apps that `sees` names, in Prometheus's words.
    pub(super) fn text(&self, sees: impl Fn(&str) -> bool) -> prometheus::Result<String> {
        let mut families = self.registry.gather();
        for family in &mut families {
            let mut all = family.take_metric();
            all.retain(|metric| {
                let mut labels = metric.get_label().iter();
                labels.all(|label| label.name() != "app" || sees(label.value()))
            });
            family.set_metric(all);
        }
        // One without anything in it is taken for a mistake.
        families.retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&families)
    }
}
