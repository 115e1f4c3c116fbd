//! `VictoriaLogs` and `VictoriaTraces` with all tenants in one account: what arrives at a stand-in, and where
//! `VICTORIALOGS_BIN` names a `VictoriaLogs`, what of it is read back.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::now;
use scopegate_tests::loki::{FORMS, Form, push, stream};
use scopegate_tests::otlp::{Signal, export, resource};
use scopegate_tests::ports::Reservation;
use scopegate_tests::process::Process;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::world::{gateway_before, signed, user};

fn configuration(kind: &str) -> Value {
    json!({
        "backends": [{"name": "logs", "kind": kind, "isolate": {"label": "tenant"}}],
        "callers": [
            {"name": "users", "may": ["read", "write"], "basic": {"key": {"env": "KEY"}, "users": [
                user("team-a", &["team-a"]), user("team-b", &["team-b"]), user("both", &["team-a", "team.b"]),
            ]}},
            {"name": "teams", "may": ["read"], "basic": {"key": {"env": "KEY"}, "users": [user("teams", &["team-*"])]}},
        ],
    })
}

#[tokio::test]
async fn arguments_arrive_once_and_are_ours() -> Result<()> {
    let form = |fields: &[(&str, &str)]| Call::form("/select/logsql/query", fields);
    let bulk = |target: &str| Call::post(target, "{}").header("content-type", "application/stream+json");
    let ours = "extra_filters=%22tenant%22%3A%3D%22team-a%22";
    let logs: Vec<(Call, &str, String, &str)> = vec![
        (
            Call::get("/select/logsql/query?query=*"),
            "team-a",
            format!("/select/logsql/query?query=*&{ours}"),
            "",
        ),
        (
            form(&[("query", "*"), ("extra_filters", "tenant:=b"), ("extra_stream_filters", "{}")]),
            "team-a",
            format!("/select/logsql/query?{ours}"),
            "query=*",
        ),
        (
            Call::get("/select/logsql/tail?query=*&extra%5ffilters=*")
                .header("accountid", "7")
                .header("projectid", "7"),
            "team-a",
            format!("/select/logsql/tail?query=*&{ours}"),
            "",
        ),
        (
            Call::get("/select/logsql/streams?query=*"),
            "both",
            "/select/logsql/streams?query=*&extra_filters=%22tenant%22%3Ain%28%22team-a%22%2C%22team.b%22%29"
                .to_owned(),
            "",
        ),
        (
            Call::get("/select/logsql/hits?query=*"),
            "teams",
            "/select/logsql/hits?query=*&extra_filters=%22tenant%22%3A~%22%5E%28%3F%3Ateam-.%2A%29%24%22"
                .to_owned(),
            "",
        ),
        (
            bulk("/insert/jsonline?_stream_fields=app&extra_fields=tenant=evil")
                .header("vl-extra-fields", "tenant=evil"),
            "team-a",
            "/insert/jsonline?_stream_fields=app&extra_fields=tenant%3Dteam-a".to_owned(),
            "{}",
        ),
    ];
    let traces = vec![(
        bulk("/insert/opentelemetry/v1/traces"),
        "team-a",
        "/insert/opentelemetry/v1/traces?extra_fields=resource_attr%3Atenant%3Dteam-a".to_owned(),
        "{}",
    )];
    for (kind, cases) in [("victorialogs", logs), ("victoriatraces", traces)] {
        let backend = Cortex::start()?;
        let envoy = gateway_before(&configuration(kind), backend.address(), |all| all).await?;
        for (call, user, target, body) in cases {
            backend.forget();
            envoy.http1()?.send(signed(call, user)).await?;
            let state = backend.state();
            let [arrived] = state.requests.as_slice() else { panic!("{target}: {}", state.summary()) };
            assert_eq!(arrived.target, target);
            assert_eq!(String::from_utf8_lossy(&arrived.body), body, "{target}");
            for gone in ["accountid", "projectid", "vl-extra-fields", "x-scope-orgid", "authorization"] {
                assert_eq!(arrived.header(gone), None, "{target}");
            }
        }
        backend.forget();
        let write =
            if kind == "victorialogs" { "/insert/jsonline" } else { "/insert/opentelemetry/v1/traces" };
        for (call, status) in [
            (form(&[("query", "* | stream_context after 1")]), 400),
            (Call::get("/select/tenant_ids"), 403),
            (Call::get("/select/jaeger/api/services"), 403),
            (Call::form(write, &[("extra_fields", "tenant=evil")]), 415),
        ] {
            let target = call.target().to_owned();
            let answer = envoy.http1()?.send(signed(call, "team-a")).await?;
            ensure!(answer.status == status, "{kind} {target}: {answer}");
        }
        assert!(backend.state().requests.is_empty(), "{}", backend.state().summary());
    }
    Ok(())
}

