//! Queries with `WITH` templates, by a grammar with a seed: names that are defined in several places, and that are metrics
//! where they are not.

use anyhow::Result;
use scopegate_core::read::query::Language;
use scopegate_tests::client::{Call, Client};

use crate::{
    data,
    grammar::{Dialect, Grammar},
    metricsql::holding,
    promql::{ask_with, matchers, now},
};

/// What a template is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A selector: filters may follow its name.
    Selector,
    /// An expression.
    Expression,
    /// Filters in braces.
    Filters,
    /// A number.
    Number,
    /// A duration.
    Duration,
    /// A string that is a value of the label `job`.
    Text,
    /// It takes an expression.
    Sum,
    /// It takes a selector.
    Rate,
    /// It takes a string, and is a selector.
    Named,
}

const KINDS: &[Kind] = &[
    Kind::Selector,
    Kind::Expression,
    Kind::Filters,
    Kind::Number,
    Kind::Duration,
    Kind::Text,
    Kind::Sum,
    Kind::Rate,
    Kind::Named,
];
/// Names of metrics, functions and keywords among them.
const NAMES: &[&str] = &[
    "x",
    "y",
    "up",
    "memory_bytes",
    "requests_total",
    "rate",
    "sum",
    "or",
    "by",
    "with",
    "le",
    "a.b",
    "c:d",
];

/// What is in scope, the innermost last.
type Scope = Vec<(&'static str, Kind)>;

/// Writes queries.
struct Templates<'g> {
    grammar: &'g mut Grammar,
    /// Whether the backend reads `or` between filters, and templates of durations; 1.79 does not.
    is_new: bool,
    scope: Scope,
}

fn query(grammar: &mut Grammar, is_new: bool) -> String {
    let mut templates = Templates { grammar, is_new, scope: Scope::new() };
    let depth = 1 + templates.below(3);
    templates.with(depth)
}

