//! One query asked in two places.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use scopegate_core::read::query::{Language, Matcher, Options, rewrite};
use scopegate_tests::client::{Answer, Call, Client, Connection};
use serde_json::Value;

/// The times of a query, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) end: i64,
    pub(crate) is_range: bool,
}

/// A backend with all series, and one with those of the tenants that the matcher lets through.
pub(crate) struct Pair {
    all: Asked,
    alone: Asked,
    language: Language,
    matcher: Matcher,
}

struct Asked {
    client: Client,
    connection: Option<Connection>,
}

impl Asked {
    /// Asks on the connection that is open. Where the backend has closed it, asks on another.
    async fn ask(&mut self, query: &str, times: Times) -> Result<Answer> {
        if let Some(connection) = &mut self.connection
            && let Ok(answer) = connection.send(call(query, times)).await
        {
            return Ok(answer);
        }
        self.connection.insert(self.client.connect().await?).send(call(query, times)).await
    }
}

/// What came of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The same results in both places, and there were some.
    Same,
    /// No results in both places.
    Empty,
    /// The backend does not answer the query as it came.
    Failing,
}

impl Pair {
    pub(crate) fn new(all: Client, alone: Client, language: Language, matcher: &Matcher) -> Self {
        let asked = |client| Asked { client, connection: None };
        Self { all: asked(all), alone: asked(alone), language, matcher: matcher.clone() }
    }

    /// Asks both. An error says where they differ.
    pub(crate) async fn ask(&mut self, query: &str, times: Times) -> Result<Outcome> {
        let alone = self.alone.ask(query, times).await?;
        if alone.status != 200 {
            return Ok(Outcome::Failing);
        }
        let options = Options { experimental: true, ..Options::default() };
        let rewritten = rewrite(self.language, query, std::slice::from_ref(&self.matcher), &options)
            .with_context(|| format!("the backend answers, we refuse {query}"))?;
        let all = self.all.ask(&rewritten.text, times).await?;
        ensure!(all.status == 200, "{query} became {}, which fails: {}", rewritten.text, all.text());
        let (alone, all) = (results(&alone)?, results(&all)?);
        let same = alone.len() == all.len()
            && alone.iter().zip(&all).all(|(alone, all)| alone.0 == all.0 && is_close(&alone.1, &all.1));
        ensure!(same, "{query} is {alone:?}, but {} is {all:?}", rewritten.text);
        Ok(if all.is_empty() { Outcome::Empty } else { Outcome::Same })
    }
}

/// The query as an instant query, or over the last ten minutes.
pub(crate) fn call(query: &str, times: Times) -> Call {
    let (end, start) = (times.end.to_string(), (times.end - 600).to_string());
    if times.is_range {
        let fields = [("query", query), ("start", &start), ("end", &end), ("step", "60"), ("nocache", "1")];
        Call::form("/api/v1/query_range", &fields)
    } else {
        Call::form("/api/v1/query", &[("query", query), ("time", &end), ("nocache", "1")])
    }
}

type Labels = BTreeMap<String, String>;

/// Labels, and times with values; in order.
pub(crate) fn results(answer: &Answer) -> Result<Vec<(Labels, Vec<(f64, f64)>)>> {
    let answer = answer.json()?;
    let point = |point: &Value| -> Result<(f64, f64)> {
        let value = point[1].as_str().context("no value")?;
        Ok((point[0].as_f64().context("no time")?, value.parse().unwrap_or(f64::NAN)))
    };
    let data = &answer["data"];
    let mut results = Vec::new();
    match data["resultType"].as_str() {
        Some("scalar") => results.push((Labels::new(), vec![point(&data["result"])?])),
        Some("string") => {
            let value = data["result"][1].to_string();
            results.push((Labels::from([(String::new(), value)]), Vec::new()));
        }
        _ => {
            for result in data["result"].as_array().context("no result")? {
                let labels: Labels = serde_json::from_value(result["metric"].clone())?;
                let points = match result.get("value") {
                    Some(value) => vec![point(value)?],
                    None => result["values"]
                        .as_array()
                        .context("no values")?
                        .iter()
                        .map(point)
                        .collect::<Result<_>>()?,
                };
                results.push((labels, points));
            }
        }
    }
    results.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(results)
}

fn is_close(a: &[(f64, f64)], b: &[(f64, f64)]) -> bool {
    // Series are added up in another order.
    let close = |(a, b): (f64, f64)| {
        a.total_cmp(&b).is_eq()
            || a.is_nan() && b.is_nan()
            || (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close((a.0, b.0)) && close((a.1, b.1)))
}