/// The lines that a user is shown.
async fn lines(envoy: &Envoy, user: &str, query: &str) -> Result<Vec<String>> {
    let call = Call::form("/select/logsql/query", &[("query", query)]);
    let answer = envoy.http1()?.send(signed(call, user)).await?.expect(200)?.text();
    let line = |line: &str| -> Result<String> {
        let line: Value = serde_json::from_str(line)?;
        Ok(line["_msg"].as_str().context("no message")?.to_owned())
    };
    let mut lines = answer.lines().map(line).collect::<Result<Vec<_>>>()?;
    lines.sort();
    Ok(lines)
}

/// Every protocol that the filter lets through, of tenants whose streams are called the same.
#[tokio::test]
async fn a_victorialogs_shows_every_tenant_its_own() -> Result<()> {
    let Some(binary) = std::env::var_os("VICTORIALOGS_BIN") else {
        eprintln!("skipped: VICTORIALOGS_BIN names no VictoriaLogs");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let reserved = Reservation::any()?;
    let mut command = Command::new(binary);
    command
        .arg("-storageDataPath=data")
        .arg(format!("-httpListenAddr={}", reserved.address()))
        .current_dir(dir.path());
    let _process = Process::start("victorialogs", command, dir.path())?;
    let direct = Client::http1(reserved.address());
    eventually(DEADLINE, || async move { direct.get("/health").await?.expect(200) }).await?;
    let envoy = gateway_before(&configuration("victorialogs"), reserved.address(), |all| all).await?;
    let client = envoy.http1()?;
    let time = i64::try_from(now())? * 1_000_000_000;
    let mut wanted = Vec::new();
    for tenant in ["team-a", "team-b"] {
        let mut lines = Vec::new();
        for (number, form) in (0..).zip(FORMS) {
            // The old path is not among its own, and deflate is another one there.
            if matches!(form, Form::LegacyJson | Form::JsonDeflate) {
                continue;
            }
            let line = format!("{tenant} {form:?}");
            let mut sent = stream(&[("app", "x"), ("tenant", "evil")], &[(&line, &[("tenant", "evil")])]);
            for entry in &mut sent.entries {
                entry.timestamp = time + number;
            }
            let call = push(form, &[sent]);
            let call = call.retarget("/insert/loki/api/v1/push");
            client.send(signed(call, tenant)).await?.expect(204)?;
            lines.push(line);
        }
        let line =
            |name: &str| format!(r#"{{"_time":"0","_msg":"{tenant} {name}","app":"x","tenant":"evil"}}"#);
        let json = Call::post("/insert/jsonline?_stream_fields=app,tenant", line("jsonline"));
        client
            .send(signed(json.header("content-type", "application/stream+json"), tenant))
            .await?
            .expect(200)?;
        lines.push(format!("{tenant} jsonline"));
        let bulk = format!("{{\"create\":{{}}}}\n{}\n", line("bulk"));
        let bulk = Call::post("/insert/elasticsearch/_bulk?_stream_fields=app", bulk);
        client.send(signed(bulk.header("content-type", "application/json"), tenant)).await?.expect(200)?;
        lines.push(format!("{tenant} bulk"));
        let of = resource(&[("service.name", "x"), ("tenant", "evil")], &["info"]);
        let otlp = export("/insert/opentelemetry/v1/logs", Signal::Logs, false, true, &[of]);
        client.send(signed(otlp, tenant)).await?.expect(200)?;
        lines.sort();
        wanted.push((tenant, lines));
    }
    for (tenant, lines_of) in &wanted {
        eventually(DEADLINE, || async {
            direct.get("/internal/force_flush").await?;
            let found = lines(&envoy, tenant, "app:x").await?;
            ensure!(found == *lines_of, "{tenant}: {found:?}");
            // What only others have, however it is asked for.
            for hostile in [
                "tenant:evil",
                "tenant:=evil",
                "* | filter tenant:evil",
                "_msg:team | union (tenant:evil)",
                "tenant:in(* | fields tenant) tenant:evil",
                "!tenant:team-a !tenant:team-b",
                "options(ignore_global_time_filter=true) tenant:evil",
            ] {
                let found = lines(&envoy, tenant, hostile).await?;
                ensure!(found.iter().all(|line| line.starts_with(tenant)), "{hostile}: {found:?}");
            }
            Ok(())
        })
        .await?;
    }
    let all: Vec<String> = wanted.into_iter().flat_map(|(_, lines)| lines).collect();
    ensure!(lines(&envoy, "teams", "app:x").await? == all);
    Ok(())
}
