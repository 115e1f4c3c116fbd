//! What is told is what an exchange does, whatever is asked under whichever configuration.

use std::rc::Rc;

use proptest::prelude::*;
use scopegate_core::exchange::{Exchange, Step};

use super::super::policy::NOW;
use super::super::{Explain, Explanation, drive, render};
use super::*;

/// What an exchange itself says, event by event, without any of what explains.
fn asked(arguments: &Explain) -> Vec<String> {
    let loaded = arguments.policy.load(&arguments.config).unwrap();
    let request = arguments.request.request(arguments.url.as_ref().unwrap()).unwrap();
    let facts = arguments.facts.facts(&loaded.config, &request).unwrap();
    let mut worker = loaded.worker(facts.date).unwrap();
    let mut exchange = Exchange::new(Rc::clone(&loaded.policy));
    let whole = request.body.is_empty();
    let mut step = exchange.head(&mut worker, &request.headers(), whole, &facts, NOW);
    if exchange.wants_body() {
        step = exchange.body(&mut worker, Ok(request.body.clone()), NOW);
    }
    match step {
        Step::Reply(reply) => vec![format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body))],
        Step::Continue(changes) => {
            let path = changes.headers.set.iter().find(|(name, _)| name == ":path");
            let path = path.map_or_else(|| request.text(":path"), |(_, path)| path.clone());
            let scope = changes.headers.set.iter().find(|(name, _)| name == "x-scope-orgid");
            vec![format!("{path} {scope:?} {}", changes.body.map_or(request.body.len(), |body| body.len()))]
        }
        Step::Call(calls) => {
            let line = |call: &scopegate_core::write::fanout::Call| {
                let path = call.headers().find(|(name, _)| *name == ":path").unwrap().1.to_owned();
                format!("{} {path} {}", call.tenant, call.body.len())
            };
            calls.iter().map(line).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The same of an explanation.
fn told(explained: &Explanation) -> Vec<String> {
    let calls: Vec<_> = explained.upstream.iter().filter(|upstream| upstream.call.is_some()).collect();
    if let (Some(reply), []) = (&explained.reply, calls.as_slice()) {
        return vec![format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body))];
    }
    if calls.is_empty() {
        let [upstream] = explained.upstream.as_slice() else { panic!("no one way") };
        let scope = upstream.set.iter().find(|(name, _)| name == "x-scope-orgid");
        return vec![format!("{} {scope:?} {}", upstream.path, upstream.body.len())];
    }
    let line = |upstream: &drive::Upstream| {
        let (_, tenant) = upstream.call.as_ref().unwrap();
        format!("{tenant} {} {}", upstream.path, upstream.body.len())
    };
    calls.into_iter().map(line).collect()
}

/// More tenants than the access log names.
const MANY: &str = r#"{"iss": "https://idp.example.org", "groups": ["tenant:t0", "tenant:t1", "tenant:t2", "tenant:t3", "tenant:t4", "tenant:t5", "tenant:t6", "tenant:t7", "tenant:t8", "tenant:t9", "tenant:t10", "tenant:t11", "tenant:t12", "tenant:t13", "tenant:t14", "tenant:t15", "tenant:t16", "tenant:t17"]}"#;

/// Every configuration, with what its requests must bring besides.
const WORLDS: &[&[&str]] = &[
    &[NAMESPACES, "--backend", "metrics", "--table", "organisations=tests/explain/organisations.yaml"],
    &[NAMESPACES, "--backend", "logs"],
    &[LABEL, "--backend", "victoria"],
    &[LABEL, "--backend", "prometheus"],
    &[AGENTS],
    &[IMPERSONATION, "--filter-state", "agent=yes"],
    &["tests/explain/alertmanager.yaml"],
    &["tests/explain/observed.yaml"],
];

