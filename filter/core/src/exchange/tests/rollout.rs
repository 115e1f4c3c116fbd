//! Modes by backend and by caller, shares of callers, and what is told about those that are observed.

use serde_json::{Value as Json, json};

use super::{Changes, Head, OPT_IN, QUERY, Step, WRITE, World, and, answer, base, but, describe, up};
use crate::caller::testing::hashed;
use crate::report::Metric;
use crate::rollout::Seat;
use crate::tenant::{TenantId, TenantSet};
use crate::write::remote_write::testing::body;

fn is_untouched(step: &Step) -> bool {
    matches!(step, Step::Continue(changes) if *changes == Changes::default())
}

/// Two backends by host.
fn two_backends() -> Json {
    let mut config = base();
    config["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.example.org"},
        {"name": "other", "kind": "cortex", "host": "other.example.org"},
    ]);
    config
}

/// Who is let through unchanged, at which backend.
#[test]
fn by_backend_and_by_caller() {
    let evil = ("x-scope-orgid", "evil");
    let at_metrics = and(QUERY, &[evil]);
    let at_other = but(&at_metrics, ":authority", "other.example.org");
    let nowhere = but(&at_metrics, ":authority", "nowhere.example.org");
    let set = |pointer: &'static str, mode: Json| (pointer, mode);
    // (the modes, who, the head, whether it goes on as it came; else the answer)
    let cases: Vec<(Vec<(&str, Json)>, &str, Head<'_>, Option<&str>)> = vec![
        (vec![set("/backends/0/mode", json!("observe"))], "user", &at_metrics, None),
        (
            vec![set("/backends/0/mode", json!("observe"))],
            "user",
            &at_other,
            Some("answer 403 foreign_tenant"),
        ),
        (vec![set("/backends/0/mode", json!("observe"))], "nobody", &at_metrics, None),
        (vec![set("/backends/0/mode", json!("observe"))], "nobody", &at_other, Some("answer 401 no_caller")),
        (vec![set("/backends/0/mode", json!("observe"))], "user", &nowhere, Some("answer 404 no_backend")),
        (vec![set("/callers/1/mode", json!("observe"))], "user", &at_metrics, None),
        (vec![set("/callers/1/mode", json!("observe"))], "user", &at_other, None),
        (
            vec![set("/callers/1/mode", json!("observe"))],
            "agent",
            &at_metrics,
            Some("answer 403 not_permitted"),
        ),
        // Nobody is observed for saying that he would be.
        (vec![set("/callers/1/mode", json!("observe"))], "nobody", &at_metrics, Some("answer 401 no_caller")),
        (vec![set("/callers/1/mode", json!("observe"))], "user", &nowhere, Some("answer 404 no_backend")),
        (vec![set("/mode", json!("observe"))], "user", &nowhere, None),
        (
            vec![set("/mode", json!("observe")), set("/backends/0/mode", json!("enforce"))],
            "user",
            &at_metrics,
            Some("answer 403 foreign_tenant"),
        ),
        (
            vec![set("/mode", json!("observe")), set("/backends/0/mode", json!("enforce"))],
            "user",
            &at_other,
            None,
        ),
        (
            vec![set("/mode", json!("observe")), set("/callers/1/mode", json!("enforce"))],
            "user",
            &at_other,
            Some("answer 403 foreign_tenant"),
        ),
        (
            vec![set("/mode", json!("observe")), set("/callers/1/mode", json!("enforce"))],
            "agent",
            &at_other,
            None,
        ),
        (
            vec![set("/backends/0/mode", json!("enforce")), set("/callers/1/mode", json!("observe"))],
            "user",
            &at_metrics,
            None,
        ),
    ];
    for (modes, who, head, expected) in cases {
        let mut config = two_backends();
        for (pointer, mode) in &modes {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            config.pointer_mut(parent).unwrap()[key] = mode.clone();
        }
        let mut world = World::new(config).caller(who, &["own"]);
        let (_, step) = world.head(head);
        match expected {
            None => assert!(is_untouched(&step), "{modes:?} {who} {head:?}: {step:?}"),
            Some(answer) => assert_eq!(describe(&step), answer, "{modes:?} {who} {head:?}"),
        }
    }
}

/// A caller that is known and cannot be told its tenants is still that caller.
#[test]
fn who_has_no_tenant_has_its_callers_mode() {
    for (session, reason) in
        [(json!({"who": "user"}), "no_tenant"), (json!({"who": "user", "tenants": true}), "bad_claim")]
    {
        for (mode, enforced) in [
            (json!("observe"), false),
            (json!({"enforce_for": "99.99%"}), false),
            (json!({"enforce_for": "100%"}), true),
        ] {
            let mut world = World::with(|config| config["callers"][1]["mode"] = mode.clone());
            world.know("filter_state session", session.to_string().as_bytes());
            let (_, step) = world.head(QUERY);
            assert_eq!(is_untouched(&step), !enforced, "{session} {mode}: {step:?}");
            let counted = world.counted_finely();
            let told = |words: &str| counted.iter().any(|line| line.contains(words));
            let expected = if enforced {
                format!("caller=user reason={reason} refusals 1")
            } else {
                format!(
                    "backend=metrics caller=user tenant=~none outcome=refused reason={reason} observed_requests 1"
                )
            };
            assert!(told(&expected), "{counted:?}");
        }
    }
}

