//! Every refusal a request can meet, as its client sees it.

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::{Head, OPT_IN, QUERY, WRITE, World, and, answer, but, describe, text, up};
use crate::caller::testing::hashed;
use crate::http::Reply;
use crate::write::otlp::testing::Status;
use crate::write::remote_write::testing::{body, compress};

/// Every source of identity, and every write rule that refuses something.
fn config() -> Json {
    json!({
        "backends": [
            {"name": "metrics", "kind": "cortex", "host": "metrics.example.org"},
            {"name": "logs", "kind": "loki", "path": "/logs"},
        ],
        "callers": [
            {"name": "tokens", "jwt": {"provider": "idp", "issuer": "https://idp"}, "tenants": {"claim": "tenant"},
             "may": ["read"]},
            {"name": "passwords", "may": ["read"], "tenants": ["own"],
             "basic": {"key": {"env": "KEY"}, "realm": "here", "users": [{"username": "u", "password": hashed("u", b"p")}]}},
            {"name": "agent", "metadata": {"filter_state": "session", "where": [{"claim": "who", "in": "agent"}]},
             "tenants": {"claim": "tenants"}, "may": ["write", "read", "rules", "alerts"],
             "impersonate": {"label": "imp", "tenants": ["cluster-*"]}},
            {"name": "user", "metadata": {"filter_state": "session"}, "tenants": {"claim": "tenants"},
             "may": ["write", "read"]},
        ],
        "write": {"metrics": {"strict": true}},
        "limits": {"request_bytes": 200, "decoded_bytes": 400, "series": 3, "tenants": 2, "held_bytes_per_worker": 30},
    })
}

/// The world of [`config`], where these are the caller and its tenants.
pub(super) fn world(who: &str, tenants: &[&str]) -> World {
    let mut world = World::new(config());
    if !who.is_empty() {
        world = world.caller(who, tenants);
    }
    world
}

/// How a refusal looks: the content type's last word, and the headers that belong to it.
fn form(reply: &Reply) -> (&str, Vec<(&str, &str)>) {
    let (types, others): (Vec<_>, Vec<_>) = reply
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .partition(|(name, _)| *name == "content-type");
    match types.as_slice() {
        [(_, "application/json")] => {
            let body: Json = serde_json::from_slice(&reply.body).unwrap();
            let (message, form) = if body.get("code").is_some() {
                assert_eq!(body["code"], reply.status);
                (&body["message"], "alertmanager")
            } else {
                assert_eq!(body["status"], "error");
                (&body["error"], "json")
            };
            assert!(message.as_str().unwrap().starts_with("scopegate: "), "{body}");
            (form, others)
        }
        [(_, "application/x-protobuf")] => {
            let status = Status::decode(reply.body.as_slice()).unwrap();
            assert!(status.message.starts_with("scopegate: "), "{status:?}");
            ("otlp", others)
        }
        [(_, "text/plain; charset=utf-8")] => {
            assert!(text(reply).starts_with("scopegate: ") && text(reply).ends_with('\n'), "{reply:?}");
            ("text", others)
        }
        other => panic!("{other:?}"),
    }
}

const CHALLENGES: Head<'_> = &[("www-authenticate", "Basic realm=\"here\""), ("www-authenticate", "Bearer")];

