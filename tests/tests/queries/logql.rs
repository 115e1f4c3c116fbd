//! LogQL in front of a real Loki, where `LOKI_URL` names one: a tenant of Loki's holds the streams of all owners, others those of
//! some alone.

use anyhow::{Context, Result, ensure};
use scopegate_core::read::query::{Language, Matcher, Options, rewrite};
use scopegate_tests::client::{Answer, Call, Client, Connection};
use scopegate_tests::loki::{Entry, Form, Stream, push};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::Value;

use crate::{
    data::LABEL,
    grammar::{Dialect, Grammar},
    logql_grammar::{Asks, query},
    promql::{amount, matchers, now},
};

/// Owners, of which some are told apart only by matchers that are anchored and escaped.
const OWNERS: &[Option<&str>] = &[Some("a"), Some("ab"), Some("c.d"), Some("cxd"), Some("a|c"), None];
/// Entries of each stream, and seconds between them.
const ENTRIES: usize = 40;
const STEP: i64 = 15;

/// A Loki, as one of its tenants sees it.
struct Holding {
    client: Client,
    connection: Option<Connection>,
    tenant: String,
}

impl Holding {
    /// The streams of some owners, in a tenant that no earlier run has used.
    async fn of(
        client: Client,
        name: &str,
        end: i64,
        is_wanted: impl Fn(Option<&str>) -> bool,
    ) -> Result<Self> {
        let tenant = format!("{name}-{}-{end}", std::process::id());
        let streams = streams(end, is_wanted);
        let count: usize = streams.iter().map(|stream| stream.entries.len()).sum();
        client.send(push(Form::Protobuf, &streams).tenant(&tenant)).await?.expect(204)?;
        // Until all are to be found.
        eventually(DEADLINE, || async {
            let call = range(r#"{app=~".+"}"#, end).tenant(&tenant);
            let found = results(&client.send(call).await?.expect(200)?)?;
            ensure!(found.iter().map(|stream| stream.1.len()).sum::<usize>() == count, "{tenant}: not all");
            Ok(())
        })
        .await?;
        Ok(Self { client, connection: None, tenant })
    }

    async fn ask(&mut self, query: &str, asks: &Asks, end: i64) -> Result<Answer> {
        let call = if asks.is_range {
            range(query, end)
        } else {
            Call::query("/loki/api/v1/query", &[("query", query), ("time", &(end + 1).to_string())])
        };
        let call = call.tenant(&self.tenant);
        if let Some(connection) = &mut self.connection
            && let Ok(answer) = connection.send(call.clone()).await
        {
            return Ok(answer);
        }
        self.connection.insert(self.client.connect().await?).send(call).await
    }
}

/// A query over the time of all entries.
fn range(query: &str, end: i64) -> Call {
    let (start, end) = ((end - 700).to_string(), (end + 1).to_string());
    let fields = [("query", query), ("start", &start), ("end", &end), ("step", "60"), ("limit", "5000")];
    Call::query("/loki/api/v1/query_range", &fields)
}

/// The same of every owner, with other values.
fn streams(end: i64, is_wanted: impl Fn(Option<&str>) -> bool) -> Vec<Stream> {
    let mut all = Vec::new();
    for (number, owner) in OWNERS.iter().enumerate().filter(|(_, owner)| is_wanted(**owner)) {
        for (index, (app, format)) in
            [("api", "json"), ("api", "logfmt"), ("web", "logfmt"), ("web", "plain"), ("db", "json")]
                .into_iter()
                .enumerate()
        {
            let labels =
                [("app", app), ("format", format), ("env", if index % 2 == 0 { "dev" } else { "prod" })];
            let labels = labels.into_iter().chain(owner.map(|owner| (LABEL, owner)));
            let entries = (0..ENTRIES).map(|step| {
                // Not random, but nowhere the same.
                let mixed = (number * 1009 + index * 101 + step * 37) % 997;
                let level = ["info", "warn", "error"][mixed % 3];
                let (status, took, size) = (200 + mixed % 4 * 100, mixed % 90 + 1, mixed * 3 + 1);
                let ip = format!("10.0.{}.{}", mixed % 3, mixed % 250);
                let line = match format {
                    "json" => format!(
                        r#"{{"level":"{level}","status":{status},"took":"{took}ms","size":"{size}B","ip":"{ip}","inner":{{"tenant":"ab"}}}}"#
                    ),
                    "logfmt" => format!("level={level} status={status} took={took}ms size={size}B ip={ip} tenant=ab"),
                    _ => format!("{ip} - {level} \"GET /x{{tenant=a}}\" {status} {size} # // /* {mixed}"),
                };
                let age = i64::try_from(ENTRIES - 1 - step).unwrap_or_default() * STEP;
                // No two entries have one time, so that their order is no matter of chance.
                let nanos = i64::try_from(number * 10 + index).unwrap_or_default();
                let metadata = vec![("trace".to_owned(), format!("t{}", mixed % 5))];
                Entry { timestamp: (end - age) * 1_000_000_000 - nanos, line, metadata }
            });
            all.push(Stream {
                labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                entries: entries.collect(),
            });
        }
    }
    all
}

/// Labels, and times with what was there; in order.
fn results(answer: &Answer) -> Result<Vec<(String, Vec<(String, String)>)>> {
    let answer = answer.json()?;
    let data = &answer["data"]["result"];
    let point = |point: &Value| (point[0].to_string(), point[1].as_str().unwrap_or_default().to_owned());
    if answer["data"]["resultType"] == "scalar" {
        return Ok(vec![(String::new(), vec![point(data)])]);
    }
    let mut results = Vec::new();
    for result in data.as_array().context("no result")? {
        let labels = if result["stream"].is_null() { &result["metric"] } else { &result["stream"] };
        let points = match result["values"].as_array() {
            Some(values) => values.iter().map(point).collect(),
            None => vec![point(&result["value"])],
        };
        results.push((labels.to_string(), points));
    }
    results.sort();
    Ok(results)
}

fn is_close(a: &str, b: &str) -> bool {
    let near = |a: f64, b: f64| {
        a.total_cmp(&b).is_eq()
            || a.is_nan() && b.is_nan()
            || (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0)
    };
    a == b || a.parse().is_ok_and(|a| b.parse().is_ok_and(|b| near(a, b)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_gets_what_it_would_get_alone() -> Result<()> {
    const AT_ONCE: u64 = 4;
    let Ok(url) = std::env::var("LOKI_URL") else {
        eprintln!("skipped: LOKI_URL names no Loki");
        return Ok(());
    };
    let host = url.strip_prefix("http://").context("LOKI_URL: give an http:// URL")?;
    let client = Client::http1(host.trim_end_matches('/').parse()?);
    eventually(DEADLINE, || async move { client.get("/ready").await?.expect(200) }).await?;
    let (count, seed) = amount(600);
    let end = now() - 60;
    for (number, (matcher, own)) in matchers()?.into_iter().enumerate() {
        let mut tasks = Vec::new();
        for task in 0..AT_ONCE {
            let name = |of: &str| format!("{of}-{number}-{task}");
            let mut all = Holding::of(client, &name("all"), end, |_| true).await?;
            let mut alone = Holding::of(client, &name("alone"), end, own).await?;
            let matcher = matcher.clone();
            tasks.push(tokio::spawn(async move {
                let mut grammar = Grammar::new(Dialect::PromQl, seed * AT_ONCE + task);
                let mut outcomes = [0; 3];
                for _ in 0..count / usize::try_from(AT_ONCE)? {
                    let asks = query(&mut grammar);
                    outcomes[compare(&mut all, &mut alone, &matcher, &asks, end).await?] += 1;
                }
                anyhow::Ok(outcomes)
            }));
        }
        let mut outcomes = [0; 3];
        for task in tasks {
            for (sum, count) in outcomes.iter_mut().zip(task.await??) {
                *sum += count;
            }
        }
        let [same, empty, failing] = outcomes;
        println!("LogQL: {same} the same, {empty} empty, {failing} not answered by the backend");
        // The grammar proves nothing when the backend answers nothing.
        ensure!(same * 2 > count, "{same} of {count}");
        ensure!(failing * 10 < count, "{failing} of {count}");
    }
    Ok(())
}

/// 0 where both have the same results, 1 where they have none, 2 where the backend does not answer the query as it came.
async fn compare(
    all: &mut Holding,
    alone: &mut Holding,
    matcher: &Matcher,
    asks: &Asks,
    end: i64,
) -> Result<usize> {
    let query = &asks.query;
    let own = alone.ask(query, asks, end).await?;
    if own.status != 200 {
        if std::env::var_os("QUERIES_FAILING").is_some() {
            eprintln!("{query}: {}", own.text());
        }
        return Ok(2);
    }
    let rewritten = rewrite(Language::LogQl, query, std::slice::from_ref(matcher), &Options::default())
        .with_context(|| format!("the backend answers, we refuse {query}"))?;
    let answer = all.ask(&rewritten.text, asks, end).await?;
    ensure!(answer.status == 200, "{query} became {}, which fails: {}", rewritten.text, answer.text());
    let (own, answer) = (results(&own)?, results(&answer)?);
    let same = own.len() == answer.len()
        && own.iter().zip(&answer).all(|(own, answer)| {
            own.0 == answer.0
                && own.1.len() == answer.1.len()
                && own
                    .1
                    .iter()
                    .zip(&answer.1)
                    .all(|(own, answer)| own.0 == answer.0 && is_close(&own.1, &answer.1))
        });
    ensure!(same, "{query} is {own:?}, but {} is {answer:?}", rewritten.text);
    Ok(usize::from(answer.is_empty()))
}
