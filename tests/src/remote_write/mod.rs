//! Remote write requests: well formed and lifelike here, version 2.0 in [`v2`], and anything but well formed in [`wire`].

pub mod v2;
pub mod wire;

use prost::Message;

use crate::client::Call;

/// `prometheus.WriteRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
    /// Metadata of metric families, in requests of their own as a rule.
    #[prost(message, repeated, tag = "3")]
    pub metadata: Vec<MetricMetadata>,
}

/// `prometheus.TimeSeries`.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Labels, which should be sorted by name.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Samples.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Exemplars.
    #[prost(message, repeated, tag = "3")]
    pub exemplars: Vec<Exemplar>,
    /// `prometheus.Histogram` messages, encoded.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub histograms: Vec<Vec<u8>>,
}

/// `prometheus.Label`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `prometheus.Sample`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Sample {
    /// Its value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// `prometheus.Exemplar`.
#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    /// Its own labels, such as a trace ID.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// Its value.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// `prometheus.MetricMetadata`.
#[derive(Clone, PartialEq, Message)]
pub struct MetricMetadata {
    /// Its type: 1 counter, 2 gauge, 3 histogram, 4 gauge histogram, 5 summary, 6 info, 7 state set.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// Its name.
    #[prost(string, tag = "2")]
    pub metric_family_name: String,
    /// Its help text.
    #[prost(string, tag = "4")]
    pub help: String,
    /// Its unit.
    #[prost(string, tag = "5")]
    pub unit: String,
}

/// A value that says "this series ended here", as its sample's value.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// One series with one sample.
pub fn series(labels: &[(&str, &str)], timestamp: i64, value: f64) -> TimeSeries {
    let labels = labels.iter().map(|(name, value)| label(name, value)).collect();
    TimeSeries { labels, samples: vec![Sample { value, timestamp }], ..TimeSeries::default() }
}

/// A label.
pub fn label(name: &str, value: &str) -> Label {
    Label { name: name.to_owned(), value: value.to_owned() }
}

impl WriteRequest {
    /// A request of these series.
    pub fn of(timeseries: Vec<TimeSeries>) -> Self {
        Self { timeseries, metadata: Vec::new() }
    }

    /// The message, compressed as a body.
    pub fn body(&self) -> Vec<u8> {
        compress(&self.encode_to_vec())
    }

    /// The push of this request to `/api/v1/push`, with the headers of a sender.
    pub fn push(&self) -> Call {
        push(self.body())
    }
}

/// A push of any body as version 1, with the headers of a sender.
pub fn push(body: Vec<u8>) -> Call {
    Call::post("/api/v1/push", body)
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0")
        .header("user-agent", "Prometheus/2.42.0")
}

/// Compresses as a block of snappy.
pub fn compress(message: &[u8]) -> Vec<u8> {
    // Fails for messages of 4 GiB only.
    snap::raw::Encoder::new().compress_vec(message).unwrap_or_default()
}

const METRICS: [&str; 12] = [
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_network_receive_bytes_total",
    "kube_pod_container_resource_requests",
    "kube_pod_container_status_restarts_total",
    "kube_pod_status_phase",
    "kubelet_volume_stats_used_bytes",
    "node_cpu_seconds_total",
    "node_disk_io_time_seconds_total",
    "node_filesystem_avail_bytes",
    "node_memory_MemAvailable_bytes",
    "node_network_transmit_bytes_total",
];

/// How many series of one metric stand together.
const RUN: usize = 25;

/// Requests like those of a Kubernetes cluster's agent: ten labels a series, names and values of the usual lengths, series
/// of one metric next to each other. The same request is the same bytes every time.
impl WriteRequest {
    /// A request of this many series, each with one sample of the time 1 700 000 000 000 and in one of the namespaces
    /// `namespace-0` to `namespace-9`, in turn.
    #[must_use]
    pub fn realistic(series: usize) -> Self {
        Self::of((0..series).map(one).collect())
    }