#[test]
fn heads() {
    let bad = ("authorization", "Basic dTp3cm9uZw=="); // u:wrong
    let stranger = ("authorization", "Basic djpw"); // v:p
    let write = |name, value| but(WRITE, name, value);
    let read = |path| but(QUERY, ":path", path);
    let rules = "/api/v1/rules";
    // (what, caller and tenants, head, status and reason, the body's form, headers besides)
    let cases: Vec<(&str, (&str, &[&str]), Vec<(&str, &str)>, &str, &str, Head<'_>)> = vec![
        // Who is calling
        ("no credentials", ("", &[]), QUERY.to_vec(), "401 no_caller", "json", CHALLENGES),
        ("no credentials, a write", ("", &[]), WRITE.to_vec(), "401 no_caller", "text", CHALLENGES),
        ("an unknown user", ("", &[]), and(QUERY, &[stranger]), "401 no_caller", "json", CHALLENGES),
        (
            "a token that nobody verified",
            ("", &[]),
            and(QUERY, &[("authorization", "Bearer x")]),
            "401 no_caller",
            "json",
            CHALLENGES,
        ),
        (
            "a wrong password",
            ("agent", &["own"]),
            and(QUERY, &[bad]),
            "401 bad_credential",
            "json",
            &CHALLENGES[..1],
        ),
        (
            "two credentials",
            ("agent", &["own"]),
            and(QUERY, &[stranger, bad]),
            "400 repeated_header",
            "json",
            &[],
        ),
        ("no tenant", ("agent", &[]), QUERY.to_vec(), "403 no_tenant", "json", &[]),
        ("an invalid tenant", ("agent", &["a/b"]), QUERY.to_vec(), "403 bad_claim", "json", &[]),
        // What is asked
        ("an unknown path, to a stranger", ("", &[]), read("/nowhere"), "401 no_caller", "text", CHALLENGES),
        ("a closed path, to a stranger", ("", &[]), read("/config"), "401 no_caller", "text", CHALLENGES),
        (
            "another method, to a stranger",
            ("", &[]),
            write(":method", "PUT"),
            "401 no_caller",
            "json",
            CHALLENGES,
        ),
        (
            "a path written oddly, to a stranger",
            ("", &[]),
            read("/a/../b"),
            "401 no_caller",
            "text",
            CHALLENGES,
        ),
        (
            "a right that is lacking, to a stranger",
            ("", &[]),
            read(rules),
            "401 no_caller",
            "json",
            CHALLENGES,
        ),
        ("an unknown path", ("agent", &["own"]), read("/nowhere"), "404 unknown_path", "text", &[]),
        ("a closed path", ("agent", &["own"]), read("/config"), "403 closed_path", "text", &[]),
        (
            "another method",
            ("agent", &["own"]),
            write(":method", "PUT"),
            "405 method",
            "json",
            &[("allow", "POST")],
        ),
        (
            "another method of several",
            ("agent", &["own"]),
            but(QUERY, ":method", "PATCH"),
            "405 method",
            "json",
            &[("allow", "GET, POST")],
        ),
        (
            "no method",
            ("agent", &["own"]),
            but(QUERY, ":method", ""),
            "405 method",
            "json",
            &[("allow", "GET, POST")],
        ),
        (
            "a path written oddly",
            ("agent", &["own"]),
            read("//api/v1/push"),
            "400 path_not_canonical",
            "json",
            &[],
        ),
        (
            "an encoded letter",
            ("agent", &["own"]),
            read("/prometheus/api/v1/quer%79"),
            "400 path_not_canonical",
            "json",
            &[],
        ),
        (
            "a fragment",
            ("agent", &["own"]),
            read("/prometheus/api/v1/query#x"),
            "400 path_not_canonical",
            "json",
            &[],
        ),
        (
            "a fragment in the query",
            ("agent", &["own"]),
            read("/prometheus/api/v1/query?a#x"),
            "400 path_not_canonical",
            "text",
            &[],
        ),
        ("no path", ("agent", &["own"]), but(QUERY, ":path", ""), "400 path_not_canonical", "text", &[]),
        ("no backend", ("agent", &["own"]), but(QUERY, ":authority", "x"), "404 no_backend", "text", &[]),
        ("a right that is lacking", ("user", &["own"]), read(rules), "403 not_permitted", "json", &[]),
        (
            "a right that is lacking, alerts",
            ("user", &["own"]),
            read("/alertmanager/api/v2/alerts"),
            "403 not_permitted",
            "alertmanager",
            &[],
        ),
        // Which tenants
        (
            "a tenant twice",
            ("agent", &["own"]),
            and(QUERY, &[("x-scope-orgid", "own"), ("x-scope-orgid", "own")]),
            "400 repeated_header",
            "json",
            &[],
        ),
        (
            "a tenant that is none",
            ("agent", &["own"]),
            and(QUERY, &[("x-scope-orgid", "own|")]),
            "400 invalid_tenant",
            "json",
            &[],
        ),
        (
            "somebody else's",
            ("agent", &["own"]),
            and(QUERY, &[("x-scope-orgid", "b")]),
            "403 foreign_tenant",
            "json",
            &[],
        ),
        (
            "several where there may be one",
            ("agent", &["a", "b"]),
            read(rules),
            "400 several_tenants",
            "json",
            &[],
        ),
        (
            "several for a write",
            ("agent", &["a", "b"]),
            but(&but(WRITE, ":authority", "x"), ":path", "/logs/loki/api/v1/push"),
            "400 several_tenants",
            "text",
            &[],
        ),
        (
            "more than may be",
            ("agent", &["a", "b", "c"]),
            QUERY.to_vec(),
            "400 too_many_tenants",
            "json",
            &[],
        ),
        (
            "a right to impersonate that is lacking",
            ("user", &["own"]),
            and(WRITE, &[OPT_IN]),
            "403 may_not_impersonate",
            "text",
            &[],
        ),
        // The body, as the head announces it
        ("no content type", ("agent", &["own"]), write("content-type", ""), "415 media_type", "text", &[]),
        (
            "another content type",
            ("agent", &["own"]),
            write("content-type", "application/json"),
            "415 media_type",
            "text",
            &[],
        ),
        ("no encoding", ("agent", &["own"]), write("content-encoding", ""), "415 encoding", "text", &[]),
        (
            "another encoding",
            ("agent", &["own"]),
            write("content-encoding", "gzip"),
            "415 encoding",
            "text",
            &[],
        ),
        (
            "two content types",
            ("agent", &["own"]),
            and(WRITE, &[("content-type", "application/json")]),
            "400 repeated_header",
            "text",
            &[],
        ),
        (
            "another version",
            ("agent", &["own"]),
            and(WRITE, &[("x-prometheus-remote-write-version", "2.0.0")]),
            "400 version",
            "text",
            &[],
        ),
        (
            "OTLP of a wrong encoding",
            ("agent", &["own"]),
            write(":path", "/api/v1/otlp/v1/metrics"),
            "415 encoding",
            "otlp",
            &[],
        ),
        (
            "OTLP from nobody",
            ("", &[]),
            write(":path", "/api/v1/otlp/v1/metrics"),
            "401 no_caller",
            "otlp",
            CHALLENGES,
        ),
        (
            "too large",
            ("agent", &["own"]),
            and(WRITE, &[OPT_IN, ("content-length", "201")]),
            "413 body_too_large",
            "text",
            &[],
        ),
        ("empty", ("agent", &["own"]), and(WRITE, &[OPT_IN]), "400 malformed_body", "text", &[]),
    ];
    for (what, (who, tenants), head, expected, body, extra) in cases {
        let mut world = world(who, tenants);
        let (_, step) = world.arrives(&head, true);
        assert_eq!(describe(&step), format!("answer {expected}"), "{what}");
        let counted = world.counted();
        let reason = expected.split_once(' ').unwrap().1;
        assert_eq!(counted.len(), 1, "{what}: {counted:?}");
        assert!(counted[0].contains(&format!("decision=refused reason={reason} ")), "{what}: {counted:?}");
        assert_eq!(form(&answer(step)), (body, extra.to_vec()), "{what}");
    }
}

