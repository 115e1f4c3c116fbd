//! Observe mode: whatever would become of a request, it goes on as it came, and the difference is told.

use serde_json::{Value as Json, json};

use super::{Changes, OPT_IN, QUERY, Step, WRITE, World, and, but, describe, up};
use crate::write::remote_write::testing::body;

type Change = fn(&mut Json);

fn observe(config: &mut Json) {
    config["mode"] = json!("observe");
}

fn by_caller(config: &mut Json) {
    observe(config);
    config["write"]["metrics"]["tenant"] = json!(["caller"]);
}

fn by_label(config: &mut Json) {
    observe(config);
    config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}], "on_absent": "drop"});
}

fn small(config: &mut Json) {
    observe(config);
    config["limits"] = json!({"request_bytes": 100, "decoded_bytes": 200, "calls_per_worker": 1});
}

/// What was logged and counted: the words after the path, and the metric's tags.
fn told(world: &mut World) -> (Vec<String>, Vec<String>) {
    let lines = world.worker.take_logs();
    let words = lines.iter().map(|line| line.split_once(" came with").unwrap().1.to_owned()).collect();
    (words, world.counted())
}

fn goes_on_as_it_came(step: &Step) -> bool {
    matches!(step, Step::Continue(changes) if *changes == Changes::default())
}

#[test]
fn heads() {
    let own = ("x-scope-orgid", "own");
    let with = |more| and(WRITE, more);
    let read = |path| but(QUERY, ":path", path);
    // (what, caller, head, the difference)
    let cases: Vec<(&str, &str, Vec<(&str, &str)>, &str)> = vec![
        ("the same tenant", "user", with(&[own]), ""),
        ("the same tenant, and more that would go", "user", with(&[own, ("accountid", "1"), OPT_IN]), ""),
        ("no tenant", "user", with(&[]), "out a tenant, would go to own"),
        (
            "another tenant",
            "user",
            with(&[("x-scope-orgid", "evil\n")]),
            " X-Scope-OrgID \"evil\\n\", would be refused with 400: the header x-scope-orgid names no tenant: \
             a tenant ID is made of A-Z a-z 0-9 ! - _ . * ' ( )",
        ),
        (
            "the same tenant twice",
            "user",
            with(&[own, own]),
            " X-Scope-OrgID \"own\" X-Scope-OrgID \"own\", would be refused with 400: \
             the header that names the tenant stands more than once",
        ),
        (
            "nobody known",
            "nobody",
            with(&[own]),
            " X-Scope-OrgID \"own\", would be refused with 401: no credentials: say who is calling",
        ),
        (
            "a right that is lacking",
            "agent",
            QUERY.to_vec(),
            "out a tenant, would be refused with 403: this caller has no right to `read`",
        ),
        (
            "an unknown path",
            "user",
            read("/nowhere"),
            "out a tenant, would be refused with 404: this path is not one that the gateway knows for this backend; \
             an operator can add it under `paths`",
        ),
        (
            "another method",
            "user",
            but(WRITE, ":method", "GET"),
            "out a tenant, would be refused with 405: this path takes POST",
        ),
        (
            "OTLP that would have to be split, and cannot be read",
            "agent",
            and(&but(WRITE, ":path", "/api/v1/otlp/v1/metrics"), &[OPT_IN]),
            "out a tenant, would be refused with 415: the content encoding must be gzip or none",
        ),
        ("a read", "user", and(QUERY, &[own]), ""),
        ("a read without a tenant", "user", QUERY.to_vec(), "out a tenant, would go to own"),
        ("a read that names it twice", "user", and(QUERY, &[("x-scope-orgid", "own|own")]), ""),
    ];
    for (what, who, head, difference) in cases {
        let mut world = World::with(observe).caller(who, &["own"]);
        let (exchange, step) = world.head(&head);
        assert!(goes_on_as_it_came(&step), "{what}: {step:?}");
        assert!(!exchange.wants_body(), "{what}");
        let (words, counted) = told(&mut world);
        let expected: Vec<&str> = Some(difference).filter(|words| !words.is_empty()).into_iter().collect();
        assert_eq!(words, expected, "{what}");
        let decision = if difference.is_empty() { "observed_same" } else { "observed_different" };
        assert_eq!(counted.len(), 1, "{what}");
        assert!(counted[0].contains(&format!("decision={decision} ")), "{what}: {counted:?}");
    }
}

