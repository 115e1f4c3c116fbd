//! `examples/label-isolation` as it is shipped, before a real `VictoriaMetrics` and a real Prometheus.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use scopegate_core::config::Config;
use scopegate_tests::client::{Call, Client};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::{Example, file, yaml};
use scopegate_tests::identity::Issuer;
use scopegate_tests::prometheus::Prometheus;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::victoriametrics::VictoriaMetrics;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::json;

const EXAMPLE: &str = "label-isolation";
/// The hosts of both backends.
const HOSTS: [&str; 2] = ["metrics.example.org", "prometheus.example.org"];

/// `scopegate.yaml` and the Struct in `envoy.yaml` are the same, and both are accepted.
#[test]
fn both_files_say_the_same() -> Result<()> {
    let alone = yaml(&file(EXAMPLE, "scopegate.yaml"))?;
    assert_eq!(Example::load(EXAMPLE)?.configuration()?, &alone);
    Config::from_json(alone)?;
    Ok(())
}

#[tokio::test]
async fn label_isolation() -> Result<()> {
    let people = Issuer::new("https://idp.example.org");
    let victoria = VictoriaMetrics::start().await?;
    let config = json!({"global": {"scrape_interval": "1h"}});
    let prometheus = Prometheus::start_with(&config, &["--web.enable-remote-write-receiver"])
        .await?
        .context("no Prometheus here")?;
    let example = Example::load(EXAMPLE)?
        .keys("keycloak", &people.jwks())?
        .cluster("victoria", victoria.address())?
        .cluster("prometheus", prometheus.address()?)?;
    let envoy = Envoy::start(&example).await?;
    let client: Client = envoy.http1()?;

    let shop = people.token(json!({"sub": "a", "tenant": "shop", "groups": ["tenant:other"]}));
    let bank = people.token(json!({"sub": "b", "groups": ["x", "tenant:bank"]}));
    let several = people.token(json!({"sub": "c", "groups": ["tenant:bank", "tenant:shop"]}));
    // An email that nobody verified makes no administrator, and here not even a user.
    let unverified = [json!(null), json!(false), json!("true"), json!(1)].map(|verified| {
        people.token(json!({"sub": "d", "email": "ops@example.org", "email_verified": verified}))
    });
    let administrator = people
        .token(json!({"sub": "e", "email": "ops@example.org", "email_verified": true, "tenant": "shop"}));
    let time = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())? * 1000 - 5000;

    for host in HOSTS {
        let send = |call: Call, token: &str| client.send(call.authority(host).bearer(token));
        // Everybody writes a series of the same name, and the label that it says itself counts for nothing.
        for (token, value) in [(&shop, 1.0), (&bank, 2.0), (&administrator, 4.0)] {
            let request = WriteRequest::of(vec![series(
                &[("__name__", "orders"), ("tenantId", "forged")],
                time,
                value,
            )]);
            let push = Call::post("/api/v1/write?extra_label=tenantId=forged", request.body())
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy");
            send(push, token).await?.expect(204)?;
        }
        let sum = |text: &str| Call::form("/api/v1/query", &[("query", text)]);
        let (storage, send, administrator) = (Client::http1(victoria.address()), &send, &administrator);
        eventually(DEADLINE, || async move {
            // What was written is seen after this, at the latest.
            storage.get("/internal/force_flush").await?.expect(200)?;
            let answer = send(sum("count(orders)"), administrator).await?.expect(200)?;
            ensure!(answer.text().contains("\"3\"]"), "{host}: {answer}");
            Ok(())
        })
        .await?;
        for (token, expected) in
            [(&shop, "\"1\"]"), (&bank, "\"2\"]"), (&several, "\"3\"]"), (administrator, "\"7\"]")]
        {
            let answer = send(sum("sum(orders)"), token).await?.expect(200)?;
            ensure!(answer.text().contains(expected), "{host} lacks {expected}: {answer}");
        }
        let values = |tenants: &str| Call::query("/api/v1/label/tenantId/values", &[]).tenant(tenants);
        for (token, chosen, expected) in [
            (&shop, "shop", json!(["shop"])),
            (&several, "bank|shop", json!(["bank", "shop"])),
            (&several, "bank", json!(["bank"])),
        ] {
            let answer = send(values(chosen), token).await?.expect(200)?.json()?;
            assert_eq!(answer["data"], expected, "{host}");
        }
        // A claim `tenant` is all that counts where there is one; without any tenant nothing is read.
        send(values("other"), &shop).await?.expect(403)?;
        for token in &unverified {
            send(sum("orders"), token).await?.expect(403)?;
        }
        client.send(sum("orders").authority(host)).await?.expect(401)?;
    }
    Ok(())
}
