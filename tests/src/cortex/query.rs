//! The query API, as far as tests read: vector selectors, and `count` and `sum` over one. Anything else is an error, so
//! that no test takes an empty answer for a proof.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use promql_parser::{
    label::Matcher,
    parser::{self, AggregateExpr, Expr, LabelModifier, VectorSelector, token},
};
use serde_json::{Value, json};

use super::{
    answer::{api_error, success},
    faults::Reply,
    message::{Label, text},
    state::{Received, State},
    tenants,
};

/// The label that tells the tenants of a query over several apart.
const TENANT: &str = "__tenant_id__";
/// How far back a sample counts as now.
const LOOKBACK: i64 = 5 * 60 * 1000;
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The labels of a result.
type Labels = BTreeMap<String, String>;

enum Failure {
    BadData(String),
    Unsupported(String),
    NotFound,
}

/// Answers `endpoint`, a path after `/api/v1/`.
pub(super) fn answer(state: &State, request: &Received, header: &str, endpoint: &str) -> Reply {
    let tenants = match tenants::resolve(header) {
        Ok(tenants) => tenants,
        Err(message) => return api_error(400, "bad_data", &message),
    };
    let reader = Reader { series: visible(state, &tenants), fields: fields(request) };
    match reader.read(endpoint) {
        Ok(data) => success(&data),
        Err(Failure::BadData(message)) => api_error(400, "bad_data", &message),
        Err(Failure::Unsupported(message)) => api_error(422, "execution", &message),
        Err(Failure::NotFound) => api_error(404, "not_found", "no such endpoint"),
    }
}

/// A series as the tenants of a request see it.
struct Visible<'s> {
    labels: Labels,
    samples: &'s BTreeMap<i64, u64>,
}

fn visible<'s>(state: &'s State, tenants: &[String]) -> Vec<Visible<'s>> {
    let mut all = Vec::new();
    for tenant in tenants {
        for (labels, samples) in state.store(tenant).into_iter().flat_map(super::Store::series) {
            let mut labels: Labels =
                labels.iter().map(|Label { name, value }| (text(name), text(value))).collect();
            if tenants.len() > 1
                && let Some(sent) = labels.insert(TENANT.to_owned(), tenant.clone())
            {
                labels.insert(format!("original_{TENANT}"), sent);
            }
            all.push(Visible { labels, samples });
        }
    }
    all
}

/// Arguments from the query string and a form, the form first.
fn fields(request: &Received) -> Vec<(String, String)> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let form = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body: &[u8] = if form { &request.body } else { &[] };
    let form = form_urlencoded::parse(body).into_owned();
    form.chain(form_urlencoded::parse(query.as_bytes()).into_owned()).collect()
}

struct Reader<'s> {
    series: Vec<Visible<'s>>,
    fields: Vec<(String, String)>,
}

