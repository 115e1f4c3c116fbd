//! What the walks make of exports: tables for what is known to be tricky, properties for everything else, in both
//! notations and for all signals alike.

use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::super::encoding::Encoding;
use super::super::labels::{LabelEdits, LabelValue};
use super::super::outcome::{Answer, Outcome, PartAnswer};
use super::super::plan::{Allowed, Place};
use super::super::rejected::Rejected;
use super::super::route::Reason;
use super::super::testing::{self as split_testing, rights};
use super::super::written::Written;
use super::testing::{Plain, Response, SIGNALS, Status, plain, read, write};
use super::*;
use crate::tenant::TenantId;
use crate::wire::put_len;

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

/// Impersonation, then an attribute, then the own tenant.
fn plan() -> SplitPlan {
    split_testing::plan(&[
        ("imp", Place::Label, true, Allowed::Impersonation),
        ("k8s.namespace.name", Place::Label, false, Allowed::OnBehalfOf),
    ])
}

fn forms() -> impl Iterator<Item = Export> {
    SIGNALS.into_iter().flat_map(|signal| {
        [(false, Encoding::Gzip), (true, Encoding::Identity)].map(|(json, encoding)| Export {
            signal,
            json,
            encoding,
        })
    })
}

fn run(export: Export, plan: &SplitPlan, message: &[u8]) -> Result<Split, Refusal> {
    let body = export.encoding.encoder().encode(message).unwrap();
    split(export, &body, plan, &rights(), &Limits::default())
}

/// Each part's tenant and message.
fn messages(export: Export, split: &Split, original: &[u8]) -> Vec<(String, Vec<u8>)> {
    let message = |body: &[u8]| {
        if split.untouched {
            original.to_vec()
        } else {
            export.encoding.decode(body, u32::MAX).unwrap().into_owned()
        }
    };
    split.parts.iter().map(|part| (part.tenant.to_string(), message(&part.body))).collect()
}

#[test]
fn each_resource_goes_where_its_first_present_attribute_says() {
    let cases: &[(&str, &[(&str, &str)], Result<&str, &str>, &[&str])] = &[
        ("no attribute", &[], Ok("own"), &[]),
        ("none of these", &[("service.name", "x")], Ok("own"), &["service.name"]),
        (
            "impersonated, attribute off",
            &[("a", "x"), ("imp", "cluster-1"), ("b", "y")],
            Ok("cluster-1"),
            &["a", "b"],
        ),
        ("the only one", &[("imp", "cluster-1")], Ok("cluster-1"), &[]),
        ("namespace stays", &[("k8s.namespace.name", "team-a")], Ok("team-a"), &["k8s.namespace.name"]),
        (
            "empty means absent",
            &[("imp", ""), ("k8s.namespace.name", "team-a")],
            Ok("team-a"),
            &["k8s.namespace.name"],
        ),
        ("not allowed", &[("k8s.namespace.name", "cluster-1")], Err("foreign_tenant"), &[]),
        ("no tenant ID", &[("imp", "a|b")], Err("unmapped"), &[]),
        ("forbidden", &[("secret", "x")], Err("may_not_impersonate"), &[]),
        ("twice", &[("imp", "cluster-1"), ("imp", "cluster-1")], Err("duplicate_label"), &[]),
    ];
    for export in forms() {
        for (name, attributes, expected, kept) in cases {
            let message = write(export.signal, export.json, &[plain(attributes, 3)]);
            let split = run(export, &plan(), &message).unwrap();
            match expected {
                Ok(expected) => {
                    let parts = messages(export, &split, &message);
                    let [(tenant, part)] = parts.as_slice() else { panic!("{name}: {parts:?}") };
                    assert_eq!(tenant, expected, "{export:?} {name}");
                    let [resource] = read(export.signal, export.json, part).try_into().unwrap();
                    let names: Vec<_> = resource.attributes.iter().map(|(name, _)| name.as_str()).collect();
                    assert_eq!((names.as_slice(), resource.items), (*kept, 3), "{export:?} {name}");
                    assert_eq!((split.parts[0].series, split.parts[0].samples), (1, 3));
                    assert_eq!(split.untouched, kept.len() == attributes.len());
                }
                Err(reason) => {
                    assert!(split.parts.is_empty(), "{export:?} {name}");
                    let rejected: Vec<_> = split.rejected.rejected().collect();
                    assert_eq!((rejected.as_slice(), split.rejected.samples()), (&[(*reason, 1)][..], 3));
                }
            }
        }
    }
}

