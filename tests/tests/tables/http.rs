//! A table from a server of one's own, for keys of several labels.

use anyhow::Result;
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
        use prost::Message as _;
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
