//! Every endpoint that reads: what a tenant sees is its own, and all of it.

use anyhow::{Result, ensure};
use prost::Message as _;
use scopegate_tests::client::Call;

use crate::world::{Backend, FOREIGN, TENANTS, World};

/// Fails where an answer to `team-a` holds something of another.
pub(crate) fn check_is_own(what: &str, text: &str) -> Result<()> {
    for foreign in FOREIGN {
        let plain = foreign.replace('-', "_");
        ensure!(!text.contains(foreign) && !text.contains(&plain), "{what} leaks {foreign}: {text}");
    }
    Ok(())
}

/// Calls of a read: in the URL, and as a form where the backend takes one.
fn ways(path: &str, fields: &[(&str, &str)], form: bool) -> Vec<Call> {
    let mut ways = vec![Call::query(path, fields)];
    if form {
        ways.push(Call::form(path, fields));
    }
    ways
}

#[tokio::test]
async fn what_a_tenant_sees_is_its_own() -> Result<()> {
    let world = World::start().await?;
    let seconds = (world.written / 1000).to_string();
    let range = [("start", seconds.as_str()), ("end", seconds.as_str()), ("step", "1")];
    let with = |fields: &[(&'static str, &'static str)]| [fields, &range[..]].concat();
    // (path, arguments, whether a form is taken, what is there in the tenant's own answer)
    let both: Vec<(&str, Vec<(&str, &str)>, bool, &str)> = vec![
        ("/api/v1/query", vec![("query", "up")], true, "team-a:9090"),
        ("/api/v1/query", vec![("query", "{job=\"api\"}")], true, "team-a"),
        ("/api/v1/query", vec![("query", "{__name__=~\".+\"}")], true, "only_team_a"),
        ("/api/v1/query", vec![("query", "up{tenant=~\".*\"} or up")], true, "team-a:9090"),
        ("/api/v1/query", vec![("query", "sum by (owner) (http_requests_total)")], true, "team-a"),
        ("/api/v1/query", vec![("query", "count(up)")], true, "\"1\"]"),
        ("/api/v1/query", vec![("query", "absent(nothing)")], true, "\"1\"]"),
        ("/api/v1/query", vec![("query", "1+1")], true, "\"2\""),
        ("/api/v1/query", vec![("query", "count({__name__!=\"\"})")], true, "\"5\"]"),
        ("/api/v1/query", vec![("query", "up[1h:1m] offset -1h")], true, "success"),
        ("/api/v1/query_range", with(&[("query", "up")]), true, "team-a:9090"),
        (
            "/api/v1/query_range",
            with(&[("query", "sum(rate(http_requests_total[5m])) or up")]),
            true,
            "team-a",
        ),
        ("/api/v1/query_exemplars", with(&[("query", "up")]), true, "success"),
        ("/api/v1/series", vec![("match[]", "up")], true, "team-a:9090"),
        ("/api/v1/series", vec![("match[]", "up"), ("match[]", "{code=\"500\"}")], true, "500"),
        ("/api/v1/series", vec![], true, "only_team_a"),
        ("/api/v1/labels", vec![], true, "only_team_a"),
        ("/api/v1/labels", vec![("match[]", "up")], true, "instance"),
        ("/api/v1/labels", vec![("match[]", "{tenant=\"team-b\"}")], true, "success"),
        ("/api/v1/label/owner/values", vec![], false, "team-a"),
        ("/api/v1/label/__name__/values", vec![], false, "only_team_a"),
        ("/api/v1/label/tenant/values", vec![], false, "team-a"),
        (
            "/api/v1/label/instance/values",
            vec![("match[]", "up"), ("match[]", "up{owner=\"team-b\"}")],
            false,
            "team-a",
        ),
        ("/federate", vec![("match[]", "up")], false, "team-a:9090"),
        (
            "/federate",
            vec![("match[]", "{__name__=~\".+\"}"), ("match[]", "{owner=\"nobody\"}")],
            false,
            "only_team_a",
        ),
        ("/federate", vec![], false, "only_team_a"),
        ("/api/v1/status/buildinfo", vec![], false, "success"),
    ];
    let prometheus = vec![("/api/v1/format_query", vec![("query", "sum(up)")], true, "sum(up)")];
    let victoria = vec![
        ("/prometheus/api/v1/query", vec![("query", "up")], true, "team-a:9090"),
        ("/api/v1/query", vec![("query", "up or label_set(up, \"x\", \"y\")")], true, "team-a"),
        ("/api/v1/export", vec![("match[]", "{__name__!=\"\"}")], true, "only_team_a"),
        ("/api/v1/export", vec![("match", "up")], true, "team-a:9090"),
        (
            "/api/v1/export/csv",
            vec![("match[]", "up"), ("format", "owner,__value__,__timestamp__:unix_s")],
            true,
            "team-a",
        ),
        ("/api/v1/export/native", vec![("match[]", "up")], true, "team-a"),
        ("/prometheus/federate", vec![("match[]", "up")], false, "team-a:9090"),
    ];
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        let own = if backend == Backend::Prometheus { &prometheus } else { &victoria };
        for (path, fields, form, expected) in both.iter().chain(own) {
            for call in ways(path, fields, *form) {
                let what = format!("{backend:?} {call} {fields:?}");
                let answer = world.ask(backend, "team-a", call).await?.expect(200)?;
                let text = answer.text();
                ensure!(text.contains(expected), "{what} lacks {expected}: {text}");
                check_is_own(&what, &text)?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_nothing_narrows_is_refused() -> Result<()> {
    let world = World::start().await?;
    let refused =
        ["/api/v1/metadata", "/api/v1/targets", "/api/v1/status/tsdb", "/api/v1/status/config", "/metrics"];
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        for path in refused {
            let answer = world.ask(backend, "team-a", Call::get(path)).await?;
            ensure!(matches!(answer.status, 403 | 404), "{path}: {answer}");
            check_is_own(path, &answer.text())?;
            if path.contains("/api/v1/") {
                let json = answer.json()?;
                ensure!(json["status"] == "error", "{path}: {json}");
            }
        }
    }
    Ok(())
}

/// Several tenants are one expression, and a choice among them holds.
#[tokio::test]
async fn several_tenants_and_a_choice_among_them() -> Result<()> {
    let world = World::start().await?;
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        let up = || Call::query("/api/v1/query", &[("query", "up")]);
        let both = world.ask(backend, "both", up()).await?.expect(200)?.text();
        ensure!(TENANTS.iter().all(|tenant| both.contains(tenant)) && !both.contains("nobody"), "{both}");
        let one = world.ask(backend, "both", up().tenant("team-a")).await?.expect(200)?.text();
        ensure!(one.contains("team-a"), "{one}");
        check_is_own("a choice", &one)?;
        world.ask(backend, "both", up().tenant("team-c")).await?.expect(403)?;
        world.ask(backend, "team-a", up().tenant("team-b")).await?.expect(403)?;
        // Only who has the right sees what belongs to nobody.
        let all = world.ask(backend, "admin", up()).await?.expect(200)?.text();
        ensure!(["team-a", "team-b", "nobody"].iter().all(|who| all.contains(who)), "{all}");
    }
    Ok(())
}

/// What a client says in the ways of a backend goes no further.
#[tokio::test]
async fn arguments_of_a_client_are_harmless() -> Result<()> {
    let world = World::start().await?;
    let arguments = [
        ("extra_label", "tenant=team-b"),
        ("extra_label", "owner=nobody"),
        ("extra_filters", "{tenant=\"team-b\"}"),
        ("extra_filters[]", "{tenant=\"team-b\"}"),
        ("extra_filters[]", "{owner=~\".*\"}"),
        ("extra_filters[]", "{"),
    ];
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        for user in ["team-a", "both"] {
            for (name, value) in arguments {
                let fields = [(name, value), ("query", "up"), (name, value)];
                for call in ways("/api/v1/query", &fields, true) {
                    let what = format!("{backend:?} {user} {call} {fields:?}");
                    let text = world.ask(backend, user, call.tenant("team-a")).await?.expect(200)?.text();
                    ensure!(text.contains("team-a:9090"), "{what}: {text}");
                    check_is_own(&what, &text)?;
                }
                let escaped = format!("/api/v1/query?query=up&{}=%7B%7D", name.replace('_', "%5F"));
                let text =
                    world.ask(backend, user, Call::get(&escaped).tenant("team-a")).await?.expect(200)?.text();
                ensure!(text.contains("team-a:9090"), "{escaped}: {text}");
                check_is_own(&escaped, &text)?;
            }
        }
    }
    Ok(())
}