const PATHS: &[&str] = &[
    "/api/v1/push",
    "/api/v1/write",
    "/api/v1/query",
    "/prometheus/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/rules",
    "/api/v1/read",
    "/api/v2/silences",
    "/api/v2/alerts",
    "/loki/api/v1/push",
    "/loki/api/v1/query",
    "/-/scopegate/whoami",
    "/-/reload",
    "/api/v1/x",
    "/a/../b",
];

const QUERIES: &[&str] = &[
    "",
    "up",
    "sum(rate(http_requests_total[5m]))",
    "a + on (x) b",
    "{a=\"b\"}",
    "up{tenantId=\"team-a\"}",
    "up{tenantId=\"b\"}",
    "a[5m:1m] @ start()",
    "count_values(\"é\", a) # é",
    "up(",
    "1",
    "quantile_over_time(0.9, a[1h])",
    "{}",
];

fn requests() -> impl Strategy<Value = Vec<String>> {
    let word = |words: &'static [&'static str]| prop::sample::select(words);
    let claims = word(&[USER, TWO, MANY, ADMINISTRATOR, PROMETHEUS, AGENT]);
    let scope = prop::option::of(word(&["a", "a|b", "team-a", "acme", "a b"]));
    let form = (word(&["query", "match[]", "match", "extra_label", "time"]), word(QUERIES));
    let body = word(&["none", "form", "tests/explain/write.snappy", "tests/explain/impersonated.snappy"]);
    (
        prop::sample::select(WORLDS),
        word(PATHS),
        prop::collection::vec(form, 0..4),
        claims,
        scope,
        body,
        any::<bool>(),
    )
        .prop_map(|(world, path, form, claims, scope, body, asks)| {
            let mut arguments: Vec<String> = world.iter().map(|word| (*word).to_owned()).collect();
            arguments.insert(1, format!("https://m.example.org{path}"));
            if !matches!(
                world[0],
                "tests/explain/alertmanager.yaml" | "tests/explain/observed.yaml" | IMPERSONATION
            ) {
                let provider = match claims {
                    PROMETHEUS if world[0] == NAMESPACES => "cluster",
                    AGENT if world[0] == AGENTS => "session",
                    _ => "keycloak",
                };
                arguments.extend(["--claims".to_owned(), format!("{provider}={claims}")]);
            }
            let mut header = |header: String| arguments.extend(["-H".to_owned(), header]);
            if let Some(scope) = scope {
                header(format!("X-Scope-OrgID: {scope}"));
            }
            if asks {
                header("x-scope-impersonate: true".to_owned());
            }
            if body.ends_with("snappy") {
                header("content-type: application/x-protobuf".to_owned());
                header("content-encoding: snappy".to_owned());
                arguments.extend(["--data-binary".to_owned(), format!("@{body}")]);
            } else {
                for (name, value) in form {
                    arguments.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
                }
                if body == "none" {
                    arguments.push("-G".to_owned());
                }
            }
            arguments
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is asked, under whichever configuration: what is told is what the exchange does, and the marks are all
    /// that was put in.
    #[test]
    fn it_agrees_with_the_exchange(arguments in requests()) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let explained = explain(&arguments);
        prop_assert_eq!(told(&explained), asked(&parse(&arguments)));
        for argument in &explained.arguments {
            let (Some(before), Some(after)) = (&argument.before, &argument.after) else { continue };
            let mut without = after.clone();
            argument.inserted.iter().rev().for_each(|range| without.replace_range(range.clone(), ""));
            prop_assert_eq!(&without, before);
        }
        let series: u32 = explained.upstream.iter().filter_map(|upstream| upstream.counts).map(|(series, _)| series).sum();
        prop_assert!(series == explained.decided.series || explained.decided.parts == 0);
        prop_assert_eq!(explained.is_refused(), explained.reply.as_ref().is_some_and(|reply| reply.status >= 400));
        // Both forms of it hold whatever stands in it.
        let _ = render::text(&explained);
        let _ = render::json(&explained);
    }
}