/// Which of these users are enforced when the share is this; by what became of a write for a foreign tenant.
fn enforced(share: &str, head: Head<'_>) -> Vec<String> {
    let name = |n: u32| format!("user-{n}");
    let users: Vec<Json> = (0..40)
        .map(|n| json!({"username": name(n), "password": hashed(&name(n), b"p"), "tenants": ["own"]}))
        .collect();
    let mut config = two_backends();
    config["mode"] = json!({"enforce_for": share});
    config["callers"] = json!([{"name": "users", "basic": {"key": {"env": "KEY"}, "users": users}, "may": ["write", "read"]}]);
    let mut world = World::new(config);
    let mut enforced = Vec::new();
    for n in 0..40 {
        let credentials =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{}:p", name(n)));
        let authorization = format!("Basic {credentials}");
        let (_, step) = world.arrives(&and(head, &[("authorization", &authorization)]), true);
        if !is_untouched(&step) {
            enforced.push(name(n));
        }
    }
    enforced
}

/// One client sees one behaviour: at every backend, path and protocol, whatever it says.
#[test]
fn a_share_is_of_callers_and_only_grows() {
    let mut before: Vec<String> = Vec::new();
    for (share, at_least) in [("0%", 0), ("10%", 1), ("25%", 4), ("50%", 12), ("99%", 35), ("100%", 40)] {
        let now = enforced(share, QUERY);
        assert!(before.iter().all(|caller| now.contains(caller)), "{share}: {before:?} {now:?}");
        assert!(now.len() >= at_least, "{share}: {now:?}");
        for head in [
            but(QUERY, ":authority", "other.example.org"),
            but(QUERY, ":path", "/config"),
            and(QUERY, &[("x-scope-orgid", "evil"), ("x-grafana-org-id", "7")]),
            WRITE.to_vec(),
            and(WRITE, &[OPT_IN, ("x-scope-orgid", "evil|own")]),
        ] {
            assert_eq!(enforced(share, &head), now, "{share}: {head:?}");
        }
        before = now;
    }
    assert_eq!(enforced("0%", QUERY), [""; 0]);
}

/// Without a user all tenants of a caller are its name: not the one that it chooses for a request.
#[test]
fn callers_of_claims_sit_by_their_tenants() {
    for n in 0..30 {
        let (one, two) = (format!("a{n}"), format!("b{n}"));
        let own: TenantSet = [&one, &two].map(|name| TenantId::new(name).unwrap()).into_iter().collect();
        let is_first_half = Seat::of("user", None, &own) != Seat::of("agent", None, &own) && {
            let mut world = World::with(|config| config["mode"] = json!({"enforce_for": "50%"}));
            world = world.caller("user", &[&one, &two]);
            !is_untouched(&world.head(&but(QUERY, ":path", "/config")).1)
        };
        for chosen in [&one, &two, &format!("{two}|{one}"), "evil"] {
            let mut world = World::with(|config| config["mode"] = json!({"enforce_for": "50%"}))
                .caller("user", &[&two, &one]);
            let (_, step) = world.head(&and(QUERY, &[("x-scope-orgid", chosen)]));
            assert_eq!(is_untouched(&step), !is_first_half, "{chosen}: {step:?}");
        }
    }
}

/// A body that is looked into: enforced it is split, observed it goes on as it came.
#[test]
fn bodies_go_with_their_callers() {
    for (mode, expected) in [(json!("enforce"), "call cluster-1 own"), (json!("observe"), "go on")] {
        let mut world =
            World::with(|config| config["callers"][0]["mode"] = mode.clone()).caller("agent", &["own"]);
        let sent = body(&[up(&[("imp", "cluster-1")]), up(&[])]);
        let (_, step) = world.request(&and(WRITE, &[OPT_IN, ("x-scope-orgid", "own")]), &sent);
        assert_eq!(describe(&step), expected, "{mode}");
        assert_eq!(is_untouched(&step), mode == "observe");
    }
}

/// At the gateway's own paths nothing else answers, whoever is observed.
#[test]
fn own_paths_are_never_observed() {
    let mut config = base();
    config["mode"] = json!("observe");
    config["report"] = json!({});
    let report = but(QUERY, ":path", "/-/scopegate/report");
    for (who, expected) in [("nobody", "answer 401 no_caller"), ("user", "answer 403 not_permitted")] {
        let mut world = World::new(config.clone()).caller(who, &["own"]);
        assert_eq!(describe(&world.arrives(&report, true).1), expected);
    }
}

