//! Requests and what is said of them; and, in `agreement`, that it is what an exchange does.
#![allow(clippy::too_many_lines)] // tables are

mod agreement;

use std::fmt::Write as _;

use clap::Parser;
use serde_json::{Value, json};

use super::request::Request;
use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    explain: Explain,
}

fn parse(arguments: &[&str]) -> Explain {
    Cli::try_parse_from([&["explain"], arguments].concat()).expect("arguments that fit").explain
}

fn explain(arguments: &[&str]) -> Explanation {
    parse(arguments).explain().unwrap_or_else(|error| panic!("{arguments:?}: {error:#}"))
}

/// What is said, in a line: the decision, who, what and whose; every argument that changes; every upstream call; the
/// answer.
fn brief(explained: &Explanation) -> String {
    let json = render::json(explained);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let caller = text(&json["caller"]["caller"]);
    let tenants: Vec<_> = json["tenants"].as_array().unwrap().iter().map(text).collect();
    let mut line =
        format!("{} {caller} {} {}", text(&json["decision"]), text(&json["class"]), tenants.join("|"));
    if let Some(reason) = json["reason"].as_str() {
        line = format!("{line} {reason}");
    }
    for argument in &explained.arguments {
        let mut after = argument.after.clone();
        for range in argument.inserted.iter().rev() {
            let after = after.as_mut().unwrap();
            after.insert(range.end, '»');
            after.insert(range.start, '«');
        }
        let _ =
            write!(line, " [{} {}: {}]", argument.place, argument.name, after.as_deref().unwrap_or("off"));
    }
    for upstream in json["upstream"].as_array().unwrap() {
        let to = upstream["tenant"].as_str().or(upstream["set"]["x-scope-orgid"].as_str()).unwrap_or("-");
        let _ = write!(line, " → {to} {} {}", text(&upstream["kind"]), text(&upstream["method"]));
        if let Some(series) = upstream["series"].as_u64() {
            let _ =
                write!(line, " {series} series {} samples {} bytes", upstream["samples"], upstream["bytes"]);
        }
    }
    if json["narrows_answer"] == true {
        line += " ← narrowed";
    }
    if let Some(status) = json["reply"]["status"].as_u64() {
        let _ = write!(line, " = {status}");
    }
    line
}

const USER: &str =
    r#"{"iss": "https://idp.example.org", "tenant": "team-a", "groups": ["organization:acme"]}"#;
const TWO: &str = r#"{"iss": "https://idp.example.org", "groups": ["tenant:a", "tenant:b"]}"#;
const ADMINISTRATOR: &str =
    r#"{"iss": "https://idp.example.org", "email": "ops@example.org", "email_verified": true}"#;
const PROMETHEUS: &str = r#"{"iss": "https://kubernetes.default.svc.cluster.local", "sub": "system:serviceaccount:monitoring:prometheus"}"#;
const AGENT: &str = r#"{"iss": "https://control.example.org", "sub": "c"}"#;
const AGENTS: &str = "../examples/impersonation/scopegate.yaml";
const NAMESPACES: &str = "../examples/namespaces/scopegate.yaml";
const NAMESPACES_ENVOY: &str = "../examples/namespaces/envoy.yaml";
const LABEL: &str = "../examples/label-isolation/scopegate.yaml";
const IMPERSONATION: &str = "tests/explain/impersonation.yaml";
const PUSH: &str = "https://m.example.org/api/v1/push";
const WRITE: &[&str] = &["-H", "Content-Type: application/x-protobuf", "-H", "Content-Encoding: snappy"];
const BODY: &[&str] = &["--data-binary", "@tests/explain/write.snappy"];
const TABLE: &[&str] = &["--table", "organisations=tests/explain/organisations.yaml"];

