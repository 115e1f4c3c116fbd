//! How labels lead to tenants: keys of several labels, tables of every kind, and what is put around.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::remote_write::{TimeSeries, series};
use serde_json::json;

use crate::gateway::Plan;

fn of(cluster: &str, namespace: &str) -> TimeSeries {
    series(&[("__name__", "up"), ("cluster", cluster), ("namespace", namespace)], 1, 1.0)
}

#[tokio::test]
async fn cluster_and_namespace_together() -> Result<()> {
    let mut plan = Plan::new()?;
    *plan.table()? = json!({"http": {
        "cluster": "kube-api", "path": "/orgs.json", "authority": "inventory.example.org", "refresh": "300ms",
    }});
    plan.write()?["tenant"] = json!([{"labels": ["cluster", "namespace"], "table": "organisations"}, {"label": "namespace", "regex": "org-(.+)"}]);
    plan.write()?["on_unmapped"] = json!("reject_series");
    let orgs = json!({"eu/shop": "org-a", "us/shop": "org-b"});
    plan.kubernetes.state().files.insert("/orgs.json".to_owned(), orgs.to_string());
    let world = plan.start().await?;
    world.wait_for_metric("entries", &[], |entries| entries == 2).await?;
    let answer =
        world.send(vec![of("eu", "shop"), of("us", "shop"), of("", "org-c"), of("eu/shop", "x")]).await?;
    let answer = answer.expect(400)?;
    assert!(answer.text().contains("the label leads to no tenant"), "{answer}");
    {
        let state = world.cortex.state();
        assert_eq!(state.tenants(), ["c", "org-a", "org-b"]);
        for (tenant, sent) in
            [("org-a", of("eu", "shop")), ("org-b", of("us", "shop")), ("c", of("", "org-c"))]
        {
            let raw: Vec<_> = state.series(tenant).map(|series| series.raw.clone()).collect();
            assert_eq!(raw, [sent.encode_to_vec()], "{tenant}");
        }
    }
    Ok(())
}

/// The organisation in an annotation of the namespace, keys that are joined and taken off, a listed table, and affixes.
#[tokio::test]
async fn by_an_annotation_by_a_joined_key_and_with_affixes() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.table()?["kubernetes"]["annotation"] = json!("example.org/org");
    if let Some(kubernetes) = plan.table()?["kubernetes"].as_object_mut() {
        kubernetes.remove("label");
    }
    plan.example.configuration()?["tables"]["sites"] = json!({"static": {"eu~shop": "a", "us~shop": "b"}});
    plan.write()?["tenant"] = json!([
        {"labels": ["site", "namespace"], "separator": "~", "remove": true, "table": "sites", "prefix": "org-", "suffix": "-x"},
        {"label": "namespace", "table": "organisations"},
    ]);
    let metadata = json!({"name": "bar", "annotations": {"example.org/org": "org-bar"}});
    plan.kubernetes.state().namespaces.insert("bar".to_owned(), metadata);
    let world = plan.start().await?;
    world.wait_for_metric("entries", &[], |entries| entries == 1).await?;
    world.cortex.forget();
    let of = |labels: &[(&str, &str)]| series(&[&[("__name__", "up")], labels].concat(), 1, 1.0);
    let sent = vec![
        of(&[("namespace", "shop"), ("site", "eu")]),
        of(&[("namespace", "bar"), ("pod", "p")]),
        of(&[("n", "2"), ("namespace", "shop"), ("site", "us")]),
    ];
    world.send(sent).await?.expect(200)?;
    let state = world.cortex.state();
    assert_eq!(state.tenants(), ["org-a-x", "org-b-x", "org-bar"]);
    // What names the tenant by a key that is taken off is taken off everywhere.
    for (tenant, kept) in
        [("org-a-x", of(&[])), ("org-bar", of(&[("pod", "p")])), ("org-b-x", of(&[("n", "2")]))]
    {
        let raw: Vec<_> = state.series(tenant).map(|series| series.raw.clone()).collect();
        assert_eq!(raw, [kept.encode_to_vec()], "{tenant}");
    }
    Ok(())
}