impl Reader<'_> {
    fn read(&self, endpoint: &str) -> Result<Value, Failure> {
        match endpoint {
            "query" => self.instant(),
            "query_range" => self.range(),
            "series" => Ok(self.matching(true)?.into_iter().map(|labels| json!(labels)).collect()),
            "labels" => {
                let names: BTreeSet<_> = self.matching(false)?.into_iter().flat_map(Labels::keys).collect();
                Ok(json!(names))
            }
            "status/buildinfo" => Ok(json!({"version": "1.21.0", "revision": "stand-in", "goVersion": ""})),
            "query_exemplars" => Ok(json!([])),
            "metadata" => Ok(json!({})),
            "rules" => Ok(json!({"groups": []})),
            "alerts" => Ok(json!({"alerts": []})),
            _ => match endpoint.strip_prefix("label/").and_then(|rest| rest.strip_suffix("/values")) {
                Some(name) => {
                    let values: BTreeSet<_> =
                        self.matching(false)?.into_iter().filter_map(|labels| labels.get(name)).collect();
                    Ok(json!(values))
                }
                None => Err(Failure::NotFound),
            },
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A time in milliseconds; fields hold seconds.
    fn time(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.field(name).map(|value| milliseconds(name, value)).transpose()
    }

    fn expression(&self) -> Result<Expr, Failure> {
        let query = self.field("query").unwrap_or_default();
        parser::parse(query)
            .map_err(|error| Failure::BadData(format!("invalid parameter \"query\": {error}")))
    }

    fn instant(&self) -> Result<Value, Failure> {
        let time = self.time("time")?.unwrap_or_else(now);
        let vector = self.evaluate(&self.expression()?, time)?;
        let result =
            vector.into_iter().map(|(labels, value)| json!({"metric": labels, "value": point(time, value)}));
        Ok(json!({"resultType": "vector", "result": result.collect::<Vec<_>>()}))
    }

    fn range(&self) -> Result<Value, Failure> {
        let needed = |name: &str| self.time(name)?.ok_or_else(|| Failure::BadData(format!("no {name}")));
        let (start, end, step) = (needed("start")?, needed("end")?, needed("step")?);
        if step <= 0 || (end - start) / step > 11_000 {
            return Err(Failure::BadData("zero, negative or too small a step".to_owned()));
        }
        let expression = self.expression()?;
        let mut series: BTreeMap<Labels, Vec<Value>> = BTreeMap::new();
        let mut time = start;
        while time <= end {
            for (labels, value) in self.evaluate(&expression, time)? {
                series.entry(labels).or_default().push(point(time, value));
            }
            time += step;
        }
        let result = series.into_iter().map(|(labels, values)| json!({"metric": labels, "values": values}));
        Ok(json!({"resultType": "matrix", "result": result.collect::<Vec<_>>()}))
    }

    /// The label sets that any `match[]` selects, within `start` and `end`.
    fn matching(&self, required: bool) -> Result<BTreeSet<&Labels>, Failure> {
        let (start, end) = (self.time("start")?.unwrap_or(i64::MIN), self.time("end")?.unwrap_or(i64::MAX));
        let mut selectors = Vec::new();
        for (_, text) in self.fields.iter().filter(|(name, _)| name == "match[]") {
            match parser::parse(text) {
                Ok(Expr::VectorSelector(selector)) => {
                    check(&selector)?;
                    selectors.push(selector);
                }
                Ok(_) => return Err(Failure::BadData(format!("{text} is no selector"))),
                Err(error) => return Err(Failure::BadData(error)),
            }
        }
        if required && selectors.is_empty() {
            return Err(Failure::BadData("no match[] parameter provided".to_owned()));
        }
        let mut found = BTreeSet::new();
        for series in
            self.series.iter().filter(|series| series.samples.keys().any(|time| (start..=end).contains(time)))
        {
            let mut selected = selectors.is_empty();
            for selector in &selectors {
                selected |= selects(selector, &series.labels);
            }
            if selected {
                found.insert(&series.labels);
            }
        }
        Ok(found)
    }

    fn evaluate(&self, expression: &Expr, time: i64) -> Result<Vec<(Labels, f64)>, Failure> {
        match expression {
            Expr::Paren(inner) => self.evaluate(&inner.expr, time),
            Expr::VectorSelector(selector) => self.select(selector, time),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, time),
            other => Err(unsupported(&other.to_string())),
        }
    }

    fn select(&self, selector: &VectorSelector, time: i64) -> Result<Vec<(Labels, f64)>, Failure> {
        check(selector)?;
        let mut vector = Vec::new();
        for series in &self.series {
            let latest = series.samples.range(time - LOOKBACK + 1..=time).next_back();
            if let Some((_, bits)) = latest.filter(|(_, bits)| **bits != STALE)
                && selects(selector, &series.labels)
            {
                vector.push((series.labels.clone(), f64::from_bits(*bits)));
            }
        }
        Ok(vector)
    }

    fn aggregate(&self, aggregate: &AggregateExpr, time: i64) -> Result<Vec<(Labels, f64)>, Failure> {
        let counts = match aggregate.op.id() {
            token::T_COUNT => true,
            token::T_SUM => false,
            _ => return Err(unsupported(&aggregate.op.to_string())),
        };
        let mut groups: BTreeMap<Labels, f64> = BTreeMap::new();
        for (labels, value) in self.evaluate(&aggregate.expr, time)? {
            let kept = |name: &String| match &aggregate.modifier {
                None => false,
                Some(LabelModifier::Include(names)) => names.labels.contains(name),
                Some(LabelModifier::Exclude(names)) => name != "__name__" && !names.labels.contains(name),
            };
            let group = labels.into_iter().filter(|(name, _)| kept(name)).collect();
            *groups.entry(group).or_default() += if counts { 1.0 } else { value };
        }
        Ok(groups.into_iter().collect())
    }
}

/// Whether the stand-in knows all that a selector says.
fn check(selector: &VectorSelector) -> Result<(), Failure> {
    if selector.offset.is_some() || selector.at.is_some() || !selector.matchers.or_matchers.is_empty() {
        return Err(unsupported(&selector.to_string()));
    }
    Ok(())
}

fn selects(selector: &VectorSelector, labels: &Labels) -> bool {
    let value = |name: &str| labels.get(name).map_or("", String::as_str);
    let matches = |matcher: &Matcher| matcher.is_match(value(&matcher.name));
    let named = selector.name.as_deref().is_none_or(|name| name == value("__name__"));
    named && selector.matchers.matchers.iter().all(matches)
}

fn unsupported(what: &str) -> Failure {
    Failure::Unsupported(format!("the stand-in does not evaluate {what}"))
}

fn milliseconds(name: &str, value: &str) -> Result<i64, Failure> {
    let bad = || Failure::BadData(format!("invalid parameter {name:?}: cannot parse {value:?}"));
    let seconds: f64 = match value.strip_suffix('s').filter(|_| name == "step").unwrap_or(value).parse() {
        Ok(seconds) if f64::abs(seconds) < 1e12 => seconds,
        _ => return Err(bad()),
    };
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    Ok((seconds * 1000.0).round() as i64)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn point(time: i64, value: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit")]
    let seconds = time as f64 / 1000.0;
    let text = match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => value.to_string(),
    };
    json!([seconds, text])
}
