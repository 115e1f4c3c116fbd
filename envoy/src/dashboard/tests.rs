//! The dashboard and the rules against the catalogue of metrics: nothing is asked for that does not exist, and nothing that
//! is counted is left out.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{AggregateExpr, Expr, VectorSelector, parse};
use promql_parser::util::{ExprVisitor, walk_expr};
use scopegate_core::report::{METRICS, MetricKind};
use serde_json::Value;

use super::panels::ENVOY;
use super::{WIDTH, dashboard, page};

const COMMITTED: &str = include_str!("../../../dashboards/scopegate.json");
const RULES: &str = include_str!("../../../dashboards/rules.yaml");
const RULE_TESTS: &str = include_str!("../../../dashboards/rules.test.yaml");
const PAGE: &str = include_str!("../../../docs/observability.md");

/// A query of the dashboard or of the rules, and where it stands.
struct Query {
    place: String,
    text: String,
}

fn of_dashboard() -> Vec<Query> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| Query {
            place: panel["title"].to_string(),
            text: target["expr"]
                .as_str()
                .expect("a query")
                .replace("$__rate_interval", "5m")
                .replace("$__range", "3h"),
        })
    });
    queries.collect()
}

fn rules() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(RULES).expect("YAML");
    let groups = rules["groups"].as_array().expect("groups").clone();
    groups.into_iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn of_rules() -> Vec<Query> {
    let name = |rule: &Value| rule["alert"].as_str().or(rule["record"].as_str()).expect("a name").to_owned();
    let text = |rule: &Value| rule["expr"].as_str().expect("a query").to_owned();
    rules().iter().map(|rule| Query { place: name(rule), text: text(rule) }).collect()
}

/// The labels that a series of this name may have; `None` where there is no such metric.
fn labels(name: &str) -> Option<BTreeSet<String>> {
    let set = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect::<BTreeSet<_>>();
    if let Some(rule) = rules().iter().find(|rule| rule["record"] == name) {
        // By the convention of its name: what it is summed by, then what, then how.
        let by = rule["record"].as_str().and_then(|record| record.split(':').next()).unwrap_or_default();
        return Some(by.split('_').map(str::to_owned).collect());
    }
    let found = METRICS.iter().find(|metric| match metric.kind {
        MetricKind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(metric.name))
        }
        MetricKind::Counter | MetricKind::Gauge => metric.name == name,
    });
    let mut labels = match found {
        Some(metric) => metric.tags.iter().map(|tag| tag.trim_matches(['[', ']']).to_owned()).collect(),
        None if name.starts_with("envoy_cluster_") && ENVOY.contains(&name) => set(&["envoy_cluster_name"]),
        None if name.starts_with("envoy_http_") && ENVOY.contains(&name) => {
            set(&["envoy_http_conn_manager_prefix"])
        }
        None => ENVOY.contains(&name).then(BTreeSet::new)?,
    };
    labels.extend(set(&["instance"]));
    if name.ends_with("_bucket") {
        labels.extend(set(&["le"]));
    }
    Some(labels)
}

/// What a query asks for that does not exist.
#[derive(Default)]
struct Complaints {
    found: Vec<String>,
    metrics: BTreeSet<String>,
}

impl Complaints {
    fn of(query: &str) -> Self {
        let mut complaints = Self::default();
        match parse(query) {
            Ok(expr) => drop(walk_expr(&mut complaints, &expr)),
            Err(problem) => complaints.found.push(problem),
        }
        complaints
    }

    fn selector(&mut self, selector: &VectorSelector) {
        let name = selector.name.clone().unwrap_or_default();
        let Some(labels) = labels(&name) else {
            self.found.push(format!("there is no metric {name}"));
            return;
        };
        for matcher in &selector.matchers.matchers {
            if !labels.contains(&matcher.name) {
                self.found.push(format!("{name} has no label {}", matcher.name));
            }
            let is_list = matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_));
            let values = matcher.value.split(if is_list { '|' } else { '\0' });
            for value in values.filter(|value| matcher.name == "reason" && !value.starts_with('$')) {
                if !PAGE.contains(&format!("`{value}`")) {
                    self.found.push(format!("there is no reason {value}"));
                }
            }
        }
        self.metrics.insert(name);
    }
}

