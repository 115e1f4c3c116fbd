//! A namespace that moves is written to both organisations for a while.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::client::Client;
use scopegate_tests::identity;
use scopegate_tests::remote_write::{MetricMetadata, WriteRequest};
use serde_json::json;

use crate::gateway::{ORGANIZATION, PROMETHEUS, Plan, World, of};

/// Seconds since 1970 as RFC 3339, the way the date command of a person would write it.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days, for days after 1970.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

async fn world(until: u64) -> Result<World> {
    let mut plan = Plan::new()?;
    plan.write()?["also_write"] = json!([{"key": "shop", "to": "org-old", "until": date(until)}]);
    plan.kubernetes.label("shop", ORGANIZATION, "org-new");
    plan.kubernetes.label("bar", ORGANIZATION, "org-new");
    let world = plan.start().await?;
    world.wait_until("bar", "org-new").await?;
    world.cortex.forget();
    Ok(world)
}

#[tokio::test]
async fn until_its_date() -> Result<()> {
    let sent = || vec![of("shop", 1), of("bar", 2), of("shop", 3), of("none", 4)];
    let bytes = |series: &[_]| series.iter().map(prost::Message::encode_to_vec).collect::<Vec<_>>();

    let moving = world(identity::now() + 3600).await?;
    moving.send(sent()).await?.expect(200)?;
    {
        let state = moving.cortex.state();
        let raw = |tenant: &str| state.series(tenant).map(|series| series.raw.clone()).collect::<Vec<_>>();
        assert_eq!(state.tenants(), ["org-new", "org-old", "platform"]);
        assert_eq!(raw("org-new"), bytes(&[of("shop", 1), of("bar", 2), of("shop", 3)]));
        assert_eq!(raw("org-old"), bytes(&[of("shop", 1), of("shop", 3)]));
        assert_eq!(raw("platform"), [of("none", 4).encode_to_vec()]);
    }
    let text = moving.envoy.admin()?.prometheus().await?;
    assert!(text.contains("scopegate_series_doubled_total{backend=\"metrics\"} 2"), "{text}");

    let moved = world(identity::now() - 1).await?;
    moved.send(sent()).await?.expect(200)?;
    let state = moved.cortex.state();
    assert_eq!(state.tenants(), ["org-new", "platform"]);
    Ok(())
}

/// Metadata goes to both as well, and not a moment longer.
#[tokio::test]
async fn with_its_metadata() -> Result<()> {
    let sent = || {
        let mut request = WriteRequest::of(vec![of("shop", 1), of("bar", 2), of("none", 3)]);
        request.metadata = ["up", "else"]
            .map(|family| MetricMetadata { metric_family_name: family.to_owned(), ..Default::default() })
            .to_vec();
        request
    };
    let families = |world: &World, tenant: &str| {
        let state = world.cortex.state();
        let mut families: Vec<_> = state
            .of(tenant)
            .filter_map(|request| request.push.as_ref()?.as_ref().ok())
            .flat_map(|push| push.metadata.iter().map(|metadata| metadata.family.clone()))
            .collect();
        families.sort();
        families
    };
    for (until, old) in [(identity::now() + 3600, &["up"][..]), (identity::now() - 1, &[])] {
        let mut plan = Plan::new()?;
        let write = plan.write()?;
        write["metadata"] = json!("followers");
        write["also_write"] = json!([{"key": "shop", "to": "org-old", "until": date(until)}]);
        plan.kubernetes.label("shop", ORGANIZATION, "org-new");
        plan.kubernetes.label("bar", ORGANIZATION, "org-bar");
        let world = plan.start().await?;
        world.wait_until("bar", "org-bar").await?;
        world.cortex.forget();
        let token = world.cluster.token(json!({"sub": PROMETHEUS, "aud": ["scopegate"]}));
        let client = Client::http1(world.envoy.listener("gateway")?);
        client.send(sent().push().bearer(&token)).await?.expect(200)?;
        assert_eq!(families(&world, "org-old"), old);
        assert_eq!(families(&world, "org-new"), ["up"]);
        assert_eq!(families(&world, "org-bar"), ["up"]);
    }
    Ok(())
}
