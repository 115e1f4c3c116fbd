//! Envoy as a [`Host`].

use std::cell::RefCell;
use std::rc::Rc;

use hashbrown::HashMap;
use scopegate_core::exchange::Millis;
use scopegate_core::http::Reply;
use scopegate_core::report::{Metric, TableMetric};
use scopegate_core::table::Get;
use scopegate_core::write::fanout::Call;

use super::contexts::Contexts;
use super::ffi::{self, Buffer, Clock, Map, MetricKind};
use super::slots::Slots;
use crate::host::{Failure, HeaderMap, Host, Level};
use crate::shared::Shared;

/// Whether the host has a metric.
#[derive(Clone, Copy)]
enum Defined {
    /// It was not asked for it yet.
    Not,
    /// By this number.
    As(u32),
    /// It would not define it.
    Never,
}

/// Envoy, for the requests of one worker.
#[derive(Clone)]
pub(super) struct Envoy {
    shared: Rc<Shared>,
    /// The host's numbers of the metrics, by the tally's.
    metrics: Rc<RefCell<Vec<Defined>>>,
    /// The gauges, which are few; `None` for one that it would not define.
    gauges: Rc<RefCell<Vec<(Metric, Option<u32>)>>>,
    /// The same for what is told about tables.
    table_metrics: Rc<RefCell<HashMap<(String, TableMetric), Option<u32>>>>,
}

impl Default for Envoy {
    fn default() -> Self {
        Self {
            shared: Rc::new(Shared::new(Rc::new(Slots))),
            metrics: Rc::default(),
            gauges: Rc::default(),
            table_metrics: Rc::default(),
        }
    }
}

impl Envoy {
    pub(super) fn shared(&self) -> Rc<Shared> {
        Rc::clone(&self.shared)
    }

    fn metric(&self, number: usize, metric: &Metric, kind: MetricKind) -> Option<u32> {
        let mut metrics = self.metrics.borrow_mut();
        if number >= metrics.len() {
            metrics.resize(number.saturating_add(1), Defined::Not);
        }
        match metrics.get_mut(number)? {
            Defined::As(id) => Some(*id),
            Defined::Never => None,
            defined @ Defined::Not => {
                let id = self.define(metric, kind);
                *defined = id.map_or(Defined::Never, Defined::As);
                id
            }
        }
    }

    fn define(&self, metric: &Metric, kind: MetricKind) -> Option<u32> {
        let policy = self.shared.policy.get();
        let name = metric.name(|at| {
            policy.and_then(|policy| policy.backends.get(at)).map(|b| b.name.clone()).unwrap_or_default()
        });
        ffi::define_metric(kind, &name).ok()
    }
}

/// Makes a call for the context at hand.
fn dispatch(cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout_ms: u32) -> Result<u32, Failure> {
    let token = ffi::http_call(cluster, HeaderMap::serialize(headers).as_bytes(), body, timeout_ms)?;
    Contexts::with(|contexts| contexts.called(token));
    Ok(token)
}

fn status(map: Map) -> Result<u16, Failure> {
    let status = ffi::header(map, ":status")?;
    core::str::from_utf8(&status).ok().and_then(|status| status.parse().ok()).ok_or(Failure::PARSE)
}

impl Host for Envoy {
    fn now(&self) -> Millis {
        ffi::nanoseconds(Clock::Monotonic).map_or(0, |nanoseconds| nanoseconds / 1_000_000)
    }

    fn wall_seconds(&self) -> Result<u64, Failure> {
        ffi::nanoseconds(Clock::Wall).map(|nanoseconds| nanoseconds / 1_000_000_000)
    }

    fn random(&self) -> u64 {
        ffi::random_bytes()
            .map(u64::from_le_bytes)
            .or_else(|_| ffi::nanoseconds(Clock::Monotonic))
            .unwrap_or_default()
    }

    fn nonce(&self) -> Result<[u8; 16], Failure> {
        ffi::random_bytes()
    }

    fn set_tick_period(&self, period_ms: u32) -> Result<(), Failure> {
        ffi::set_tick_period(period_ms)
    }

    fn request_headers(&self) -> Result<HeaderMap, Failure> {
        ffi::map_pairs(Map::Request).map(HeaderMap::new)
    }

    fn set_request_header(&self, name: &str, value: &str) -> Result<(), Failure> {
        ffi::replace_header(Map::Request, name, value)
    }

    fn remove_request_header(&self, name: &str) -> Result<(), Failure> {
        ffi::remove_header(Map::Request, name)
    }

