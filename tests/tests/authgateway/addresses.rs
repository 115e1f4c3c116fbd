//! Several addresses of one name: all of them in turn, other ones a moment later, and reads that do not notice when one fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::{EVERYBODY, Fault};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::names::Names;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};

use crate::world::{Component, TEAM_A, World, by, rendered};

fn push() -> Call {
    WriteRequest::of(vec![series(&[("__name__", "up")], 1_000, 1.0)]).push()
}

fn query() -> Call {
    Call::query("/prometheus/api/v1/query", &[("query", "up")])
}

fn form() -> Call {
    Call::form("/prometheus/api/v1/query", &[("query", "up")])
}

#[tokio::test]
async fn all_addresses_in_turn_and_only_those_that_are_well() -> Result<()> {
    let mut world = World::start().await?;
    let gateway = world.gateway()?;
    let admin = world.envoy.admin()?;
    admin.wait_for_stat("cluster.distributor.membership_healthy", |healthy| healthy == 3).await?;
    for _ in 0..9 {
        gateway.send(by(TEAM_A, push())).await?.expect(200)?;
    }
    let mut through = world.distributor.through();
    through.sort();
    let expected: Vec<String> = (1..=3).flat_map(|last| vec![format!("127.0.0.{last}"); 3]).collect();
    assert_eq!(through, expected, "each address had its third");

    // One that is not well gets nothing.
    world.distributor.cortex.forget();
    world.distributor.down(1);
    admin.wait_for_stat("cluster.distributor.membership_healthy", |healthy| healthy == 2).await?;
    for _ in 0..6 {
        gateway.send(by(TEAM_A, push())).await?.expect(200)?;
    }
    let through: BTreeSet<String> = world.distributor.through().into_iter().collect();
    assert_eq!(through.into_iter().collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.3"]);

    // The name leads elsewhere: the first address is well and gone from it, and so from the gateway.
    world.distributor.cortex.forget();
    world.names.set("distributor.cortex.svc", &["127.0.0.3"])?;
    admin.wait_for_stat("cluster.distributor.membership_total", |total| total == 1).await?;
    for _ in 0..4 {
        gateway.send(by(TEAM_A, push())).await?.expect(200)?;
    }
    assert_eq!(world.distributor.through(), vec!["127.0.0.3".to_owned(); 4]);
    Ok(())
}

/// A component of three addresses, none of which is asked whether it is well, by what is said of the upstream besides.
struct Before {
    component: Component,
    more: &'static str,
}

impl Before {
    async fn new(more: &'static str) -> Result<Self> {
        Ok(Self { component: Component::start(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]).await?, more })
    }
}

/// The host by which a component is called.
fn host(position: usize) -> String {
    format!("b{position}.test")
}

/// One gateway before all of them, each called by a host of its own, anybody being `team-a`.
async fn before(all: &[Before], names: &Names) -> Result<Envoy> {
    names.set("cortex.test", &["127.0.0.1", "127.0.0.2", "127.0.0.3"])?;
    let (mut backends, mut upstreams) = (String::new(), String::new());
    for (position, Before { component, more }) in all.iter().enumerate() {
        let _ = writeln!(backends, "  - {{name: b{position}, kind: cortex, host: {}}}", host(position));
        let url = format!("http://cortex.test:{}", component.port());
        let _ =
            writeln!(upstreams, "  b{position}: {{url: '{url}', backend: b{position}, health: none{more}}}");
    }
    let configuration = format!(
        "
backends:
{backends}
callers: [{{name: anyone, anonymous: {{}}, tenants: [team-a], may: [write, read, rules]}}]
listeners: [{{address: '127.0.0.1:0'}}]
upstreams:
{upstreams}
"
    );
    let envoy = rendered(&configuration, Some(names))?.start().await?;
    let admin = envoy.admin()?;
    for position in 0..all.len() {
        let members = format!("cluster.b{position}.membership_total");
        admin.wait_for_stat(&members, |total| total == 3).await?;
    }
    Ok(envoy)
}

