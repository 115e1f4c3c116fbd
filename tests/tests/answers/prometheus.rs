//! Rules and alerts of two tenants, and of nobody, in one real Prometheus.

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::prometheus::Prometheus;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{Gateway, by};

/// The configuration of a Prometheus whose rules are in this file.
fn config(rules: &std::path::Path) -> Value {
    json!({"global": {"evaluation_interval": "1s"}, "rule_files": [rules]})
}

fn rules() -> Value {
    let label = |tenant: &str| json!({"tenant": tenant, "severity": "page"});
    json!({"groups": [
        {"name": "shared", "rules": [
            {"alert": "OfA", "expr": "vector(1) > 0", "labels": label("team-a"), "annotations": {"s": "a \"b\" <c> é {{ $value }}"}},
            {"alert": "OfB", "expr": "vector(1) > 0", "labels": label("team-b")},
            {"alert": "ByAlert", "expr": "label_replace(vector(1), \"tenant\", \"team-a\", \"\", \"\") or label_replace(vector(2), \"tenant\", \"team-b\", \"\", \"\")"},
            {"record": "of:nobody", "expr": "sum(up{tenant=\"team-b\"})"},
            {"record": "of:a", "expr": "vector(7)", "labels": {"tenant": "team-a"}},
        ]},
        {"name": "only-b", "rules": [{"record": "of:b", "expr": "secret_of_team_b", "labels": {"tenant": "team-b"}}]},
        {"name": "only-a", "rules": [{"record": "of:a:too", "expr": "vector(8)", "labels": {"tenant": "team-a"}}]},
    ]})
}

fn names(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    let mut names: Vec<_> = list.map(|one| one[name].as_str().unwrap_or_default().to_owned()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn each_tenant_has_its_own_rules_and_alerts() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("rules.json");
    std::fs::write(&file, rules().to_string())?;
    let Some(prometheus) = Prometheus::start(&config(&file)).await? else {
        eprintln!("there is no prometheus here");
        return Ok(());
    };
    let direct: Client = prometheus.client()?;
    // Once every rule was evaluated.
    eventually(DEADLINE, || async move {
        let alerts = direct.get("/api/v1/alerts").await?.expect(200)?.json()?;
        let fired = alerts["data"]["alerts"].as_array().context("no alerts")?.len();
        ensure!(fired == 4, "{alerts}");
        Ok(())
    })
    .await?;
    let gateway = Gateway::start("prometheus", direct.address()).await?;
    for (user, tenant, groups, seen, alerts) in [
        (
            "alice",
            "team-a",
            vec!["only-a", "shared"],
            vec!["OfA", "of:a", "of:a:too"],
            vec!["ByAlert", "OfA"],
        ),
        ("bob", "team-b", vec!["only-b", "shared"], vec!["OfB", "of:b"], vec!["ByAlert", "OfB"]),
    ] {
        let other = if tenant == "team-a" { "team-b" } else { "team-a" };
        let answer = gateway.send(by(user, Call::get("/api/v1/rules"))).await?.expect(200)?;
        assert!(!answer.text().contains(other), "{user}: {answer}");
        let answer = answer.json()?;
        assert_eq!(answer["status"], "success");
        assert_eq!(names(&answer["data"]["groups"], "name"), groups, "{user}");
        let mut rules = Vec::new();
        for group in answer["data"]["groups"].as_array().unwrap() {
            rules.extend(names(&group["rules"], "name"));
        }
        rules.sort_unstable();
        assert_eq!(rules, seen, "{user}");

        let answer = gateway.send(by(user, Call::get("/api/v1/alerts"))).await?.expect(200)?;
        assert!(!answer.text().contains(other), "{user}: {answer}");
        let labels: Vec<Value> = answer.json()?["data"]["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["labels"].clone())
            .collect();
        assert_eq!(names(&json!(labels), "alertname"), alerts, "{user}");
        assert!(labels.iter().all(|labels| labels["tenant"] == tenant), "{user}");
        for query in ["type=record", "type=alert", "rule_name[]=OfB", "rule_group[]=only-b", "group_limit=1"]
        {
            let answer =
                gateway.send(by(user, Call::get(&format!("/api/v1/rules?{query}")))).await?.expect(200)?;
            assert!(!answer.text().contains(other), "{user} {query}: {answer}");
        }
    }
    // A rule that stays is byte for byte what Prometheus says of it: recording rules change least between two answers.
    let text = gateway.send(by("both", Call::get("/api/v1/rules?type=record"))).await?.expect(200)?.text();
    assert!(
        text.contains(r#""name":"of:a","query":"vector(7)","labels":{"tenant":"team-a"},"health":"#),
        "{text}"
    );
    assert!(!text.contains("of:nobody"), "{text}");
    // What Prometheus itself refuses is told in its words.
    let answer = gateway.send(by("alice", Call::get("/api/v1/rules?type=x"))).await?;
    assert!((answer.status, answer.text().contains("bad_data")) == (400, true), "{answer}");
    Ok(())
}
