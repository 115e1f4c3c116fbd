//! What Grafana evaluates without a user: a credential for each organisation; and the backend's own ruler.

use anyhow::{Context, Result, ensure};
use scopegate_core::caller::token_hash;
use scopegate_tests::client::Call;
use scopegate_tests::identity::basic;
use serde_json::json;

use crate::world::{AsGrafana, Expected, KEY, NOBODY, Plan, claims, query};

const ACME: [&str; 2] = ["rules-acme", "acme's long random secret"];
const BANK: [&str; 2] = ["rules-bank", "bank's long random secret"];

#[tokio::test]
async fn a_credential_for_each_organisation() -> Result<()> {
    let world = Plan::new()?.start().await?;
    let rule = |[name, password]: [&str; 2]| {
        query().header("authorization", basic(name, password)).header("fromalert", "true")
    };
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("acme's", rule(ACME), Ok("acme")),
        ("the bank's", rule(BANK), Ok("bank")),
        ("no credential", query().header("fromalert", "true"), NOBODY),
        (
            "another's password",
            rule([ACME[0], BANK[1]]),
            Err((401, "the user name or the password is wrong")),
        ),
        // Whoever uses that data source by hand gets its one tenant, whatever they add.
        ("a foreign tenant", rule(ACME).tenant("bank"), Err((403, "x-scope-orgid"))),
        ("a foreign organisation", rule(ACME).organisation("3"), Ok("acme")),
        ("another's token beside it", rule(ACME).header("x-id-token", world.person(&["bank"])), Ok("acme")),
        (
            "rules of the backend",
            Call::get("/api/v1/rules").header("authorization", basic(ACME[0], ACME[1])),
            Err((403, "no right to `rules`")),
        ),
    ];
    for (what, call, expected) in cases {
        world.expect(what, call, expected).await?;
    }
    Ok(())
}

/// A token for an organisation's rules, as the custom header of its data source: with `jwt_authn` as it is shipped nobody's,
/// and good where what is no JWT may pass.
#[tokio::test]
async fn a_token_for_each_organisation() -> Result<()> {
    let hash = token_hash(KEY.as_bytes(), b"acme's long random token").map_err(anyhow::Error::msg)?;
    let machines = json!({
        "name": "grafana-tokens",
        "bearer": {"key": {"env": "SCOPEGATE_CREDENTIALS_KEY"}, "tokens": [{"token": hash, "tenants": ["acme"]}]},
        "may": ["read"],
    });
    for (rule, expected) in [("allow_missing", Err((401, ""))), ("allow_missing_or_failed", Ok("acme"))] {
        let mut plan = Plan::new()?;
        plan.example.configuration()?["callers"].as_array_mut().context("no callers")?.push(machines.clone());
        let requirements = &mut plan.example.filter("envoy.filters.http.jwt_authn")?["rules"][0]["requires"]
            ["requires_any"]["requirements"];
        let last = requirements.as_array_mut().and_then(|list| list.last_mut()).context("no rule")?;
        ensure!(last.get("allow_missing").is_some(), "{last}");
        *last = json!({(rule): {}});
        let world = plan.start().await?;
        let by = |token: &str| query().bearer(token).header("fromalert", "true");
        world.expect(rule, by("acme's long random token"), expected).await?;
        // Whoever uses that data source by hand gets its one tenant, and no JWT is good that was not before.
        let unknown = Err((401, ""));
        world.expect("another token", by("bank's long random token"), unknown).await?;
        world.expect("unsigned", by(&world.idp.unsigned(claims(&["bank"]))), unknown).await?;
        world.expect("expired", by(&world.idp.expired(claims(&["bank"]))), unknown).await?;
        world.expect("a person", world.panel(&world.person(&["bank"])), Ok("bank")).await?;
    }
    Ok(())
}

/// With the backend's own ruler there is no credential: people put rules into their own tenant, and the ruler reads as it.
#[tokio::test]
async fn the_backends_own_ruler() -> Result<()> {
    let world = Plan::new()?.start().await?;
    let group = "name: g\nrules:\n- record: job:up:sum\n  expr: sum by (job) (up)\n";
    let put = |token: &str| {
        Call::post("/api/v1/rules/shop", group).header("content-type", "application/yaml").bearer(token)
    };
    let (acme, both) = (world.person(&["acme"]), world.person(&["acme", "bank"]));
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("one's own", put(&acme).organisation("2"), Ok("acme")),
        ("of two, the organisation's", put(&both).organisation("3"), Ok("bank")),
        ("of two, neither", put(&both), Err((400, "takes one tenant"))),
        ("a foreign one", put(&acme).organisation("3"), Err((403, "x-grafana-org-id"))),
        ("a foreign tenant", put(&acme).tenant("bank"), Err((403, "x-scope-orgid"))),
        ("its state", Call::get("/prometheus/api/v1/rules").bearer(&both).organisation("2"), Ok("acme")),
    ];
    for (what, call, expected) in cases {
        world.expect(what, call, expected).await?;
    }
    Ok(())
}