#[test]
fn bodies_and_calls() {
    let imp =
        |tenants: &[&str]| body(&tenants.iter().map(|tenant| up(&[("imp", tenant)])).collect::<Vec<_>>());
    let cases: Vec<(&str, Result<Vec<u8>, &'static str>, &str)> = vec![
        ("no snappy", Ok(b"hello".to_vec()), "400 malformed_body"),
        ("no message", Ok(compress(b"\x0a\xff")), "400 malformed_body"),
        ("too large once decompressed", Ok(compress(&[0; 401])), "413 body_too_large"),
        ("too many series", Ok(imp(&["own"; 4])), "413 too_many_series"),
        ("too many tenants", Ok(imp(&["own", "cluster-1", "cluster-2"])), "400 too_many_tenants"),
        ("could not be read", Err("the body could not be read"), "500 host"),
        ("no memory for so much", Ok(imp(&["own", "cluster-1"])), "413 body_too_large"),
    ];
    for (what, body, expected) in cases {
        let mut world = world("agent", &["own"]);
        let (mut exchange, _) = world.head(&and(WRITE, &[OPT_IN]));
        let step = exchange.body(&mut world.worker, body, 0);
        assert_eq!(describe(&step), format!("answer {expected}"), "{what}");
        let extra = if expected.starts_with("503") { vec![("retry-after", "1")] } else { vec![] };
        assert_eq!(form(&answer(step)), ("text", extra), "{what}");
    }
}