    fn request_trailers(&self) -> Result<HeaderMap, Failure> {
        ffi::map_pairs(Map::RequestTrailers).map(HeaderMap::new)
    }

    fn remove_request_trailer(&self, name: &str) -> Result<(), Failure> {
        ffi::remove_header(Map::RequestTrailers, name)
    }

    fn request_body(&self, size: usize) -> Result<Vec<u8>, Failure> {
        ffi::buffer(Buffer::RequestBody, size)
    }

    fn replace_request_body(&self, size: usize, body: &[u8]) -> Result<(), Failure> {
        ffi::replace_buffer(Buffer::RequestBody, size, body)
    }

    fn resume_request(&self) -> Result<(), Failure> {
        ffi::continue_request()
    }

    fn response_headers(&self) -> Result<HeaderMap, Failure> {
        ffi::map_pairs(Map::Response).map(HeaderMap::new)
    }

    fn set_response_header(&self, name: &str, value: &str) -> Result<(), Failure> {
        ffi::replace_header(Map::Response, name, value)
    }

    fn remove_response_header(&self, name: &str) -> Result<(), Failure> {
        ffi::remove_header(Map::Response, name)
    }

    fn response_body(&self, size: usize) -> Result<Vec<u8>, Failure> {
        ffi::buffer(Buffer::ResponseBody, size)
    }

    fn replace_response_body(&self, size: usize, body: &[u8]) -> Result<(), Failure> {
        ffi::replace_buffer(Buffer::ResponseBody, size, body)
    }

    fn attribute(&self, path: &[&str]) -> Result<Vec<u8>, Failure> {
        ffi::property(path.join("\0").as_bytes())
    }

    fn reply(&self, reply: &Reply) -> Result<(), Failure> {
        let headers: Vec<(&str, &str)> =
            reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ffi::local_response(
            reply.status,
            reply.details,
            &reply.body,
            HeaderMap::serialize(&headers).as_bytes(),
        )
    }

    fn call(&self, call: &Call) -> Result<u32, Failure> {
        let headers: Vec<(&str, &str)> = call.headers().collect();
        dispatch(&call.target.cluster, &headers, &call.body, call.timeout_ms)
    }

    fn get(&self, get: &Get) -> Result<u32, Failure> {
        let headers: Vec<(&str, &str)> =
            get.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        dispatch(&get.cluster, &headers, &[], get.timeout_ms)
    }

    fn answer_status(&self) -> Result<u16, Failure> {
        status(Map::CallResponse)
    }

    fn answer_headers(&self) -> Result<HeaderMap, Failure> {
        ffi::map_pairs(Map::CallResponse).map(HeaderMap::new)
    }

    fn answer_body(&self, size: usize) -> Result<Vec<u8>, Failure> {
        ffi::buffer(Buffer::CallResponseBody, size)
    }

    fn response_status(&self) -> Result<u16, Failure> {
        status(Map::Response)
    }

    fn note(&self, line: &str) {
        let _ = ffi::set_property("scopegate", line.as_bytes());
    }

    fn log(&self, level: Level, line: &str) {
        let level = match level {
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        ffi::log(level, line);
    }

    fn count(&self, number: usize, metric: &Metric, by: u64) {
        if let Some(id) = self.metric(number, metric, MetricKind::Counter) {
            let _ = ffi::increment(id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    fn tell_table(&self, table: &str, metric: TableMetric, value: u64) {
        let mut known = self.table_metrics.borrow_mut();
        let id = known.entry((table.to_owned(), metric)).or_insert_with(|| {
            let kind = if metric.is_gauge() { MetricKind::Gauge } else { MetricKind::Counter };
            ffi::define_metric(kind, &metric.name(table)).ok()
        });
        if let Some(id) = *id {
            let _ = if metric.is_gauge() {
                ffi::record(id, value)
            } else {
                ffi::increment(id, i64::try_from(value).unwrap_or(i64::MAX))
            };
        }
    }

    fn set(&self, metric: Metric, value: u64) {
        let mut gauges = self.gauges.borrow_mut();
        let known = gauges.iter().find(|(known, _)| *known == metric).map(|(_, id)| *id);
        let id = known.unwrap_or_else(|| {
            let id = self.define(&metric, MetricKind::Gauge);
            gauges.push((metric, id));
            id
        });
        if let Some(id) = id {
            let _ = ffi::record(id, value);
        }
    }

    fn record(&self, number: usize, metric: &Metric, value: u64) {
        if let Some(id) = self.metric(number, metric, MetricKind::Histogram) {
            let _ = ffi::record(id, value);
        }
    }
}
