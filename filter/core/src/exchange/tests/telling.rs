//! What is counted by tenant and by caller, and what the access log is told.

use serde_json::{Value as Json, json};

use super::{OPT_IN, QUERY, WRITE, World, and, base, but, calls, describe, up};
use crate::write::remote_write::testing::body;

/// Counted with the tenants that are pinned, all of these.
fn world(by_tenant: &str, change: impl FnOnce(&mut Json)) -> World {
    let mut config = base();
    config["metrics"] =
        json!({"by_tenant": by_tenant, "tenants": {"pinned": ["own", "cluster-a", "cluster-b"]}});
    change(&mut config);
    World::new(config)
}

/// What was counted by tenant or caller.
fn finer(world: &mut World) -> Vec<String> {
    let lines = world.counted_finely();
    lines.into_iter().filter(|line| line.contains("tenant=") || line.contains("caller=")).collect()
}

#[test]
fn parts_are_counted_as_they_are_answered() {
    let mut world = world("looked_into", |_| ()).caller("agent", &["own"]);
    let sent = body(&[
        up(&[("imp", "cluster-a")]),
        up(&[("imp", "cluster-b")]),
        up(&[("imp", "cluster-a"), ("x", "1")]),
        up(&[("imp", "cluster-c")]),
    ]);
    let (mut exchange, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    let sizes: Vec<usize> = calls(step).iter().map(|call| call.body.len()).collect();
    assert_eq!(finer(&mut world), [""; 0]);
    world.now += 7;
    world.answered(&mut exchange, 0, 200);
    let tags = |tenant: &str, code: &str| format!("backend=metrics tenant={tenant} code={code}");
    assert_eq!(
        finer(&mut world),
        [
            "backend=metrics tenant=cluster-a class=write code=2xx tenant_requests 1".to_owned(),
            format!("{} tenant_bytes {}", tags("cluster-a", "2xx"), sizes[0]),
            format!("{} tenant_samples 2", tags("cluster-a", "2xx")),
            format!("{} tenant_series 2", tags("cluster-a", "2xx")),
            "backend=metrics tenant=cluster-a tenant_milliseconds 7".to_owned(),
        ]
    );
    world.answered(&mut exchange, 1, 429);
    assert!(finer(&mut world).contains(&format!("{} tenant_series 1", tags("cluster-b", "4xx"))));
    // Its client goes away: no answer will be seen.
    exchange.closed(&mut world.worker);
    assert_eq!(
        finer(&mut world),
        [
            "backend=metrics tenant=~other class=write code=0xx tenant_requests 1".to_owned(),
            format!("{} tenant_bytes {}", tags("~other", "0xx"), sizes[2]),
            format!("{} tenant_samples 1", tags("~other", "0xx")),
            format!("{} tenant_series 1", tags("~other", "0xx")),
        ]
    );
}

#[test]
fn parts_that_are_never_sent_are_counted_too() {
    let mut world = world("looked_into", |config| {
        config["limits"]["calls_per_request"] = json!(1);
        config["write"]["metrics"]["calls"] = json!({"timeout": "1s"});
    })
    .caller("agent", &["own"]);
    let sent = body(&[up(&[("imp", "cluster-a")]), up(&[("imp", "cluster-b")])]);
    let (mut exchange, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    let first = calls(step).remove(0);
    world.now += 1_000;
    assert_eq!(describe(&world.answered(&mut exchange, first.id, 504)), "answer 503 split_failed");
    let lines = finer(&mut world);
    let requests: Vec<_> = lines.iter().filter(|line| line.contains("tenant_requests")).collect();
    assert_eq!(requests.len(), 2, "{lines:?}");
    assert!(requests.iter().any(|line| line.contains("code=5xx")), "{lines:?}");
    assert!(requests.iter().any(|line| line.contains("code=0xx")), "{lines:?}");
}

/// A write that was looked into and goes on by Envoy's own route is counted once its answer begins.
#[test]
fn what_goes_on_is_counted_once_it_is_answered() {
    for (labels, changed) in [(vec![("imp", "cluster-a")], true), (vec![("x", "y")], false)] {
        let mut world = world("looked_into", |_| ()).caller("agent", &["own"]);
        let sent = body(&[up(&labels)]);
        let (mut exchange, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
        let super::Step::Continue(changes) = step else { panic!("{step:?}") };
        assert_eq!(changes.body.is_some(), changed);
        let size = changes.body.map_or(sent.len(), |body| body.len());
        assert!(exchange.wants_response());
        world.now += 9;
        exchange.responded(&mut world.worker, Some(503), world.now);
        assert!(!exchange.wants_response());
        let tenant = if changed { "cluster-a" } else { "own" };
        assert_eq!(
            finer(&mut world),
            [
                format!("backend=metrics tenant={tenant} class=write code=5xx tenant_requests 1"),
                format!("backend=metrics tenant={tenant} code=5xx tenant_bytes {size}"),
                format!("backend=metrics tenant={tenant} code=5xx tenant_samples 1"),
                format!("backend=metrics tenant={tenant} code=5xx tenant_series 1"),
                format!("backend=metrics tenant={tenant} tenant_milliseconds 9"),
            ]
        );
        exchange.closed(&mut world.worker);
        assert_eq!(finer(&mut world), [""; 0], "once");
    }
}

#[test]
fn heads_are_counted_only_when_asked_for() {
    for (by_tenant, tenants, expected) in [
        ("none", &["own"][..], None),
        ("looked_into", &["own"], None),
        ("all", &["own"], Some("own")),
        ("all", &["new"], Some("~other")),
        ("all", &["own", "b"], Some("~several")),
    ] {
        let mut world = world(by_tenant, |_| ()).caller("user", tenants);
        let (mut exchange, _) = world.arrives(QUERY, true);
        assert_eq!(exchange.wants_response(), expected.is_some());
        exchange.responded(&mut world.worker, Some(200), world.now);
        let expected: Vec<String> = expected
            .map(|tenant| format!("backend=metrics tenant={tenant} class=read code=2xx tenant_requests 1"))
            .into_iter()
            .collect();
        assert_eq!(finer(&mut world), expected, "{by_tenant} {tenants:?}");
        // One that goes away before it is answered.
        let (mut exchange, _) = world.arrives(QUERY, true);
        exchange.closed(&mut world.worker);
        assert_eq!(finer(&mut world).iter().any(|line| line.contains("code=0xx")), !expected.is_empty());
    }
    let mut world = world("none", |_| ()).caller("agent", &["own"]);
    let sent = body(&[up(&[("imp", "cluster-a")]), up(&[])]);
    let (mut exchange, _) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    world.answered(&mut exchange, 0, 200);
    world.answered(&mut exchange, 1, 200);
    assert_eq!(finer(&mut world), [""; 0]);
}

#[test]
fn histograms_only_when_asked_for() {
    for histograms in [false, true] {
        let mut world = world("looked_into", |config| config["metrics"]["histograms"] = json!(histograms))
            .caller("agent", &["own"]);
        let sent = body(&[up(&[("imp", "cluster-a")]), up(&[])]);
        let (mut exchange, _) = world.request(&and(WRITE, &[OPT_IN]), &sent);
        world.now += 12;
        world.answered(&mut exchange, 0, 200);
        let mut values = Vec::new();
        world.worker.tally.drain_values(&mut |_, metric, value| {
            values.push((metric.name(|_| "metrics".to_owned()), value));
        });
        let name = "backend=.=metrics;.;tenant=.=cluster-a;.;scopegate_tenant_duration_milliseconds";
        let expected = if histograms { vec![(name.to_owned(), 12)] } else { Vec::new() };
        assert_eq!(values, expected);
    }
}

#[test]
fn who_sent_what_was_refused_or_not_sent() {
    let mut world = world("looked_into", |_| ()).caller("user", &["own"]);
    world.arrives(&but(QUERY, ":path", "/config"), true);
    assert_eq!(finer(&mut world), ["caller=user reason=closed_path refusals 1"]);
    world.know("filter_state session", br#"{"who": "user", "tenants": []}"#);
    world.arrives(QUERY, true);
    assert_eq!(finer(&mut world), ["caller=user reason=no_tenant refusals 1"]);
    world.know("filter_state session", br#"{"who": "nobody"}"#);
    world.arrives(QUERY, true);
    assert_eq!(finer(&mut world), ["caller=none reason=no_caller refusals 1"]);

    for (tenants, told) in [(&["own"][..], "own"), (&["new"], "~other"), (&["own", "b"], "~several")] {
        let mut world = self::world("looked_into", |_| ()).caller("agent", tenants);
        let sent = body(&[up(&[("imp", "foreign")]), up(&[("imp", "not one")]), up(&[("imp", "not one")])]);
        let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
        assert_eq!(describe(&step), "answer 400 split_refused");
        let tags = format!("backend=metrics caller=agent tenant={told} outcome=rejected");
        assert_eq!(
            finer(&mut world),
            [
                format!("{tags} reason=foreign_tenant series_not_sent 1"),
                format!("{tags} reason=unmapped series_not_sent 2"),
            ]
        );
    }
}

#[test]
fn the_access_log_is_told_one_line() {
    let mut world = world("looked_into", |config| config["access_log"] = json!(true));
    let note = |world: &mut World| world.worker.take_note().unwrap_or_default();

    let user = |world: &mut World, tenants: &[&str]| {
        world.know("filter_state session", json!({"who": "user", "tenants": tenants}).to_string().as_bytes());
    };
    user(&mut world, &["b", "a"]);
    world.arrives(QUERY, true);
    assert_eq!(
        note(&mut world),
        "decision=forwarded reason=- backend=metrics class=read caller=user tenants=a|b series=0 samples=0 parts=0"
    );
    world.arrives(&but(QUERY, ":path", "/config"), true);
    assert_eq!(
        note(&mut world),
        "decision=refused reason=closed_path backend=metrics class=- caller=user tenants=- series=0 samples=0 parts=0"
    );
    world.know("filter_state session", br#"{"who": "x\n y=z"}"#);
    world.arrives(QUERY, true);
    assert_eq!(
        note(&mut world),
        "decision=refused reason=no_caller backend=metrics class=- caller=- tenants=- series=0 samples=0 parts=0"
    );
    world.know("filter_state session", br#"{"who": "agent", "tenants": ["own"]}"#);
    let sent = body(&[up(&[("imp", "cluster-a")]), up(&[("x", "1")]), up(&[("x", "2")])]);
    world.request(&and(WRITE, &[OPT_IN]), &sent);
    assert_eq!(
        note(&mut world),
        "decision=split reason=- backend=metrics class=write caller=agent tenants=cluster-a|own series=3 samples=3 parts=2"
    );
    world.request(&and(WRITE, &[OPT_IN]), &body(&[up(&[])]));
    assert_eq!(
        note(&mut world),
        "decision=forwarded reason=- backend=metrics class=write caller=agent tenants=own series=1 samples=1 parts=1"
    );
    world.request(&and(WRITE, &[OPT_IN]), b"no snappy");
    assert_eq!(
        note(&mut world),
        "decision=refused reason=malformed_body backend=metrics class=write caller=agent tenants=- series=0 samples=0 parts=0"
    );
    // Nothing is told unless it is asked for.
    let mut silent = World::new(base()).caller("user", &["a"]);
    silent.arrives(QUERY, true);
    assert_eq!(note(&mut silent), "");
}
