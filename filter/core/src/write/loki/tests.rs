//! What the walks make of pushes: tables for what is known to be tricky, properties for everything else, in all
//! notations alike.

use proptest::prelude::*;
use serde_json::json;

use super::super::encoding::Encoding;
use super::super::labels::{LabelEdits, LabelValue};
use super::super::plan::{Allowed, Place};
use super::super::testing::{self as split_testing, Source, rights};
use super::testing::{NOTATIONS, Notation, Pairs, Plain, plain};
use super::*;
use crate::config;
use crate::wire::put_len;

const IMPERSONATED: Source<'_> = ("imp", Place::Label, true, Allowed::Impersonation);
const BY_METADATA: Source<'_> = ("mt", Place::Metadata, true, Allowed::OnBehalfOf);
const BY_LABEL: Source<'_> = ("ns", Place::Label, false, Allowed::OnBehalfOf);

/// Impersonation, then metadata `mt`, then a label `ns`, then the own tenant.
fn plan() -> SplitPlan {
    split_testing::plan(&[IMPERSONATED, BY_METADATA, BY_LABEL])
}

/// The same without metadata.
fn by_labels() -> SplitPlan {
    split_testing::plan(&[IMPERSONATED, BY_LABEL])
}

fn push(notation: Notation) -> Push {
    let (body, encoding) = match notation {
        Notation::Protobuf => (Body::Protobuf, Encoding::Snappy),
        Notation::Json => (Body::Json, Encoding::Gzip),
        Notation::Legacy => (Body::LegacyJson, Encoding::Identity),
    };
    Push { body, encoding }
}

fn run(notation: Notation, plan: &SplitPlan, message: &[u8]) -> Result<Split, Refusal> {
    let push = push(notation);
    let body = push.encoding.encoder().encode(message).unwrap();
    split(push, &body, plan, &rights(), &Limits::default())
}

/// Each part's tenant and message.
fn messages(notation: Notation, split: &Split, original: &[u8]) -> Vec<(String, Vec<u8>)> {
    let message = |body: &[u8]| push(notation).encoding.decode(body, u32::MAX).unwrap().into_owned();
    let message = |body: &[u8]| if split.untouched { original.to_vec() } else { message(body) };
    split.parts.iter().map(|part| (part.tenant.to_string(), message(&part.body))).collect()
}

fn rejected(split: &Split) -> Vec<(&'static str, u32)> {
    split.rejected.rejected().collect()
}

