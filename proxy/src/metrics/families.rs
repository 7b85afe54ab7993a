//! Families of series, put together at a scrape.

use std::collections::HashMap;

use prometheus::core::Desc;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use shunt_config::latency::bound;

use super::Totals;

/// One family as it is described: `# HELP` and `# TYPE`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
}

impl Family {
    /// A counter.
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, kind: MetricType::COUNTER, labels }
    }

    /// A gauge.
    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, kind: MetricType::GAUGE, labels }
    }

    /// A histogram.
    pub(super) const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self { name, help, kind: MetricType::HISTOGRAM, labels }
    }

    /// As the registry wants it described.
    pub(super) fn desc(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new())
    }
}

/// The series of one family.
#[derive(Debug)]
pub(super) struct Series {
    family: &'static Family,
    metrics: Vec<Metric>,
}

impl Series {
    /// No series yet.
    pub(super) fn of(family: &'static Family) -> Self {
        Self { family, metrics: Vec::new() }
    }

    /// Adds a counter or gauge with `values` for the family's labels, in their order.
    pub(super) fn add(&mut self, values: &[&str], value: f64) {
        let mut metric = self.labelled(values);
        if self.family.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// Adds a histogram of latencies with a bucket for every power of two: every fourth of those
    /// that are counted.
    pub(super) fn add_latencies(&mut self, values: &[&str], totals: &Totals) {
        let mut metric = self.labelled(values);
        let (mut sum, mut buckets) = (0, Vec::new());
        for (index, count) in totals.latency.iter().enumerate() {
            sum += count;
            if let Some(limit) = bound(index).filter(|_| index % 4 == 0) {
                let mut bucket = Bucket::default();
                bucket.set_cumulative_count(sum);
                bucket.set_upper_bound(limit.as_secs_f64());
                buckets.push(bucket);
            }
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(sum);
        histogram.set_sample_sum(float(totals.latency_us) / 1e6);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    /// The family with its series.
    pub(super) fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.family.name.to_owned());
        family.set_help(self.family.help.to_owned());
        family.set_field_type(self.family.kind);
        family.set_metric(self.metrics);
        family
    }

    fn labelled(&self, values: &[&str]) -> Metric {
        let pair = |(name, value): (&&str, &&str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        Metric::from_label(self.family.labels.iter().zip(values).map(pair).collect())
    }
}

/// Prometheus counts in floats: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 may be off by one")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