impl ExprVisitor for Complaints {
    type Error = ();

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, ()> {
        match expr {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Aggregate(AggregateExpr { expr, modifier: Some(modifier), .. }) => {
                let mut inner = Self::default();
                let _ = walk_expr(&mut inner, expr);
                let known: BTreeSet<String> =
                    inner.metrics.iter().filter_map(|name| labels(name)).flatten().collect();
                for label in modifier.labels().labels.iter().filter(|label| !known.contains(*label)) {
                    self.found.push(format!("nothing in it has the label {label}: {expr}"));
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

#[test]
fn the_committed_file_is_what_is_printed() {
    assert!(page() == COMMITTED, "`cargo xtask docs` writes dashboards/scopegate.json");
}

#[test]
fn nothing_is_asked_for_that_does_not_exist() {
    for Query { place, text } in of_dashboard().into_iter().chain(of_rules()) {
        let complaints = Complaints::of(&text).found;
        assert!(complaints.is_empty(), "{place}: {complaints:?} in {text}");
    }
}

/// That the test above would find it.
#[test]
fn what_does_not_exist_is_found() {
    let cases = [
        ("sum(rate(scopegate_request_total[5m]))", "there is no metric scopegate_request_total"),
        (
            "scopegate_tenant_duration_milliseconds",
            "there is no metric scopegate_tenant_duration_milliseconds",
        ),
        ("rate(envoy_wasm_other[5m])", "there is no metric envoy_wasm_other"),
        ("scopegate_refusals_total{tenant=\"a\"}", "scopegate_refusals_total has no label tenant"),
        ("scopegate_refusals_total{reason=~\"host|hosts\"}", "there is no reason hosts"),
        (
            "sum by (caller) (scopegate_calls_total)",
            "nothing in it has the label caller: scopegate_calls_total",
        ),
        (
            "backend:scopegate_requests:rate5m{tenant=\"a\"}",
            "backend:scopegate_requests:rate5m has no label tenant",
        ),
        ("sum(", "unclosed left parenthesis"),
    ];
    for (query, expected) in cases {
        let found = Complaints::of(query).found;
        assert!(found.iter().any(|complaint| complaint.contains(expected)), "{query}: {found:?}");
    }
}

#[test]
fn every_metric_is_shown() {
    let shown: BTreeSet<String> =
        of_dashboard().iter().flat_map(|query| Complaints::of(&query.text).metrics).collect();
    for metric in METRICS {
        let is_shown = shown.iter().any(|name| name.starts_with(metric.name));
        assert!(is_shown, "{} is on no panel", metric.name);
    }
    for name in ENVOY {
        assert!(shown.contains(*name), "{name} is on no panel");
    }
}

#[test]
fn alerts_say_what_to_do() {
    for rule in rules() {
        let Some(name) = rule["alert"].as_str() else { continue };
        let annotations = &rule["annotations"];
        for field in ["summary", "description", "runbook"] {
            assert!(annotations[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: {field}");
        }
        let severity = rule["labels"]["severity"].as_str().expect(name);
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        // The page has a heading for each, which makes the anchor.
        let anchor = format!("docs/observability.md#{}", name.to_lowercase());
        assert_eq!(annotations["runbook"], anchor);
        assert!(PAGE.contains(&format!("\n### {name}\n")), "{name} is not on the page");
        for case in ["fires", "is quiet"] {
            assert!(
                RULE_TESTS.contains(&format!("name: {name} {case}\n")),
                "{name} has no test that it {case}"
            );
        }
    }
}

#[test]
fn panels_have_room() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let at = |name: &str| panel["gridPos"][name].as_u64().expect(name);
        assert!(at("x") + at("w") <= u64::from(WIDTH), "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "two panels at {x}, {y}: {panel}");
            }
        }
        assert!(ids.insert(panel["id"].to_string()), "{panel}");
        let is_row = panel["type"] == "row";
        assert!(is_row || panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
    }
}
