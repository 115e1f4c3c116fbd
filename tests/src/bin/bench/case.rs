//! The cases: what is sent, to what, and what must arrive.

use scopegate_tests::client::Call;
use scopegate_tests::identity::basic;
use scopegate_tests::loki::{self, Form};
use scopegate_tests::otlp::{self, Signal};
use scopegate_tests::remote_write::{WriteRequest, push, v2};

use crate::arguments::{Arguments, Peer};

/// Where remote write goes, at the gateways and at the sink.
pub(crate) const PATH: &str = "/api/v1/push";
/// The label that names the tenant of a series.
pub(crate) const LABEL: &str = "namespace";
/// How many values it has.
pub(crate) const TENANTS: usize = 10;
/// The caller's own tenant.
pub(crate) const OWN: &str = "platform";
/// User name and password of the caller.
pub(crate) const CREDENTIALS: (&str, &str) = ("forwarder", "a password for measurements");

/// What stands between the clients and the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Envoy with its router only.
    Plain,
    /// Envoy's own buffer filter, which holds the body until it is whole.
    Buffering,
    /// A module that does nothing, in every callback that the filter has.
    EmptyFilter,
    /// The filter where the head decides: the caller's own tenant, the body streams through.
    HeadersOnly,
    /// The filter where the label of each series decides, and all name one tenant: the body goes on as it came.
    OneTenant,
    /// A module that makes the calls of a split, out of ready-made bodies.
    CallsAlone,
    /// The filter where the label of each series decides, and names ten tenants.
    ViaCluster,
    /// The same, every part by way of an internal listener.
    ViaListener,
    /// The same requests in version 2.0 of remote write, via cluster.
    Second,
    /// The filter where the label of each stream names one of ten tenants.
    Loki(Form),
    /// The same by an attribute of each resource; as JSON, in gzip.
    Otlp {
        /// Whether it is JSON.
        json: bool,
        /// Whether it is compressed.
        gzip: bool,
    },
    /// The filter where a query of 1 KB is read by head: with the tenant's matcher in each of its selectors, or as it came
    /// for who reads everything.
    Query {
        /// Whether it gets the matcher.
        narrowed: bool,
    },
    /// Another splitter.
    Peer(Peer),
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) subject: Subject,
    /// How many series a request has.
    pub(crate) series: usize,
}

/// The cases that are asked for, in the order of the table.
pub(crate) fn all(arguments: &Arguments) -> Vec<Case> {
    const PROTOCOLS: [Subject; 5] = [
        Subject::Loki(Form::Protobuf),
        Subject::Loki(Form::Json),
        Subject::Otlp { json: false, gzip: false },
        Subject::Otlp { json: false, gzip: true },
        Subject::Otlp { json: true, gzip: false },
    ];
    const COMMON: [Subject; 6] = [
        Subject::Plain,
        Subject::Buffering,
        Subject::EmptyFilter,
        Subject::HeadersOnly,
        Subject::OneTenant,
        Subject::CallsAlone,
    ];
    let peers = || arguments.peers.iter().cloned().map(Subject::Peer);
    let splits = |series| {
        let subjects = [Subject::ViaCluster, Subject::ViaListener].into_iter().chain(peers());
        subjects.map(move |subject| Case { subject, series })
    };
    let mut cases = Vec::new();
    if !arguments.memory {
        cases.extend(COMMON.map(|subject| Case { subject, series: 500 }));
        cases
            .extend([true, false].map(|narrowed| Case { subject: Subject::Query { narrowed }, series: 500 }));
        cases.extend(splits(500));
        cases.push(Case { subject: Subject::Second, series: 500 });
        cases.extend(PROTOCOLS.map(|subject| Case { subject, series: 500 }));
    }
    cases.extend(splits(2000));
    let asked = &arguments.cases;
    cases.retain(|case| asked.is_empty() || asked.iter().any(|filter| case.name().contains(filter.as_str())));
    cases
}

impl Case {
    /// Its name in the table.
    pub(crate) fn name(&self) -> String {
        let series = self.series;
        match &self.subject {
            Subject::Plain => "plain Envoy".to_owned(),
            Subject::Buffering => "buffering Envoy".to_owned(),
            Subject::EmptyFilter => "empty filter".to_owned(),
            Subject::HeadersOnly => "headers only".to_owned(),
            Subject::OneTenant => "one tenant".to_owned(),
            Subject::CallsAlone => "ten calls alone".to_owned(),
            Subject::ViaCluster => format!("split {series} via cluster"),
            Subject::ViaListener => format!("split {series} via listener"),
            Subject::Second => format!("split {series} of 2.0"),
            Subject::Loki(Form::Protobuf) => "loki protobuf".to_owned(),
            Subject::Loki(_) => "loki json".to_owned(),
            Subject::Otlp { json, gzip } => {
                let (notation, encoding) =
                    (if *json { "json" } else { "protobuf" }, if *gzip { " gzip" } else { "" });
                format!("otlp {notation}{encoding}")
            }
            Subject::Query { narrowed: true } => "query 1 KB, narrowed".to_owned(),
            Subject::Query { narrowed: false } => "query 1 KB, whole".to_owned(),
            Subject::Peer(peer) => format!("{} {series}", peer.name),
        }
    }

    pub(crate) fn is_a_peer(&self) -> bool {
        matches!(self.subject, Subject::Peer(_))
    }