#[test]
fn what_decides_must_be_text() {
    for export in forms() {
        let mut number = plain(&[], 1);
        number.attributes.push(("k8s.namespace.name".to_owned(), Err(7)));
        let mut other = plain(&[("k8s.namespace.name", "team-a")], 1);
        other.attributes.push(("n".to_owned(), Err(7)));
        let message = write(export.signal, export.json, &[number, other.clone()]);
        let split = run(export, &plan(), &message).unwrap();
        assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), [("not_text", 1)], "{export:?}");
        assert_eq!(
            split.rejected.examples(),
            ["{k8s.namespace.name=(no text)}: what names the tenant is no text"]
        );
        let parts = messages(export, &split, &message);
        assert_eq!(parts.len(), 1);
        assert_eq!(read(export.signal, export.json, &parts[0].1), [other]);
    }
}

#[test]
fn attributes_are_edited_in_every_notation() {
    let text = |text: &str| LabelValue::Text(text.as_bytes().to_vec());
    let mut plan = plan();
    plan.edits = LabelEdits {
        nowhere: &[],
        remove: vec![b"tmp".to_vec()],
        rename: vec![(b"old".to_vec(), b"new".to_vec())],
        replace: vec![(b"zone".to_vec(), text("z"))],
        set: vec![(b"quote\"".to_vec(), text("\"\\\n")), (b"tenant".to_vec(), LabelValue::Tenant)],
    };
    for export in forms() {
        let mut resource =
            plain(&[("k8s.namespace.name", "team-a"), ("tenant", "evil"), ("tmp", "t"), ("zone", "1")], 2);
        resource.attributes.push(("old".to_owned(), Err(5)));
        let message = write(export.signal, export.json, &[resource]);
        let split = run(export, &plan, &message).unwrap();
        let parts = messages(export, &split, &message);
        let mut expected = plain(&[("k8s.namespace.name", "team-a")], 2);
        expected.attributes.push(("new".to_owned(), Err(5)));
        for (name, value) in [("quote\"", "\"\\\n"), ("tenant", "team-a"), ("zone", "z")] {
            expected.attributes.push((name.to_owned(), Ok(value.to_owned())));
        }
        assert_eq!(read(export.signal, export.json, &parts[0].1), [expected], "{export:?}");
        assert!(run(export, &plan, &parts[0].1).unwrap().untouched, "{export:?}");
    }
    // Where there was no list, or no description, there is one afterwards.
    let set = LabelEdits { set: vec![(b"a".to_vec(), text("b"))], ..LabelEdits::default() };
    plan.edits = set;
    let list = r#"{"attributes":[{"key":"a","value":{"stringValue":"b"}}]"#;
    let cases = [
        ("{}", format!("{{\"resource\":{list}}}}}")),
        (r#"{ "scopeLogs" : [] }"#, format!("{{\"resource\":{list}}}, \"scopeLogs\" : [] }}")),
        (r#"{"resource":{}}"#, format!("{{\"resource\":{list}}}}}")),
        (r#"{"resource":{"entityRefs":[]}}"#, format!("{{\"resource\":{list},\"entityRefs\":[]}}}}")),
        (r#"{"resource":{"attributes":[ ]}}"#, format!("{{\"resource\":{list}}}}}")),
    ];
    let export = Export { signal: Signal::Logs, json: true, encoding: Encoding::Identity };
    for (before, after) in cases {
        let message = format!("{{\"resourceLogs\":[{before}]}}");
        let split = run(export, &plan, message.as_bytes()).unwrap();
        let parts = messages(export, &split, message.as_bytes());
        assert_eq!(String::from_utf8_lossy(&parts[0].1), format!("{{\"resourceLogs\":[{after}]}}"));
    }
    let export = Export { signal: Signal::Logs, json: false, encoding: Encoding::Identity };
    let split = run(export, &plan, b"\x0a\x00").unwrap();
    assert_eq!(split.parts[0].body, expected_description());
}

/// Names that may stand nowhere: taken off the resource, and where a point or a scope has one, it is rejected.
#[test]
fn names_that_may_stand_nowhere_cannot_be_hidden() {
    let export = Export { signal: Signal::Metrics, json: false, encoding: Encoding::Identity };
    let plan = SplitPlan { edits: LabelEdits { nowhere: &["account"], ..LabelEdits::default() }, ..plan() };
    let named = |name: &str| plain(&[("k8s.namespace.name", "team-a"), (name, "9")], 1);
    let message = write(Signal::Metrics, false, &[named("account"), named("accounts")]);
    let split = run(export, &plan, &message).unwrap();
    let parts = messages(export, &split, &message);
    let without = plain(&[("k8s.namespace.name", "team-a")], 1);
    assert_eq!(read(Signal::Metrics, false, &parts[0].1), [without, named("accounts")]);
    assert!(run(export, &plan, &parts[0].1).unwrap().untouched);

    // Before the description, or behind it, and in however deep a message.
    let field = |number, content: &[u8]| {
        let mut out = Vec::new();
        put_len(&mut out, number, content.len());
        out.extend_from_slice(content);
        out
    };
    let good = write(Signal::Metrics, false, &[named("good")]);
    let described = field(1, &field(1, &[field(1, b"a"), field(2, &field(1, b"b"))].concat()));
    let scope = field(2, &field(2, &field(5, &field(1, &field(7, &field(1, b"account"))))));
    for content in [[&*described, &*scope].concat(), [&*scope, &*described].concat(), scope.clone()] {
        let message = [good.clone(), field(1, &content)].concat();
        let split = run(export, &plan, &message).unwrap();
        assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), [("account_label", 1)]);
        assert_eq!(messages(export, &split, &message), [("team-a".to_owned(), good.clone())]);
    }
}

/// A resource with the attribute `a` of the text `b`, and nothing else.
fn expected_description() -> Vec<u8> {
    let field = |number, content: &[u8]| {
        let mut out = Vec::new();
        put_len(&mut out, number, content.len());
        out.extend_from_slice(content);
        out
    };
    let attribute = [field(1, b"a"), field(2, &field(1, b"b"))].concat();
    field(1, &field(1, &field(1, &attribute)))
}

/// What a request with one resource comes to: a tenant, the word of a rejected resource, or the word of a refusal.
fn fate(export: Export, message: &[u8]) -> String {
    match run(export, &plan(), message) {
        Ok(split) => match (split.parts.as_slice(), split.rejected.rejected().collect::<Vec<_>>().as_slice())
        {
            ([part], []) => part.tenant.to_string(),
            ([], [(word, _)]) => (*word).to_owned(),
            other => panic!("{other:?}"),
        },
        Err(Refusal::Json { problem, .. }) => problem.to_string(),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn json_that_is_read_in_two_ways_leads_nowhere() {
    let list = |resource: &str| format!("{{\"resourceLogs\":[{resource}]}}");
    let with = |attributes: &str| list(&format!("{{\"resource\":{{\"attributes\":{attributes}}}}}"));
    let namespace = |value: &str| with(&format!(r#"[{{"key":"k8s.namespace.name","value":{value}}}]"#));
    let cases: &[(String, &str)] = &[
        (namespace(r#"{"stringValue":"team-a"}"#), "team-a"),
        (namespace(r#"{"string_value":"te\u0061m-a"}"#), "team-a"),
        (with(r#"[{"value":{"stringValue":"team-a"},"key":"k8s.\u006eamespace.name"}]"#), "team-a"),
        (r#"{"resource_logs":[{"resource":{"attributes":[]}}]}"#.to_owned(), "own"),
        (r#"{"resourceLogs":[],"resource_logs":[]}"#.to_owned(), "a known member stands twice"),
        (r#"{"ResourceLogs":[]}"#.to_owned(), "the name of a known member is not in its exact case"),
        (r#"{"resourceLogs":[]}{}"#.to_owned(), "something follows the JSON value"),
        (r#"{"resourceLogs":null}"#.to_owned(), "a known member has the wrong type"),
        (list("null"), "a known member has the wrong type"),
        (r#"{"":1,"resourceLogs":[]}"#.to_owned(), "a name is empty"),
        (namespace(r#"{"stringValue":"team-a","intValue":"1"}"#), "not_text"),
        (namespace(r#"{"stringValue":"team-a","string_value":"own"}"#), "not_text"),
        (namespace(r#"{"stringValue":5}"#), "not_text"),
        (namespace("{}"), "not_text"),
        (namespace("null"), "unreadable_labels"),
        (namespace("\"team-a\""), "unreadable_labels"),
        (
            with(r#"[{"key":"imp","key":"k8s.namespace.name","value":{"stringValue":"team-a"}}]"#),
            "unreadable_labels",
        ),
        (with(r#"[{"Key":"imp","value":{"stringValue":"team-a"}}]"#), "unreadable_labels"),
        (with("{}"), "unreadable_labels"),
        (with(r#"["imp"]"#), "unreadable_labels"),
        (list(r#"{"resource":{"attributes":[],"attributes":[]}}"#), "unreadable_labels"),
        (list(r#"{"resource":{"Attributes":[]}}"#), "unreadable_labels"),
        (list(r#"{"resource":{},"resource":{}}"#), "unreadable_labels"),
        (list(r#"{"resource":null}"#), "unreadable_labels"),
        (list(r#"{"RESOURCE":{}}"#), "unreadable_labels"),
    ];
    let export = Export { signal: Signal::Logs, json: true, encoding: Encoding::Identity };
    for (message, expected) in cases {
        assert_eq!(fate(export, message.as_bytes()), *expected, "{message}");
    }
    let message = b"{\"resourceLogs\":[{\"x\":\"\xff\"},{}]}";
    let split = run(export, &plan(), message).unwrap();
    assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), [("not_utf8", 1)]);
    assert_eq!(messages(export, &split, message)[0].1, b"{\"resourceLogs\":[{}]}");
}

#[test]
fn protobuf_that_decoders_merge_leads_nowhere() {
    let field = |number, content: &[u8]| {
        let mut out = Vec::new();
        put_len(&mut out, number, content.len());
        out.extend_from_slice(content);
        out
    };
    let text = |text: &[u8]| field(2, &field(1, text));
    let key = |key: &str| field(1, key.as_bytes());
    let attribute = |fields: &[Vec<u8>]| field(1, &fields.concat());
    let resource = |attributes: &[Vec<u8>]| field(1, &attributes.concat());
    let whole = |fields: &[Vec<u8>]| field(1, &fields.concat());
    let imp = || attribute(&[key("imp"), text(b"cluster-1")]);
    let wrong =
        "the body is malformed: a known field has the wrong wire type (at byte 0 after decompression)";
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("plain", whole(&[resource(&[imp()])]), "cluster-1"),
        (
            "value before key",
            whole(&[resource(&[attribute(&[text(b"cluster-1"), key("imp")])])]),
            "cluster-1",
        ),
        ("described last", whole(&[field(3, b"x"), resource(&[imp()])]), "cluster-1"),
        ("described twice", whole(&[resource(&[]), resource(&[imp()])]), "unreadable_labels"),
        (
            "two keys",
            whole(&[resource(&[attribute(&[key("a"), key("imp"), text(b"own")])])]),
            "unreadable_labels",
        ),
        (
            "two values",
            whole(&[resource(&[attribute(&[key("imp"), text(b"own"), text(b"cluster-1")])])]),
            "unreadable_labels",
        ),
        ("no value", whole(&[resource(&[attribute(&[key("imp")])])]), "not_text"),
        (
            "two texts in a value",
            whole(&[resource(&[attribute(&[
                key("imp"),
                field(2, &[field(1, b"own"), field(1, b"own")].concat()),
            ])])]),
            "not_text",
        ),
        (
            "a text and a number",
            whole(&[resource(&[attribute(&[
                key("imp"),
                field(2, &[field(1, b"cluster-1"), vec![0x18, 1]].concat()),
            ])])]),
            "not_text",
        ),
        ("text that is none", whole(&[resource(&[attribute(&[key("imp"), text(b"\xff")])])]), "not_utf8"),
        ("no description", whole(&[field(2, b"")]), "own"),
        ("attributes of another type", whole(&[field(1, &[0x08, 1])]), wrong),
        ("a list of another type", vec![0x08, 1], wrong),
    ];
    let export = Export { signal: Signal::Traces, json: false, encoding: Encoding::Gzip };
    for (name, message, expected) in cases {
        assert_eq!(fate(export, message), *expected, "{name}");
    }
}

/// The answer to parts with these statuses and bodies, two items each; one resource with three items was rejected.
fn answer(export: Export, parts: &[(u16, &[u8])], rejected: bool) -> (u16, Vec<u8>) {
    let answers = (0..).zip(parts).map(|(n, (status, body))| {
        let (message, written) = (body.to_vec(), Written::Untold);
        let answer = Answer { status: Some(*status), retry_after: Some(9), message, written };
        PartAnswer { samples: 2, ..PartAnswer::new(tenant(&format!("t{n}")), answer) }
    });
    let mut out = Rejected::default();
    if rejected {
        out.reject(Reason::Unmapped, || "{a=\"b\"}".to_owned());
        out.lose(3);
    }
    let reply = reply(export, &Outcome { answers: answers.collect(), rejected: out }, 4096);
    let content_type: Vec<_> = reply.headers.iter().filter(|(name, _)| *name == "content-type").collect();
    assert_eq!(content_type, [&("content-type", export.content_type().to_owned())]);
    let retry = reply.headers.iter().any(|(name, _)| *name == "retry-after");
    assert_eq!(retry, reply.status >= 429 && !parts.is_empty());
    (reply.status, reply.body)
}

#[test]
fn what_is_lost_for_good_beside_what_was_accepted_is_a_partial_success() {
    let partial = |rejected: i64, message: &str| {
        let partial = testing::PartialSuccess { rejected, message: message.to_owned() };
        Response { partial: Some(partial) }.encode_to_vec()
    };
    let said = partial(5, "too old");
    let cases: &[(&[(u16, &[u8])], bool, u16, Option<i64>)] = &[
        (&[(200, b""), (204, b"")], false, 200, Some(0)),
        (&[(200, b"{}")], false, 200, Some(0)),
        (&[(200, &said), (200, &said)], false, 200, Some(10)),
        (&[(200, b""), (400, b"no")], false, 200, Some(2)),
        (&[(200, &said), (400, b"no")], true, 200, Some(10)),
        (&[(200, b"")], true, 200, Some(3)),
        (&[(200, br#"{"partialSuccess":{"rejectedSpans":"4"}}"#)], false, 200, Some(4)),
        (&[(200, br#"{"partial_success":{"rejected_spans":4,"error_message":"x"}}"#)], false, 200, Some(4)),
        // What must be sent again is told first.
        (&[(200, &said), (503, b"")], true, 503, None),
        (&[(200, b""), (500, b"")], false, 503, None),
        (&[(200, b""), (429, b"")], false, 429, None),
        (&[(200, b""), (401, b"")], false, 502, None),
        (&[(400, b"no"), (400, b"no")], false, 400, None),
        (&[], true, 400, None),
        (&[(415, b"")], false, 415, None),
    ];
    for signal in SIGNALS {
        for (parts, rejected, status, lost) in cases {
            let (found, body) =
                answer(Export { signal, json: false, encoding: Encoding::Gzip }, parts, *rejected);
            assert_eq!(found, *status, "{parts:?}");
            let (_, json) = answer(Export { signal, json: true, encoding: Encoding::Gzip }, parts, *rejected);
            let json: Json = serde_json::from_slice(&json).unwrap();
            if let Some(lost) = lost {
                let partial = Response::decode(body.as_slice()).unwrap().partial.unwrap_or_default();
                assert_eq!(partial.rejected, *lost, "{parts:?}");
                if *lost == 0 {
                    assert_eq!((body.len(), json), (0, json!({})));
                } else {
                    assert_eq!(json["partialSuccess"][signal.rejected()], json!(lost.to_string()));
                    assert_eq!(json["partialSuccess"]["errorMessage"], json!(partial.message));
                }
            } else {
                let status = Status::decode(body.as_slice()).unwrap();
                assert!(status.message.starts_with("scopegate:"), "{status:?}");
                assert_eq!(json, json!({"code": status.code, "message": status.message}));
            }
        }
    }
    let export = Export { signal: Signal::Logs, json: true, encoding: Encoding::Gzip };
    let (_, body) = answer(export, &[(200, &said), (400, b"no\nmore")], true);
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body["partialSuccess"]["errorMessage"],
        json!(
            "scopegate: 1 of 2 tenants did not accept their part. 1 series were not written.\ntenant t1: 400 no\n\
               series {a=\"b\"}: the label leads to no tenant\ntenant t0: 5 rejected: too old"
        )
    );
    // A body that is cut short tells what it can.
    let long = partial(6, &"x".repeat(9000));
    let (_, body) = answer(export, &[(200, &long[..Answer::SUCCESS_BYTES])], false);
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["partialSuccess"]["rejectedLogRecords"], json!("6"));
}

fn resources() -> impl Strategy<Value = Vec<Plain>> {
    let value = prop_oneof![
        Just(Ok(String::new())),
        Just(Ok("own".to_owned())),
        "team-[ab]".prop_map(Ok),
        "cluster-[ab]".prop_map(Ok),
        ".{0,4}".prop_map(Ok),
        any::<i64>().prop_map(Err),
    ];
    let names =
        prop::sample::subsequence(vec!["imp", "k8s.namespace.name", "a", "service.name", "z\u{e4}\""], 0..5);
    let resource = (names.prop_shuffle(), prop::collection::vec(value, 5), 0_usize..4).prop_map(
        |(names, values, items)| Plain {
            attributes: names.into_iter().map(str::to_owned).zip(values).collect(),
            items,
        },
    );
    prop::collection::vec(resource, 0..6)
}

/// Where a resource goes, decided once more in the plainest way.
fn oracle(resource: &Plain) -> Option<String> {
    let value = |name: &str| {
        resource.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let found = [(value("imp"), "cluster-"), (value("k8s.namespace.name"), "team-")];
    if found.iter().any(|(value, _)| matches!(value, Some(Err(_)))) {
        return None;
    }
    let mut found =
        found.into_iter().filter_map(|(value, may)| Some((value?.ok().filter(|v| !v.is_empty())?, may)));
    match found.next() {
        Some((value, may)) => Some(value).filter(|value| value == "own" || value.starts_with(may)),
        None => Some("own".to_owned()),
    }
}

proptest! {
    #[test]
    fn the_parts_are_the_whole_and_nothing_else(resources in resources(), export in prop::sample::select(forms().collect::<Vec<_>>())) {
        let message = write(export.signal, export.json, &resources);
        let split = run(export, &plan(), &message).unwrap();
        let mut expected: Vec<(String, Vec<Plain>)> = Vec::new();
        let mut lost = 0;
        for resource in &resources {
            let Some(tenant) = oracle(resource) else { lost += 1; continue };
            let mut resource = resource.clone();
            resource.attributes.retain(|(name, _)| name != "imp");
            match expected.iter_mut().find(|(known, _)| *known == tenant) {
                Some((_, part)) => part.push(resource),
                None => expected.push((tenant, vec![resource])),
            }
        }
        let found = messages(export, &split, &message);
        let read: Vec<_> =
            found.iter().map(|(tenant, part)| (tenant.clone(), read(export.signal, export.json, part))).collect();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(split.rejected.total(), lost);
    }

    #[test]
    fn untouched_resources_are_byte_identical_and_a_part_stays_what_it_is(
        resources in resources(), export in prop::sample::select(forms().collect::<Vec<_>>()),
    ) {
        let mut plan = plan();
        plan.labels.remove(0);
        let message = write(export.signal, export.json, &resources);
        let split = run(export, &plan, &message).unwrap();
        for (tenant, part) in messages(export, &split, &message) {
            for resource in read(export.signal, export.json, &part) {
                let raw = write(export.signal, export.json, std::slice::from_ref(&resource));
                let around = if export.json { export.signal.list()[0].len() + 5 } else { 0 };
                let raw = &raw[around..raw.len() - if export.json { 2 } else { 0 }];
                prop_assert!(part.windows(raw.len()).any(|window| window == raw));
            }
            let again = run(export, &plan, &part).unwrap();
            prop_assert!(again.untouched);
            prop_assert_eq!(again.parts[0].tenant.as_str(), tenant.as_str());
        }
    }

    #[test]
    fn any_bytes_are_taken_apart_without_panic(
        bytes: Vec<u8>, like in r#"\{"resourceLogs":\[\{("resource":\{|"attributes":\[|\{"key":"a",|"value":\{"stringValue":|"x"\}?|[\]}",]){0,9}"#,
        export in prop::sample::select(forms().collect::<Vec<_>>()),
    ) {
        let _ = run(export, &plan(), &bytes);
        let _ = run(export, &plan(), like.as_bytes());
    }
}