#[test]
fn each_stream_goes_where_its_first_present_label_says() {
    let cases: &[(&str, &[(&str, &str)], Result<&str, &str>, &[&str])] = &[
        ("no label of these: own", &[("app", "x")], Ok("own"), &["app"]),
        ("impersonated, label off", &[("app", "x"), ("imp", "cluster-1")], Ok("cluster-1"), &["app"]),
        ("the only label", &[("imp", "cluster-1")], Err("no_labels"), &[]),
        ("no label", &[], Err("no_labels"), &[]),
        ("only empty ones, which Loki drops", &[("app", "")], Err("no_labels"), &[]),
        ("namespace stays", &[("ns", "team-a")], Ok("team-a"), &["ns"]),
        ("empty means absent", &[("ns", ""), ("app", "x")], Ok("own"), &["app", "ns"]),
        ("first present decides", &[("imp", "cluster-1"), ("ns", "team-a")], Ok("cluster-1"), &["ns"]),
        ("not allowed", &[("ns", "cluster-1")], Err("foreign_tenant"), &[]),
        ("no tenant ID", &[("ns", "a|b")], Err("unmapped"), &[]),
        ("forbidden", &[("ns", "team-a"), ("secret", "x")], Err("may_not_impersonate"), &[]),
        ("text in the value", &[("app", "\", ns=\"team-b"), ("ns", "team-a")], Ok("team-a"), &["app", "ns"]),
    ];
    for notation in NOTATIONS {
        for plan in [plan(), by_labels()] {
            for (name, labels, expected, kept) in cases {
                let message = notation.write(&[plain(labels, &[&[], &[("trace", "t")]])]);
                let split = run(notation, &plan, &message).unwrap();
                match expected {
                    Ok(expected) => {
                        let parts = messages(notation, &split, &message);
                        let [(tenant, message)] = parts.as_slice() else { panic!("{name}: {parts:?}") };
                        assert_eq!(tenant, expected, "{notation:?} {name}");
                        let [stream] = notation.read(message).try_into().unwrap();
                        let mut names: Vec<_> = stream.labels.iter().map(|(name, _)| name.as_str()).collect();
                        names.sort_unstable();
                        assert_eq!(names, *kept, "{notation:?} {name}");
                        assert_eq!(stream.entries, plain(&[], &[&[], &[("trace", "t")]]).entries);
                        assert_eq!((split.parts[0].series, split.parts[0].samples), (1, 2));
                    }
                    Err(reason) => {
                        assert!(split.parts.is_empty(), "{notation:?} {name}");
                        let words: Vec<_> = rejected(&split).iter().map(|(word, _)| *word).collect();
                        assert_eq!(words, [*reason], "{notation:?} {name}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_stream_falls_apart_by_the_metadata_of_its_entries() {
    let stream = plain(
        &[("app", "x"), ("ns", "team-z")],
        &[
            &[("mt", "team-a"), ("trace", "1")],
            &[("trace", "2")],
            &[("mt", "team-b")],
            &[("mt", "team-a")],
            &[("mt", "foreign")],
            &[("mt", "")],
        ],
    );
    let of = |entries: &[usize]| {
        let mut part = plain(&[("app", "x"), ("ns", "team-z")], &[]);
        for position in entries {
            let (at, line, mut metadata) = stream.entries[*position].clone();
            if *position != 1 {
                metadata.retain(|(name, _)| name != "mt");
            }
            part.entries.push((at, line, metadata));
        }
        vec![part]
    };
    for notation in NOTATIONS {
        let message = notation.write(std::slice::from_ref(&stream));
        let split = run(notation, &plan(), &message).unwrap();
        let parts: Vec<_> = messages(notation, &split, &message)
            .into_iter()
            .map(|(tenant, message)| (tenant, notation.read(&message)))
            .collect();
        let expected = [
            ("team-a".to_owned(), of(&[0, 3])),
            ("team-z".to_owned(), of(&[1, 5])),
            ("team-b".to_owned(), of(&[2])),
        ];
        assert_eq!(parts, expected, "{notation:?}");
        assert_eq!(rejected(&split), [("foreign_tenant", 1)]);
        assert_eq!(
            split.rejected.examples(),
            ["{app=\"x\", ns=\"team-z\"}, entry 5: the tenant is not allowed to this caller"]
        );
    }
}

/// Where entries decide, each of them takes memory: as many are read as there may be series.
#[test]
fn entries_that_decide_are_bounded() {
    let entry: &[(&str, &str)] = &[("mt", "team-a")];
    let rich: &[(&str, &str)] = &[("a", "1"), ("b", "2"), ("c", "3")];
    let limits: Limits = config::read(&json!({"series": 4, "labels_per_series": 2})).unwrap();
    let cases: &[(&str, Vec<Plain>, SplitPlan, Result<u32, Refusal>)] = &[
        ("as many as there may be", vec![plain(&[("app", "x")], &[entry; 4])], plan(), Ok(0)),
        (
            "one more",
            vec![plain(&[("app", "x")], &[entry; 5])],
            plan(),
            Err(Refusal::TooManySeries { limit: 4 }),
        ),
        (
            "one more in two streams",
            vec![plain(&[("app", "x")], &[entry; 3]), plain(&[("app", "y")], &[entry; 2])],
            plan(),
            Err(Refusal::TooManySeries { limit: 4 }),
        ),
        ("they do not decide", vec![plain(&[("app", "x")], &[entry; 50])], by_labels(), Ok(0)),
        ("one has too much metadata", vec![plain(&[("app", "x")], &[entry, rich, entry])], plan(), Ok(1)),
    ];
    for (what, streams, plan, expected) in cases {
        for notation in NOTATIONS {
            let push = push(notation);
            let body = push.encoding.encoder().encode(&notation.write(streams)).unwrap();
            let split = split(push, &body, plan, &rights(), &limits);
            assert_eq!(split.map(|split| split.rejected.total()), *expected, "{what} {notation:?}");
        }
    }
}

#[test]
fn labels_are_edited_in_every_notation() {
    let text = |text: &str| LabelValue::Text(text.as_bytes().to_vec());
    let mut plan = plan();
    plan.edits = LabelEdits {
        nowhere: &[],
        remove: vec![b"tmp".to_vec()],
        rename: vec![(b"old".to_vec(), b"new".to_vec())],
        replace: vec![(b"zone".to_vec(), text("z"))],
        set: vec![(b"quote".to_vec(), text("\"\\\n")), (b"tenant".to_vec(), LabelValue::Tenant)],
    };
    let stream =
        plain(&[("old", "o"), ("tenant", "evil"), ("tmp", "t"), ("zone", "1")], &[&[("mt", "team-a")], &[]]);
    for notation in NOTATIONS {
        let message = notation.write(std::slice::from_ref(&stream));
        let split = run(notation, &plan, &message).unwrap();
        let parts = messages(notation, &split, &message);
        for (tenant, message) in &parts {
            let [stream] = notation.read(message).try_into().unwrap();
            let expected =
                plain(&[("new", "o"), ("quote", "\"\\\n"), ("tenant", tenant), ("zone", "z")], &[]).labels;
            assert_eq!(stream.labels, expected, "{notation:?} {tenant}");
            assert_eq!(stream.entries.len(), 1);
        }
        assert_eq!(parts.len(), 2, "{notation:?}");
        // What is edited is edited; a second time nothing changes.
        let again = run(notation, &plan, &parts[1].1).unwrap();
        assert!(again.untouched, "{notation:?}");
    }
}

#[test]
fn what_is_decided_alike_goes_on_as_it_came() {
    for notation in NOTATIONS {
        let streams = [plain(&[("app", "x")], &[&[("a", "b")], &[]]), plain(&[("ns", "own")], &[&[]])];
        let message = notation.write(&streams);
        let split = run(notation, &plan(), &message).unwrap();
        assert!(split.untouched && split.parts.len() == 1, "{notation:?}");
        assert_eq!((split.parts[0].series, split.parts[0].samples), (2, 3));
    }
    // But for what only Loki itself may say.
    let mut message = Notation::Protobuf.write(&[plain(&[("app", "x")], &[&[]])]);
    let plain_len = message.len();
    put_len(&mut message, 2, 4);
    message.extend_from_slice(b"otlp");
    let split = run(Notation::Protobuf, &plan(), &message).unwrap();
    assert!(!split.untouched);
    assert_eq!(messages(Notation::Protobuf, &split, &[])[0].1, message[..plain_len]);
    let message = br#"{"format":"otlp","streams":[{"labels":"{a=\"b\"}","entries":[]}]}"#;
    let split = run(Notation::Legacy, &plan(), message).unwrap();
    let parts = messages(Notation::Legacy, &split, message);
    assert_eq!(parts[0].1, br#"{"streams":[{"labels":"{a=\"b\"}","entries":[]}]}"#);
}

/// What a request with one stream written like this comes to: a tenant, the word of a rejected stream, or the word of
/// a refusal.
fn fate(notation: Notation, plan: &SplitPlan, message: &[u8]) -> String {
    match run(notation, plan, message) {
        Ok(split) => match (split.parts.as_slice(), rejected(&split).as_slice()) {
            ([part], []) => part.tenant.to_string(),
            ([], [(word, _)]) => (*word).to_owned(),
            other => panic!("{other:?}"),
        },
        Err(Refusal::Json { problem, .. }) => problem.to_string(),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn what_loki_reads_more_laxly_leads_nowhere() {
    let stream = |stream: &str| format!("{{\"streams\":[{stream}]}}");
    let values = r#""values":[["1","x"]]"#;
    let cases: &[(String, &str)] = &[
        (stream(&format!(r#"{{"stream":{{"ns":"team-a"}},{values}}}"#)), "team-a"),
        (stream(&format!(r#" {{ {values} , "stream" : {{ "ns" : "team-a" }} }} "#)), "team-a"),
        (stream(&format!(r#"{{"stream":{{"ns":"te\u0061m-a"}},{values},"more":[1]}}"#)), "team-a"),
        (stream(&format!(r#"{{"str\u0065am":{{"ns":"team-a"}},{values}}}"#)), "team-a"),
        (stream(r#"{"stream":{"ns":"team-a"},"values":null}"#), "team-a"),
        (stream(r#"{"stream":{"ns":"team-a"},"values":[null]}"#), "team-a"),
        // The outer object without regard to case.
        (r#"{"Streams":[]}"#.to_owned(), "the name of a known member is not in its exact case"),
        (r#"{"streams":[],"streams":[]}"#.to_owned(), "a known member stands twice"),
        (r#"{"streams":[]} {"streams":[]}"#.to_owned(), "something follows the JSON value"),
        (r#"{"streams":{}}"#.to_owned(), "a known member has the wrong type"),
        (r#"{"streams":[[]]}"#.to_owned(), "a known member has the wrong type"),
        (r"[]".to_owned(), "a known member has the wrong type"),
        (String::new(), "it is no JSON"),
        // The last of two, where we would have read the first.
        (
            stream(&format!(r#"{{"stream":{{"ns":"team-a"}},"stream":{{"ns":"own"}},{values}}}"#)),
            "unreadable_labels",
        ),
        (stream(&format!(r#"{{"stream":{{"ns":"team-a","ns":"team-b"}},{values}}}"#)), "duplicate_label"),
        (stream(&format!(r#"{{"stream":{{"ns":"team-a"}},{values},{values}}}"#)), "unreadable_labels"),
        // Labels within a name, a string or a number.
        (stream(&format!(r#"{{"stream":{{"a=\"b\", ns":"team-a"}},{values}}}"#)), "unreadable_labels"),
        (stream(&format!(r#"{{"stream":{{"n\\u0073":"team-a"}},{values}}}"#)), "unreadable_labels"),
        (stream(&format!(r#"{{"stream":{{"a.b":"x","ns":"team-a"}},{values}}}"#)), "unreadable_labels"),
        (stream(&format!(r#"{{"stream":"{{\"ns\":\"team-a\"}}",{values}}}"#)), "unreadable_labels"),
        (stream(&format!(r#"{{"stream":{{"ns":7}},{values}}}"#)), "unreadable_labels"),
        (stream(&format!(r#"{{"stream":{{"ns":"team-a","x":{{"a":1}}}},{values}}}"#)), "unreadable_labels"),
        (stream(r#"{"stream":{"ns":"team-a"},"values":"[]"}"#), "unreadable_labels"),
        (stream(&format!(r#"{{"Stream":{{"ns":"team-a"}},{values}}}"#)), "unreadable_labels"),
        (stream(&format!("{{{values}}}")), "no_labels"),
        (stream(&format!(r#"{{"stream":null,{values}}}"#)), "unreadable_labels"),
        // Metadata that hides metadata.
        (stream(r#"{"stream":{"a":"b"},"values":[["1","x",{"mt":"team-a"}]]}"#), "team-a"),
        (
            stream(r#"{"stream":{"a":"b"},"values":[["1","x",{"structuredMetadata":{"mt":"team-a"}}]]}"#),
            "unreadable_labels",
        ),
        (
            stream(r#"{"stream":{"a":"b"},"values":[["1","x",{"mt":"team-a","mt":"team-b"}]]}"#),
            "duplicate_label",
        ),
        (stream(r#"{"stream":{"a":"b"},"values":[["1","x",{"mt":5}]]}"#), "not_text"),
        (stream(r#"{"stream":{"a":"b"},"values":[["1","x",{"n":5}]]}"#), "own"),
        (stream(r#"{"stream":{"a":"b"},"values":[["1","x",null]]}"#), "unreadable_labels"),
        (stream(r#"{"stream":{"a":"b"},"values":[["1"]]}"#), "unreadable_labels"),
        (stream(r#"{"stream":{"a":"b"},"values":[[1,"x"]]}"#), "unreadable_labels"),
        (stream(r#"{"stream":{"a":"b"},"values":["[\"1\",\"x\"]"]}"#), "unreadable_labels"),
        (stream(r#"{"stream":{"a":"b"},"values":[["1","x",{},{"mt":"team-a"}]]}"#), "unreadable_labels"),
    ];
    for (message, expected) in cases {
        assert_eq!(fate(Notation::Json, &plan(), message.as_bytes()), *expected, "{message}");
    }
    let entries = r#""entries":[{"ts":"t","line":"x"}]"#;
    let cases: &[(String, &str)] = &[
        (stream(&format!(r#"{{"labels":"{{ns=\"team-a\"}}",{entries}}}"#)), "team-a"),
        (stream(&format!(r#"{{"Labels":"{{ns=\"team-a\"}}",{entries}}}"#)), "unreadable_labels"),
        (
            stream(&format!(r#"{{"labels":"{{ns=\"own\"}}","LABELS":"{{ns=\"team-a\"}}",{entries}}}"#)),
            "unreadable_labels",
        ),
        (stream(&format!(r#"{{"labels":{{"ns":"team-a"}},{entries}}}"#)), "unreadable_labels"),
        (stream(r#"{"labels":"{a=\"b\"}","entries":[{"structuredMetadata":{"mt":"team-a"}}]}"#), "team-a"),
        (
            stream(r#"{"labels":"{a=\"b\"}","entries":[{"structuredmetadata":{"mt":"team-a"}}]}"#),
            "unreadable_labels",
        ),
        (
            stream(
                r#"{"labels":"{a=\"b\"}","entries":[{"structuredMetadata":{},"structuredMetadata":{"mt":"own"}}]}"#,
            ),
            "unreadable_labels",
        ),
        (stream(r#"{"labels":"{a=\"b\"}","entries":[{"structuredMetadata":null}]}"#), "unreadable_labels"),
        (stream(r#"{"labels":"{a=\"b\"}","entries":[[]]}"#), "unreadable_labels"),
    ];
    for (message, expected) in cases {
        assert_eq!(fate(Notation::Legacy, &plan(), message.as_bytes()), *expected, "{message}");
    }
    // What is not UTF-8 costs its own stream only.
    let message = b"{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"\xff\"]]},{\"stream\":{\"a\":\"b\"}}]}";
    let split = run(Notation::Json, &plan(), message).unwrap();
    assert_eq!((rejected(&split), split.parts.len()), (vec![("not_utf8", 1)], 1));
}

#[test]
fn what_the_decoder_reads_more_laxly_leads_nowhere() {
    let field = |number, content: &[u8]| {
        let mut out = Vec::new();
        put_len(&mut out, number, content.len());
        out.extend_from_slice(content);
        out
    };
    let stream = |fields: &[Vec<u8>]| field(1, &fields.concat());
    let labels = |text: &str| field(1, text.as_bytes());
    let entry = |fields: &[Vec<u8>]| field(2, &fields.concat());
    let pair = |fields: &[Vec<u8>]| field(3, &fields.concat());
    let (name, value) = (|text: &str| field(1, text.as_bytes()), |text: &str| field(2, text.as_bytes()));
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("labels after entries", stream(&[entry(&[]), labels("{ns='team-a'}")]), "team-a"),
        ("labels twice", stream(&[labels("{ns='team-a'}"), labels("{ns='own'}")]), "unreadable_labels"),
        ("no labels", stream(&[entry(&[])]), "no_labels"),
        ("a metric's name", stream(&[labels("up{ns='team-a'}")]), "unreadable_labels"),
        (
            "labels of another type",
            stream(&[vec![0x08, 1]]),
            "the body is malformed: a known field has the wrong wire type (at byte 0 after decompression)",
        ),
        (
            "value before name",
            stream(&[labels("{a='b'}"), entry(&[pair(&[value("team-a"), name("mt")])])]),
            "team-a",
        ),
        (
            "last name wins",
            stream(&[
                labels("{a='b'}"),
                entry(&[pair(&[name("x"), name("mt"), value("own"), value("team-a")])]),
            ]),
            "team-a",
        ),
        (
            "metadata twice",
            stream(&[
                labels("{a='b'}"),
                entry(&[pair(&[name("mt"), value("own")]), pair(&[name("mt"), value("own")])]),
            ]),
            "duplicate_label",
        ),
        (
            "metadata that is no text",
            stream(&[labels("{a='b'}"), entry(&[pair(&[name("mt"), field(2, b"\xff")])])]),
            "not_utf8",
        ),
    ];
    for (case, message, expected) in cases {
        assert_eq!(fate(Notation::Protobuf, &plan(), message), *expected, "{case}");
    }
}

#[test]
fn what_parts_share_does_not_multiply_without_bound() {
    let big = "x".repeat(100_000);
    let names: Vec<_> = (0..400).map(|n| format!("team-{n}")).collect();
    let metadata: Vec<_> = names.iter().map(|name| [("mt", name.as_str())]).collect();
    let entries: Vec<&[(&str, &str)]> = metadata.iter().map(<[_; 1]>::as_slice).collect();
    for notation in NOTATIONS {
        let message = notation.write(&[plain(&[("big", &big)], &entries)]);
        let push = push(notation);
        let body = push.encoding.encoder().encode(&message).unwrap();
        let limits: Limits = config::read(&json!({"decoded_bytes": "1MiB"})).unwrap();
        let refused = split(push, &body, &plan(), &rights(), &limits).unwrap_err();
        assert_eq!(refused, Refusal::DecodedTooLarge { limit: 1 << 20 }, "{notation:?}");
    }
}

/// Where an entry goes, decided once more in the plainest way.
fn oracle(stream: &Plain, metadata: &Pairs) -> Option<String> {
    let value = |pairs: &Pairs, name: &str| {
        pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let found = [
        (value(&stream.labels, "imp"), "cluster-"),
        (value(metadata, "mt"), "team-"),
        (value(&stream.labels, "ns"), "team-"),
    ];
    let labels_left = stream.labels.iter().any(|(name, value)| name != "imp" && !value.is_empty());
    let tenant =
        match found.into_iter().find_map(|(value, may)| value.filter(|v| !v.is_empty()).map(|v| (v, may))) {
            Some((value, may)) => Some(value).filter(|value| value == "own" || value.starts_with(may)),
            None => Some("own".to_owned()),
        };
    tenant.filter(|_| labels_left)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("own".to_owned()),
        "team-[ab]",
        "cluster-[ab]",
        "foreign",
        "[\"\\\\,={}\u{e4}\u{1f600} \n]{1,4}",
    ]
}

fn pairs(names: &'static [&'static str]) -> impl Strategy<Value = Pairs> {
    prop::collection::btree_map(prop::sample::select(names), value(), 0..names.len())
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn streams() -> impl Strategy<Value = Vec<Plain>> {
    let entry = (any::<u32>(), ".{0,8}", pairs(&["mt", "trace", "a", "zz"]));
    let stream = (pairs(&["app", "imp", "ns", "zone"]), prop::collection::vec(entry, 1..5));
    prop::collection::vec(stream.prop_map(|(labels, entries)| Plain { labels, entries }), 0..5)
}

proptest! {
    #[test]
    fn the_parts_are_the_whole_and_nothing_else(streams in streams(), notation in prop::sample::select(&NOTATIONS[..])) {
        let message = notation.write(&streams);
        let split = run(notation, &plan(), &message).unwrap();
        let mut expected: Vec<(String, Vec<Plain>)> = Vec::new();
        let mut lost = 0;
        for stream in &streams {
            let mut shares: Vec<(String, Plain)> = Vec::new();
            for (at, line, metadata) in &stream.entries {
                let Some(tenant) = oracle(stream, metadata) else { lost += 1; continue };
                let mut metadata = metadata.clone();
                metadata.retain(|(name, _)| name != "mt");
                let mut labels = stream.labels.clone();
                labels.retain(|(name, _)| name != "imp");
                let entry = (*at, line.clone(), metadata);
                match shares.iter_mut().find(|(known, _)| *known == tenant) {
                    Some((_, share)) => share.entries.push(entry),
                    None => shares.push((tenant, Plain { labels, entries: vec![entry] })),
                }
            }
            for (tenant, share) in shares {
                match expected.iter_mut().find(|(known, _)| *known == tenant) {
                    Some((_, part)) => part.push(share),
                    None => expected.push((tenant, vec![share])),
                }
            }
        }
        let found = messages(notation, &split, &message);
        let mut read: Vec<_> = found.iter().map(|(tenant, message)| (tenant.clone(), notation.read(message))).collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        read.sort_by(|a, b| a.0.cmp(&b.0));
        prop_assert_eq!(read, expected);
        prop_assert_eq!(split.rejected.total(), lost);
        let samples: u32 = split.parts.iter().map(|part| part.samples).sum();
        let all: usize = streams.iter().map(|stream| stream.entries.len()).sum();
        prop_assert_eq!(samples as usize + lost as usize, all);
    }

    #[test]
    fn untouched_streams_are_byte_identical_and_a_part_stays_what_it_is(
        streams in streams(), notation in prop::sample::select(&NOTATIONS[..]),
    ) {
        // Nothing is taken off, so every stream stays what it is.
        let mut plan = by_labels();
        plan.labels.remove(0);
        let message = notation.write(&streams);
        let split = run(notation, &plan, &message).unwrap();
        for (tenant, part) in messages(notation, &split, &message) {
            for stream in notation.read(&part) {
                prop_assert!(streams.contains(&stream));
                let raw = notation.write(std::slice::from_ref(&stream));
                let frame = if notation == Notation::Protobuf { 0..raw.len() } else { 12..raw.len() - 2 };
                prop_assert!(part.windows(frame.len()).any(|window| window == &raw[frame.clone()]));
            }
            let again = run(notation, &plan, &part).unwrap();
            prop_assert!(again.untouched, "{}", tenant);
            prop_assert_eq!(again.parts[0].tenant.as_str(), tenant.as_str());
        }
    }

    #[test]
    fn any_bytes_are_taken_apart_without_panic(
        bytes: Vec<u8>, like in r#"\{"streams":\[\{("stream":\{"a":"b"\},|"values":\[\["1","x",?\{?|[\]}",]){0,9}"#,
        notation in prop::sample::select(&NOTATIONS[..]),
    ) {
        let _ = run(notation, &plan(), &bytes);
        let _ = run(notation, &plan(), like.as_bytes());
    }
}

#[test]
fn answers_are_plain_and_success_is_204() {
    let outcome = Outcome { answers: Vec::new(), rejected: super::super::rejected::Rejected::default() };
    let answer = reply(&outcome, 4096);
    assert_eq!((answer.status, answer.body.as_slice()), (204, &b""[..]));
}
