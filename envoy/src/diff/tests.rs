//! Changes of a configuration, and what is told of them.
#![allow(clippy::too_many_lines)] // tables are

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    diff: Diff,
}

const OLD: &str = "
backends:
  - {name: metrics, kind: cortex, host: m.example.org}
  - {name: plain, kind: prometheus, isolate: {label: tenant}, path: /plain}
callers:
  - name: boss
    jwt: {provider: idp, issuer: https://idp.example.org, where: [{claim: groups, in: [ops]}]}
    tenants: [platform]
    may: [read, write]
    on_behalf_of: ['*']
  - name: users
    jwt: {provider: idp, issuer: https://idp.example.org}
    tenants: {first: [{claim: tenant}, {claim: groups, table: groups}]}
    may: [read]
    grants:
      - {where: [{claim: rank, in: [senior]}], may: [rules]}
  - name: writers
    basic:
      key: {env: KEY}
      users: [{username: ann, password: 'hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', tenants: a}]
      table: passwords
    tenants: shared
    may: [write]
  - name: tokens
    bearer: {key: {env: KEY}, tokens: [{token: 'hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', tenants: b}]}
    may: [write]
  - name: agents
    certificate: {uri_san: 'spiffe://example.org/agent/{id}'}
    tenants: ['{id}']
    may: [write]
    impersonate: {label: as, tenants: ['cluster-*']}
  - name: proxy
    header: {claims: {user: x-user}, proof: {secret: {header: x-proof, env: PROOF}, address: 10.0.0.0/8}}
    tenants: ['{user}']
    may: [read]
  - name: signed
    session: {attribute: local, keys: {env: KEYS}, rate: 5}
    tenants: local
    may: [write]
  - name: left
    metadata: {filter_state: who}
    tenants: ['{value}']
    may: [read]
write:
  metrics:
    tenant: [{label: namespace, table: spaces}, caller]
    calls: {cluster: cortex}
tables:
  spaces: {static: {shop: acme}}
  groups: {static: {staff: s, guests: g}}
  passwords: {http: {cluster: c, path: /p}}
limits: {request_bytes: 8MiB}
";

fn difference(old: &str, new: &str, arguments: &[&str]) -> Difference {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let files = [write("old.yaml", old), write("new.yaml", new)];
    write("tests.yaml", TESTS);
    write("record.har", HAR);
    let given = arguments.iter().map(|text| text.replace("FOLDER", &folder.path().display().to_string()));
    let all = ["diff".to_owned()].into_iter().chain(files).chain(given);
    Cli::try_parse_from(all).unwrap().diff.difference().unwrap_or_else(|error| panic!("{error:#}"))
}

const TESTS: &str = "
configuration: elsewhere.yaml
tests:
  - name: a senior
    request: {host: m.example.org, path: /api/v1/rules, jwt: {claims: {tenant: x, rank: senior}}}
    expect: {tenants: something}
  - name: ann
    request: {host: m.example.org, path: /api/v1/push, basic: {username: ann}, series: [up]}
    expect: {}
";

const HAR: &str = r#"{"log": {"entries": [
    {"request": {"method": "GET", "url": "https://m.example.org/prometheus/api/v1/labels?x=y", "headers": []}},
    {"request": {"method": "GET", "url": "https://m.example.org/config", "headers": []}}
]}}"#;

/// Every change in a line: who asks what, what became and becomes of it, gains and losses.
fn lines(difference: &Difference) -> Vec<String> {
    let json = render::json(difference);
    let answer = |answer: &Value| {
        let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if answer["refused"].is_null() {
            words(&answer["caller"])
        } else {
            words(&answer["refused"]["reason"])
        }
    };
    let list = |value: &Value, sign: &str| -> String {
        value.as_array().unwrap().iter().flat_map(|one| [" ", sign, one.as_str().unwrap()]).collect()
    };
    let change = |change: &Value| {
        let mut line = format!(
            "{} {} {}→{}{}{}",
            change["who"].as_str().unwrap(),
            change["asks"].as_str().unwrap(),
            answer(&change["old"]),
            answer(&change["new"]),
            list(&change["gained"], "+"),
            list(&change["lost"], "-"),
        );
        for one in change["sent"].as_array().unwrap() {
            line = format!("{line} ~{}:{}→{}", one["name"], one["old"], one["new"]);
        }
        line.replace(['"', '\\'], "")
    };
    let changes = json["changes"].as_array().unwrap().iter().map(change);
    let right = |right: &Value| {
        let words =
            ["who", "name", "old", "new"].map(|name| right[name].as_str().unwrap().replace(['"', '\\'], ""));
        let [who, name, old, new] = words;
        format!("{who}: {name} {old}→{new}")
    };
    changes.chain(json["rights"].as_array().unwrap().iter().map(right)).collect()
}

