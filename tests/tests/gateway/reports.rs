//! What is told besides counters: the access log, and the administrators' report.

use anyhow::{Context, Result};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Fault;
use scopegate_tests::identity::basic;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{Gateway, as_agent, as_forwarder, by_namespace, user};

const REPORT: &str = "/-/scopegate/report";

/// A write with one series for each of these values of the label `namespace`.
fn write(namespaces: &[&str]) -> Call {
    WriteRequest::of(
        namespaces.iter().map(|n| series(&[("__name__", "up"), ("namespace", n)], 1, 1.0)).collect(),
    )
    .push()
}

/// The forwarders' configuration with a report and a caller that may read it.
fn configuration() -> Value {
    let mut configuration = by_namespace();
    configuration["report"] = json!({});
    configuration["access_log"] = json!(true);
    let admins = json!({"name": "admins", "basic": {"key": {"env": "KEY"}, "users": [
        user("ops", &["ops-secret"], &json!(["platform"])),
    ]}, "may": ["admin"]});
    configuration["callers"].as_array_mut().unwrap().insert(0, admins);
    configuration
}

fn as_admin(call: Call) -> Call {
    call.header("authorization", basic("ops", "ops-secret"))
}

/// A file access log, in text, with what the filter left.
#[tokio::test]
async fn one_line_in_the_access_log_for_each_request() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("access.log");
    let log = json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"text_format_source": {"inline_string":
                "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% [%FILTER_STATE(wasm.scopegate:PLAIN)%]\n"}},
        }
    }]);
    let gateway =
        Gateway::with(&configuration(), |listener| listener.manager("access_log", log), |all, _| all).await?;
    let client = gateway.http1()?;
    let token = gateway.token(json!({"tenant": "a", "groups": ["tenant:b"]}));
    client.send(as_forwarder(write(&["namespace-1", "namespace-2", "namespace-1"]))).await?.expect(200)?;
    client.send(as_forwarder(write(&["namespace-3"]))).await?.expect(200)?;
    client.send(as_forwarder(write(&["no tenant\r\nforged line"]))).await?.expect(400)?;
    client.send(Call::get("/prometheus/api/v1/query?query=up").bearer(&token)).await?.expect(200)?;
    client.send(Call::get("/prometheus/api/v1/query?query=up")).await?.expect(401)?;
    client.send(as_forwarder(Call::get("/config"))).await?.expect(403)?;
    client.send(as_admin(Call::get(REPORT))).await?.expect(200)?;
    client.send(as_agent(write(&[]))).await?.expect(200)?;
    gateway.cortex.fault("namespace-2", Fault::answer(500));
    client.send(as_forwarder(write(&["namespace-1", "namespace-2"]))).await?.expect(503)?;
    let expected = [
        "200 split [decision=split reason=- backend=metrics class=write caller=forwarders tenants=namespace-1|namespace-2 \
         series=3 samples=3 parts=2]",
        "200 via_upstream [decision=forwarded reason=- backend=metrics class=write caller=forwarders tenants=namespace-3 \
         series=1 samples=1 parts=1]",
        "400 split_refused [decision=empty reason=- backend=metrics class=write caller=forwarders tenants=- series=0 \
         samples=0 parts=0]",
        "200 via_upstream [decision=forwarded reason=- backend=metrics class=read caller=users tenants=a|b series=0 \
         samples=0 parts=0]",
        "401 no_caller [decision=refused reason=no_caller backend=metrics class=- caller=- tenants=- series=0 samples=0 \
         parts=0]",
        "403 closed_path [decision=refused reason=closed_path backend=metrics class=- caller=forwarders tenants=- series=0 \
         samples=0 parts=0]",
        "200 page [decision=page reason=- backend=- class=admin caller=admins tenants=- series=0 samples=0 parts=0]",
        "200 split [decision=empty reason=- backend=metrics class=write caller=agents tenants=- series=0 samples=0 parts=0]",
        "503 split_failed [decision=split reason=- backend=metrics class=write caller=forwarders \
         tenants=namespace-1|namespace-2 series=2 samples=2 parts=2]",
    ];
    eventually(DEADLINE, || async {
        let text = std::fs::read_to_string(&path)?;
        let lines: Vec<&str> = text.lines().collect();
        anyhow::ensure!(lines == expected, "{text}");
        Ok(())
    })
    .await
}

/// The first block of code after these words, in a page of the documentation.
fn block<'a>(page: &'a str, after: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(after)?;
    let (_, rest) = rest.split_once("```")?;
    let (_, rest) = rest.split_once('\n')?;
    rest.split_once("```").map(|(block, _)| block)
}