/// What one of three addresses does. Every read is answered well all the same.
#[tokio::test]
async fn reads_do_not_notice_an_address_that_fails() -> Result<()> {
    let cases = [
        ("refuses connections", None),
        ("answers 503", Some("return 503;")),
        ("closes the connection", Some("return 444;")),
        ("leads to nobody", Some("proxy_pass http://127.0.0.1:9;")),
    ];
    let mut all = Vec::new();
    for (_, location) in cases {
        let mut one = Before::new("").await?;
        match location {
            None => one.component.down(1),
            Some(location) => one.component.up_with(1, location).await?,
        }
        all.push(one);
    }
    let names = Names::start().await?;
    let envoy = before(&all, &names).await?;
    let client = envoy.http1()?;
    let reads = [query(), form(), Call::get("/prometheus/api/v1/labels")];
    for (position, ((what, _), Before { component, .. })) in cases.iter().zip(&all).enumerate() {
        for call in &reads {
            for _ in 0..6 {
                let answer = client.send(call.clone().authority(&host(position))).await?;
                assert_eq!(answer.status, 200, "{what}, {call}: {answer:?}");
            }
        }
        let stat = format!("cluster.b{position}.upstream_rq_retry");
        assert!(envoy.admin()?.stat(&stat).await?.unwrap_or(0) > 0, "{what}: no read met it");
        let arrived = component.through();
        assert_eq!(arrived.len(), 18, "{what}: each read arrived once");
        assert!(!arrived.contains(&"127.0.0.2".to_owned()), "{what}: {arrived:?}");
    }
    Ok(())
}

/// Writes, and what changes something, are never tried again: their senders do that.
#[tokio::test]
async fn writes_are_not_tried_again() -> Result<()> {
    let all = [Before::new("").await?, Before::new(", retries: 0").await?];
    let names = Names::start().await?;
    let envoy = before(&all, &names).await?;
    let client = envoy.http1()?;
    for (position, reads) in [(0, 3), (1, 1)] {
        let cortex = &all[position].component.cortex;
        cortex.fault(EVERYBODY, Fault::answer(503));
        for (call, arrives) in [
            (push(), 1),
            (Call::post("/api/v1/rules/ns", "name: g\n"), 1),
            (Call::new("DELETE", "/api/v1/rules/ns"), 1),
            (query(), reads),
            (form(), reads),
        ] {
            let answer = client.send(call.clone().authority(&host(position))).await?;
            assert_eq!(answer.status, 503, "{call}: {answer:?}");
            assert_eq!(cortex.state().requests.len(), arrives, "{position} {call}");
            cortex.forget();
        }
    }
    Ok(())
}

#[tokio::test]
async fn times_are_what_is_said() -> Result<()> {
    let cases = [
        (", timeout: 1s", query(), 1),
        (", timeout: 1s", push(), 1),
        // Each of the three attempts has its own time.
        (", timeout: 30s, response_timeout: 1s", query(), 3),
        (", timeout: 30s, response_timeout: 1s", push(), 1),
        (", timeout: 30s, response_timeout: 1s, retries: 0", query(), 1),
    ];
    let mut all = Vec::new();
    for (more, ..) in &cases {
        let one = Before::new(more).await?;
        one.component.cortex.fault(EVERYBODY, Fault::hang());
        all.push(one);
    }
    let names = Names::start().await?;
    let envoy = before(&all, &names).await?;
    for (position, (more, call, attempts)) in cases.into_iter().enumerate() {
        let begun = Instant::now();
        let answer = envoy.http1()?.send(call.clone().authority(&host(position))).await?;
        assert_eq!(answer.status, 504, "{more}: {answer:?}");
        let took = begun.elapsed();
        // Envoy counts from the beginning of a turn of its loop, so a timer may end a little early.
        assert!(took >= Duration::from_secs(attempts).mul_f64(0.9), "{more}: {took:?}");
        assert!(took < Duration::from_secs(25), "{more}: {took:?}");
        let arrived = all[position].component.cortex.state().counts().begun;
        assert_eq!(arrived, attempts, "{more}, {call}");
    }
    Ok(())
}

/// An address that cannot be reached is set aside, so that writes fail only for a moment.
#[tokio::test]
async fn an_address_that_cannot_be_reached_is_set_aside() -> Result<()> {
    let mut all = [Before::new("").await?];
    all[0].component.down(2);
    let names = Names::start().await?;
    let envoy = before(&all, &names).await?;
    let client = envoy.http1()?;
    let admin = envoy.admin()?;
    let push = || push().authority(&host(0));
    eventually(DEADLINE, || async move {
        client.send(push()).await?;
        let ejected = admin.stat("cluster.b0.outlier_detection.ejections_active").await?;
        ensure!(ejected == Some(1), "{ejected:?} set aside");
        for _ in 0..6 {
            client.send(push()).await?.expect(200)?;
        }
        Ok(())
    })
    .await
}
