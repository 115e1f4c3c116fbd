//! Modes of backends and callers, and shares of callers: what arrives, byte for byte, and what is told.

use anyhow::Result;
use scopegate_core::config::Config;
use scopegate_core::policy::Policy;
use scopegate_core::rollout::Seat;
use scopegate_core::tenant::TenantSet;
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Received;
use scopegate_tests::identity::basic;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, by_namespace, user};

/// What Envoy adds by itself.
const ENVOYS: &[&str] = &[
    "x-forwarded-proto",
    "x-forwarded-for",
    "x-request-id",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal",
    "content-length",
    "transfer-encoding",
];

/// A request with these headers and this body, and how it is told from what becomes of it.
struct Sent {
    method: &'static str,
    target: &'static str,
    host: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn read(host: &'static str) -> Self {
        let target = "/prometheus/api/v1/query?query=up&extra_label=tenant=evil";
        Self { method: "GET", target, host, headers: Vec::new(), body: Vec::new() }
    }

    /// A write with one series for each of these values of the label `namespace`.
    fn write(host: &'static str, namespaces: &[&str]) -> Self {
        let one = |n: &&str| series(&[("__name__", "up"), ("namespace", n)], 1, 1.0);
        let headers = [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ];
        Self {
            method: "POST",
            target: "/api/v1/push",
            host,
            headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
            body: WriteRequest::of(namespaces.iter().map(one).collect()).body(),
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn call(&self) -> Call {
        let call = Call::new(self.method, self.target).authority(self.host).body(self.body.clone());
        self.headers.iter().fold(call, |call, (name, value)| call.header(name, value))
    }

    /// That it arrived exactly like this.
    fn came_as_it_was(&self, received: &Received, what: &str) {
        assert!(received.complete, "{what}");
        assert_eq!(
            (received.method.as_str(), received.target.as_str(), received.authority.as_str()),
            (self.method, self.target, self.host),
            "{what}"
        );
        assert_eq!(received.body, self.body, "{what}");
        let mut names: Vec<&str> = received.headers.keys().map(hyper::http::HeaderName::as_str).collect();
        names.retain(|name| !ENVOYS.contains(name) && *name != "host");
        names.sort_unstable();
        let mut expected: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(names, expected, "{what}");
        for name in expected {
            let values = self.headers.iter().filter(|(known, _)| *known == name);
            let values: Vec<&[u8]> = values.map(|(_, value)| value.as_bytes()).collect();
            assert_eq!(received.header_values(name), values, "{what}: {name}");
        }
    }
}

/// What the page about it tells to write is a configuration.
#[test]
fn the_page_has_configurations() -> Result<()> {
    let page = include_str!("../../../docs/rollout.md");
    let snippets: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(snippets.len(), 2);
    for snippet in snippets {
        let config = Config::from_json(serde_saphyr::from_str(snippet)?)?;
        Policy::compile(&config, &|name| (name == "SCOPEGATE_PASSWORD_KEY").then(|| KEY.into()))?;
    }
    Ok(())
}

/// Two backends, of which `new.test` is observed, and three kinds of callers, of which the forwarders are.
fn configuration() -> Value {
    let mut configuration = by_namespace();
    configuration["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.test"},
        {"name": "new", "kind": "cortex", "host": "new.test", "mode": "observe"},
    ]);
    configuration["write"]["new"] = configuration["write"]["metrics"].clone();
    configuration["callers"][1]["mode"] = json!("observe");
    configuration["report"] = json!({});
    configuration["metrics"] = json!({"tenants": {"pinned": ["b", "namespace-1"]}});
    let admins = json!({"name": "admins", "basic": {"key": {"env": "KEY"}, "users": [
        user("ops", &["ops-secret"], &json!(["platform"])),
    ]}, "may": ["admin"]});
    configuration["callers"].as_array_mut().unwrap().push(admins);
    configuration
}