/// The access log in the documentation, as it stands there, writes what stands there.
#[tokio::test]
async fn the_documented_access_log_writes_what_is_documented() -> Result<()> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/observability.md"))?;
    let log = block(&page, "## The access log").context("no access log")?;
    let documented = block(&page, "duration_ms: \"%DURATION%\"\n```").context("no lines")?;
    let log: Value = serde_saphyr::from_str(log)?;
    let mut configuration = configuration();
    configuration["callers"][2]["on_behalf_of"] = json!(["team-*"]);
    let gateway = Gateway::with(
        &configuration,
        |listener| listener.manager("access_log", log["access_log"].clone()),
        |all, _| all,
    )
    .await?;
    let client = gateway.http1()?;
    let token = gateway.token(json!({"tenant": "team-a"}));
    let write =
        WriteRequest::realistic(120).with_label("namespace", |n| format!("team-{}", ["a", "b"][n % 2]));
    client.send(as_forwarder(write.push())).await?.expect(200)?;
    client.send(Call::get("/prometheus/api/v1/query?query=up").bearer(&token)).await?.expect(200)?;
    client.send(Call::get("/config").bearer(&token)).await?.expect(403)?;
    let process = gateway.envoy.process()?;
    assert_eq!(documented.lines().count(), 3, "{documented}");
    for line in documented.lines() {
        let found = process.wait_for_output(line, DEADLINE).await?;
        let fields: Value = serde_json::from_str(&found)?;
        for field in ["time", "method", "path", "status", "details", "duration_ms"] {
            assert!(!fields[field].is_null(), "{field}: {found}");
        }
    }
    Ok(())
}

/// Without `access_log` nothing is left.
#[tokio::test]
async fn no_line_unless_it_is_asked_for() -> Result<()> {
    let fields = [("told", "%FILTER_STATE(wasm.scopegate:PLAIN)%"), ("path", "%REQ(:PATH)%")];
    let gateway =
        Gateway::with(&by_namespace(), |listener| listener.access_log(&fields), |all, _| all).await?;
    gateway.http1()?.send(as_forwarder(Call::get("/prometheus/api/v1/labels"))).await?.expect(200)?;
    let line = gateway.envoy.process()?.wait_for_output("/prometheus/api/v1/labels", DEADLINE).await?;
    assert_eq!(serde_json::from_str::<Value>(&line)?["told"], Value::Null, "{line}");
    Ok(())
}

async fn report(gateway: &Gateway) -> Result<Value> {
    gateway.http2()?.send(as_admin(Call::get(REPORT).authority("elsewhere"))).await?.expect(200)?.json()
}

/// Two workers, and a page that knows of both.
#[tokio::test]
async fn the_report_tells_what_all_workers_saw() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    for call in [
        Call::get(REPORT),
        as_forwarder(Call::get(REPORT)),
        as_admin(Call::post(REPORT, "")),
        as_admin(Call::get("/-/scopegate/report/")),
    ] {
        let answer = gateway.http1()?.send(call).await?;
        assert!([400, 401, 403, 405].contains(&answer.status), "{answer}");
        assert!(!answer.text().contains("refusals"), "{answer}");
    }
    gateway.nothing_arrived("the gateway's own path");
    let wrong =
        || Call::get("/prometheus/api/v1/labels").header("authorization", basic("forwarder", "my-guess"));
    // Connections go to both workers in time; a worker hands over what it knows with its requests.
    let page = eventually(DEADLINE, || async {
        for _ in 0..4 {
            let client = gateway.http1()?;
            client
                .send(as_forwarder(write(&["kube system", "kube system", "namespace-1"])))
                .await?
                .expect(400)?;
            client.send(as_forwarder(write(&["a/b"]))).await?.expect(400)?;
            client.send(wrong()).await?.expect(401)?;
        }
        let page = report(&gateway).await?;
        let keys = page["unmapped_keys"].as_array().context("keys")?;
        let refused = page["refusals"].as_array().context("refusals")?;
        let has = |reason: &str| refused.iter().any(|refusal| refusal["reason"] == reason);
        anyhow::ensure!(keys.len() == 2 && has("bad_credential") && has("unmapped"), "{page:#}");
        Ok(page)
    })
    .await?;
    let kube = |page: &Value| {
        let keys = page["unmapped_keys"].as_array().cloned().unwrap_or_default();
        keys.into_iter().find(|key| key["key"] == "kube system").context("no such key")
    };
    let told = kube(&page)?;
    assert_eq!((&told["backend"], &told["series_at_least"]), (&json!("metrics"), &told["series_at_most"]));
    let text = page.to_string();
    for secret in ["my-guess", "new-secret", "ops-secret", &basic("forwarder", "my-guess")[6..]] {
        assert!(!text.contains(secret), "{text}");
    }
    // What both workers counted is there in the end: every series with the key, and no more.
    let sent = gateway.cortex.state().requests.len() as u64;
    eventually(DEADLINE, || async {
        let key = kube(&report(&gateway).await?)?["series_at_least"].as_u64().context("a number")?;
        // Every worker's next request hands over what it still has.
        gateway.http1()?.send(wrong()).await?;
        anyhow::ensure!(key == 2 * sent, "{key} of {}", 2 * sent);
        Ok(())
    })
    .await
}
