//! Proofs that are good, and every way in which one is not: a proof is for one request, one time and one attribute.

use anyhow::{Context, Result, ensure};
use scopegate_core::session::HEADER;
use scopegate_tests::client::{Call, raw};
use scopegate_tests::session::Session;

use crate::gateway::{Gateway, NEW, OLD, agent, for_others, refused, write};

/// What arrives has its tenant, its own body and no proof: whole, split, read, in both protocols, in chunks, with trailers.
#[tokio::test]
async fn good_proofs() -> Result<()> {
    let gateway = Gateway::start(2).await?;
    for client in [gateway.http1("both")?, gateway.http2("both")?] {
        let pushed = write("up").push();
        let body = pushed.whole_body();
        let cut = body.len() / 2;
        let chunked = || pushed.clone().chunks([body[..cut].to_vec(), body[cut..].to_vec()]);
        let query = Call::query("/prometheus/api/v1/query", &[("query", "up")]);
        let form = Call::form("/prometheus/api/v1/query", &[("query", "up")]);
        for (what, call, tenants) in [
            ("a write", pushed.clone(), &["central"][..]),
            ("in chunks", chunked(), &["central"]),
            ("with a trailer", chunked().trailer("x-more", "1"), &["central"]),
            ("for others", for_others(), &["cluster-1", "cluster-2"]),
            ("a query", query, &["central"]),
            ("a form", form, &["central"]),
        ] {
            gateway.cortex.forget();
            let (sent, write) = (call.whole_body(), call.target() == "/api/v1/push");
            client.send(agent().sign(call)).await?.expect(200).context(what)?;
            let state = gateway.cortex.state();
            let mut arrived: Vec<_> = state.requests.iter().filter_map(|r| r.tenant.clone()).collect();
            arrived.sort();
            ensure!(arrived == tenants, "{what}: {}", state.summary());
            for request in &state.requests {
                ensure!(
                    request.header_values(HEADER).is_empty(),
                    "{what}: the proof went upstream: {request}"
                );
                ensure!(tenants.len() > 1 || request.body == sent, "{what}: another body");
                ensure!(!write || request.push.is_some(), "{what}: {request}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn proofs_that_are_not_good_for_their_request() -> Result<()> {
    let gateway = Gateway::start(2).await?;
    let (pushed, other) = (write("up").push(), write("down").push());
    let body = pushed.whole_body();
    let proof = || agent().proof("POST", "/api/v1/push", &body);
    let with = |proof: &str| pushed.clone().header(HEADER, proof);
    let stale = |ahead| agent().ahead(ahead).sign(pushed.clone());
    let unknown = OLD.replace("old:", "other:");
    let wrong = OLD.replace("AAEC", "AAED");
    let longer = [&body[..], b"x"].concat();
    let cut = proof();
    let cases = [
        ("old", stale(-90), 401, "too old"),
        ("from the future", stale(90), 401, "a clock that is ahead"),
        ("cut", with(&cut[..cut.len() - 1]), 401, "cannot be read"),
        ("cut in the middle", with(&cut[..cut.len() / 2]), 401, "cannot be read"),
        ("no proof at all", with("x"), 401, "cannot be read"),
        ("more after it", with(&format!("{},x=1", proof())), 401, "cannot be read"),
        ("in quotes", with(&format!("\"{}\"", proof())), 401, "cannot be read"),
        ("not even text", pushed.clone().header(HEADER, b"\xff\xfe"), 401, "cannot be read"),
        ("twice", with(&proof()).header(HEADER, proof()), 400, "more than once"),
        (
            "in another case, twice",
            with(&proof()).header("X-Scopegate-Session", proof()),
            400,
            "more than once",
        ),
        ("joined", with(&format!("{}, {}", proof(), proof())), 401, "cannot be read"),
        ("an unknown key", Session::new("local", "central", &unknown).sign(pushed.clone()), 401, "not good"),
        ("another secret", Session::new("local", "central", &wrong).sign(pushed.clone()), 401, "not good"),
        ("another agent", with(&proof().replace("=central,", "=cluster-1,")), 401, "not good"),
        (
            "another method",
            Call::new("PUT", "/api/v1/push").header(HEADER, proof()).body(body.clone()),
            401,
            "not good",
        ),
        ("another path", Call::post("/api/prom/push", body.clone()).header(HEADER, proof()), 401, "not good"),
        (
            "another query",
            Call::post("/api/v1/push?x=1", body.clone()).header(HEADER, proof()),
            401,
            "not good",
        ),
        ("another body", other.header(HEADER, proof()), 401, "another body"),
        ("a longer body", pushed.clone().body(longer.clone()).header(HEADER, proof()), 401, "another body"),
        (
            "a longer body in chunks",
            pushed.clone().chunks([body.clone(), b"x".to_vec()]).header(HEADER, proof()),
            401,
            "another body",
        ),
        (
            "a shorter body",
            pushed.clone().body(body[..body.len() - 1].to_vec()).header(HEADER, proof()),
            401,
            "another body",
        ),
        ("no body", pushed.clone().body("").header(HEADER, proof()), 401, "another body"),
    ];
    for (what, call, status, words) in cases {
        for client in [gateway.http1("both")?, gateway.http2("both")?] {
            let answer = client.send(call.clone()).await.context(what)?;
            // The second client brings the same proof: what was good but for the body is used up by then.
            let words = if answer.text().contains("was used before") { "was used before" } else { words };
            refused(what, &answer, status, words)?;
        }
        // Nobody else was taken for its sender either.
        gateway.nothing_arrived(what);
    }
    Ok(())
}

/// An attribute that no entry asks for proves nothing, and the header goes no further all the same.
#[tokio::test]
async fn another_attribute() -> Result<()> {
    let gateway = Gateway::start(1).await?;
    let call = Session::new("other", "central", OLD).sign(write("up").push());
    gateway.http1("both")?.send(call).await?.expect(200)?;
    let state = gateway.cortex.state();
    let request = state.requests.last().context("nothing arrived")?;
    ensure!(request.tenant.as_deref() == Some("weak"), "{request}");
    ensure!(request.header_values(HEADER).is_empty(), "{request}");
    Ok(())
}

/// An upgrade has no body that could be proven.
#[tokio::test]
async fn upgrades() -> Result<()> {
    let gateway = Gateway::start(1).await?;
    let path = "/prometheus/api/v1/query?query=up";
    let proof = agent().proof("GET", path, b"");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n{HEADER}: {proof}\r\n\r\n"
    );
    let answer = raw::exchange(gateway.envoy.listener("both")?, request).await?;
    ensure!((400..500).contains(&answer.status), "{answer:?}");
    gateway.nothing_arrived("an upgrade");
    Ok(())
}

/// A key is handed out, then used, then the old one goes: at no time is a good sender refused.
#[tokio::test]
async fn keys_are_changed_without_a_gap() -> Result<()> {
    let gateway = Gateway::start(1).await?;
    let by = |keys: &str, name: &str| Session::new("local", "central", keys).sign(write(name).push());
    let both = format!("{NEW},{OLD}");
    for (listener, keys, status) in [
        ("both", OLD, 200),
        ("both", NEW, 200),
        ("both", both.as_str(), 200),
        ("new", NEW, 200),
        ("new", both.as_str(), 200),
        ("new", OLD, 401),
    ] {
        let answer = gateway.http2(listener)?.send(by(keys, "up")).await?;
        ensure!(answer.status == status, "{listener}: {answer}");
    }
    Ok(())
}