#[test]
fn table() {
    let cases: &[(&[&[&str]], &str)] = &[
        // A write is split by a table; also with the filter inside of Envoy's configuration.
        (
            &[&[NAMESPACES, PUSH, "--backend", "metrics", "--claims", PROMETHEUS], WRITE, BODY, TABLE],
            "split prometheus write acme|words|platform → acme call POST 2 series 3 samples 100 bytes → words call POST 1 series 1 samples 70 bytes → platform call POST 1 series 1 samples 51 bytes = 200",
        ),
        (
            &[&[NAMESPACES_ENVOY, PUSH, "--backend", "metrics", "--claims", PROMETHEUS], WRITE, BODY, TABLE],
            "split prometheus write acme|words|platform → acme call POST 2 series 3 samples 100 bytes → words call POST 1 series 1 samples 70 bytes → platform call POST 1 series 1 samples 51 bytes = 200",
        ),
        // Without the table it is as before it was fetched; and without a claim the caller is nobody.
        (
            &[&[NAMESPACES, PUSH, "--backend", "metrics", "--claims", PROMETHEUS], WRITE, BODY],
            "refused prometheus write  table_not_loaded = 503",
        ),
        (&[&[NAMESPACES, PUSH, "--backend", "metrics"], WRITE, BODY, TABLE], "refused - -  no_caller = 401"),
        (
            &[&[NAMESPACES, PUSH, "--backend", "metrics", "--claims", USER], WRITE, BODY, TABLE],
            "refused users write  not_permitted = 403",
        ),
        (
            &[
                &[NAMESPACES, PUSH, "--backend", "metrics", "--claims", PROMETHEUS, "-d", "rubbish"],
                WRITE,
                TABLE,
            ],
            "refused prometheus write  malformed_body = 400",
        ),
        // Impersonation, with and without the header that asks for it.
        (
            &[
                &[IMPERSONATION, PUSH, "-u", "agent:secret", "-H", "x-scope-impersonate: true"],
                WRITE,
                &["--data-binary", "@tests/explain/impersonated.snappy"],
            ],
            "refused - -  no_caller = 401",
        ),
        (
            &[
                &[IMPERSONATION, PUSH, "--filter-state", "agent=yes", "-H", "x-scope-impersonate: true"],
                WRITE,
                &["--data-binary", "@tests/explain/impersonated.snappy"],
            ],
            "split agent write cluster-1|cluster-2|central → cluster-1 call POST 1 series 1 samples 38 bytes → cluster-2 call POST 1 series 2 samples 46 bytes → central call POST 1 series 1 samples 38 bytes = 200",
        ),
        (
            &[
                &[IMPERSONATION, PUSH, "--filter-state", "agent=yes"],
                WRITE,
                &["--data-binary", "@tests/explain/impersonated.snappy"],
            ],
            "forwarded agent write central → central request POST",
        ),
        // Reads: by header, by argument, by the text of the query in URL and form, and by the answer.
        (
            &[&[
                NAMESPACES,
                "m.example.org/prometheus/api/v1/query?query=up",
                "--backend",
                "metrics",
                "--claims",
                USER,
            ]],
            "forwarded users read acme → acme request GET",
        ),
        (
            &[&[
                LABEL,
                "m.example.org/api/v1/query?query=up&extra_label=a=b",
                "--backend",
                "victoria",
                "--claims",
                USER,
            ]],
            "forwarded users read team-a [url extra_label: off] [url extra_label: «tenantId=team-a»] → - request GET",
        ),
        (
            &[&[
                LABEL,
                "m.example.org/api/v1/query?query=sum(up)/on(x)y",
                "--backend",
                "prometheus",
                "--claims",
                TWO,
            ]],
            "forwarded users read a|b [url query: sum(up«{tenantId=~\"a|b\"}»)/on(x)y«{tenantId=~\"a|b\"}»] → - request GET",
        ),
        (
            &[
                &[LABEL, "m.example.org/api/v1/query", "--backend", "prometheus", "--claims", USER],
                &["--data-urlencode", "query=rate(x{a=\"é\"}[5m]) # why", "-d", "time=1"],
            ],
            "forwarded users read team-a [form query: rate(x{«tenantId=\"team-a\",»a=\"é\"}[5m]) # why] → - request POST",
        ),
        (
            &[&[
                LABEL,
                "m.example.org/api/v1/series?match[]=up",
                "--backend",
                "prometheus",
                "--claims",
                USER,
            ]],
            "forwarded users read team-a [url match[]: up«{tenantId=\"team-a\"}»] → - request GET",
        ),
        (
            &[&[LABEL, "m.example.org/api/v1/labels", "--backend", "prometheus", "--claims", USER]],
            "forwarded users read team-a [url match[]: «{tenantId=\"team-a\"}»] → - request GET",
        ),
        (
            &[&[LABEL, "m.example.org/api/v1/rules", "--backend", "prometheus", "--claims", USER]],
            "forwarded users read team-a → - request GET ← narrowed",
        ),
        (
            &[&[
                LABEL,
                "m.example.org/api/v1/query?query=up",
                "--backend",
                "prometheus",
                "--claims",
                ADMINISTRATOR,
            ]],
            "forwarded administrators read platform → - request GET",
        ),
        (
            &[&[LABEL, "m.example.org/api/v1/query?query=up(", "--backend", "prometheus", "--claims", USER]],
            "refused users read  query = 400",
        ),
        (
            &[&[LABEL, "m.example.org/api/v1/query?query=up", "--backend", "none", "--claims", USER]],
            "refused users -  no_backend = 500",
        ),
        (
            &[&[LABEL, "m.example.org/-/reload", "-X", "POST", "--backend", "prometheus", "--claims", USER]],
            "refused users -  closed_path = 403",
        ),
        // Silences: whose one is is asked first.
        (
            &[&[
                "tests/explain/alertmanager.yaml",
                "a.example.org/api/v2/silence/0a1b2c3d-0000-4000-8000-000000000000",
                "-X",
                "DELETE",
            ]],
            "forwarded everybody alerts a → a call GET → - request DELETE",
        ),
        (
            &[&["tests/explain/alertmanager.yaml", "a.example.org/api/v2/silences"]],
            "forwarded everybody read a [url filter: «tenant=\"a\"»] → - request GET ← narrowed",
        ),
        // What answers by itself, and what is only observed.
        (
            &[&["tests/explain/alertmanager.yaml", "a.example.org/-/scopegate/whoami"]],
            "page everybody -  = 200",
        ),
        (
            &[&[
                "tests/explain/observed.yaml",
                "m.example.org/prometheus/api/v1/query?query=up",
                "-H",
                "X-Scope-OrgID: b",
            ]],
            "observed_different everybody read  → - request GET",
        ),
        (
            &[&[
                "tests/explain/observed.yaml",
                "m.example.org/prometheus/api/v1/query?query=up",
                "-H",
                "X-Scope-OrgID: b",
                "--enforced",
            ]],
            "refused everybody read  foreign_tenant = 403",
        ),
    ];
    let mut wrong = Vec::new();
    for (arguments, expected) in cases {
        let told = brief(&explain(&arguments.concat()));
        if told != *expected {
            wrong.push(format!("{arguments:?}\n  expected {expected:?}\n  told     {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn requests_are_read_as_curl_and_browsers_send_them() {
    let head = |request: &Request| -> Vec<String> {
        let line = |(name, value): &(String, Vec<u8>)| format!("{name}: {}", String::from_utf8_lossy(value));
        request.head.iter().map(line).collect()
    };
    let request = |arguments: &[&str]| {
        let explain = parse(&[&["-"], arguments].concat());
        explain.request.request(explain.url.as_ref().unwrap()).unwrap()
    };
    let plain = request(&[
        "http://u:p@h:9090/a?b=c#d",
        "-u",
        "ann:x",
        "-H",
        "Accept:",
        "-H",
        "X-A: 1",
        "-H",
        "Host: other",
    ]);
    assert_eq!(
        head(&plain),
        [
            ":authority: other",
            ":method: GET",
            ":path: /a?b=c",
            ":scheme: http",
            "x-a: 1",
            "authorization: Basic YW5uOng="
        ]
    );
    let form = request(&["h", "-d", "a=1", "-d", "b=2", "--data-urlencode", "c=é "]);
    assert_eq!((form.text(":method"), form.text(":path")), ("POST".to_owned(), "/".to_owned()));
    assert_eq!(form.body, b"a=1&b=2&c=%C3%A9%20");
    assert_eq!(form.text("content-length"), "19");
    let got = request(&["h/q?x=y", "-G", "-d", "a=1"]);
    assert_eq!(
        (got.text(":method"), got.text(":path"), got.body.len()),
        ("GET".to_owned(), "/q?x=y&a=1".to_owned(), 0)
    );

    let entry = json!({
        "method": "POST", "url": "https://g.example.org/api/v1/query",
        "headers": [{"name": ":path", "value": "/x"}, {"name": "Content-Length", "value": "9"}, {"name": "Host", "value": "h"}],
        "postData": {"mimeType": "application/x-protobuf", "text": "AAE=", "encoding": "base64"},
    });
    let saved = har::read(&entry).unwrap();
    assert_eq!(saved.body, [0, 1]);
    assert_eq!(
        head(&saved),
        [
            ":authority: h",
            ":method: POST",
            ":path: /api/v1/query",
            ":scheme: https",
            "content-length: 2",
            "content-type: application/x-protobuf"
        ]
    );
}

#[test]
fn tokens_are_never_taken_for_verified_in_silence() {
    // {"alg":"none"} and the payload {"iss":"https://idp.example.org","tenant":"team-a"}.
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLm9yZyIsInRlbmFudCI6InRlYW0tYSJ9.";
    let query = "m.example.org/api/v1/query?query=up";
    let base = [LABEL, query, "--backend", "prometheus"];
    let explained = explain(&[&base[..], &["--token", token]].concat());
    assert_eq!(explained.decided.tenants, ["team-a"]);
    assert!(
        explained.suppositions.iter().any(|line| line.contains("NOT VERIFIED")),
        "{:?}",
        explained.suppositions
    );
    // One that the request merely brings proves nothing.
    let bearer = format!("Authorization: Bearer {token}");
    let explained = explain(&[&base[..], &["-H", &bearer]].concat());
    assert_eq!(explained.decided.reason.as_deref(), Some("no_caller"));
    assert!(explained.suppositions.iter().any(|line| line.contains("has verified no token")));
    // What stands in headers is told nowhere.
    assert!(
        !render::text(&explained).contains(token) && !render::json(&explained).to_string().contains(token)
    );
}

#[test]
fn bad_arguments_are_told() {
    let cases: &[(&[&str], &str)] = &[
        (&["absent.yaml", "h"], "cannot read absent.yaml"),
        (&["tests/explain/organisations.yaml", "h"], "neither a Scopegate configuration"),
        (&[LABEL, "h", "--table", "x=y"], "cannot read y"),
        (&[LABEL, "h", "--table", "x=tests/explain/organisations.yaml"], "has no table `x`"),
        (
            &[LABEL, "h", "--claims", "other={}"],
            "of which provider, --claims PROVIDER=…; there are: keycloak",
        ),
        (&[NAMESPACES, "h", "--claims", "{}"], "there are: cluster, keycloak"),
        (&[LABEL, "h", "--claims", "{"], "no JSON"),
        (&[LABEL, "h", "--token", "a.b"], "not three parts"),
        (&[LABEL, "h", "--token", "a.!.c"], "no base64url"),
        (&[LABEL, "h", "--certificate", "san=x"], "no such field in `san=x`"),
        (&[LABEL, "h", "-H", "x"], "is no header"),
        (&[LABEL, "h/a b"], "a URL has no spaces"),
        (&[LABEL, "ftp://h"], "no URL of http or https"),
        (&[LABEL, "h", "-u", "ann"], "give the password too"),
        (&[LABEL, "h", "--filter", "2"], "has 1 filters, and no 2"),
        (&[LABEL, "--har", "absent.har"], "cannot read absent.har"),
    ];
    for (arguments, expected) in cases {
        let Err(error) = parse(arguments).explain() else { panic!("{arguments:?}") };
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}