impl Templates<'_> {
    fn below(&mut self, limit: usize) -> usize {
        self.grammar.below(limit)
    }

    fn one<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        self.grammar.one(choices)
    }

    /// A name that stands for this here.
    fn find(&mut self, kind: Kind) -> Option<&'static str> {
        let mut found = Vec::new();
        for (at, (name, known)) in self.scope.iter().enumerate() {
            let is_last = self.scope[at + 1..].iter().all(|(later, _)| later != name);
            if *known == kind && is_last {
                found.push(*name);
            }
        }
        if found.is_empty() || kind == Kind::Duration && !self.is_new {
            None
        } else {
            Some(found[self.below(found.len())])
        }
    }

    fn with(&mut self, depth: usize) -> String {
        let outside = self.scope.len();
        let mut definitions = Vec::new();
        for _ in 0..=self.below(4) {
            let kind = KINDS[self.below(KINDS.len())];
            let name = NAMES[self.below(NAMES.len())];
            let is_function = matches!(name, "rate" | "sum");
            // A colon ends a duration.
            let is_cut = name == "c:d" && kind == Kind::Duration;
            if is_cut
                || is_function != (kind == Kind::Sum && is_function)
                || self.scope[outside..].iter().any(|(known, _)| *known == name)
            {
                continue;
            }
            let before = self.scope.len();
            let parameter = NAMES[self.below(NAMES.len())];
            let head = match kind {
                Kind::Sum => Some(Kind::Expression),
                Kind::Rate => Some(Kind::Selector),
                Kind::Named => Some(Kind::Text),
                _ => None,
            };
            let mut definition = name.to_owned();
            if let Some(kind) = head {
                self.scope.push((parameter, kind));
                definition = format!("{definition}({parameter})");
            }
            let body = match kind {
                Kind::Selector => self.selector(),
                Kind::Expression => self.expression(depth.saturating_sub(1)),
                Kind::Filters => {
                    let filters = self.filters();
                    format!("{{{filters}}}")
                }
                Kind::Number => self.one(&["1", "2.5", "1e1"]).to_owned(),
                Kind::Duration => self.one(&["5m", "150s", "2m30s"]).to_owned(),
                Kind::Text => self.one(&["\"api\"", "'a' + `pi`", "\"web\""]).to_owned(),
                Kind::Sum => {
                    let more = self.expression(depth.saturating_sub(1));
                    format!("sum({parameter}) by (instance) + 0 * count({more})")
                }
                Kind::Rate => format!("sum(rate({parameter}[5m]))"),
                Kind::Named => format!("memory_bytes{{job={parameter}}}"),
            };
            let gap = self.one(&["", " ", " # {\n"]);
            definitions.push(format!("{gap}{definition}{gap} = {body}"));
            self.scope.truncate(before);
            self.scope.push((name, kind));
        }
        let body = self.expression(depth);
        self.scope.truncate(outside);
        let with = self.one(&["WITH", "with", "With"]);
        let comma = self.one(&["", ","]);
        let comma = if definitions.is_empty() { "" } else { comma };
        format!("{with} ({}{comma}) {body}", definitions.join(","))
    }

    fn filters(&mut self) -> String {
        let mut filters = Vec::new();
        for _ in 0..=self.below(2) {
            let filter = match self.below(4) {
                0 => self.find(Kind::Filters).map(str::to_owned),
                1 => self.find(Kind::Text).map(|text| format!("job={text}")),
                2 => self.find(Kind::Text).map(|text| format!("job=~\"\"+{text}+\".*\"")),
                _ => None,
            };
            let choices =
                ["job=\"api\"", "instance!=\"i9\"", "tenant!=\"a\"", "tenant=~\"a|ab\"", "job=~\".+\""];
            filters.push(filter.unwrap_or_else(|| self.one(&choices).to_owned()));
        }
        filters.join(",")
    }

    fn selector(&mut self) -> String {
        match self.below(6) {
            0 | 1 => {
                if let Some(name) = self.find(Kind::Selector) {
                    if self.below(2) == 0 {
                        return name.to_owned();
                    }
                    let filters = self.filters();
                    return format!("{name}{{{filters}}}");
                }
            }
            2 => {
                if let (Some(name), Some(text)) = (self.find(Kind::Named), self.find(Kind::Text)) {
                    return format!("{name}({text})");
                }
            }
            _ => {}
        }
        let is_metric = |scope: &Scope, name: &str| {
            let last = scope.iter().rev().find(|(known, _)| *known == name);
            last.is_none_or(|(_, kind)| matches!(kind, Kind::Sum | Kind::Rate | Kind::Named))
        };
        let name = self.one(&["up", "memory_bytes", "requests_total", "memory\\_bytes"]);
        let name = if is_metric(&self.scope, &name.replace('\\', "")) { name } else { "latency_bucket" };
        match self.below(20) {
            0..7 => name.to_owned(),
            7 | 8 if self.is_new => {
                let (filters, others) = (self.filters(), self.filters());
                format!("{name}{{{filters} or {others}}}")
            }
            _ => {
                let filters = self.filters();
                format!("{name}{{{filters}}}")
            }
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        let Some(less) = depth.checked_sub(1) else {
            let selector = self.selector();
            return format!("sum({selector}) by (instance, job)");
        };
        match self.below(9) {
            0 => {
                if let Some(name) = self.find(Kind::Expression) {
                    return name.to_owned();
                }
                self.selector()
            }
            1 => {
                let argument = self.expression(less);
                match self.find(Kind::Sum) {
                    Some(name) => format!("{name}({argument})"),
                    None => format!("count({argument})"),
                }
            }
            2 => {
                let argument = self.selector();
                match self.find(Kind::Rate) {
                    Some(name) => format!("{name}({argument})"),
                    None => format!("sum(rate({argument}[5m])) by (job)"),
                }
            }
            3 => {
                let (selector, window) = (self.selector(), self.find(Kind::Duration).unwrap_or("5m"));
                format!("sum(max_over_time({selector}[{window}])) by (job)")
            }
            7 => {
                let (selector, shift) = (self.selector(), self.find(Kind::Duration).unwrap_or("1m"));
                // A colon would end it.
                let shift = if shift.contains(':') { "1m" } else { shift };
                format!("sum({selector} offset {shift}) by (job)")
            }
            5 => {
                let (left, right) = (self.expression(less), self.find(Kind::Number).unwrap_or("2"));
                format!("({left}) * {right}")
            }
            6 => {
                let (left, right) = (self.expression(less), self.expression(less));
                format!("sum({left}) + sum({right})")
            }
            _ => {
                let inner = self.with(less);
                format!("({inner})")
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_gets_what_it_would_get_alone() -> Result<()> {
    let end = data::end(now());
    let all = holding(end, |_| true).await?;
    for (matcher, own) in matchers()? {
        let alone = holding(end, own).await?;
        let clients = (Client::http1(all.address()), Client::http1(alone.address()));
        let or = Call::form("/api/v1/query", &[("query", r#"up{job="api" or job="web"}"#)]);
        let is_new = clients.1.send(or).await?.status == 200;
        let query: fn(&mut Grammar) -> String =
            if is_new { |grammar| query(grammar, true) } else { |grammar| query(grammar, false) };
        let grammar = (Dialect::MetricsQl, query);
        ask_with(Language::MetricsQl, grammar, clients, &matcher, end, 2000).await?;
    }
    Ok(())
}