/// The counters that are told by tenant, after these requests.
fn observed(world: &mut World) -> Vec<String> {
    world.counted_finely().into_iter().filter(|line| line.contains("observed_requests ")).collect()
}

#[test]
fn differences_are_counted_by_the_tenant_that_came() {
    let mut config = base();
    config["mode"] = json!("observe");
    config["metrics"] = json!({"tenants": {"pinned": ["known", "own"]}});
    let named = |tenant| and(QUERY, &[("x-scope-orgid", tenant)]);
    let writes = |tenant| and(WRITE, &[OPT_IN, ("x-scope-orgid", tenant)]);
    let foreign = "outcome=refused reason=foreign_tenant";
    let imp =
        |tenants: &[&str]| body(&tenants.iter().map(|tenant| up(&[("imp", tenant)])).collect::<Vec<_>>());
    // (who, the head, the body, what is counted)
    let cases: Vec<(&str, Vec<(&str, &str)>, Option<Vec<u8>>, String)> = vec![
        ("user", named("own"), None, "caller=user tenant=own outcome=same".into()),
        ("user", QUERY.to_vec(), None, "caller=user tenant=~none outcome=tenant_added".into()),
        ("user", named("known"), None, format!("caller=user tenant=known {foreign}")),
        ("user", named("elsewhere"), None, format!("caller=user tenant=~other {foreign}")),
        ("user", named("known|own"), None, format!("caller=user tenant=~several {foreign}")),
        (
            "user",
            named("no tenant"),
            None,
            "caller=user tenant=~other outcome=refused reason=invalid_tenant".into(),
        ),
        ("nobody", named("known"), None, "caller=none tenant=known outcome=refused reason=no_caller".into()),
        ("agent", writes("own"), Some(imp(&["own"])), "caller=agent tenant=own outcome=rewritten".into()),
        ("agent", writes("known"), None, format!("caller=agent tenant=known {foreign}")),
        (
            "agent",
            writes("own"),
            Some(imp(&["own", "cluster-1"])),
            "caller=agent tenant=own outcome=split".into(),
        ),
        (
            "agent",
            writes("own"),
            Some(imp(&["own", "x"])),
            "caller=agent tenant=own outcome=series_rejected".into(),
        ),
        ("agent", writes("own"), Some(imp(&["x"])), "caller=agent tenant=own outcome=series_rejected".into()),
        ("agent", writes("own"), Some(body(&[])), "caller=agent tenant=own outcome=nothing_sent".into()),
        ("agent", writes("own"), Some(body(&[up(&[])])), "caller=agent tenant=own outcome=same".into()),
        (
            "agent",
            writes("own"),
            Some(b"no snappy".to_vec()),
            "caller=agent tenant=own outcome=refused reason=malformed_body".into(),
        ),
    ];
    for (who, head, body, expected) in cases {
        let mut world = World::new(config.clone()).caller(who, &["own"]);
        let (mut exchange, step) = world.head(&head);
        if let Some(body) = body {
            assert_eq!(describe(&step), "keep", "{expected}");
            exchange.body(&mut world.worker, Ok(body), world.now);
        }
        assert_eq!(observed(&mut world), [format!("backend=metrics {expected} observed_requests 1")]);
    }
    // One that was written for no other tenant than its one, untouched, but as another.
    config["write"]["metrics"]["tenant"] = json!(["caller"]);
    let mut world = World::new(config.clone()).caller("user", &["own"]);
    world.head(&and(WRITE, &[("x-scope-orgid", "known")]));
    assert_eq!(
        observed(&mut world),
        ["backend=metrics caller=user tenant=known outcome=tenant_changed observed_requests 1"]
    );
    config["metrics"]["by_tenant"] = json!("none");
    let mut world = World::new(config).caller("user", &["own"]);
    world.head(&named("own"));
    assert_eq!(
        observed(&mut world),
        ["backend=metrics caller=user tenant=~other outcome=same observed_requests 1"]
    );
}

/// Whoever is recognised by nobody cannot fill the places of those that have metrics of their own.
#[test]
fn names_that_nobody_vouches_for_earn_no_place() {
    for (who, earned) in [("nobody", false), ("user", true)] {
        let mut world = World::with(|config| {
            config["mode"] = json!("observe");
            config["metrics"] = json!({"tenants": {"window": "1s"}});
        })
        .caller(who, &["own"]);
        crate::exchange::prepare(&*world.worker.process, &world.policy).unwrap();
        for _ in 0..5 {
            for _ in 0..3 {
                world.head(&and(QUERY, &[("x-scope-orgid", "loud")]));
            }
            world.now += 1_000;
        }
        let has_own = observed(&mut world).iter().any(|line| line.contains("tenant=loud"));
        assert_eq!(has_own, earned, "{who}");
    }
}