#[tokio::test]
async fn who_is_observed_goes_on_as_it_came_and_nobody_else() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    for line in [
        "the backend metrics is open to the callers that are observed, to every tenant: forwarders",
        "the backend new is open to the callers that are observed, to every tenant: agents, forwarders, users, admins, \
         (not recognised)",
    ] {
        gateway.envoy.wait_for_log(line).await?;
    }
    let token = format!("Bearer {}", gateway.token(json!({"tenant": "a"})));
    let forwarder = basic("forwarder", "new-secret");
    let agent = basic("agent", "agent-secret");
    let (old, new) = ("metrics.test", "new.test");
    // (what, the request, whether it is observed, else the tenants that it reaches)
    let cases: Vec<(&str, Sent, Option<&[&str]>)> = vec![
        (
            "a user that is enforced",
            Sent::read(old).header("authorization", &token).header("x-scope-orgid", "b"),
            Some(&[]),
        ),
        (
            "a user that is enforced, in its tenant",
            Sent::read(old).header("authorization", &token),
            Some(&["a"]),
        ),
        (
            "the same user where the backend is observed",
            Sent::read(new).header("authorization", &token).header("x-scope-orgid", "b"),
            None,
        ),
        ("nobody", Sent::read(old).header("x-scope-orgid", "b"), Some(&[])),
        ("nobody where the backend is observed", Sent::read(new).header("x-scope-orgid", "b"), None),
        (
            "an observed caller's write that would be split",
            Sent::write(old, &["namespace-1", "namespace-2", "not mine"])
                .header("authorization", &forwarder)
                .header("x-scope-orgid", "b"),
            None,
        ),
        (
            "an observed caller's write, with all that says something about tenancy, and more than once",
            Sent::write(old, &["namespace-1"])
                .header("authorization", &forwarder)
                .header("x-scope-orgid", "b")
                .header("x-scope-orgid", "a|b")
                .header("x-prom-label-policy", "b:{}")
                .header("x-scope-impersonate", "true")
                .header("accountid", "7"),
            None,
        ),
        (
            "an observed caller's read",
            Sent::read(old).header("authorization", &forwarder).header("x-scope-orgid", "b"),
            None,
        ),
        (
            "who claims to be an observed caller",
            Sent::write(old, &["namespace-1"])
                .header("authorization", &basic("forwarder", "a-guess"))
                .header("x-scope-orgid", "b"),
            Some(&[]),
        ),
        (
            "an enforced caller's write",
            Sent::write(old, &["namespace-1", "namespace-2"])
                .header("authorization", &agent)
                .header("x-scope-orgid", "b"),
            Some(&[]),
        ),
        (
            "the same caller's where the backend is observed",
            Sent::write(new, &["namespace-1", "namespace-2"])
                .header("authorization", &agent)
                .header("x-scope-orgid", "b"),
            None,
        ),
    ];
    for (what, sent, tenants) in &cases {
        for client in [gateway.http1()?, gateway.http2()?] {
            gateway.cortex.forget();
            client.send(sent.call()).await?;
            let state = gateway.cortex.state();
            match tenants {
                None => {
                    let [received] = state.requests.as_slice() else { panic!("{what}: {}", state.summary()) };
                    sent.came_as_it_was(received, what);
                }
                Some(tenants) => {
                    let mut reached: Vec<_> =
                        state.requests.iter().map(|request| request.tenant.as_deref()).collect();
                    reached.sort_unstable();
                    assert_eq!(
                        reached,
                        tenants.iter().map(|tenant| Some(*tenant)).collect::<Vec<_>>(),
                        "{what}"
                    );
                }
            }
        }
    }
    told(&gateway).await
}