    /// The series of a request.
    pub(crate) fn request(&self) -> WriteRequest {
        let request = WriteRequest::realistic(self.series);
        match self.subject {
            Subject::OneTenant => request.with_label(LABEL, |_| tenant(0)),
            // What cortex-tenant looks for unless it is told otherwise.
            Subject::Peer(_) => request.with_label("__tenant__", |number| tenant(number % TENANTS)),
            _ => request,
        }
    }

    /// A request, with its body.
    pub(crate) fn call(&self) -> Call {
        let (user, password) = CREDENTIALS;
        match &self.subject {
            Subject::Peer(peer) => Call::post(&peer.path, self.request().body())
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy")
                .header("x-prometheus-remote-write-version", "0.1.0"),
            Subject::Second => v2::Request::from(&self.request()).push(),
            Subject::Loki(form) => loki::push(*form, &self.streams()),
            Subject::Otlp { json, gzip } => {
                let path = "/api/v1/otlp/v1/metrics";
                otlp::export(path, Signal::Metrics, *json, *gzip, &self.resources())
            }
            Subject::Query { .. } => Call::query("/api/v1/query", &[("query", &query())]),
            // Its bodies are in the module.
            Subject::CallsAlone => push(Vec::new()),
            _ => self.request().push(),
        }
        .header("authorization", basic(user, password))
    }

    /// A hundred streams, with entries that carry metadata as agents send it.
    fn streams(&self) -> Vec<loki::Stream> {
        let line =
            "level=info ts=2026-08-01T12:00:00Z caller=server.go:42 msg=\"a request was served\" status=200";
        let metadata: &[(&str, &str)] = &[("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("pod", "web-0")];
        let streams = 100;
        (0..streams)
            .map(|number| {
                let (tenant, pod) = (tenant(number % TENANTS), format!("web-{number}"));
                let labels =
                    [("app", "web"), ("cluster", "c1"), ("pod", pod.as_str()), (LABEL, tenant.as_str())];
                loki::stream(&labels, &vec![(line, metadata); self.series / streams])
            })
            .collect()
    }

    /// A hundred resources, with attributes as collectors set them.
    fn resources(&self) -> Vec<otlp::Resource> {
        let resources = 100;
        (0..resources)
            .map(|number| {
                let (tenant, pod) = (tenant(number % TENANTS), format!("web-{number}"));
                let attributes = [
                    ("service.name", "web"),
                    ("k8s.pod.name", pod.as_str()),
                    ("telemetry.sdk.language", "go"),
                    (LABEL, tenant.as_str()),
                ];
                otlp::resource(&attributes, &vec!["http_server_request_duration"; self.series / resources])
            })
            .collect()
    }

    /// The tenants that must arrive, each with one request for every request sent; `None` is no tenant.
    pub(crate) fn tenants(&self) -> Vec<Option<String>> {
        match self.subject {
            Subject::Plain | Subject::Buffering | Subject::EmptyFilter | Subject::Query { .. } => vec![None],
            Subject::HeadersOnly => vec![Some(OWN.to_owned())],
            Subject::OneTenant => vec![Some(tenant(0))],
            _ => (0..TENANTS).map(|number| Some(tenant(number))).collect(),
        }
    }

    /// Whether each series must arrive with the tenant that its label names; else the body must arrive as it was sent.
    pub(crate) fn splits(&self) -> bool {
        self.tenants().len() == TENANTS
    }
}

/// A query of a kilobyte, such as dashboards have.
fn query() -> String {
    let errors =
        r#"sum by (job, instance) (rate(http_requests_total{job="web",code=~"5..",handler!="/x"}[5m]))"#;
    let all = "sum by (job, instance) (rate(http_requests_total[5m]))";
    let slow = "histogram_quantile(0.99, sum by (le, job) (rate(latency_bucket{le!=\"1\"}[5m])))";
    [errors, all, slow, errors, all, slow, all, errors, slow, errors, all, slow, all].join(" or ")
}

/// A value of the label, as [`WriteRequest::realistic`] has them.
pub(crate) fn tenant(number: usize) -> String {
    format!("namespace-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        use clap::Parser;
        let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
        all(&arguments).iter().map(Case::name).collect()
    }

    #[test]
    fn cases_are_chosen_by_their_names() {
        assert_eq!(names("bench").len(), 18);
        assert_eq!(names("bench --memory"), ["split 2000 via cluster", "split 2000 via listener"]);
        assert_eq!(names("bench --case plain --case split --memory").len(), 2);
        assert_eq!(names("bench --case query"), ["query 1 KB, narrowed", "query 1 KB, whole"]);
        assert!((950..1100).contains(&query().len()), "{}", query().len());
        assert_eq!(names("bench --case plain --case only"), ["plain Envoy", "headers only"]);
        assert_eq!(names("bench --peer x=http://127.0.0.1:1 --case x"), ["x 500", "x 2000"]);
    }

    #[test]
    fn requests_name_the_tenants_that_must_arrive() {
        for (subject, tenants) in [(Subject::OneTenant, 1), (Subject::ViaCluster, TENANTS)] {
            let case = Case { subject, series: 500 };
            let mut named: Vec<_> = case.request().timeseries.iter().map(crate::check::label).collect();
            named.sort_unstable();
            named.dedup();
            assert_eq!(named, case.tenants());
            assert_eq!(named.len(), tenants);
        }
    }
}
