//! Queries that try to reach other tenants' series: refused, or harmless in front of the real backend.
//!
//! Harmless means: where the rewritten query is answered at all, the answer of a backend with all tenants' series is that of
//! a backend with the tenant's series alone. Among them are the ways in which other gateways were passed: a matcher of
//! the same label that was replaced or skipped (`=`, `!=`, `=~` with alternatives), values that were taken for
//! expressions, selectors without a name or without matchers, and text that two parsers read in two ways.

use anyhow::{Context, Result, ensure};
use scopegate_core::read::query::{Language, Matcher, Options, rewrite, rewrite_selector};
use scopegate_tests::client::Client;

use crate::{
    compare::{Times, call, results},
    data,
    promql::{holding, now},
};

/// Refused before the backend sees it.
const REFUSED: bool = false;
/// Sent on, and harmless.
const SENT: bool = true;

const PROMQL: &[(bool, &str)] = &[
    // The tenant's own label, in every way.
    (SENT, r#"up{tenant="ab"}"#),
    (SENT, r#"up{tenant!="a"}"#),
    (SENT, r#"up{tenant=~"ab|c.d"}"#),
    (SENT, r#"up{tenant=~".*"}"#),
    (SENT, r#"up{tenant=~"a|.*"}"#),
    (SENT, r#"up{tenant!~"a"}"#),
    (SENT, r#"up{tenant=""}"#),
    (SENT, r#"up{tenant!=""}"#),
    (SENT, r#"up{tenant="a",tenant="ab"}"#),
    (SENT, r#"up{tenant=~"a",tenant!="a"}"#),
    (SENT, r#"up{tenant="a" , tenant=~"a|ab",}"#),
    (SENT, r#"up{tenant="\x61\x62"}"#),
    (SENT, r#"{tenant="ab"}"#),
    (SENT, r#"{tenant=~".+"}"#),
    (SENT, r#"up{"tenant"="ab"}"#),
    (SENT, r#"up{"ten\x61nt"=~".*"}"#),
    // Everything at once.
    (SENT, "up{}"),
    (SENT, "{}"),
    (SENT, r#"{__name__=~".+"}"#),
    (SENT, r#"{__name__!=""}"#),
    (SENT, r#"{"up"}"#),
    (SENT, r#"{job=~".*"}"#),
    (SENT, r#"count by (tenant) ({__name__=~".+"})"#),
    (SENT, r#"count_values("tenant", {__name__=~".+"})"#),
    (SENT, r#"topk(1000, {tenant!="a"} or {tenant="a"})"#),
    // Where a selector stands at an odd place.
    (SENT, "up unless up{tenant=\"a\"}"),
    (SENT, "up or memory_bytes or rate or sum"),
    (SENT, "up and on() vector(1)"),
    (SENT, "vector(1) unless on(x) up{tenant!=\"a\"}"),
    (SENT, "memory_bytes * on(job, instance) group_left(tenant) up"),
    (SENT, "memory_bytes * ignoring(tenant) group_right up"),
    (SENT, "scalar(up{job=\"api\",instance=\"i0\",tenant=\"ab\"})"),
    (SENT, "vector(scalar(sum(up)))"),
    (SENT, "up > scalar(max(up))"),
    (SENT, "quantile(scalar(sum(up)), memory_bytes)"),
    (SENT, "topk(scalar(count(up)), memory_bytes)"),
    (SENT, "clamp(up, scalar(min(up)), scalar(max(up)))"),
    (SENT, "label_replace(up, \"tenant\", \"ab\", \"\", \"\")"),
    (SENT, "label_replace(up{tenant=\"ab\"}, \"tenant\", \"a\", \"tenant\", \".*\")"),
    (SENT, "label_join(up, \"tenant\", \"\", \"job\")"),
    (SENT, "absent(up{tenant=\"ab\"})"),
    (SENT, "sum(sum_over_time(up[10m:1m]))"),
    (SENT, "max_over_time((up or rate)[10m:1m] offset 1m)"),
    (SENT, "up offset -5m"),
    (SENT, "up @ 0 or up @ end()"),
    (SENT, "-up"),
    (SENT, "- - -up^+-up"),
    (SENT, "(((((((((up)))))))))"),
    (SENT, "histogram_quantile(0.9, latency_bucket)"),
    (SENT, "1 + 1"),
    // Names that look like something else.
    (SENT, "sum"),
    (SENT, "sum + rate"),
    (SENT, "sum by (job) (sum)"),
    (SENT, "rate + offset offset 1m"),
    (SENT, "offset offset 1m offset 1m"),
    (SENT, "by + by"),
    (SENT, "job:up:sum"),
    (SENT, "or or or"),
    (SENT, "and and on(by) and"),
    (SENT, "start + end"),
    (REFUSED, "up(up)"),
    (REFUSED, "by (up)"),
    (REFUSED, "offset (1m)"),
    (REFUSED, "sum by (job) up"),
    (REFUSED, "sum by up (up)"),
    (REFUSED, "up bool up"),
    (REFUSED, "Inf{tenant=\"ab\"}"),
    (REFUSED, "nan{}"),
    (REFUSED, "info(up)"),
    (REFUSED, "up{tenant=\"a\"} up"),
    (REFUSED, "up{tenant=\"a\"}{}"),
    (REFUSED, "up{tenant=\"a\"} or {"),
    (REFUSED, "foo(up{tenant=\"ab\"})"),
    // Text that two parsers could read in two ways.
    (SENT, "up # {tenant=\"a\"}"),
    (SENT, "up # {tenant=\"a\"}\n or rate"),
    (SENT, "# {tenant=\"a\"}\r\nup"),
    (SENT, "up{ # }\n job=\"api\" # ,\n}"),
    (SENT, "label_replace(up, \"x\", \"}{\", \"y\", \"\")"),
    (SENT, "label_replace(up, \"x\", `\"`, \"y\", '\\'') or up"),
    (SENT, "count_values(\"a\\\"b\", up) or up"),
    (SENT, "up{job!=`\\`} or up{job!='`'} or up{job!=\"'\"}"),
    (SENT, "up{job!=\"\\\\\"} or up{job!=\"\\\"}\"}"),
    (REFUSED, "up # \r or {tenant=\"ab\"}"),
    (REFUSED, "up{job=\"\n\"}"),
    (REFUSED, "up{job=\"x"),
    (REFUSED, "up{job=`x"),
    (REFUSED, "\"\\\" or up \\\""),
    (REFUSED, "up{job=\"\\\"}"),
    (REFUSED, "up{job=\"\\q\"}"),
    (REFUSED, "up\0{tenant=\"ab\"}"),
    (REFUSED, "up{job=\"\0\"}"),
    (REFUSED, "up\u{a0}or\u{a0}rate"),
    (REFUSED, "up\u{2028}or rate"),
    (REFUSED, "\u{feff}up"),
    (REFUSED, "up{\u{ff5d}"),
    (REFUSED, "up\u{ff5b}\u{ff5d}"),
    (REFUSED, "up /* {tenant=\"a\"} */"),
    (REFUSED, "up // {tenant=\"a\"}"),
    (REFUSED, "up; up"),
    (REFUSED, "up\\ or\\ rate"),
    (REFUSED, "up{tenant=\"a\" or tenant=\"ab\"}"),
    (REFUSED, "up{tenant='a\"}"),
    (REFUSED, "up{tenant=\"a\",,}"),
    (REFUSED, "up{tenant=~}"),
    (REFUSED, "up{tenant}"),
    (REFUSED, "{,tenant=\"ab\"}"),
    (REFUSED, "up[5m{}]"),
    (REFUSED, "up[up]"),
    (REFUSED, "up[5m:up]"),
    (REFUSED, "up offset up"),
    (REFUSED, "up @ up"),
    (REFUSED, "1or up"),
    (REFUSED, "0x1for up"),
    (REFUSED, "5mup"),
    (REFUSED, "1e5up"),
    (REFUSED, "$tenant"),
    (REFUSED, "${tenant}"),
    (REFUSED, "[[tenant]]"),
    // Of other languages.
    (REFUSED, "WITH (x = up) x"),
    (REFUSED, "label_set(up, \"tenant\", \"a\")"),
    (REFUSED, "up default rate"),
    (REFUSED, "{tenant=\"a\"} |= \"x\""),
    (REFUSED, "{tenant=\"a\"} | tenant=\"ab\""),
    (REFUSED, ""),
    (REFUSED, " \n# up"),
];

const METRICSQL: &[(bool, &str)] = &[
    (SENT, r#"up{tenant="ab"}"#),
    (SENT, r#"up{tenant!="a"}"#),
    (SENT, r#"up{tenant=~"ab|c.d"}"#),
    (SENT, r#"up{tenant=""}"#),
    (SENT, r#"up{tenant=~""}"#),
    (SENT, r#"up{ten\ant="ab"}"#),
    (SENT, r#"up{\x74enant="ab"}"#),
    (SENT, r#"{__name__=~".+"}"#),
    (SENT, "{}"),
    (SENT, r#"{tenant="a" or tenant="ab"}"#),
    (SENT, r#"up{tenant="a" or job="api"}"#),
    (SENT, r#"up{job="api" OR tenant="ab",job="web"}"#),
    (SENT, r#"{__name__="ru" or __name__=~".+"}"#),
    // By Graphite's own language: with other filters, both hold.
    (SENT, r#"{__graphite__="*"}"#),
    (SENT, r#"{__graphite__="up"}"#),
    (SENT, r#"{__graphite__="{up,memory_bytes}",tenant!="a"}"#),
    (SENT, r#"up{__graphite__!="x"}"#),
    (SENT, r"u\p"),
    (SENT, r"\x75p"),
    (SENT, r"\u0075p or memory\_bytes"),
    (SENT, r"up\{tenant\=\x22a\x22\}"),
    (REFUSED, r"up\{tenant=\x22a\x22\}"),
    (SENT, "rate(requests_total)"),
    (SENT, "requests_total[5i]"),
    (SENT, "(up, memory_bytes, rate)"),
    (SENT, "union(up, memory_bytes, rate)"),
    (SENT, "up default memory_bytes"),
    (SENT, "up{tenant=\"ab\"} default up"),
    (SENT, "up if memory_bytes ifnot rate"),
    (SENT, "alias(up, \"other\")"),
    (SENT, "label_set(up, \"tenant\", \"ab\")"),
    (SENT, "label_map(up, \"tenant\", \"a\", \"ab\")"),
    (SENT, "label_match(up, \"tenant\", \"ab\")"),
    (SENT, "label_mismatch(up, \"tenant\", \"a\")"),
    (SENT, "sort_by_label(label_del(up, \"tenant\"), \"job\")"),
    (SENT, "count_values(\"tenant\", up)"),
    (SENT, "count(up) by (tenant) limit 10"),
    (SENT, "aggr_over_time((\"min_over_time\", \"max_over_time\"), memory_bytes[5m])"),
    (SENT, "up @ (sum(up) * 0 + end())"),
    (SENT, "sum(up, memory_bytes)"),
    (SENT, "up * on(job, instance) group_left(tenant) memory_bytes"),
    (SENT, "up{tenant=\"a\"+\"b\"}"),
    (SENT, "rate(requests_total[$__interval])"),
    (SENT, "up # \n or memory_bytes"),
    (SENT, "up\u{b}or\u{c}memory_bytes"),
    (SENT, "default + default"),
    (SENT, "ru(up, memory_bytes)"),
    (SENT, "range_median(up) or range_avg(up)"),
    // Templates: names that are one here and none there.
    (SENT, "WITH (x = up) x"),
    (SENT, "WITH (tenant = {tenant=\"ab\"}) up{tenant}"),
    (SENT, "with (up(x) = x) up(rate)"),
    (SENT, "with (up(x) = x) up"),
    (SENT, "with (f = up) with (g = f) g"),
    (SENT, "(WITH () up)"),
    (SENT, "sum(with (x = up) x)"),
    (SENT, "(WITH (up = 1) up) + up"),
    (SENT, "WITH (x = up, up = 1) x"),
    (SENT, "WITH (up = up) up"),
    (SENT, "WITH (f(up) = up) f(rate) or up"),
    (SENT, "WITH (f(up) = up, g = up) g"),
    (SENT, "WITH (up = 1) WITH (up(x) = x) up"),
    (SENT, r"WITH (up = 1) \x75p"),
    (SENT, r"WITH (up = rate) \x75p"),
    (SENT, "WITH (Up = 1) up"),
    (SENT, "WITH (x = {__name__=~\".+\"}) x"),
    (SENT, "WITH (x = {tenant=\"ab\" or __name__=\"up\"}) x"),
    (SENT, "WITH (x = {tenant=\"ab\"}) up{x or __name__=\"rate\"}"),
    (SENT, "WITH (x = {}) x"),
    (SENT, "WITH (x = {}) up{x}"),
    (SENT, "WITH (n = \"up\") {__name__=n}"),
    (SENT, "WITH (n = \"up\") {__name__=\"\"+n}"),
    (SENT, "WITH (up = 5) {__name__=\"up\"}"),
    (SENT, "WITH (up = 5) {\"up\"}"),
    (SENT, "WITH (f(x) = {tenant=x}) f(\"ab\")"),
    (SENT, "WITH (x = up # ) up\n) x"),
    (SENT, "WITH (x = \") up\") up{job=x}"),
    (SENT, "WITH (rate(x) = x) rate(up)"),
    (SENT, "WITH (sum(x) = x) sum(up) by (job)"),
    (SENT, "WITH (ru(x) = up) ru(1)"),
    (SENT, "up @ WITH (x = up) x"),
    (REFUSED, "w\u{130}th (x = up) x"),
    (REFUSED, "WITH (x = up) x)"),
    (REFUSED, "WITH (x = up), y = up) x"),
    (REFUSED, r"WITH (\x75p = 1) up"),
    (REFUSED, "WITH (\"up\" = 1) up"),
    (REFUSED, "WITH (f(\"up\") = up) f(1)"),
    (REFUSED, "WITH (x = job) sum(up) by (x)"),
    (REFUSED, "(WITH (x = {tenant=\"ab\"}) up) + up{x}"),
    (REFUSED, "WITH (f(x) = x) g(up)"),
    (REFUSED, "up{commonFilters}"),
    (REFUSED, "up{tenant=x}"),
    (REFUSED, "up{tenant=\"a\"+x}"),
    (REFUSED, "up[w]"),
    (REFUSED, "up offset o"),
    (REFUSED, "foo(up)"),
    (REFUSED, "\\sum(up)"),
    (REFUSED, "top\u{212a}(1, up)"),
    (REFUSED, "1if up"),
    (REFUSED, "1default up"),
    (REFUSED, "5mor up"),
    (REFUSED, "up # \r or memory_bytes"),
    (REFUSED, "`\\` or up or `\\`"),
    (REFUSED, "up\\\n{}"),
    (REFUSED, "up\\x{tenant=\"ab\"}"),
    (REFUSED, "up\0"),
    (REFUSED, "up\u{a0}"),
    (REFUSED, "inf{tenant=\"ab\"}"),
    (REFUSED, "up{or}"),
    (REFUSED, "up{tenant=\"a\" or}"),
    (REFUSED, "up{tenant=\"a\" | tenant=\"ab\"}"),
    (REFUSED, "up{tenant=\"a\"} up"),
    (REFUSED, "{tenant=\"a\"} |= \"x\""),
];

/// What is no selector, or more than one, where `match[]` has one.
const SELECTORS: &[(bool, &str)] = &[
    (SENT, "up"),
    (SENT, "{}"),
    (SENT, r#"{tenant="ab"}"#),
    (REFUSED, "up or up"),
    (REFUSED, "up[5m]"),
    (REFUSED, "up offset 5m"),
    (REFUSED, "up @ 0"),
    (REFUSED, "(up)"),
    (REFUSED, "sum(up)"),
    (REFUSED, "up,up"),
    (REFUSED, "up up"),
    (REFUSED, "-up"),
    (REFUSED, "1"),
    (REFUSED, "\"up\""),
    (REFUSED, ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_promql_reaches_another_tenant() -> Result<()> {
    let end = data::end(now());
    let Some(all) = holding(end, false, |_| true).await? else {
        eprintln!("no Prometheus here");
        return Ok(());
    };
    let alone = holding(end, false, |owner| owner == Some("a")).await?.context("no Prometheus")?;
    check(Language::PromQl, PROMQL, all.client()?, alone.client()?, end).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_metricsql_reaches_another_tenant() -> Result<()> {
    let end = data::end(now());
    let all = crate::metricsql::holding(end, |_| true).await?;
    let alone = crate::metricsql::holding(end, |owner| owner == Some("a")).await?;
    let (all, alone) = (Client::http1(all.address()), Client::http1(alone.address()));
    check(Language::MetricsQl, METRICSQL, all, alone, end).await
}

#[test]
fn a_selector_alone_is_a_selector_alone() {
    for language in [Language::PromQl, Language::MetricsQl] {
        for (is_sent, text) in SELECTORS {
            let matcher = Matcher::equal(data::LABEL, "a").unwrap();
            let rewritten = rewrite_selector(language, text, &[matcher], &Options::default());
            assert_eq!(rewritten.is_ok(), *is_sent, "{language:?} {text}");
        }
    }
}

async fn check(
    language: Language,
    cases: &[(bool, &str)],
    all: Client,
    alone: Client,
    end: i64,
) -> Result<()> {
    let matcher = Matcher::equal(data::LABEL, "a")?;
    let times = Times { end, is_range: false };
    // Without us it would be seen.
    let (foreign, own) = (all.send(call("up", times)).await?, alone.send(call("up", times)).await?);
    ensure!(results(&foreign)?.len() > results(&own)?.len(), "there is nothing to protect");
    let mut answered = 0;
    for (is_sent, query) in cases {
        let rewritten = rewrite(language, query, std::slice::from_ref(&matcher), &Options::default());
        ensure!(rewritten.is_ok() == *is_sent, "{query} became {rewritten:?}");
        let Ok(rewritten) = rewritten else { continue };
        let (all, alone) =
            (all.send(call(&rewritten.text, times)).await?, alone.send(call(&rewritten.text, times)).await?);
        ensure!(all.status == alone.status, "{query}: {} and {}", all.text(), alone.text());
        if all.status == 200 {
            answered += 1;
            let (all, alone) = (results(&all)?, results(&alone)?);
            // Compared as text, in which NaN equals itself.
            ensure!(format!("{all:?}") == format!("{alone:?}"), "{query} is {all:?}, alone {alone:?}");
        }
    }
    println!("hostile {language:?}: {} queries, {answered} answered", cases.len());
    ensure!(answered * 3 > cases.len(), "the backend answered {answered} of {}", cases.len());
    Ok(())
}