/// Hosts may go back to a configuration without saying so: requests set the gauge again, every few seconds.
#[test]
fn requests_set_the_gauge_again() {
    let mut world =
        World::with(|config| config["callers"][1]["mode"] = json!("observe")).caller("user", &["own"]);
    for (later, times) in [(0, 1), (4_999, 0), (1, 1), (0, 0), (60_000, 1)] {
        world.now += later;
        world.head(QUERY);
        let gauges: Vec<_> = world.worker.tally.drain_gauges().collect();
        assert_eq!(gauges, vec![(Metric::NotEnforced { backend: 0 }, 1); times]);
    }
}

/// The administrators' report lists the most frequent differences first.
#[test]
fn the_report_lists_what_would_change() {
    let mut config = base();
    config["callers"][1]["mode"] = json!("observe");
    config["callers"][0]["mode"] = json!("observe");
    config["report"] = json!({});
    let ops = json!({"name": "ops", "metadata": {"filter_state": "session", "where": [{"claim": "who", "in": "ops"}]},
                     "tenants": ["ops"], "may": ["admin"]});
    config["callers"].as_array_mut().unwrap().push(ops);
    let mut world = World::new(config).caller("user", &["own"]);
    let secret = ("authorization", "Bearer hunter2");
    for (times, head) in [
        (1, and(QUERY, &[secret])),
        (3, and(QUERY, &[("x-scope-orgid", "old\ttenant"), ("x-scope-orgid", "\"b")])),
        (2, and(&but(QUERY, ":path", "/config?token=hunter2"), &[("x-scope-orgid", "own")])),
        (9, and(QUERY, &[("x-scope-orgid", "own")])),
    ] {
        for _ in 0..times {
            assert!(is_untouched(&world.head(&head).1));
        }
    }
    world = world.caller("agent", &["own"]);
    for _ in 0..4 {
        let sent = body(&[up(&[("imp", "cluster-1")]), up(&[])]);
        world.request(&and(WRITE, &[OPT_IN, ("x-scope-orgid", "own")]), &sent);
    }
    world.now += 3_000;
    world = world.caller("ops", &[]);
    let reply = answer(world.arrives(&but(QUERY, ":path", "/-/scopegate/report"), true).1);
    let page: Json = serde_json::from_slice(&reply.body).unwrap();
    let difference = |caller: &str, came_as: Json, outcome: &str, reason: Json, to: Json, times: u32| {
        json!({
            "backend": "metrics", "caller": caller, "came_as": came_as, "outcome": outcome, "reason": reason,
            "would_go_to": to, "requests_at_least": times, "requests_at_most": times, "seconds_ago": 3,
        })
    };
    let none = || Json::Null;
    assert_eq!(
        page["differences"],
        json!([
            difference("agent", json!("own"), "split", none(), json!("cluster-1|own"), 4),
            difference("user", json!("old\\ttenant, \"b"), "refused", json!("repeated_header"), none(), 3),
            difference("user", json!("own"), "refused", json!("closed_path"), none(), 2),
            difference("user", none(), "tenant_added", none(), json!("own"), 1),
        ])
    );
    assert!(!page.to_string().contains("hunter2"));
}

/// A read whose body is looked into: what would become of it is decided, and the body goes on as it came.
#[test]
fn bodies_of_reads_are_looked_into_as_well() {
    let mut config = base();
    config["mode"] = json!("observe");
    config["limits"] = json!({"request_bytes": 64});
    config["backends"][0] = json!({"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}});
    let head = [
        (":method", "POST"),
        (":path", "/api/v1/query"),
        (":authority", "metrics.example.org"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let large = format!("query={}", "x".repeat(64));
    let cases: &[(&str, &str)] = &[
        ("query=up", "outcome=rewritten"),
        ("query=up%7B", "outcome=refused reason=query"),
        (large.as_str(), "outcome=refused reason=body_too_large"),
    ];
    for (form, expected) in cases {
        let mut world = World::new(config.clone()).caller("user", &["own"]);
        let (mut exchange, step) = world.head(&head);
        assert_eq!(describe(&step), "keep", "{form}");
        let mut step = exchange.body_progress(&mut world.worker, form.len());
        if exchange.wants_body() {
            step = exchange.body(&mut world.worker, Ok(form.as_bytes().to_vec()), world.now);
        }
        assert!(is_untouched(&step), "{form}: {step:?}");
        let counted = observed(&mut world);
        assert_eq!(
            counted,
            [format!("backend=metrics caller=user tenant=~none {expected} observed_requests 1")],
            "{form}"
        );
    }
}
