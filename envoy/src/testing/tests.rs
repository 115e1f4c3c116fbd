//! Files of tests, and what is told of them.
#![allow(clippy::too_many_lines)] // tables are

use std::path::Path;

use super::*;

const CONFIGURATION: &str = "
backends:
  - {name: metrics, kind: cortex}
  - {name: logs, kind: loki, host: logs.example.org}
  - {name: plain, kind: prometheus, isolate: {label: tenant}, host: plain.example.org}
callers:
  - name: agents
    certificate: {uri_san: 'spiffe://example.org/agent/{id}'}
    tenants: ['{id}']
    may: [write]
  - name: users
    jwt: {provider: idp, issuer: https://idp.example.org}
    tenants: {claim: tenant}
    may: [read, write]
    on_behalf_of: ['*']
  - name: writers
    basic:
      key: {env: PASSWORD_KEY}
      users:
        - {username: ann, password: 'hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', tenants: a}
      table: passwords
    tenants: x
    may: [write]
  - name: tokens
    bearer:
      key: {env: PASSWORD_KEY}
      tokens: [{token: 'hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', tenants: b}]
    may: [write]
  - name: proxy
    header: {claims: {user: x-user}, proof: {secret: {header: x-proof, env: PROOF}}}
    tenants: ['{user}']
    may: [read]
write:
  metrics:
    tenant: [{label: namespace, table: organisations}, caller]
    calls: {cluster: cortex}
tables:
  organisations: {http: {cluster: tables, path: /organisations}}
  passwords: {http: {cluster: tables, path: /passwords}}
";

/// What is told of a file whose tests are these lines.
fn told(tests: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("scopegate.yaml"), CONFIGURATION).unwrap();
    let file = folder.path().join("tests.yaml");
    std::fs::write(&file, tests).unwrap();
    let mut ran = run(&file, None).unwrap();
    ran.name = "tests.yaml".to_owned();
    anstream::adapter::strip_str(&report::text(&[ran])).to_string()
}

fn head(rest: &str) -> String {
    format!(
        "configuration: scopegate.yaml\nnow: 2026-11-25T12:00:00Z\nenv: {{PROOF: 0123456789abcdef0}}\n\
         tables:\n  organisations: {{shop: acme, blog: words}}\n  passwords: {{bob: {{tenants: [b]}}}}\ntests:\n{rest}"
    )
}