/// Prometheus' remote read.
mod prompb {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ReadRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) queries: Vec<Query>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Query {
        #[prost(int64, tag = "1")]
        pub(super) start: i64,
        #[prost(int64, tag = "2")]
        pub(super) end: i64,
        #[prost(message, repeated, tag = "3")]
        pub(super) matchers: Vec<LabelMatcher>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct LabelMatcher {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(string, tag = "3")]
        pub(super) value: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct ReadResponse {
        #[prost(message, repeated, tag = "1")]
        pub(super) results: Vec<QueryResult>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct QueryResult {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<scopegate_tests::remote_write::TimeSeries>,
    }
}

#[tokio::test]
async fn remote_read_is_narrowed_on_the_wire() -> Result<()> {
    use prompb::{LabelMatcher, Query, ReadRequest, ReadResponse};
    let world = World::start().await?;
    let matcher =
        |kind, name: &str, value: &str| LabelMatcher { kind, name: name.to_owned(), value: value.to_owned() };
    let query = |matchers| Query { start: world.written - 60_000, end: world.written + 60_000, matchers };
    let request = ReadRequest {
        queries: vec![
            query(vec![matcher(0, "__name__", "up")]),
            query(vec![matcher(2, "owner", ".+")]),
            query(vec![matcher(0, "tenant", "team-b")]),
        ],
    };
    let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec())?;
    for chunked in [false, true] {
        let call = Call::post("/api/v1/read", body.clone());
        let call = if chunked { call.chunks([body[..3].to_vec(), body[3..].to_vec()]) } else { call };
        let call = call
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-read-version", "0.1.0");
        let answer = world.ask(Backend::Prometheus, "team-a", call).await?.expect(200)?;
        let message = snap::raw::Decoder::new().decompress_vec(&answer.body)?;
        check_is_own("remote read", &String::from_utf8_lossy(&message))?;
        let counts: Vec<_> = ReadResponse::decode(message.as_slice())?
            .results
            .iter()
            .map(|result| result.timeseries.len())
            .collect();
        assert_eq!(counts, [1, 5, 0]);
    }
    Ok(())
}
