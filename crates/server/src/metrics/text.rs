//! Prometheus' text form of figures.

use std::fmt;
use std::sync::Mutex;

use metrics::Distribution;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// The media type of [`page`].
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The microseconds of a second.
const MICROS: f64 = 1e6;

/// The labels of one figure: names and values.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Writes figures.
pub(crate) struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    /// What only grows. The name is written with `_total` at its end.
    pub(crate) fn counters(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, impl EncodeCounterValue)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        rows.into_iter().try_for_each(|(labels, value)| {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// What goes up and down.
    pub(crate) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        rows.into_iter()
            .try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    /// One number that only grows.
    pub(crate) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.counters(name, help, [(Labels::new(), value)])
    }

    /// One number that goes up and down.
    pub(crate) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    /// Distributions of times that were counted in microseconds, in seconds.
    pub(crate) fn durations(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, Distribution)>,
    ) -> fmt::Result {
        self.histograms(name, help, MICROS, rows)
    }

    /// Distributions of numbers.
    pub(crate) fn sizes(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, Distribution)>,
    ) -> fmt::Result {
        self.histograms(name, help, 1.0, rows)
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        unit: f64,
        rows: impl IntoIterator<Item = (Labels, Distribution)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        rows.into_iter().try_for_each(|(labels, read)| {
            let bounds = read.bounds.iter().map(|bound| *bound as f64 / unit);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(read.counts.iter().copied()).collect();
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                read.sum as f64 / unit,
                read.count(),
                &buckets,
                None,
            )
        })
    }
}

/// A page of figures, which the function writes.
pub(crate) fn page<F>(write: F) -> Result<String, fmt::Error>
where
    F: FnOnce(&mut Writer<'_>) -> fmt::Result + Send + 'static,
{
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Once(Mutex::new(Some(write)))));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// A collector that is asked once.
struct Once<F>(Mutex<Option<F>>);

impl<F> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once(…)")
    }
}

impl<F: FnOnce(&mut Writer<'_>) -> fmt::Result + Send + 'static> Collector for Once<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let write = self.0.lock().map_err(|_| fmt::Error)?.take();
        write.map_or(Ok(()), |write| write(&mut Writer(encoder)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus() {
        let text = page(|writer| {
            let labels = vec![("api", "a\"b\\c\nd".to_owned())];
            writer.counters("requests", "Requests.", [(labels, 7u64)])?;
            writer.gauge("queue", "Waiting.", 0.5f64)?;
            let bounds = vec![100, 2_500_000];
            let took = Distribution { bounds, counts: vec![1, 0, 2], sum: 3_000_000 };
            writer.durations("took_seconds", "Time.", [(Labels::new(), took)])
        });
        let expected = "# HELP requests_total Requests.\n# TYPE requests_total counter\n\
             requests_total{api=\"a\\\"b\\\\c\\nd\"} 7\n\
             # HELP queue Waiting.\n# TYPE queue gauge\nqueue 0.5\n\
             # HELP took_seconds Time.\n# TYPE took_seconds histogram\n\
             took_seconds_bucket{le=\"0.0001\"} 1\ntook_seconds_bucket{le=\"2.5\"} 1\n\
             took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 3.0\ntook_seconds_count 3\n";
        assert_eq!(text.unwrap(), expected);
    }
}