#[test]
fn what_passes() {
    let told = told(&head(
        "
- name: by certificate
  request: {path: /api/v1/push, certificate: {uri_san: spiffe://example.org/agent/7}, series: [up]}
  expect: {caller: agents, backend: metrics, class: write, tenants: '7', upstream: [{tenant: '7', series: [up]}]}
- name: by a token, split by a table
  request:
    path: /api/v1/push
    jwt: {claims: {tenant: a}}
    series: ['up{namespace=\"shop\"}', 'up{namespace=\"blog\"}', up]
  expect:
    decision: split
    tenants: [words, acme, a]
    status: 200
    upstream:
      - {tenant: words, cluster: cortex, path: /api/v1/push, series: 1, samples: 1}
      - {tenant: acme, series: ['up{namespace=\"shop\"}']}
      - {tenant: a}
- name: by a password that nobody knows
  request: {path: /api/v1/push, basic: {username: ann}, series: [up]}
  expect: {caller: writers, tenants: a, headers: {authorization: null, X-Scope-OrgID: a}}
- name: by one of a table
  request: {path: /api/v1/push, basic: {username: bob}, series: [up]}
  expect: {tenants: b}
- name: not by a wrong one
  request: {path: /api/v1/push, basic: {username: ann, password: wrong}, series: [up]}
  expect: {refused: {reason: bad_credential, message: the password is wrong}}
- name: by an opaque token
  request: {path: /api/v1/push, bearer: {like: 'hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}, series: [up]}
  expect: {caller: tokens, tenants: b}
- name: not by another
  request: {path: /api/v1/push, bearer: {token: guessed}, series: [up]}
  expect: {refused: {status: 401}}
- name: by a header with its proof
  request: {host: logs.example.org, path: /loki/api/v1/labels, headers: {X-User: z, X-Proof: 0123456789abcdef0}}
  expect: {caller: proxy, backend: logs, tenants: z, headers: {x-user: null}}
- name: logs
  request: {host: logs.example.org, path: /otlp/v1/logs, jwt: {claims: {tenant: a}}, resources: ['{service.name=\"x\"}']}
  expect: {tenants: a, upstream: [{series: ['{service.name=\"x\"}'], samples: 1}]}
- name: an unknown namespace is told of
  request: {path: /api/v1/push, jwt: {claims: {tenant: a}}, series: ['up{namespace=\"?\"}', up]}
  expect: {refused: {reason: series_rejected, message: 'namespace'}, upstream: [{tenant: a, series: 1}]}
",
    ));
    assert!(told.ends_with("10 passed, 0 failed\n"), "{told}");
}

#[test]
fn what_fails_is_told_where() {
    const TOKEN: &str = "jwt: {claims: {tenant: a}}";
    let write = format!("path: /api/v1/push, {TOKEN}, series: ['up{{namespace=\"shop\"}}', up]");
    let read = format!("host: plain.example.org, path: /api/v1/query?query=up, {TOKEN}");
    let cases = [
        (&*write, "caller: agents", "another caller\n@ tests[0].expect.caller\nexpected agents\ngot users"),
        (
            &write,
            "tenants: [a, b]",
            "other tenants\n@ tests[0].expect.tenants\nexpected (-), got (+):\na\n- b\n+ acme",
        ),
        (&write, "tenants: a", "other tenants\n@ tests[0].expect.tenants\nexpected (-), got (+):\na\n+ acme"),
        (
            &write,
            "refused: not_permitted",
            "it is not refused\n@ tests[0].expect.refused\nexpected not_permitted\ngot not refused",
        ),
        (&write, "class: read", "another class\n@ tests[0].expect.class\nexpected read\ngot write"),
        (
            &write,
            "decision: forwarded",
            "another decision\n@ tests[0].expect.decision\nexpected forwarded\ngot split",
        ),
        (&write, "status: 204", "another status\n@ tests[0].expect.status\nexpected 204\ngot 200"),
        (&write, "message: x", "the answer has other words\n@ tests[0].expect.message\nexpected x\ngot "),
        (
            &write,
            "upstream: [{tenant: a}]",
            "more requests go upstream\n@ tests[0].expect.upstream\nexpected no more\ngot acme",
        ),
        (
            &write,
            "upstream: [{tenant: a}, {tenant: b}]",
            "no such request goes upstream\n@ tests[0].expect.upstream[1]\nexpected b\ngot acme",
        ),
        (
            &write,
            "upstream: [{tenant: a}, {tenant: acme, cluster: x, samples: 2, series: 2}]",
            "another cluster\n@ tests[0].expect.upstream[1].cluster\nexpected x\ngot cortex\n\
             another number of samples\n@ tests[0].expect.upstream[1].samples\nexpected 2\ngot 1\n\
             another number of series\n@ tests[0].expect.upstream[1].series\nexpected 2\ngot up{namespace=\"shop\"}",
        ),
        (
            &write,
            "upstream: [{tenant: a}, {tenant: acme, series: [up]}]",
            "other series\n@ tests[0].expect.upstream[1].series\nexpected up\ngot up{namespace=\"shop\"}",
        ),
        (
            &read,
            "query: up",
            "another query goes on\n@ tests[0].expect.query\nexpected up\ngot up{tenant=\"a\"}",
        ),
        (&read, "path: /x", "another path goes on\n@ tests[0].expect.path\nexpected /x\ngot /api/v1/query"),
        (
            &read,
            "arguments: {time: '1'}",
            "another argument goes on\n@ tests[0].expect.arguments.time\nexpected 1\ngot none",
        ),
        (
            &read,
            "headers: {x-a: b}",
            "another header goes on\n@ tests[0].expect.headers.x-a\nexpected b\ngot none",
        ),
        (
            &read,
            "narrows_answer: true",
            "the answer is narrowed, or is not\n@ tests[0].expect.narrows_answer\nexpected true\ngot false",
        ),
        (
            "path: /config, jwt: {claims: {tenant: a}}",
            "{caller: users, tenants: a}",
            "it is refused\n@ tests[0].expect\nexpected not refused\ngot closed_path (403): *",
        ),
        (
            "path: /config, jwt: {claims: {tenant: a}}",
            "refused: {reason: x, status: 400, message: why}",
            "it is refused for another reason\n@ tests[0].expect.refused.reason\nexpected x\ngot closed_path (403): *\n\
             it is refused with another status\n@ tests[0].expect.refused.status\nexpected 400\ngot 403\n\
             the answer has other words\n@ tests[0].expect.refused.message\nexpected why\ngot *",
        ),
    ];
    let mut wrong = Vec::new();
    for (request, expect, expected) in cases {
        let expect = if expect.starts_with('{') { expect.to_owned() } else { format!("{{{expect}}}") };
        let told = told(&head(&format!("- {{name: it, request: {{{request}}}, expect: {expect}}}\n")));
        let lines: Vec<&str> = told
            .lines()
            .filter_map(|line| {
                let line = line.trim_start();
                let line = line.strip_prefix("error: ").or(line.strip_prefix("= note: ")).unwrap_or(line);
                line.find("tests[0]").map(|at| &line[at..]).or(Some(line))
            })
            .collect();
        let told_short = short(&lines);
        let fits = told_short.len() == expected.lines().count()
            && told_short.iter().zip(expected.lines()).all(|(told, expected)| {
                match expected.strip_suffix('*') {
                    Some(start) => told.starts_with(start),
                    None => told == expected,
                }
            });
        if !fits {
            wrong.push(format!("{expect}\n{}\n---\n{told}", told_short.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What was told without the text that it is about: titles, places, and what was expected and got.
fn short(lines: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines.iter().skip(3) {
        if line.starts_with("tests[0].") {
            out.push(format!("@ {line}"));
        } else if !(line.is_empty()
            || line.starts_with(['|', '^'])
            || line.starts_with("--> ")
            || line.contains(" passed, ")
            || line.split(' ').next().is_some_and(|word| word.parse::<u32>().is_ok()))
        {
            out.push((*line).to_owned());
        }
    }
    out
}

#[test]
fn what_cannot_be_used_is_told_where() {
    let test =
        |request: &str| head(&format!("- {{name: it, request: {{path: /x, {request}}}, expect: {{}}}}\n"));
    let cases = [
        ("configuration: absent.yaml\ntests: []".to_owned(), "1:16", "cannot read"),
        ("configuration: scopegate.yaml".to_owned(), "1:1", "missing field `tests`"),
        ("configuration: scopegate.yaml\ntests: {}".to_owned(), "2:1", "expected a list"),
        ("configuration: [".to_owned(), "1:17", ""),
        (
            "configuration: scopegate.yaml\ntables: {organisation: {a: b}}\ntests: []".to_owned(),
            "2:10",
            "did you mean `organisations`?",
        ),
        ("configuration: scopegate.yaml\nnow: today\ntests: []".to_owned(), "2:6", "expected a date"),
        (test("claims: {}"), "8:34", "unknown field `claims`"),
        (test("serie: []"), "8:34", "did you mean `series`?"),
        (test("backend: metric"), "8:43", "did you mean `metrics`?"),
        (test("series: [up, 'a{']"), "8:47", "after a label's name stands `=`"),
        (test("streams: [{stream: ''}]"), "8:44", "it has no labels"),
        (test("series: [up], remote_write: '3'"), "8:62", "expected \"1.0\" or \"2.0\""),
        (test("series: [up], body: x"), "8:14", "several bodies"),
        (test("body_file: absent"), "8:45", "cannot read absent"),
        (test("jwt: {claims: [a]}"), "8:40", "expected an object"),
        (test("jwt: {provider: idb, claims: {}}"), "8:50", "did you mean `idp`?"),
        (test("basic: {username: anne}"), "8:52", "did you mean `ann`?"),
        (test("bearer: {like: x}"), "8:49", "no token has this hash"),
        (test("bearer: {}"), "8:34", "give exactly one of `token`, `like`"),
        (
            test("session: {attribute: local, agent: a}"),
            "8:55",
            "unknown attribute `local`: the configuration has none",
        ),
        (test("metadata: {a: [b]}"), "8:45", "expected an object"),
    ];
    let mut wrong = Vec::new();
    for (file, place, words) in cases {
        let told = told(&file);
        if !(told.contains(&format!("--> tests.yaml:{place}\n"))
            && told.contains(words)
            && told.contains("1 unusable"))
        {
            wrong.push(format!("{place} {words}\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_examples_pass() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        let example = example.unwrap().path();
        let file = example.join("tests.yaml");
        if !file.exists() {
            assert!(!example.join("scopegate.yaml").exists(), "{} has tests", example.display());
            continue;
        }
        let ran = run(&file, None).unwrap();
        assert!(ran.results.len() >= 5, "{}", example.display());
        assert!(report::text(&[ran]).contains(" 0 failed\n"), "{}", example.display());
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn tools_are_told_the_same() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("scopegate.yaml"), CONFIGURATION).unwrap();
    let file = folder.path().join("tests.yaml");
    let request = "request: {path: /api/v1/push, jwt: {claims: {tenant: a}}, series: [up]}";
    let tests = head(&format!(
        "- {{name: good, {request}, expect: {{tenants: a}}}}\n- {{name: b<a>d, {request}, expect: {{tenants: b}}}}\n"
    ));
    std::fs::write(&file, tests).unwrap();
    let ran = [run(&file, None).unwrap()];
    let json = report::json(&ran);
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &1.into()));
    let failed = &json["files"][0]["tests"][1];
    assert_eq!(failed["outcome"]["tenants"][0], "a");
    let failure = &failed["failures"][0];
    assert_eq!((&failure["line"], &failure["path"]), (&9.into(), &"tests[1].expect.tenants".into()));
    assert_eq!((&failure["expected"][0], &failure["got"][0]), (&"b".into(), &"a".into()));

    let report = folder.path().join("report.xml");
    junit::write(&report, &ran).unwrap();
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{report}");
    assert!(report.contains("<testcase name=\"b&lt;a&gt;d\""), "{report}");
    assert!(report.contains("tests.yaml:9:"), "{report}");

    let only = run(&file, Some("goo")).unwrap();
    assert_eq!(only.results.len(), 1);
}
