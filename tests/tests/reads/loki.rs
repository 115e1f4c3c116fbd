//! A real Loki that a label keeps apart, where `LOKI_URL` names one: everybody's streams are in one tenant of Loki's, which the
//! route names.

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::client::raw::Raw;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::{basic, now};
use scopegate_tests::loki::{Form, push, stream};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::world::{PASSWORD, gateway_before, signed, user};

async fn gateway(url: &str, shared: &str) -> Result<Envoy> {
    let address = url.strip_prefix("http://").context("LOKI_URL: give an http:// URL")?;
    let configuration = json!({
        "backends": [{"name": "logs", "kind": "loki", "isolate": {"label": "tenant"}}],
        "callers": [{"name": "users", "may": ["read", "write", "rules"], "basic": {"key": {"env": "KEY"}, "users": [
            user("team-a", &["team-a"]), user("team-b", &["team-b"]),
        ]}}],
    });
    gateway_before(&configuration, address.trim_end_matches('/').parse()?, |listener| {
        let mut route = scopegate_tests::bootstrap::route("/", "backend");
        route["request_headers_to_add"] = json!([{"header": {"key": "x-scope-orgid", "value": shared}}]);
        listener.manager("upgrade_configs", json!([{"upgrade_type": "websocket"}])).raw_route(route)
    })
    .await
}

/// A push of one line.
fn line(form: Form, app: &str, line: &str) -> Result<Call> {
    let mut sent = stream(&[("app", app), ("tenant", "evil")], &[(line, &[])]);
    for entry in &mut sent.entries {
        entry.timestamp = i64::try_from(now())? * 1_000_000_000;
    }
    Ok(push(form, &[sent]))
}

async fn read(envoy: &Envoy, user: &str, path: &str, fields: &[(&str, &str)]) -> Result<Value> {
    envoy.http1()?.send(signed(Call::query(path, fields), user)).await?.expect(200)?.json()
}

#[tokio::test]
async fn streams_that_a_label_keeps_apart() -> Result<()> {
    let Ok(url) = std::env::var("LOKI_URL") else {
        eprintln!("skipped: LOKI_URL names no Loki");
        return Ok(());
    };
    let shared = format!("shared-{}-{}", std::process::id(), now());
    let envoy = gateway(&url, &shared).await?;
    for user in ["team-a", "team-b"] {
        for form in [Form::Protobuf, Form::Json, Form::LegacyJson] {
            let call = line(form, &format!("app-{form:?}"), &format!("{user} {form:?}"))?;
            envoy.http1()?.send(signed(call, user)).await?.expect(204)?;
        }
    }
    let start = (now() - 600).to_string();
    for user in ["team-a", "team-b"] {
        let (envoy, start) = (&envoy, start.as_str());
        eventually(DEADLINE, || async move {
            let lines = [("query", "{app=~\".+\"} | tenant!=\"\""), ("start", start)];
            let answer = read(envoy, user, "/loki/api/v1/query_range", &lines).await?;
            let streams = answer["data"]["result"].as_array().context("no result")?;
            ensure!(streams.len() == 3, "{answer}");
            for stream in streams {
                ensure!(stream["stream"]["tenant"] == user, "{answer}");
                ensure!(
                    stream["values"][0][1].as_str().is_some_and(|line| line.starts_with(user)),
                    "{answer}"
                );
            }
            let count = [("query", "sum(count_over_time({tenant=~\".+\"}[1h]))")];
            let answer = read(envoy, user, "/loki/api/v1/query", &count).await?;
            ensure!(answer["data"]["result"][0]["value"][1] == "3", "{answer}");
            let answer = read(envoy, user, "/loki/api/v1/label/tenant/values", &[("start", start)]).await?;
            ensure!(answer["data"] == json!([user]), "{answer}");
            let answer = read(envoy, user, "/loki/api/v1/series", &[("start", start)]).await?;
            let series = answer["data"].as_array().context("no series")?;
            ensure!(series.len() == 3 && series.iter().all(|series| series["tenant"] == user), "{answer}");
            for path in
                ["/loki/api/v1/index/stats", "/loki/api/v1/index/volume", "/loki/api/v1/detected_labels"]
            {
                let answer = read(envoy, user, path, &[("start", start), ("query", "{app=~\".+\"}")]).await?;
                let foreign = if user == "team-a" { "team-b" } else { "team-a" };
                ensure!(!answer.to_string().contains(foreign), "{path}: {answer}");
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// A tail goes on as a websocket, is never held, and shows its own lines alone.
#[tokio::test]
async fn a_tail() -> Result<()> {
    let Ok(url) = std::env::var("LOKI_URL") else {
        eprintln!("skipped: LOKI_URL names no Loki");
        return Ok(());
    };
    let shared = format!("tail-{}-{}", std::process::id(), now());
    let envoy = gateway(&url, &shared).await?;
    let start = (now() - 60) * 1_000_000_000;
    let mut tail = Raw::connect(envoy.address()?).await?;
    tail.write(format!(
        "GET /loki/api/v1/tail?query=%7Bapp%3D~%22.%2B%22%7D&start={start} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        basic("team-a", PASSWORD)
    ))
    .await?;
    let answer = tail.answer().await?;
    ensure!(answer.status == 101, "{answer:?}");
    for lines in [["foreign", "own"], ["foreign", "last"]] {
        for (user, name) in ["team-b", "team-a"].into_iter().zip(lines) {
            envoy.http1()?.send(signed(line(Form::Json, "x", name)?, user)).await?.expect(204)?;
        }
        // Frames of a server are not masked, so the lines stand there as they are.
        let seen = tail.read_until(lines[1].as_bytes()).await?;
        let seen = String::from_utf8_lossy(&seen);
        ensure!(!seen.contains("foreign") && !seen.contains("team-b"), "{seen}");
    }
    Ok(())
}
