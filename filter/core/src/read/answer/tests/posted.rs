//! Silences and alerts as clients send them, and what goes on of them.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{Posted, alerts, silence};
use crate::report::Refusal;
use crate::tenant::TenantId;

type Take = fn(&[u8], &str, &TenantId) -> Result<Posted, Refusal>;

/// `=` as it came, else the new body, or `! ` and why not. A silence's ID comes first.
fn describe(take: Take, body: &str) -> String {
    match take(body.as_bytes(), "tenant", &TenantId::new("a").unwrap()) {
        Ok(Posted { body, id }) => {
            let id = id.map(|id| format!("{id} ")).unwrap_or_default();
            let body = body.map_or_else(|| "=".to_owned(), |body| String::from_utf8(body).unwrap());
            format!("{id}{body}")
        }
        Err(Refusal::Json { problem, .. }) => format!("! {problem}"),
        Err(refusal) => format!("! {}", refusal.reason()),
    }
}

const OURS: &str = r#"{"name":"tenant","value":"a","isRegex":false,"isEqual":true},"#;

#[test]
fn a_silence_gets_the_tenants_matcher() {
    let x = r#"{"name":"x","value":"y","isRegex":true}"#;
    let cases = [
        (x.to_owned(), format!("{OURS}{x}")),
        (r#"{"name":"tenant","value":"a","isRegex":false}"#.to_owned(), "=".into()),
        (
            format!(r#"{x},{{"isEqual":true,"isRegex":false,"n\u0061me":"ten\u0061nt","value":"a"}}"#),
            "=".into(),
        ),
        (String::new(), "! no_matchers".into()),
        (r#"{"name":"tenant","value":"b","isRegex":false}"#.into(), "! foreign_label".into()),
        (r#"{"name":"tenant","value":"a","isRegex":true}"#.into(), "! foreign_label".into()),
        (r#"{"name":"tenant","value":".*","isRegex":true}"#.into(), "! foreign_label".into()),
        (r#"{"name":"tenant","value":"a","isRegex":false,"isEqual":false}"#.into(), "! foreign_label".into()),
        (r#"{"name":"tenant","value":"","isRegex":false}"#.into(), "! foreign_label".into()),
        // Ours is there, and so is another.
        (
            r#"{"name":"tenant","value":"a","isRegex":false},{"name":"tenant","value":"b","isRegex":false}"#
                .into(),
            "! foreign_label".into(),
        ),
        (r#"{"name":"x","value":"y","isRegex":false,"Name":"tenant"}"#.into(), "! unknown_member".into()),
        (r#"{"name":"x","value":"y","i\u017fRegex":false}"#.into(), "! unknown_member".into()),
        (r#"{"name":"x","name":"tenant","value":"y"}"#.into(), "! a known member stands twice".into()),
        (r#"{"name":"x"}"#.into(), "! a known member is missing".into()),
        (r#"{"value":"x"}"#.into(), "! a known member is missing".into()),
        (r#"{"name":null,"value":"x"}"#.into(), "! a known member has the wrong type".into()),
        ("null".into(), "! a known member has the wrong type".into()),
    ];
    for (matchers, expected) in cases {
        let body = format!(r#"{{ "comment":"c","matchers": [{matchers}] }}"#);
        let expected = match expected.as_bytes()[0] {
            b'=' | b'!' => expected,
            _ => format!(r#"{{ "comment":"c","matchers": [{expected}] }}"#),
        };
        assert_eq!(describe(silence, &body), expected, "{body}");
    }
}

#[test]
fn a_silence_is_read_as_the_alertmanager_reads_it_or_not_at_all() {
    let id = "7c9d1a12-0000-4000-8000-0123456789ab";
    let m = r#""matchers":[{"name":"tenant","value":"a","isRegex":false}]"#;
    let cases = [
        (format!("{{{m}}}"), "=".into()),
        (format!(r#"{{{m},"id":""}}"#), "=".into()),
        (format!(r#"{{{m},"id":null}}"#), "=".into()),
        (format!(r#"{{"id":"{id}",{m}}}"#), format!("{id} =")),
        (
            format!(
                r#"{{{m},"id":"{id}","status":{{"state":"active"}},"updatedAt":"x","startsAt":"x","endsAt":"x","createdBy":"x","comment":"","annotations":{{}}}}"#
            ),
            format!("{id} ="),
        ),
        (format!(r#"{{{m},"id":"{}"}}"#, id.to_uppercase()), "! silence_id".into()),
        (format!(r#"{{{m},"id":"x/../y"}}"#), "! silence_id".into()),
        (format!(r#"{{{m},"id":"{id}0"}}"#), "! silence_id".into()),
        (format!(r#"{{{m},"id":"------------------------------------"}}"#), "! silence_id".into()),
        (format!(r#"{{{m},"id":7}}"#), "! a known member has the wrong type".into()),
        (format!(r#"{{{m},"id":"","id":"{id}"}}"#), "! a known member stands twice".into()),
        (format!(r#"{{{m},"ID":"{id}"}}"#), "! unknown_member".into()),
        (format!(r#"{{{m},"matchers":[]}}"#), "! a known member stands twice".into()),
        (format!(r#"{{{m},"Matchers":[]}}"#), "! unknown_member".into()),
        (format!(r#"{{{m},"matcherſ":[]}}"#), "! unknown_member".into()),
        (format!(r#"{{{m},"matcher\u017f":[]}}"#), "! unknown_member".into()),
        (format!(r#"{{{m},"matcherSets":[]}}"#), "! unknown_member".into()),
        (format!("{{{m}}} {{}}"), "! something follows the JSON value".into()),
        (format!("[{{{m}}}]"), "! a known member has the wrong type".into()),
        (r#"{"matchers":null}"#.into(), "! no_matchers".into()),
        (r#"{"comment":"x"}"#.into(), "! no_matchers".into()),
        ("null".into(), "! a known member has the wrong type".into()),
        (String::new(), "! it is no JSON".into()),
    ];
    for (body, expected) in cases {
        let expected: String = expected;
        assert_eq!(describe(silence, &body), expected, "{body}");
    }
}

#[test]
fn alerts_get_the_tenants_label() {
    let cases = [
        ("[]", "="),
        (r#"[{"labels":{"tenant":"a","x":"y"}}]"#, "="),
        (r#"[{"labels":{"t\u0065nant":"\u0061"}}]"#, "="),
        (
            r#"[ {"labels" : {"x":"y"},"startsAt":"t"}, {"annotations":{"tenant":"b"},"labels":{"tenant":"a"}},{"labels":{ "x":""}}]"#,
            r#"[ {"labels" : {"tenant":"a","x":"y"},"startsAt":"t"}, {"annotations":{"tenant":"b"},"labels":{"tenant":"a"}},{"labels":{"tenant":"a", "x":""}}]"#,
        ),
        (r#"[{"labels":{"x":"y","tenant": "" }}]"#, r#"[{"labels":{"x":"y","tenant": "a" }}]"#),
        (r#"[{"labels":{"x":"y"}},{"labels":{"tenant":"b"}}]"#, "! foreign_label"),
        (r#"[{"labels":{"tenant":"a","tenant":"b"}}]"#, "! a known member stands twice"),
        (r#"[{"labels":{"tenant":"","tenant":"b"}}]"#, "! a known member stands twice"),
        (r#"[{"labels":{"tenant":"a"},"labels":{"tenant":"b"}}]"#, "! a known member stands twice"),
        (r#"[{"labels":{"tenant":"a"},"Labels":{"tenant":"b"}}]"#, "! unknown_member"),
        (r#"[{"labels":{"tenant":"a"},"labelſ":{"tenant":"b"}}]"#, "! unknown_member"),
        (r#"[{"labels":{}}]"#, "! a known member is missing"),
        (r#"[{"annotations":{}}]"#, "! a known member is missing"),
        (r#"[{"labels":null}]"#, "! a known member has the wrong type"),
        (r#"[{"labels":{"tenant":null}}]"#, "! a known member has the wrong type"),
        (r#"{"labels":{"tenant":"a"}}"#, "! a known member has the wrong type"),
        (r#"[] [{"labels":{"tenant":"b"}}]"#, "! something follows the JSON value"),
    ];
    for (body, expected) in cases {
        assert_eq!(describe(alerts, body), expected, "{body}");
    }
}

#[test]
fn a_label_of_any_name_is_quoted() {
    let tenant = TenantId::new("a").unwrap();
    let label = "a\"\\\n{é";
    let posted = alerts(br#"[{"labels":{"x":"y"}}]"#, label, &tenant).unwrap().body.unwrap();
    let read: Json = serde_json::from_slice(&posted).unwrap();
    assert_eq!(read, json!([{"labels": {label: "a", "x": "y"}}]));
    // It is known again.
    assert_eq!(alerts(&posted, label, &tenant).unwrap().body, None);
    let body = br#"{"matchers":[{"name":"x","value":"y","isRegex":false}]}"#;
    let posted = silence(body, label, &tenant).unwrap().body.unwrap();
    assert_eq!(silence(&posted, label, &tenant).unwrap().body, None);
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        prop_oneof![Just("a"), Just("b"), Just(""), Just("tenant"), Just("é\n")].prop_map(Json::from),
    ];
    let names = || {
        prop_oneof![
            Just("labels"),
            Just("matchers"),
            Just("name"),
            Just("value"),
            Just("isRegex"),
            Just("isEqual"),
            Just("tenant"),
            Just("x"),
        ]
    };
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((names(), inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    /// Whatever goes on is the tenant's, by another reader.
    #[test]
    fn what_goes_on_is_the_tenants(body in value(), matchers in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..4)) {
        let tenant = TenantId::new("a").unwrap();
        let mut bodies = vec![body];
        let one = |(about, regex, own): (bool, bool, bool)| {
            json!({"name": if about { "tenant" } else { "x" }, "value": if own { "a" } else { "b" }, "isRegex": regex})
        };
        bodies.push(json!({"matchers": matchers.iter().copied().map(one).collect::<Vec<_>>()}));
        bodies.push(matchers.iter().map(|(about, _, own)| {
            json!({"labels": {if *about { "tenant" } else { "x" }: if *own { "a" } else { "b" }}})
        }).collect());
        for body in bodies {
            let text = body.to_string();
            if let Ok(posted) = silence(text.as_bytes(), "tenant", &tenant) {
                let sent: Json = serde_json::from_slice(posted.body.as_deref().unwrap_or(text.as_bytes())).unwrap();
                let about: Vec<&Json> =
                    sent["matchers"].as_array().unwrap().iter().filter(|m| m["name"] == "tenant").collect();
                prop_assert!(!about.is_empty());
                for matcher in about {
                    prop_assert!(matcher["value"] == "a" && matcher["isRegex"] == false && matcher["isEqual"] != false);
                }
            }
            if let Ok(posted) = alerts(text.as_bytes(), "tenant", &tenant) {
                let sent: Json = serde_json::from_slice(posted.body.as_deref().unwrap_or(text.as_bytes())).unwrap();
                for alert in sent.as_array().unwrap() {
                    prop_assert_eq!(&alert["labels"]["tenant"], "a");
                }
            }
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "[\\[\\]{}\":,a-z \\\\u0-9]{0,60}") {
        let tenant = TenantId::new("a").unwrap();
        let _ = silence(text.as_bytes(), "tenant", &tenant);
        let _ = alerts(text.as_bytes(), "tenant", &tenant);
    }
}