/// What the counters, the gauge and the report say about the requests above.
async fn told(gateway: &Gateway) -> Result<()> {
    let text = gateway.envoy.admin()?.prometheus().await?;
    let value = |name: &str, tags: &[&str]| -> u64 {
        let lines = text.lines().filter(|line| {
            line.starts_with(&format!("{name}{{")) && tags.iter().all(|tag| line.contains(tag))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let observed = |tags: &[&str]| value("scopegate_observed_requests_total", tags);
    for (tags, expected) in [
        (
            vec![
                "backend=\"new\"",
                "caller=\"users\"",
                "tenant=\"b\"",
                "outcome=\"refused\"",
                "reason=\"foreign_tenant\"",
            ],
            2,
        ),
        (
            vec![
                "backend=\"new\"",
                "caller=\"none\"",
                "tenant=\"b\"",
                "outcome=\"refused\"",
                "reason=\"no_caller\"",
            ],
            2,
        ),
        (
            vec![
                "backend=\"metrics\"",
                "caller=\"forwarders\"",
                "tenant=\"b\"",
                "outcome=\"series_rejected\"",
            ],
            2,
        ),
        (vec!["backend=\"metrics\"", "caller=\"forwarders\"", "tenant=\"~several\""], 2),
        (vec!["backend=\"metrics\"", "caller=\"users\""], 0),
        (vec!["backend=\"metrics\"", "caller=\"none\""], 0),
        (vec![""], 12),
    ] {
        assert_eq!(observed(&tags), expected, "{tags:?}\n{text}");
    }
    let open = |backend: &str| value("scopegate_not_enforced", &[&format!("backend=\"{backend}\"")]);
    assert_eq!((open("metrics"), open("new")), (1, 5));
    // Every worker hands over what it noted with its next request.
    eventually(DEADLINE, || async {
        let call = Call::get("/-/scopegate/report").header("authorization", basic("ops", "ops-secret"));
        let page = gateway.http1()?.send(call).await?.expect(200)?.json()?;
        let list = page["differences"].as_array().cloned().unwrap_or_default();
        let told = |caller: &Value, came_as: &str, outcome: &str, to: &Value| {
            list.iter().any(|line| {
                (&line["caller"], &line["came_as"], &line["outcome"], &line["would_go_to"])
                    == (caller, &json!(came_as), &json!(outcome), to)
                    && line["requests_at_least"] == 2
            })
        };
        anyhow::ensure!(
            told(&json!("forwarders"), "b", "series_rejected", &json!("namespace-1|namespace-2"))
                && told(&json!("users"), "b", "refused", &Value::Null)
                && told(&Value::Null, "b", "refused", &Value::Null)
                && told(&json!("forwarders"), "b, a|b", "tenant_changed", &json!("namespace-1")),
            "{page:#}"
        );
        for secret in ["new-secret", "a-guess", "agent-secret", "Bearer", "Basic"] {
            assert!(!page.to_string().contains(secret), "{page:#}");
        }
        Ok(())
    })
    .await
}

/// A share of the users of one entry: exactly those whose seats are below it, whatever they ask for, at every worker.
#[tokio::test]
async fn a_share_of_callers() -> Result<()> {
    const USERS: usize = 12;
    let name = |n: usize| format!("user-{n}");
    let mut configuration = by_namespace();
    let users: Vec<Value> = (0..USERS).map(|n| user(&name(n), &["secret"], &json!(["own"]))).collect();
    configuration["callers"] = json!([
        {"name": "teams", "basic": {"key": {"env": "KEY"}, "users": users}, "may": ["read", "write"], "on_behalf_of": ["namespace-*"]},
    ]);
    configuration["mode"] = json!({"enforce_for": "40%"});
    let expected: Vec<usize> = (0..USERS)
        .filter(|n| Seat::of("teams", Some(&name(*n)), &TenantSet::default()).number() < 4_000)
        .collect();
    assert!(!expected.is_empty() && expected.len() < USERS);
    let gateway = Gateway::start(&configuration).await?;
    gateway.envoy.wait_for_log("to every tenant: teams (enforced for 40%), (not recognised)").await?;
    for n in 0..USERS {
        let authorization = basic(&name(n), "secret");
        let known = |sent: Sent| sent.header("authorization", &authorization).header("x-scope-orgid", "b");
        let enforced = expected.contains(&n);
        // Several connections, so that both workers are asked.
        for _ in 0..4 {
            let what = name(n);
            let read = known(Sent::read("any.test"));
            gateway.cortex.forget();
            let answer = gateway.http1()?.send(read.call()).await?;
            {
                let state = gateway.cortex.state();
                match (state.requests.as_slice(), enforced) {
                    ([], true) => assert_eq!(answer.status, 403, "{what}"),
                    ([received], false) => read.came_as_it_was(received, &what),
                    _ => panic!("{what}: {}", state.summary()),
                }
            }
            let write = known(Sent::write("any.test", &["namespace-1", "namespace-2"]));
            gateway.cortex.forget();
            gateway.http2()?.send(write.call()).await?;
            let state = gateway.cortex.state();
            match (state.requests.as_slice(), enforced) {
                ([_, _], true) => {
                    for tenant in ["namespace-1", "namespace-2"] {
                        let labels: Vec<_> = state.series(tenant).flat_map(|series| &series.labels).collect();
                        assert!(labels.iter().any(|label| label.value == tenant.as_bytes()), "{what}");
                        assert_eq!(labels.len(), 2, "{what}");
                    }
                }
                ([received], false) => write.came_as_it_was(received, &what),
                _ => panic!("{what}: {}", state.summary()),
            }
        }
    }
    // Who is not recognised belongs to no share.
    gateway.cortex.forget();
    let nobody = Sent::read("any.test").header("x-scope-orgid", "b");
    gateway.http1()?.send(nobody.call()).await?;
    let state = gateway.cortex.state();
    nobody.came_as_it_was(&state.requests[0], "nobody");
    Ok(())
}
