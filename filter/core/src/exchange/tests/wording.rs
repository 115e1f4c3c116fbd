//! What a client is told: which claim or tenant it is about, in few words, and nothing that it should not know.

use serde_json::json;

use super::refusals::world;
use super::{OPT_IN, QUERY, Step, WRITE, and, answer, but, describe, text};
use crate::caller::testing::metadata;
use crate::report::{Refusal, reply};

/// What a token says is refused in words that name the claim, never its value.
#[test]
fn claims() {
    let cases = [
        (
            json!(true),
            "403 bad_claim",
            "the claim tenant of this caller must be a string or a list of strings",
        ),
        (json!({"a": 1}), "403 bad_claim", "must be a string or a list of strings"),
        (json!("sec ret"), "403 bad_claim", "names something that is no tenant: a tenant ID is made of"),
        (json!(["own", ""]), "403 bad_claim", "a tenant ID must not be empty"),
        (json!([]), "403 no_tenant", "this caller was recognised as tokens, and has no tenant"),
        (json!(null), "403 no_tenant", "recognised as tokens"),
    ];
    for (claim, expected, words) in cases {
        let mut world = world("", &[]);
        let payload = json!({"iss": "https://idp", "tenant": claim});
        world.know("metadata", &metadata(&json!({"envoy.filters.http.jwt_authn": {"idp": payload}})));
        let (_, step) = world.head(QUERY);
        assert_eq!(describe(&step), format!("answer {expected}"), "{claim}");
        let reply = answer(step);
        assert!(text(&reply).contains(words), "{}", text(&reply));
        assert!(!text(&reply).contains("sec ret"));
    }
}

/// What is said to a client is short, however many tenants it has.
#[test]
fn words_are_bounded() {
    let tenants: Vec<String> = (0..2_000).map(|n| format!("{n:0>150}")).collect();
    let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
    for head in [
        but(QUERY, ":path", "/api/v1/rules"),
        QUERY.to_vec(),
        and(QUERY, &[("x-scope-orgid", &"x".repeat(9_000))]),
    ] {
        let (_, step) = world("agent", &tenants).head(&head);
        let reply = answer(step);
        assert!(reply.body.len() < 1_500, "{}: {}", reply.details, reply.body.len());
    }
}

/// The one answer that no event leads to: the filter itself failed.
#[test]
fn failures_of_the_gateway() {
    let reply = reply(&Refusal::Host { what: "it has no configuration" }, None);
    assert_eq!(describe(&Step::Reply(reply.clone())), "answer 500 host");
    assert_eq!(text(&reply), "scopegate: the gateway failed: it has no configuration\n");
    let mut world = world("agent", &["own"]);
    world.known.forget("xds cluster_name");
    let (_, step) = world.head(&and(WRITE, &[OPT_IN]));
    assert_eq!(describe(&step), "answer 500 host");
    world.know("xds route_metadata", &metadata(&json!({"scopegate": {"backend": "nobody"}})));
    let (_, step) = world.head(QUERY);
    assert_eq!(describe(&step), "answer 500 no_backend");
}

/// Each reason is explained to operators.
#[test]
fn reasons_are_documented() {
    let page = include_str!("../../../../../docs/observability.md");
    for (room, function) in [
        (include_str!("../../report/refusal.rs"), "fn reason"),
        (include_str!("../../write/route.rs"), "fn word("),
    ] {
        let (_, rest) = room.split_once(function).unwrap();
        let (body, _) = rest.split_once("\n    }\n").unwrap();
        let words: Vec<&str> = body.split('"').skip(1).step_by(2).collect();
        assert!(words.len() > 10);
        for word in words {
            let rows = page.lines().filter(|line| line.starts_with("| `"));
            let is_told =
                |row: &str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{word}`")));
            assert!(rows.into_iter().any(is_told), "{word}");
        }
    }
}
