//! The calls that Grafana and promtool make, and how they hear of errors.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::prometheus;
use serde_json::Value;

use crate::endpoints::check_is_own;
use crate::world::{Backend, World};

/// As Grafana's Prometheus data source calls: POST forms for queries, GET for what names labels.
#[tokio::test]
async fn grafanas_sequence_works() -> Result<()> {
    let world = World::start().await?;
    let (start, end) = ((world.written / 1000 - 60).to_string(), (world.written / 1000).to_string());
    let range = [("start", start.as_str()), ("end", end.as_str())];
    let steps = [range[0], range[1], ("step", "15")];
    let form = |path: &str, fields: &[(&str, &str)]| {
        Call::form(path, fields)
            .header("accept-encoding", "gzip, deflate, br")
            .header("x-grafana-org-id", "1")
    };
    let with = |fields: &[(&'static str, &'static str)]| [fields, &range[..]].concat();
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        let calls: Vec<(&str, Call, &str)> = vec![
            // The data source's test.
            ("test", form("/api/v1/query", &[("query", "1+1"), ("time", &end)]), "\"2\""),
            ("buildinfo", Call::get("/api/v1/status/buildinfo"), "success"),
            // Explore, and the metric browser.
            ("names", Call::query("/api/v1/label/__name__/values", &range), "only_team_a"),
            ("labels", form("/api/v1/labels", &with(&[("match[]", "up")])), "instance"),
            ("labels by GET", Call::query("/api/v1/labels", &range), "only_team_a"),
            (
                "series",
                Call::query("/api/v1/series", &with(&[("match[]", "up{job=\"api\"}")])),
                "team-a:9090",
            ),
            ("values", Call::query("/api/v1/label/job/values", &with(&[("match[]", "up")])), "api"),
            (
                "instant",
                form("/api/v1/query", &[("query", "up{job=~\"$__all|.+\"}"), ("time", &end)]),
                "team-a:9090",
            ),
            (
                "range",
                form(
                    "/api/v1/query_range",
                    &[&[("query", "sum(http_requests_total) by (owner)")], &steps[..]].concat(),
                ),
                "team-a",
            ),
            ("exemplars", form("/api/v1/query_exemplars", &with(&[("query", "up")])), "success"),
            // Alerting.
            ("rules", Call::get("/api/v1/rules"), "success"),
            ("alerts", Call::get("/api/v1/alerts"), "success"),
            // Annotations.
            (
                "annotations",
                form(
                    "/api/v1/query_range",
                    &[&[("query", "ALERTS{alertstate=\"firing\"}")], &steps[..]].concat(),
                ),
                "success",
            ),
        ];
        for (what, call, expected) in calls {
            let answer = world
                .ask(backend, "team-a", call.header("user-agent", "Grafana/12.0.0"))
                .await?
                .expect(200)?;
            // What is compressed is read by its parts elsewhere.
            if answer.header("content-encoding").is_none() {
                ensure!(answer.text().contains(expected), "{backend:?} {what}: {answer}");
                check_is_own(what, &answer.text())?;
            }
        }
        // What is refused is refused in the form whose message is shown.
        let broken = Call::form("/api/v1/query", &[("query", "up{"), ("time", &end)]);
        let answer = world.ask(backend, "team-a", broken).await?;
        let json = answer.json()?;
        ensure!(json["status"] == "error" && json["error"].is_string(), "{json}");
        if backend == Backend::Prometheus {
            ensure!(answer.status == 400 && json["errorType"] == "bad_data", "{answer}");
            let message = json["error"].as_str().unwrap_or_default();
            ensure!(message.contains("the argument query: 1:4: parse error"), "{message}");
        }
        let answer = world.ask(backend, "team-a", Call::get("/api/v1/metadata")).await?.expect(403)?;
        let json: Value = answer.json()?;
        ensure!(json["status"] == "error" && json["error"].is_string(), "{json}");
    }
    Ok(())
}

/// The real promtool.
#[tokio::test]
async fn promtool_queries() -> Result<()> {
    let promtool = prometheus::binary().context("no Prometheus here")?.with_file_name("promtool");
    ensure!(promtool.is_file(), "no promtool beside Prometheus");
    let world = World::start().await?;
    let gateway = crate::world::gateway_by_address(&world).await?;
    let server = format!("http://team-a:secret@{}", gateway.listener("gateway")?);
    let (start, end) = ((world.written / 1000 - 5).to_string(), (world.written / 1000 + 5).to_string());
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["instant", &server, "up"], "team-a:9090"),
        (vec!["instant", &server, "sum by (owner) (http_requests_total{code!=\"x\"})"], "team-a"),
        (vec!["range", "--start", &start, "--end", &end, "--step", "1s", &server, "up"], "team-a:9090"),
        (vec!["series", "--match", "up", "--match", "{owner=~\".+\"}", &server], "only_team_a"),
        (vec!["labels", &server, "owner"], "team-a"),
        (vec!["labels", &server, "__name__"], "only_team_a"),
    ];
    for (arguments, expected) in cases {
        let promtool = promtool.clone();
        let owned: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let output =
            tokio::task::spawn_blocking(move || Command::new(promtool).arg("query").args(owned).output())
                .await??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && text.contains(expected), "{arguments:?}: {text}{errors}");
        check_is_own("promtool", &text)?;
    }
    // An error is shown with its place.
    let promtool = promtool.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(promtool).args(["query", "instant", &server, "up{"]).output()
    })
    .await??;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(errors.contains("scopegate: the argument query: 1:4: parse error"), "{errors}");
    Ok(())
}
