//! The Keycloak realms of the examples: what their mappers put into a person's access token, which the gateway then reads.

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::{Example, file, yaml};
use scopegate_tests::identity::Issuer;
use scopegate_tests::keycloak;
use serde_json::{Value, json};

use crate::world::{AsGrafana, FOREIGN, Plan};

/// What a backend was asked that was not asked.
const NONE: &str = "nothing";

fn realm(example: &str) -> Result<Value> {
    yaml(&file(example, "grafana/keycloak-realm.json"))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// What Keycloak puts into an access token of the client `grafana`.
fn access_token(realm: &Value, person: &str) -> Result<Value> {
    keycloak::access_token(realm, "grafana", Some(person))
}

#[tokio::test]
async fn namespaces() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.example.filter("envoy.filters.http.jwt_authn")?["providers"]["keycloak"]["audiences"] =
        json!(["scopegate"]);
    let world = plan.start().await?;
    let realm = realm("namespaces")?;
    for (person, expected, in_acme) in [
        ("ann", Ok("acme"), Ok("acme")),
        ("bob", Ok("bank"), FOREIGN),
        ("eve", Ok("acme|bank"), Ok("acme")),
        ("dan", Err((403, "has no tenant")), Err((403, "has no tenant"))),
    ] {
        let token = world.idp.token(access_token(&realm, person)?);
        world.expect(person, world.panel(&token), expected).await?;
        world.expect(person, world.panel(&token).organisation("2"), in_acme).await?;
    }
    Ok(())
}

/// The same of the other example, before stand-ins: what the backends are asked is what counts.
#[tokio::test]
async fn label_isolation() -> Result<()> {
    let idp = Issuer::new("https://idp.example.org");
    let (victoria, prometheus) = (Cortex::start()?, Cortex::start()?);
    let example = Example::load("label-isolation")?
        .keys("keycloak", &idp.jwks())?
        .cluster("victoria", victoria.address())?
        .cluster("prometheus", prometheus.address())?;
    let envoy = Envoy::start(&example).await?;
    let realm = realm("label-isolation")?;
    for (person, at_victoria, at_prometheus) in [
        ("ann", "query=up&extra_label=tenantId%3Dshop", "query=up%7BtenantId%3D%22shop%22%7D"),
        ("bob", "query=up&extra_label=tenantId%3Dbank", "query=up%7BtenantId%3D%22bank%22%7D"),
        ("ops", "query=up", "query=up"),
        // Nobody verified that email, and there is no tenant.
        ("mallory", NONE, NONE),
    ] {
        let mut claims = access_token(&realm, person)?;
        if person == "mallory" {
            ensure!(claims["email_verified"] == false, "{claims}");
            claims["email"] = json!("ops@example.org");
        }
        let token = idp.token(claims);
        for (backend, host, expected) in [
            (&victoria, "metrics.example.org", at_victoria),
            (&prometheus, "prometheus.example.org", at_prometheus),
        ] {
            backend.forget();
            // Without a table the organisation is a header like any other, and says nothing.
            let call = Call::get("/api/v1/query?query=up").authority(host).bearer(&token).organisation("7");
            let answer = envoy.http1()?.send(call).await?;
            let state = backend.state();
            let asked = state.requests.first().and_then(|request| request.target.split_once('?'));
            let asked = asked.map_or(NONE, |(_, query)| query);
            assert_eq!(asked, expected, "{person} at {host}: {answer}");
        }
    }
    Ok(())
}

/// What people may not change of themselves, and what the client may not do.
#[test]
fn nobody_makes_themselves_somebody_else() -> Result<()> {
    for example in ["namespaces", "label-isolation"] {
        let realm = realm(example)?;
        for (field, safe) in
            [("registrationAllowed", false), ("editUsernameAllowed", false), ("verifyEmail", true)]
        {
            assert_eq!(realm[field], safe, "{example}: {field}");
        }
        let client = &realm["clients"][0];
        for field in
            ["publicClient", "implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled"]
        {
            assert_eq!(client[field], false, "{example}: {field}");
        }
        let profile = realm
            .pointer(
                "/components/org.keycloak.userprofile.UserProfileProvider/0/config/kc.user.profile.config/0",
            )
            .and_then(Value::as_str)
            .context("no profile")?;
        let profile: Value = serde_json::from_str(profile)?;
        assert_eq!(profile["unmanagedAttributePolicy"], "ADMIN_EDIT");
        // Every attribute that becomes a claim which the gateway reads.
        for attribute in list(&profile, "attributes") {
            let name = attribute["name"].as_str().unwrap_or_default();
            if !["firstName", "lastName"].contains(&name) {
                assert_eq!(attribute["permissions"]["edit"], json!(["admin"]), "{example}: {name}");
            }
        }
    }
    Ok(())
}
