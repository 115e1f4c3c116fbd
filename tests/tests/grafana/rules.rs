//! What Grafana evaluates without a user: a credential for each organisation; and the backend's own ruler.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::identity::basic;

use crate::world::{AsGrafana, Expected, NOBODY, Plan, query};

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
