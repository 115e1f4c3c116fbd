//! Requests for several tenants: the calls that are made for them, and the one answer that comes of it.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{OPT_IN, Step, WRITE, World, and, answer, base, but, calls, describe, message, says, text};
use crate::caller::testing::environment;
use crate::config::Config;
use crate::policy::Policy;
use crate::write::outcome::Answer;
use crate::write::remote_write::testing::{body, decompress, series};

fn as_is(_: &mut Json) {}

/// A body with one series for each of these tenants.
fn for_tenants(tenants: &[&str]) -> Vec<u8> {
    body(&tenants.iter().map(|tenant| series(&[("__name__", "up"), ("imp", tenant)])).collect::<Vec<_>>())
}

fn impersonating() -> Vec<(&'static str, &'static str)> {
    and(WRITE, &[OPT_IN])
}

#[test]
fn calls_carry_what_is_listed_and_nothing_else() {
    let more = [
        OPT_IN,
        ("x-scope-orgid", "evil"),
        ("authorization", "Bearer x"),
        ("accountid", "1"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("x-envoy-retry-on", "5xx"),
        ("x-custom", "1"),
        ("user-agent", "test"),
        ("x-request-id", "7"),
        ("traceparent", "00-1"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("x-wanted", "a"),
        ("x-wanted", "b"),
    ];
    let always = |path: &str, authority: &str| {
        vec![
            (":method".to_owned(), "POST".to_owned()),
            (":path".to_owned(), path.to_owned()),
            (":authority".to_owned(), authority.to_owned()),
            ("content-type".to_owned(), "application/x-protobuf".to_owned()),
            ("content-encoding".to_owned(), "snappy".to_owned()),
            ("user-agent".to_owned(), "test".to_owned()),
            ("x-prometheus-remote-write-version".to_owned(), "0.1.0".to_owned()),
            ("x-request-id".to_owned(), "7".to_owned()),
            ("traceparent".to_owned(), "00-1".to_owned()),
        ]
    };
    let with = |mut headers: Vec<(String, String)>, more: &[(&str, &str)]| {
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        headers
    };
    let own = ("metrics.example.org", "/api/v1/push");
    let tenant = ("x-scope-orgid", "own");
    let cases: Vec<(&str, Json, &str, u32, Vec<(String, String)>)> = vec![
        ("as it is", json!({}), "cortex", 30_000, with(always(own.1, own.0), &[tenant])),
        (
            "to a named cluster, with retries",
            json!({"cluster": "c", "timeout": "5s", "retries": {"on": "reset", "max": 2}}),
            "c",
            5_000,
            with(
                always(own.1, own.0),
                &[("x-envoy-retry-on", "reset"), ("x-envoy-max-retries", "2"), tenant],
            ),
        ),
        (
            "to another path and host",
            json!({"path": "/push", "authority": "cortex:80"}),
            "cortex",
            30_000,
            with(always("/push", "cortex:80"), &[tenant]),
        ),
        (
            "with a further header, and one that is carried already",
            json!({"headers": ["X-Wanted", "User-Agent", "Content-Type", "x-wanted"]}),
            "cortex",
            30_000,
            with(always(own.1, own.0), &[("x-wanted", "a"), ("x-wanted", "b"), tenant]),
        ),
        (
            "through a listener",
            json!({"via": "listener", "cluster": "inner"}),
            "inner",
            30_000,
            with(always(own.1, own.0), &[tenant]),
        ),
    ];
    for (what, rules, cluster, timeout, expected) in cases {
        let rules = json!({"tenant": ["caller"], "calls": rules});
        let mut world = World::with(|config| config["write"]["metrics"] = rules);
        world = world.caller("agent", &["own"]);
        // A content type that backends would misread goes out in its plain form.
        let head =
            but(&and(WRITE, &more), "content-type", "Application/X-Protobuf; proto=prometheus.WriteRequest");
        let (_, step) = world.request(&head, &for_tenants(&["own", "cluster-1"]));
        let calls = calls(step);
        assert_eq!(calls[0].target.cluster, cluster, "{what}");
        assert_eq!(calls[0].timeout_ms, timeout, "{what}");
        let carried: Vec<(String, String)> =
            calls[0].headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(carried, expected, "{what}");
        assert_eq!(calls[1].headers().last(), Some(("x-scope-orgid", "cluster-1")), "{what}");
    }
}

/// What a client says about tenancy goes nowhere, not even where a configuration lists it.
#[test]
fn calls_carry_no_tenancy_headers_of_a_client() {
    for name in ["accountid", "thanos-tenant", "x-prom-label-policy", "x-scope-impersonate"] {
        let mut config = base();
        config["write"]["metrics"]["calls"] = json!({"headers": [name]});
        let parsed = Config::from_json(config.clone()).unwrap();
        if Policy::compile(&parsed, &environment).is_ok() {
            let mut world = World::new(config).caller("agent", &["own"]);
            let head = and(&impersonating(), &[(name, "true")]);
            let head = if name == OPT_IN.0 { impersonating() } else { head };
            let (_, step) = world.request(&head, &for_tenants(&["own", "cluster-1"]));
            assert!(calls(step)[0].headers().all(|(carried, _)| carried != name), "{name}");
        }
    }
}

#[test]
fn each_call_has_its_tenants_series() {
    let sent = body(&[
        series(&[("__name__", "a"), ("imp", "cluster-2")]),
        series(&[("__name__", "b")]),
        series(&[("__name__", "c"), ("imp", "cluster-1"), ("zz", "evil")]),
        series(&[("__name__", "d"), ("imp", "cluster-2")]),
    ]);
    let mut world = World::with(as_is).caller("agent", &["own"]);
    let (_, step) = world.request(&impersonating(), &sent);
    let parts: Vec<_> =
        calls(step).iter().map(|call| (call.id, call.tenant.to_string(), decompress(&call.body))).collect();
    let expected = [
        (0, "cluster-2".to_owned(), message(&[series(&[("__name__", "a")]), series(&[("__name__", "d")])])),
        (1, "own".to_owned(), message(&[series(&[("__name__", "b")])])),
        (2, "cluster-1".to_owned(), message(&[series(&[("__name__", "c"), ("zz", "evil")])])),
    ];
    assert_eq!(parts, expected);
    assert_eq!(
        world.counted(),
        ["backend=metrics class=write decision=split requests 1", "backend=metrics outcome=sent series 4",]
    );
}

/// A route without a cluster, and no cluster configured: where would the calls go?
#[test]
fn without_a_cluster_there_are_no_calls() {
    for cluster in [&b""[..], b"\xff"] {
        let mut world = World::with(as_is).caller("agent", &["own"]);
        world.know("xds cluster_name", cluster);
        let (_, step) = world.head(&impersonating());
        assert_eq!(describe(&step), "answer 500 host");
        // What needs no calls goes on.
        assert_eq!(describe(&world.head(WRITE).1), "go on x-scope-orgid=own");
    }
}

#[test]
fn further_parts_wait_for_answers() {
    let mut world = World::with(|config| config["limits"]["calls_per_request"] = json!(2));
    world = world.caller("agent", &["own"]);
    let (mut exchange, step) =
        world.request(&impersonating(), &for_tenants(&["cluster-1", "cluster-2", "cluster-3", "own"]));
    assert_eq!(describe(&step), "call cluster-1 cluster-2");
    let mut steps = Vec::new();
    for id in [1, 0, 3, 2] {
        steps.push(describe(&world.answered(&mut exchange, id, 200)));
    }
    assert_eq!(steps, ["call cluster-3", "call own", "wait", "answer 200 split"]);
    assert_eq!(world.worker.in_use(), (0, 0));
}

#[test]
fn one_answer_for_all() {
    let timeout = || Answer::failed("no healthy upstream");
    let busy = || Answer {
        status: Some(429),
        retry_after: Some(7),
        message: b"slow down\nplease".to_vec(),
        ..says(429)
    };
    let cases: Vec<(&str, Vec<Answer>, &str)> = vec![
        ("all well", vec![says(200), says(204), says(202)], "answer 200 split"),
        ("all there already", vec![says(202), says(202), says(202)], "answer 202 split"),
        ("one refused", vec![says(200), says(400), says(200)], "answer 400 split_refused"),
        ("one limited", vec![says(400), busy(), says(200)], "answer 429 split_rate_limited"),
        (
            "one that the gateway is to blame for",
            vec![busy(), says(401), says(200)],
            "answer 502 split_misconfigured",
        ),
        ("one failed", vec![says(401), says(500), busy()], "answer 503 split_failed"),
        ("one not sent", vec![says(200), timeout(), says(400)], "answer 503 split_failed"),
        ("none sent", vec![timeout(), timeout(), timeout()], "answer 503 split_failed"),
    ];
    for (what, answers, expected) in cases {
        let mut world = World::with(as_is).caller("agent", &["own"]);
        let (mut exchange, step) =
            world.request(&impersonating(), &for_tenants(&["own", "cluster-1", "cluster-2"]));
        assert_eq!(calls(step).len(), 3);
        let mut last = Step::Wait;
        for (id, answer) in (0..).zip(answers) {
            assert_eq!(describe(&last), "wait", "{what}");
            last = exchange.answered(&mut world.worker, id, answer, 0);
        }
        assert_eq!(describe(&last), expected, "{what}");
        assert_eq!(world.worker.in_use(), (0, 0), "{what}");
    }
}

#[test]
fn the_answer_names_tenants_and_is_bounded() {
    let mut world = World::with(|config| config["limits"]["answer_bytes"] = json!(120));
    world = world.caller("agent", &["own"]);
    let (mut exchange, _) = world.request(&impersonating(), &for_tenants(&["own", "cluster-1", "cluster-2"]));
    let limited = Answer {
        status: Some(429),
        retry_after: Some(7),
        message: b"slow\x07 down\nplease".to_vec(),
        ..says(429)
    };
    exchange.answered(&mut world.worker, 2, limited, 0);
    world.answered(&mut exchange, 0, 200);
    let gone = Answer { status: Some(503), retry_after: Some(9), message: vec![b'x'; 512], ..says(503) };
    let reply = answer(exchange.answered(&mut world.worker, 1, gone, 0));
    assert_eq!(text(&reply), "scopegate: 2 of 3 tenants did not accept their part.\n…\n");
    let mut headers = reply.headers;
    headers.sort();
    assert_eq!(
        headers,
        [
            ("content-type", "text/plain; charset=utf-8".to_owned()),
            ("retry-after", "9".to_owned()),
            ("x-scopegate-outcome", "cluster-1=503, cluster-2=429, own=200".to_owned()),
        ]
    );
    assert_eq!(
        world.counted(),
        [
            "backend=metrics class=write decision=split requests 1",
            "backend=metrics code=2xx calls 1",
            "backend=metrics code=4xx calls 1",
            "backend=metrics code=5xx calls 1",
            "backend=metrics outcome=sent series 3",
        ]
    );
}

/// Where series were rejected the gateway must say so itself, even if one tenant remains.
#[test]
fn one_tenant_and_rejected_series() {
    for (status, expected) in [
        (200, "answer 400 split_refused"),
        (415, "answer 400 split_refused"),
        (429, "answer 429 split_rate_limited"),
        (500, "answer 503 split_failed"),
    ] {
        let mut world = World::with(as_is).caller("agent", &["own"]);
        let (mut exchange, step) = world.request(&impersonating(), &for_tenants(&["own", "team-a"]));
        assert_eq!(describe(&step), "call own");
        let step = world.answered(&mut exchange, 0, status);
        assert_eq!(describe(&step), expected);
        assert!(text(&answer(step)).contains("1 series were not written"), "{status}");
    }
}

proptest! {
    /// However the answers come, and whatever else is said meanwhile: every part is sent once, no more at a
    /// time than may be, and there is one answer, after the last of them.
    #[test]
    fn answers_in_any_order(
        tenants in 2_usize..12,
        at_once in 1_u32..6,
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 100_u16..600), 12),
    ) {
        let mut world = World::with(|config| config["limits"]["calls_per_request"] = json!(at_once));
        world = world.caller("agent", &["own"]);
        let names: Vec<String> = (0..tenants).map(|n| format!("cluster-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut exchange, step) = world.request(&impersonating(), &for_tenants(&names));
        let mut sent = Vec::new();
        let mut flying: Vec<u32> = Vec::new();
        let mut step = step;
        for (answered, (pick, noise, status)) in picks.iter().enumerate() {
            if let Step::Call(calls) = &step {
                flying.extend(calls.iter().map(|call| call.id));
                sent.extend(calls.iter().map(|call| call.tenant.to_string()));
            }
            prop_assert!(flying.len() <= at_once as usize);
            prop_assert_eq!(world.worker.in_use().0, flying.len());
            prop_assert_eq!(matches!(step, Step::Reply(_)), answered == tenants);
            if answered == tenants {
                break;
            }
            let id = flying.swap_remove(pick.index(flying.len()));
            step = world.answered(&mut exchange, id, *status);
            if *noise && !matches!(step, Step::Reply(_)) {
                for unknown in [id, 77, u32::MAX] {
                    prop_assert_eq!(describe(&world.answered(&mut exchange, unknown, 500)), "wait");
                }
            }
        }
        prop_assert_eq!(sent, names);
        prop_assert_eq!(world.worker.in_use(), (0, 0));
    }
}