    /// Sets a label of the series of each number, in its place by order. An empty value removes it.
    #[must_use]
    pub fn with_label(mut self, name: &str, value: impl Fn(usize) -> String) -> Self {
        for (number, series) in self.timeseries.iter_mut().enumerate() {
            series.labels.retain(|label| label.name != name);
            let value = value(number);
            if !value.is_empty() {
                series.labels.push(label(name, &value));
                series.labels.sort();
            }
        }
        self
    }

    /// Moves the first sample of every series to `timestamp`, in milliseconds since 1970, and the others with it.
    #[must_use]
    pub fn starting_at(mut self, timestamp: i64) -> Self {
        for series in &mut self.timeseries {
            let shift = series.samples.first().map_or(0, |sample| timestamp - sample.timestamp);
            series.samples.iter_mut().for_each(|sample| sample.timestamp += shift);
        }
        self
    }

    /// Gives every series `count` samples, each 15 s and 1 after the one before.
    #[must_use]
    pub fn with_samples(mut self, count: usize) -> Self {
        for series in &mut self.timeseries {
            let next =
                |last: &Sample| Some(Sample { value: last.value + 1.0, timestamp: last.timestamp + 15_000 });
            series.samples =
                std::iter::successors(series.samples.first().copied(), next).take(count).collect();
        }
        self
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn one(number: usize) -> TimeSeries {
    let pod = number % 97;
    let labels = vec![
        label("__name__", METRICS[number / RUN % METRICS.len()]),
        label("cluster", "prod-eu-west-1"),
        label("container", ["app", "sidecar", "init"][number % 3]),
        label("instance", &format!("10.42.{}.{pod}:10250", pod % 8)),
        label("job", "kubernetes-nodes-cadvisor"),
        label("namespace", &format!("namespace-{}", number % 10)),
        label("node", &format!("ip-10-42-{}-17.eu-west-1.compute.internal", pod % 8)),
        // Makes every series another one.
        label("pod", &format!("deployment-{number:05}-7d9c8b6f5d-{pod:05x}")),
        label("prometheus", "monitoring/k8s"),
        label("service", ["checkout", "catalogue", "payments", "search"][number % 4]),
    ];
    let samples = vec![Sample { value: number as f64 * 1.5, timestamp: 1_700_000_000_000 }];
    TimeSeries { labels, samples, ..TimeSeries::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn realistic_series_have_ten_sorted_labels_and_differ() {
        let request = WriteRequest::realistic(1000);
        let sets: BTreeSet<_> = request.timeseries.iter().map(|series| &series.labels).collect();
        assert_eq!(sets.len(), 1000);
        assert!(sets.iter().all(|labels| labels.len() == 10 && labels.is_sorted()));
        assert_eq!(request.encode_to_vec(), WriteRequest::realistic(1000).encode_to_vec());
    }

    #[test]
    fn labels_are_replaced_added_and_removed() {
        let request = WriteRequest::realistic(3)
            .with_label("namespace", |number| format!("team-{number}"))
            .with_label("zone", |number| if number == 1 { String::new() } else { "b".to_owned() })
            .with_label("job", |_| String::new());
        let names = |number: usize| request.timeseries[number].labels.iter().map(|label| label.name.as_str());
        assert_eq!(names(0).next_back(), Some("zone"));
        assert_eq!(names(1).next_back(), Some("service"));
        assert!(names(2).all(|name| name != "job"));
        assert!(request.timeseries[2].labels.contains(&label("namespace", "team-2")));
    }

    #[test]
    fn samples_follow_each_other() {
        let request = WriteRequest::realistic(2).with_samples(3).starting_at(5000);
        let samples: Vec<_> =
            request.timeseries[1].samples.iter().map(|sample| (sample.timestamp, sample.value)).collect();
        assert_eq!(samples, [(5000, 1.5), (20_000, 2.5), (35_000, 3.5)]);
    }
}
