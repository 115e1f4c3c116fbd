//! Two tenants of one real Alertmanager.

use anyhow::Result;
use scopegate_tests::alertmanager::{Alertmanager, silence};
use scopegate_tests::client::Call;
use serde_json::{Value, json};

use crate::gateway::{Gateway, by, post};

fn equal(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value, "isRegex": false, "isEqual": true})
}

#[tokio::test]
async fn each_tenant_has_its_own_alerts() -> Result<()> {
    let alertmanager = Alertmanager::start().await?;
    let gateway = Gateway::start("alertmanager", alertmanager.address()).await?;
    let alert = |name: &str| json!({"labels": {"alertname": name}, "annotations": {"of": name}});
    // Each gets its tenant's label.
    gateway.send(post("alice", "/api/v2/alerts", &json!([alert("A"), alert("X")]))).await?.expect(200)?;
    gateway.send(post("bob", "/api/v2/alerts", &json!([alert("B"), alert("X")]))).await?.expect(200)?;
    let own = json!([{"labels": {"alertname": "A2", "tenant": "team-a"}}]);
    gateway.send(post("alice", "/api/v2/alerts", &own)).await?.expect(200)?;
    alertmanager.post("/api/v2/alerts", &json!([{"labels": {"alertname": "N"}}])).await?;
    let labels = |name: &str, tenant: &str| json!({"alertname": name, "tenant": tenant});
    let all = alertmanager.alerts(6).await?;
    let expected = [
        labels("A", "team-a"),
        labels("A2", "team-a"),
        labels("B", "team-b"),
        json!({"alertname": "N"}),
        labels("X", "team-a"),
        labels("X", "team-b"),
    ];
    assert_eq!(all, expected);

    for (user, seen) in [
        ("alice", vec![labels("A", "team-a"), labels("A2", "team-a"), labels("X", "team-a")]),
        ("bob", vec![labels("B", "team-b"), labels("X", "team-b")]),
        ("both", [&expected[..3], &expected[4..]].concat()),
    ] {
        let sorted = |alerts: Vec<Value>| {
            let mut labels: Vec<Value> = alerts.iter().map(|alert| alert["labels"].clone()).collect();
            labels.sort_by_key(ToString::to_string);
            labels
        };
        let list = gateway.get(user, "/api/v2/alerts").await?;
        assert_eq!(sorted(list.as_array().unwrap().clone()), seen, "{user}");
        // Byte for byte as the Alertmanager has them.
        let direct = alertmanager.get("/api/v2/alerts").await?;
        for alert in list.as_array().unwrap() {
            assert!(direct.as_array().unwrap().contains(alert), "{user}");
        }
        let groups = gateway.get(user, "/api/v2/alerts/groups").await?;
        let alerts =
            groups.as_array().unwrap().iter().flat_map(|group| group["alerts"].as_array().unwrap().clone());
        assert_eq!(sorted(alerts.collect()), seen, "{user}");
    }
    // What a client asks for besides is still heard.
    let only =
        gateway.get("both", "/api/v2/alerts?filter=alertname%3D%22X%22&filter=tenant%3D%22team-b%22").await?;
    assert_eq!(only.as_array().unwrap().len(), 1);
    assert_eq!(gateway.get("alice", "/api/v2/alerts?filter=tenant%3D%22team-b%22").await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn each_tenant_has_its_own_silences() -> Result<()> {
    let alertmanager = Alertmanager::start().await?;
    let gateway = Gateway::start("alertmanager", alertmanager.address()).await?;
    let x = json!({"name": "x", "value": "y|z", "isRegex": true, "isEqual": true});
    let id = |answer: &Value| answer["silenceID"].as_str().unwrap().to_owned();
    let made =
        gateway.send(post("alice", "/api/v2/silences", &silence(&json!([x])))).await?.expect(200)?.json()?;
    let a = id(&made);
    let b = alertmanager.silence(&json!([equal("tenant", "team-b")])).await?;
    let n = alertmanager.silence(&json!([x])).await?;
    let regex =
        alertmanager.silence(&json!([{"name": "tenant", "value": "team-.*", "isRegex": true}])).await?;
    let all = alertmanager.silences().await?;
    assert_eq!(all.len(), 4);
    let (_, state, matchers) = all.iter().find(|(id, ..)| *id == a).unwrap();
    assert_eq!((state.as_str(), matchers), ("active", &json!([equal("tenant", "team-a"), x])));

    for (user, seen) in [("alice", vec![&a]), ("bob", vec![&b]), ("both", vec![&a, &b])] {
        let list = gateway.get(user, "/api/v2/silences").await?;
        let mut ids: Vec<String> =
            list.as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        let mut seen: Vec<String> = seen.into_iter().cloned().collect();
        seen.sort_unstable();
        assert_eq!(ids, seen, "{user}");
        for one in [&a, &b, &n, &regex] {
            let answer = gateway.send(by(user, Call::get(&format!("/api/v2/silence/{one}")))).await?;
            let expected = if seen.contains(one) { 200 } else { 404 };
            assert_eq!(answer.status, expected, "{user} {one}: {answer}");
        }
    }
    // Its owner changes it: another end keeps the ID, other matchers are another silence.
    let mut own = alertmanager.get(&format!("/api/v2/silence/{a}")).await?;
    own["endsAt"] = json!("2098-01-01T00:00:00Z");
    let changed = gateway.send(post("alice", "/api/v2/silences", &own)).await?.expect(200)?.json()?;
    assert_eq!(id(&changed), a);
    let now = alertmanager.get(&format!("/api/v2/silence/{a}")).await?;
    assert_eq!(now["endsAt"], "2098-01-01T00:00:00.000Z");
    own["matchers"] = json!([equal("x", "1")]);
    let changed = gateway.send(post("alice", "/api/v2/silences", &own)).await?.expect(200)?.json()?;
    let a2 = id(&changed);
    assert_ne!(a2, a);
    let now = alertmanager.get(&format!("/api/v2/silence/{a2}")).await?;
    assert_eq!(now["matchers"], json!([equal("tenant", "team-a"), equal("x", "1")]));
    // And ends it.
    for (user, id) in [("alice", &a2), ("both", &b)] {
        gateway.send(by(user, Call::new("DELETE", &format!("/api/v2/silence/{id}")))).await?.expect(200)?;
    }
    let states: Vec<_> =
        alertmanager.silences().await?.into_iter().map(|(id, state, _)| (id, state)).collect();
    for (id, expected) in
        [(&a, "expired"), (&a2, "expired"), (&b, "expired"), (&n, "active"), (&regex, "active")]
    {
        assert!(states.contains(&(id.clone(), expected.to_owned())), "{id} {expected}: {states:?}");
    }
    // Who has several tenants says for which of them.
    let call = || post("both", "/api/v2/silences", &silence(&json!([x])));
    gateway.send(call()).await?.expect(400)?;
    let made = gateway.send(call().tenant("team-b")).await?.expect(200)?.json()?;
    let now = alertmanager.get(&format!("/api/v2/silence/{}", id(&made))).await?;
    assert_eq!(now["matchers"][0], equal("tenant", "team-b"));
    Ok(())
}

/// The Alertmanager below a prefix that the route takes off: the calls of the gateway are told where it is.
#[tokio::test]
async fn below_a_prefix() -> Result<()> {
    use crate::gateway::configuration;
    use scopegate_tests::bootstrap::{Cluster, route};
    let alertmanager = Alertmanager::start().await?;
    let mut configuration = configuration("alertmanager");
    configuration["backends"][0]["path"] = json!("/am");
    configuration["write"] = json!({"alerting": {"calls": {"path": "/"}}});
    let cluster = Cluster::http1("backend", alertmanager.address());
    let gateway = Gateway::with(&configuration, cluster, |listener| {
        let mut stripped = route("/am/", "backend");
        stripped["route"]["prefix_rewrite"] = json!("/");
        listener.raw_route(stripped)
    })
    .await?;
    let own = alertmanager.silence(&json!([equal("tenant", "team-a")])).await?;
    let foreign = alertmanager.silence(&json!([equal("tenant", "team-b")])).await?;
    for (id, expected) in [(&own, 200), (&foreign, 404)] {
        let call = Call::new("DELETE", &format!("/am/api/v2/silence/{id}"));
        gateway.send(by("alice", call)).await?.expect(expected)?;
    }
    let states: Vec<_> =
        alertmanager.silences().await?.into_iter().map(|(id, state, _)| (id, state)).collect();
    assert!(states.contains(&(own, "expired".into())) && states.contains(&(foreign, "active".into())));
    Ok(())
}
