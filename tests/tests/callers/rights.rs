//! What callers may do: attributes, wildcards, several tenants, what moved, and backends that read patterns.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::client::Call;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::DEADLINE;
use serde_json::{Value, json};

use crate::gateway::{Expected, Gateway, QUERY, configuration};

fn admin(verified: &Value) -> Value {
    json!({"tenant": ["a", "b"], "email": "ops@example.org", "email_verified": verified})
}

#[tokio::test]
async fn rights_come_with_attributes() -> Result<()> {
    let gateway = Gateway::start("grants").await?;
    let as_who = |call: Call, claims: &Value| call.bearer(&gateway.idp.token(claims.clone()));
    let get = || Call::get(QUERY);
    let push =
        || WriteRequest::of(vec![series(&[("__name__", "up"), ("namespace", "team-x")], 1, 1.0)]).push();
    let (user, two) = (json!({"tenant": "a"}), json!({"tenant": ["a", "b"]}));
    let agent = json!({"tenant": "a", "roles": ["agent"]});
    let foreign: Expected = Err((403, "not this caller's own"));
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("a user", as_who(get(), &user), Ok("a")),
        (
            "a user of two",
            as_who(get(), &two),
            Err((403, "no right to read several tenants at once (`several_tenants`)")),
        ),
        ("a user of two, naming one", as_who(get().tenant("b"), &two), Ok("b")),
        ("a user of two, naming both", as_who(get().tenant("a|b"), &two), Err((403, "several_tenants"))),
        ("a user, elsewhere", as_who(get().tenant("c"), &user), foreign),
        ("a user, writing", as_who(push(), &user), Err((403, "no right to `write`"))),
        ("an administrator", as_who(get(), &admin(&json!(true))), Ok("a|b")),
        ("an administrator, anywhere", as_who(get().tenant("c|d"), &admin(&json!(true))), Ok("c|d")),
        ("an administrator, at home", as_who(get().tenant("a"), &admin(&json!(true))), Ok("a")),
        (
            "an administrator, nowhere",
            as_who(get().tenant("a/b"), &admin(&json!(true))),
            Err((400, "names no tenant")),
        ),
        ("an administrator, where nobody may", as_who(get().tenant("fake"), &admin(&json!(true))), foreign),
        ("an administrator, writing anywhere", as_who(push().tenant("c"), &admin(&json!(true))), Ok("c")),
        ("not verified", as_who(get().tenant("c"), &admin(&json!(false))), foreign),
        ("verified by a text", as_who(get().tenant("c"), &admin(&json!("true"))), foreign),
        (
            "an administrator without a tenant",
            as_who(get(), &json!({"email": "ops@example.org", "email_verified": true})),
            Err((400, "name one in X-Scope-OrgID")),
        ),
        ("an agent, for others", as_who(push(), &agent), Ok("team-x")),
        ("an agent, reading elsewhere", as_who(get().tenant("team-x"), &agent), foreign),
    ];
    for (what, call, expected) in cases {
        gateway.expect(what, call, expected).await?;
    }
    // A label leads nobody to a tenant but by a right of its own: not an administrator, and an agent only to some.
    let other = WriteRequest::of(vec![series(&[("__name__", "up"), ("namespace", "other")], 1, 1.0)]);
    for claims in [&agent, &admin(&json!(true))] {
        let rejected: Expected = Err((400, "the tenant is not allowed to this caller"));
        gateway.expect("a label to elsewhere", as_who(other.push(), claims), rejected).await?;
    }
    // An agent's series arrives as it was sent.
    gateway.expect("an agent, again", as_who(push(), &agent), Ok("team-x")).await?;
    {
        let sent = series(&[("__name__", "up"), ("namespace", "team-x")], 1, 1.0).encode_to_vec();
        let state = gateway.cortex.state();
        assert!(state.series("team-x").all(|arrived| arrived.raw == sent));
    }
    // Who reached tenants that are not its own is told, and nobody else.
    let log = gateway.envoy.process()?.wait_for_output("tenants=c|d", DEADLINE).await?;
    assert!(
        log.contains("class=read caller=users tenants=c|d series=0 samples=0 parts=0 wildcard=yes"),
        "{log}"
    );
    let output = gateway.envoy.process()?.output();
    let told: Vec<_> = output.lines().filter(|line| line.contains("wildcard=yes")).collect();
    assert!(told.iter().all(|line| line.contains("tenants=c ") || line.contains("tenants=c|d ")), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    Ok(())
}

#[tokio::test]
async fn what_moved_is_read_until_its_date() -> Result<()> {
    let moved = configuration("moved")?;
    let mut over = moved.clone();
    over["backends"][0]["also_read"][0]["until"] = json!("2020-01-01T00:00:00Z");
    let before = Gateway::with(&moved, |listener| listener).await?;
    let after = Gateway::with(&over, |listener| listener).await?;
    let foreign: Expected = Err((403, "not this caller's own"));
    for (gateway, what, tenant, call, expected) in [
        (&before, "both", "team-a", Call::get(QUERY), Ok("old-org|team-a")),
        (&before, "the old one alone", "team-a", Call::get(QUERY).tenant("old-org"), Ok("old-org")),
        (&before, "somebody else", "team-b", Call::get(QUERY), Ok("team-b")),
        (&before, "somebody else, naming it", "team-b", Call::get(QUERY).tenant("old-org"), foreign),
        (&before, "rules", "team-a", Call::get("/api/v1/rules"), Ok("team-a")),
        (&before, "a write", "team-a", WriteRequest::realistic(2).push(), Ok("team-a")),
        (
            &before,
            "a write to the old one",
            "team-a",
            WriteRequest::realistic(2).push().tenant("old-org"),
            foreign,
        ),
        (&after, "after the date", "team-a", Call::get(QUERY), Ok("team-a")),
        (&after, "after the date, naming it", "team-a", Call::get(QUERY).tenant("old-org"), foreign),
    ] {
        let token = gateway.idp.token(json!({"tenant": tenant}));
        gateway.expect(what, call.bearer(&token), expected).await?;
    }
    Ok(())
}

#[tokio::test]
async fn backends_that_read_patterns() -> Result<()> {
    let gateway = Gateway::start("pattern").await?;
    let refused: Expected = Err((403, "an ID that it would read as a pattern"));
    for (tenants, call, expected) in [
        (json!("team-a"), Call::get(QUERY), Ok("team-a")),
        (json!(["team-a", "team_b!'"]), Call::get(QUERY), Ok("team-a|team_b!'")),
        (json!("team.a"), Call::get(QUERY), refused),
        (json!(["a", "team(a)"]), Call::get(QUERY), refused),
        (json!(["a", "b*"]), Call::get(QUERY).tenant("a"), Ok("a")),
        (json!(["a", "b*"]), Call::get(QUERY).tenant("b*"), refused),
        (json!("team.a"), WriteRequest::realistic(2).push(), refused),
        (json!("team-a"), WriteRequest::realistic(2).push(), Ok("team-a")),
    ] {
        let token = gateway.idp.token(json!({"tenant": tenants}));
        gateway.expect(&tenants.to_string(), call.bearer(&token), expected).await?;
    }
    Ok(())
}
