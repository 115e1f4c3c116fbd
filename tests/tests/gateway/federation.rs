//! The join that impersonation is for: what the privileged agent wrote about every cluster, joined with what the
//! clusters wrote themselves, for a user of two of three.
//!
//! Against a real Cortex where `CORTEX_URL` names one; the stand-in evaluates no joins, so there the request is looked at.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::Example;
use scopegate_tests::identity::{Issuer, now};
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::session::{KEYS, Session};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::real;

/// Joins each cluster's own series with what is known about the cluster.
const JOIN: &str = "sum by (__tenant_id__) (cpu) * on (__tenant_id__) group_left (friendly) cluster_info";

/// An Envoy as the example has it, and who calls through it.
struct World {
    client: Client,
    _envoy: Envoy,
    session: Issuer,
    people: Issuer,
    /// Three clusters, of names that no earlier run has used.
    clusters: [String; 3],
    time: i64,
}

impl World {
    async fn start(cortex: SocketAddr) -> Result<Self> {
        let session = Issuer::new("https://control.example.org");
        let people = Issuer::new("https://idp.example.org");
        let example = Example::load("impersonation")?
            .keys("session", &session.jwks())?
            .keys("keycloak", &people.jwks())?
            .cluster("cortex", cortex)?;
        let envoy = Envoy::start(&example).await?;
        let run = std::process::id();
        let time = i64::try_from(now() * 1000)?;
        let clusters = [1, 2, 3].map(|number| format!("cluster-{number}-of-{run}-{time}"));
        Ok(Self { client: envoy.http2()?, _envoy: envoy, session, people, clusters, time })
    }

    /// Every cluster writes its own series, and the local agent one about each of them.
    async fn write(&self) -> Result<()> {
        let mut about = Vec::new();
        for (cluster, usage) in self.clusters.iter().zip([1.0, 2.0, 4.0]) {
            let own = series(&[("__name__", "cpu"), ("core", "0")], self.time, usage);
            let token = self.session.token(json!({"sub": cluster}));
            self.client.send(WriteRequest::of(vec![own]).push().bearer(&token)).await?.expect(200)?;
            let friendly = format!("the {cluster}");
            let labels = [
                ("__name__", "cluster_info"),
                ("friendly", friendly.as_str()),
                ("zz_opni_impersonate_as", cluster),
            ];
            about.push(series(&labels, self.time, 1.0));
        }
        let local = Session::new("local", "central", KEYS);
        let call = local.sign(WriteRequest::of(about).push()).header("x-scope-impersonate", "true");
        self.client.send(call).await?.expect(200)?;
        Ok(())
    }

    /// The query of a user of the first two clusters.
    fn join(&self) -> Call {
        let token = self.people.token(json!({"tenant": self.clusters[0],
            "groups": [format!("tenant:{}", self.clusters[1])]}));
        Call::query("/prometheus/api/v1/query", &[("query", JOIN)]).bearer(&token)
    }
}

#[tokio::test]
async fn a_user_of_two_clusters_joins_what_is_known_about_them_with_their_own() -> Result<()> {
    let Some(address) = real::address("CORTEX_URL")? else {
        let cortex = Cortex::start()?;
        let world = World::start(cortex.address()).await?;
        world.write().await?;
        // The stand-in has no joins: it is the query as it was sent, and the two tenants, that must arrive.
        world.client.send(world.join()).await?.expect(422)?;
        let state = cortex.state();
        let query = state.requests.last().context("no request")?;
        let (_, arguments) = query.target.split_once('?').context("no arguments")?;
        let arguments: Vec<_> = form_urlencoded::parse(arguments.as_bytes()).collect();
        ensure!(arguments == [("query".into(), JOIN.into())], "{query}");
        let both = format!("{}|{}", world.clusters[0], world.clusters[1]);
        ensure!(query.header_values("x-scope-orgid") == [both.as_bytes()], "{query}");
        return Ok(());
    };
    let world = World::start(address).await?;
    world.write().await?;
    let expected: Vec<Value> = world
        .clusters
        .iter()
        .take(2)
        .zip(["1", "2"])
        .map(|(cluster, value)| json!([cluster, format!("the {cluster}"), value]))
        .collect();
    eventually(DEADLINE, || async {
        let answer = world.client.send(world.join()).await?.expect(200)?.json()?;
        let results = answer["data"]["result"].as_array().context("no result")?;
        let mut found: Vec<Value> = results
            .iter()
            .map(|r| json!([r["metric"]["__tenant_id__"], r["metric"]["friendly"], r["value"][1]]))
            .collect();
        found.sort_by_key(ToString::to_string);
        ensure!(found == expected, "{answer}");
        Ok(())
    })
    .await
}