/// Tenants are a set, in whatever order they are named.
#[test]
fn reads_of_several_tenants() {
    for named in ["a|b", "b|a", "a|b|a", "a", "b"] {
        let mut world = World::with(observe).caller("user", &["a", "b"]);
        world.head(&and(QUERY, &[("x-scope-orgid", named)]));
        assert_eq!(told(&mut world).0, [""; 0], "{named}");
    }
}

/// Where a label keeps tenants apart no header tells them: what would have been narrowed is compared.
#[test]
fn reads_by_label() {
    let ours = "up%7Btenant%3D%22team-a%22%7D";
    for (kind, path, expected) in [
        ("prometheus", "/api/v1/query?query=up".to_owned(), "would be narrowed to team-a"),
        ("prometheus", "/api/v1/status/buildinfo".to_owned(), ""),
        ("victoriametrics", "/api/v1/query?query=up".to_owned(), "would be narrowed to team-a"),
        // A proxy in front has done it already.
        ("victoriametrics", "/api/v1/query?query=up&extra_label=tenant%3Dteam-a".to_owned(), ""),
        (
            "victoriametrics",
            "/api/v1/query?query=up&extra_label=tenant%3Dteam-b".to_owned(),
            "would be narrowed to team-a",
        ),
        ("prometheus", format!("/api/v1/query?query={ours}"), "would be narrowed to team-a"),
        ("prometheus", "/api/v1/query?query=up%7B".to_owned(), "would be refused with 400"),
    ] {
        let mut world = World::with(|config| {
            observe(config);
            config["backends"][0] = json!({"name": "metrics", "kind": kind, "isolate": {"label": "tenant"}});
        })
        .caller("user", &["team-a"]);
        let (_, step) = world.arrives(&[(":method", "GET"), (":path", &path), (":authority", "x")], true);
        assert!(goes_on_as_it_came(&step), "{path}");
        let (log, _) = told(&mut world);
        assert!(log.concat().contains(expected) && log.is_empty() == expected.is_empty(), "{path} {log:?}");
    }
}

