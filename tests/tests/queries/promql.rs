//! PromQL in front of a real Prometheus.

use anyhow::{Context, Result, ensure};
use scopegate_core::read::query::{Language, Matcher};
use scopegate_tests::{
    client::{Call, Client},
    prometheus::Prometheus,
};

use crate::{
    compare::{Outcome, Pair, Times},
    data::{self, LABEL},
    grammar::{Dialect, Grammar},
};

/// What a Prometheus 3 knows; an older one says that it does not and goes on.
const FEATURES: &str = "--enable-feature=promql-experimental-functions,promql-duration-expr,\
    promql-extended-range-selectors,promql-binop-fill-modifiers";

/// The owners that a matcher lets through.
type Own = fn(Option<&str>) -> bool;

/// How many queries, and from where on.
pub(crate) fn amount(usual: usize) -> (usize, u64) {
    let number = |name| std::env::var(name).ok().and_then(|value: String| value.parse::<u64>().ok());
    let count = number("QUERIES").and_then(|count| usize::try_from(count).ok()).unwrap_or(usual);
    (count, number("QUERIES_SEED").unwrap_or(1))
}

/// The time now, in seconds.
pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or_default()
}

/// One tenant, and two at once.
pub(crate) fn matchers() -> Result<[(Matcher, Own); 2]> {
    let one = Matcher::equal(LABEL, "a")?;
    let two = Matcher::any_of(LABEL, ["a", "c.d"])?;
    Ok([(one, |owner| owner == Some("a")), (two, |owner| matches!(owner, Some("a" | "c.d")))])
}

/// A Prometheus that holds the series of some owners.
pub(crate) async fn holding(end: i64, with_utf8: bool, is_wanted: Own) -> Result<Option<Prometheus>> {
    let config = serde_json::json!({"global": {}});
    let flags = ["--web.enable-remote-write-receiver", FEATURES];
    let Some(prometheus) = Prometheus::start_with(&config, &flags).await? else { return Ok(None) };
    let write = Call::post("/api/v1/write", data::series(end, with_utf8, is_wanted).body())
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0");
    prometheus.client()?.send(write).await?.expect(204)?;
    Ok(Some(prometheus))
}

/// Whether it reads names in quotes, as Prometheus 3 does.
pub(crate) async fn is_3(client: &Client) -> Result<bool> {
    Ok(client.send(Call::form("/api/v1/query", &[("query", r#"{"a.b"}"#)])).await?.status == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_gets_what_it_would_get_alone() -> Result<()> {
    let end = data::end(now());
    let nothing: Own = |_| false;
    let Some(probe) = holding(end, false, nothing).await? else {
        eprintln!("no Prometheus here");
        return Ok(());
    };
    let is_3 = is_3(&probe.client()?).await?;
    drop(probe);
    let dialect = if is_3 { Dialect::PromQl3 } else { Dialect::PromQl };
    let all = holding(end, is_3, |_| true).await?.context("no Prometheus")?;
    for (matcher, own) in matchers()? {
        let alone = holding(end, is_3, own).await?.context("no Prometheus")?;
        let clients = (all.client()?, alone.client()?);
        ask(Language::PromQl, dialect, clients, &matcher, end, 3000).await?;
    }
    Ok(())
}

/// Asks generated queries in both places, several at once.
pub(crate) async fn ask(
    language: Language,
    dialect: Dialect,
    clients: (Client, Client),
    matcher: &Matcher,
    end: i64,
    usual: usize,
) -> Result<()> {
    ask_with(language, (dialect, Grammar::query), clients, matcher, end, usual).await
}

/// The same, with queries that are written like this.
pub(crate) async fn ask_with(
    language: Language,
    (dialect, query): (Dialect, fn(&mut Grammar) -> String),
    (all, alone): (Client, Client),
    matcher: &Matcher,
    end: i64,
    usual: usize,
) -> Result<()> {
    const AT_ONCE: u64 = 4;
    let (count, seed) = amount(usual);
    let mut tasks = Vec::new();
    for task in 0..AT_ONCE {
        let mut pair = Pair::new(all, alone, language, matcher);
        tasks.push(tokio::spawn(async move {
            let mut grammar = Grammar::new(dialect, seed * AT_ONCE + task);
            let mut outcomes = Vec::new();
            for _ in 0..count / usize::try_from(AT_ONCE)? {
                let query = query(&mut grammar);
                let times = Times { end, is_range: grammar.below(3) == 0 };
                outcomes.push(pair.ask(&query, times).await.with_context(|| query)?);
            }
            anyhow::Ok(outcomes)
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.extend(task.await??);
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let (same, empty, failing) = (count(Outcome::Same), count(Outcome::Empty), count(Outcome::Failing));
    println!("{dialect:?}: {same} the same, {empty} empty, {failing} not answered by the backend");
    // The grammar proves nothing when the backend answers nothing.
    ensure!(same * 2 > outcomes.len(), "{same} of {}", outcomes.len());
    ensure!(failing * 10 < outcomes.len(), "{failing} of {}", outcomes.len());
    Ok(())
}