#[test]
fn nothing_differs_from_itself() {
    let same = difference(OLD, OLD, &[]);
    assert!(same.is_empty() && same.asked > 60, "{} {:?}", same.asked, lines(&same));
    assert!(render::markdown(&same).contains("Nothing: of"));
    // Nobody is left out: everyone is recognised by its own entry.
    let renamed = lines(&difference(OLD, &OLD.replace("  - name: ", "  - name: other-"), &[]));
    for name in ["boss", "users", "writers", "tokens", "agents", "proxy", "signed", "left"] {
        let renaming = format!(" {name}→other-{name}");
        assert!(renamed.iter().any(|line| line.ends_with(&renaming)), "{name}: {renamed:?}");
    }
}

#[test]
fn table() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "may: [read]\n    grants",
            "may: [read, rules]\n    grants",
            &[
                "users, tenant=example `rules` metrics not_permitted→users +example",
                "users, tenant=example: may read→read, rules",
                "users, groups=guests `rules` metrics not_permitted→users +g",
                "users, groups=guests, staff `rules` metrics not_permitted→several_tenants",
            ],
        ),
        (
            "shop: acme",
            "shop: words",
            &["boss, groups=ops `write` metrics namespace=shop boss→boss +words -acme"],
        ),
        (
            "shop: acme",
            "shop: acme, blog: acme",
            &["boss, groups=ops `write` metrics namespace=blog series_rejected→boss +acme"],
        ),
        ("tenants: a}]", "tenants: [b]}]", &["writers, ann `write` metrics writers→writers +b -a"]),
        (
            "staff: s",
            "staff: t",
            &[
                "users, groups=staff `read` metrics users→users +t -s",
                "users, groups=guests, staff `read` plain users→users +t -s",
            ],
        ),
        ("tenants: b}]", "tenants: c}]", &["tokens, token 1 `write` plain tokens→tokens +c -b"]),
        (
            "tenants: ['{id}']",
            "tenants: ['agent-{id}']",
            &["agents, id=example `write` metrics agents→agents +agent-example -example"],
        ),
        (
            "'cluster-*'",
            "'other-*'",
            &[
                "agents, id=example `write` metrics impersonating cluster-example agents→series_rejected -cluster-example",
                "agents, id=example: may impersonate *",
                "agents, id=example `write` metrics impersonating other-example series_rejected→agents +other-example",
            ],
        ),
        (
            "x-user}",
            "x-person}",
            &[
                "proxy, user=example `read` metrics proxy→no_caller -example",
                "proxy, user=example `read` metrics no_caller→proxy +example",
            ],
        ),
        ("tenants: local", "tenants: remote", &["signed `write` metrics signed→signed +remote -local"]),
        (
            "['{value}']",
            "['x-{value}']",
            &["left, value=example `read` metrics left→left +x-example -example"],
        ),
        (
            "tenants: [platform]",
            "tenants: [platform]\n    unfiltered: true",
            &[
                "boss, groups=ops `read` plain boss→boss +every tenant",
                "boss, groups=ops: reads unfiltered →yes",
            ],
        ),
        (
            "host: m.example.org}",
            "host: m.example.org, mode: observe}",
            &["nobody `read` metrics no_caller→null +whatever it names"],
        ),
        (
            "isolate: {label: tenant}",
            "isolate: {label: org}",
            &[
                "users, tenant=example `read` plain users→users ~request:GET /plain/api/v1/query?query=up%7Btenant%3D%22example%22%7D→GET /plain/api/v1/query?query=up%7Borg%3D%22example%22%7D",
            ],
        ),
        (
            "    calls: {cluster: cortex}",
            "    calls: {cluster: cortex}\n    labels: {set: {region: eu}}",
            &["boss, groups=ops `write` metrics boss→boss ~series:up→up{region=eu}"],
        ),
    ];
    let mut wrong = Vec::new();
    for (old, new, expected) in cases {
        assert_eq!(OLD.matches(old).count(), 1, "{old}");
        let told = lines(&difference(OLD, &OLD.replace(old, new), &[]));
        let is_there = |wanted: &&str| match wanted.strip_suffix('*') {
            Some(start) => told.iter().any(|line| line.starts_with(start)),
            None => told.iter().any(|line| line == wanted),
        };
        if let Some(missing) = expected.iter().find(|wanted| !is_there(wanted)) {
            wrong.push(format!("{new}\nmissing: {missing}\n{}", told.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn requests_of_people_are_asked_about() {
    let new = OLD.replace("may: [rules]", "may: [alerts]").replace("tenants: a}]", "tenants: b}]");
    let told = lines(&difference(OLD, &new, &["--requests", "FOLDER/tests.yaml"]));
    assert_eq!(
        told,
        [
            "a senior  users→not_permitted -x",
            "ann  writers→writers +b -a",
            "a senior: may read, rules→alerts, read",
            "ann: tenants a→b",
        ]
    );
    let new = OLD.replace(
        "provider: idp, issuer: https://idp.example.org}\n    tenants: {first",
        "provider: idp, issuer: https://other.example.org}\n    tenants: {first",
    );
    let claims = r#"{"iss": "https://idp.example.org", "tenant": "x"}"#;
    let told = lines(&difference(OLD, &new, &["--requests", "FOLDER/record.har", "--claims", claims]));
    assert_eq!(
        told,
        [
            "entry 1 GET /prometheus/api/v1/labels users→no_caller -x",
            "entry 2 GET /config closed_path→no_caller"
        ]
    );
}

#[test]
fn settings_are_told_that_no_request_shows() {
    let new = OLD
        .replace("request_bytes: 8MiB", "request_bytes: 9MiB")
        .replace("password: 'hmac-sha256:AAAAAAAA", "password: 'hmac-sha256:BAAAAAAA")
        .replace("path: /p}", "path: /p, refresh: 5s}");
    let told = difference(OLD, &new, &[]);
    let settings: Vec<String> = told
        .settings
        .iter()
        .map(|setting| {
            let or_none = |value: &Option<String>| value.clone().unwrap_or_default();
            format!("{} {}→{}", setting.path, or_none(&setting.old), or_none(&setting.new))
        })
        .collect();
    assert_eq!(
        settings,
        [
            "callers[writers].basic.users[ann].password (not shown)→(not shown)",
            "tables.passwords.http.refresh →5s",
            "limits.request_bytes 8MiB→9MiB",
        ]
    );
    assert_eq!(lines(&told), [""; 0]);
    let page = render::markdown(&told);
    assert!(page.contains("| `limits.request_bytes` | `8MiB` | `9MiB` |"), "{page}");
}

#[test]
fn order_counts() {
    let (start, rest) = OLD.split_once("  - name: boss").unwrap();
    let (boss, rest) = rest.split_once("  - name: users").unwrap();
    let (users, rest) = rest.split_once("  - name: writers").unwrap();
    let new = format!("{start}  - name: users{users}  - name: boss{boss}  - name: writers{rest}");
    let told = difference(OLD, &new, &[]);
    assert!(told.settings.iter().any(|setting| setting.path == "callers (order)"), "{:?}", told.settings);
    assert!(
        lines(&told).contains(&"boss, groups=ops `read` plain boss→no_tenant -platform".to_owned()),
        "{:?}",
        lines(&told)
    );
}

#[test]
fn the_page_cannot_be_broken_out_of() {
    let new = OLD.replace("senior", "\"`|<b>\\n@all|`\"");
    let page = render::markdown(&difference(OLD, &new, &[]));
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!([4, 5, 7].contains(&bars), "{line}");
    }
}