#[test]
fn bodies() {
    let impersonating = |tenant| and(WRITE, &[OPT_IN, ("x-scope-orgid", tenant)]);
    let imp =
        |tenants: &[&str]| body(&tenants.iter().map(|tenant| up(&[("imp", tenant)])).collect::<Vec<_>>());
    let many: Vec<String> = (0..12).map(|n| format!("cluster-{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let own = " X-Scope-OrgID \"own\", would be";
    // (what, configuration, head, body, the difference)
    let cases: Vec<(&str, Change, Vec<(&str, &str)>, Result<Vec<u8>, &'static str>, String)> = vec![
        ("untouched", observe, impersonating("own"), Ok(body(&[up(&[("a", "b")])])), String::new()),
        (
            "untouched, another tenant",
            by_caller,
            impersonating("evil"),
            Ok(body(&[up(&[("a", "b")])])),
            " X-Scope-OrgID \"evil\", would go to own".to_owned(),
        ),
        ("rewritten", observe, impersonating("own"), Ok(imp(&["own"])), format!("{own} rewritten for own")),
        (
            "split",
            observe,
            impersonating("own"),
            Ok(imp(&["own", "cluster-1", "own"])),
            format!("{own} rewritten for own cluster-1"),
        ),
        (
            "split among many",
            observe,
            impersonating("own"),
            Ok(imp(&many)),
            format!("{own} rewritten for {} …", many[..8].join(" ")),
        ),
        (
            "split, and some rejected",
            observe,
            impersonating("own"),
            Ok(imp(&["own", "team-a", "a b"])),
            format!("{own} rewritten for own, with 2 series rejected"),
        ),
        (
            "all rejected",
            observe,
            impersonating("own"),
            Ok(imp(&["team-a"])),
            format!("{own} sent to nobody"),
        ),
        ("empty", observe, impersonating("own"), Ok(body(&[])), format!("{own} sent to nobody")),
        (
            "some dropped",
            by_label,
            and(WRITE, &[("x-scope-orgid", "own")]),
            Ok(body(&[up(&[("ns", "own")]), up(&[])])),
            format!("{own} rewritten for own"),
        ),
        (
            "no snappy",
            observe,
            impersonating("own"),
            Ok(b"hello".to_vec()),
            format!("{own} refused with 400: the body is no valid snappy block"),
        ),
        (
            "large once decompressed",
            small,
            impersonating("own"),
            Ok(imp(&["own"; 30])),
            format!(
                "{own} refused with 413: the body is larger than 200 bytes when decompressed \
                 (limits.decoded_bytes); send smaller batches"
            ),
        ),
        (
            "the host cannot read it",
            observe,
            impersonating("own"),
            Err("the body could not be read"),
            format!("{own} refused with 500: the gateway failed: the body could not be read"),
        ),
        (
            "more calls than there is room for: nothing is called",
            small,
            impersonating("own"),
            Ok(imp(&["own", "cluster-1"])),
            format!("{own} rewritten for own cluster-1"),
        ),
    ];
    for (what, change, head, body, difference) in cases {
        let mut world = World::with(change).caller("agent", &["own"]);
        let (mut exchange, step) = world.head(&head);
        assert_eq!(describe(&step), "keep", "{what}");
        let step = exchange.body(&mut world.worker, body, world.now);
        assert!(goes_on_as_it_came(&step), "{what}: {step:?}");
        let (words, counted) = told(&mut world);
        let expected: Vec<&str> = Some(&*difference).filter(|words| !words.is_empty()).into_iter().collect();
        assert_eq!(words, expected, "{what}");
        let decision = if difference.is_empty() { "observed_same" } else { "observed_different" };
        assert_eq!(
            counted,
            [format!("backend=metrics class=write decision={decision} requests 1")],
            "{what}"
        );
        assert_eq!(world.worker.in_use(), (0, 0), "{what}");
        // What follows goes on as well.
        assert!(goes_on_as_it_came(&exchange.body_progress(&mut world.worker, 9_999)), "{what}");
    }
}

/// Bodies that are too large go on without being kept any longer.
#[test]
fn large_bodies_go_on() {
    let head = and(WRITE, &[OPT_IN]);
    let mut world = World::with(small).caller("agent", &["own"]);
    let (_, step) = world.head(&and(&head, &[("content-length", "101")]));
    assert!(goes_on_as_it_came(&step), "{step:?}");
    let (mut exchange, _) = world.head(&and(&head, &[("content-length", "99")]));
    assert_eq!(describe(&exchange.body_progress(&mut world.worker, 100)), "keep");
    assert!(goes_on_as_it_came(&exchange.body_progress(&mut world.worker, 101)));
    assert!(!exchange.wants_body());
    let (words, counted) = told(&mut world);
    let too_large = "out a tenant, would be refused with 413: the body is larger than 100 bytes \
                     (limits.request_bytes); send smaller batches";
    assert_eq!(words, [too_large, too_large]);
    assert_eq!(counted, ["backend=metrics class=write decision=observed_different requests 2"]);
    // No body at all, as the head says.
    let (_, step) = world.arrives(&head, true);
    assert!(goes_on_as_it_came(&step), "{step:?}");
}

#[test]
fn the_log_is_bounded_by_the_second() {
    let mut world = World::with(observe).caller("user", &["own"]);
    let mut lines = Vec::new();
    for now in [5_000, 5_999, 6_000, 6_500, 5_500] {
        world.now = now;
        for _ in 0..7 {
            world.head(WRITE);
        }
        lines.push(world.worker.take_logs().len());
    }
    assert_eq!(lines, [7, 3, 7, 3, 7]);
    assert_eq!(world.counted(), ["backend=metrics class=write decision=observed_different requests 35"]);
}

/// A line of the log is short and of one line, and holds nothing that may be a secret.
#[test]
fn lines_are_fit_to_be_logged() {
    let long = format!("/prometheus/api/v1/query{}?query=up&token=hunter2", "/x".repeat(200));
    let tenants: Vec<String> = (0..200).map(|n| format!("{n:0>150}")).collect();
    let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
    for path in
        [&*long, "/prometheus/api/v1/query?token=hunter2", "/a\r\nobserve: b?token=hunter2", "?hunter2"]
    {
        let mut world = World::with(observe).caller("user", &tenants);
        let authorization = ("authorization", "Bearer hunter2");
        world.head(&and(&but(QUERY, ":path", path), &[authorization, ("x-scope-orgid", &long)]));
        world.head(&but(QUERY, ":path", path));
        let lines = world.worker.take_logs();
        assert_eq!(lines.len(), 2, "{path}");
        for line in lines {
            assert!(line.len() < 1500, "{}", line.len());
            assert!(!line.contains("token=hunter2") && !line.contains("Bearer"), "{line}");
            assert!(!line.contains(['\r', '\n']), "{line}");
        }
    }
}
