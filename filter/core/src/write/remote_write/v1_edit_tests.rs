//! What label edits make of series, against the plainest model of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;

use super::super::super::labels::{LabelEdits, LabelValue};
use super::super::testing::{Label, Sample, TimeSeries, WriteRequest, compress, decompress, request};
use super::*;
use crate::tenant::TenantId;
use crate::wire::put_len;

fn tenant() -> TenantId {
    TenantId::new("team-a").unwrap()
}

fn name(name: &str) -> Vec<u8> {
    name.as_bytes().to_vec()
}

fn text(text: &str) -> LabelValue {
    LabelValue::Text(name(text))
}

/// A field, tag and all.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, number, content.len());
    out.extend_from_slice(content);
    out
}

fn label(name: &str, value: &str) -> Vec<u8> {
    field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat())
}

/// The content of a series after the edits; `None` where it stays as it is.
fn edited(edits: &LabelEdits, content: &[u8]) -> Option<Vec<u8>> {
    let mut made = Made(b"before".to_vec());
    match Editor::new(edits).edit(content, |_| false, &tenant(), &mut made).unwrap() {
        Edited::Same => None,
        Edited::NoLabels => Some(Vec::new()),
        Edited::Made(start, end) => {
            assert_eq!((start, end), (6, made.0.len()));
            let mut fields = Fields::new(&made.0[start..]);
            let field = fields.next().unwrap().unwrap();
            assert_eq!((field.number, fields.remaining()), (TIMESERIES, 0));
            Some(field.value.bytes().unwrap().to_vec())
        }
    }
}

#[test]
fn ours_wins_however_theirs_is_written() {
    let set = LabelEdits { set: vec![(name("t"), LabelValue::Tenant)], ..LabelEdits::default() };
    let sample = field(2, &[9, 0, 0, 0, 0, 0, 0, 0, 0]);
    let a = || label("a", "1");
    let ours = || label("t", "team-a");
    let cases: Vec<(&str, Vec<u8>, Option<Vec<u8>>)> = vec![
        ("absent", a(), Some([a(), ours()].concat())),
        ("other", [a(), label("t", "evil")].concat(), Some([a(), ours()].concat())),
        ("empty", [a(), label("t", "")].concat(), Some([a(), ours()].concat())),
        ("the same", [ours(), a(), sample.clone()].concat(), None),
        ("the same, twice", [ours(), ours(), a()].concat(), Some([a(), ours()].concat())),
        ("the same and another", [ours(), label("t", "x")].concat(), Some(ours())),
        (
            "after the samples",
            [a(), sample.clone(), label("t", "evil"), sample.clone()].concat(),
            Some([a(), ours(), sample.clone(), sample.clone()].concat()),
        ),
        (
            "the last of several names",
            field(1, &[field(1, b"x"), field(2, b"evil"), field(1, b"t")].concat()),
            Some(ours()),
        ),
        (
            "the last of several values",
            field(1, &[field(1, b"t"), field(2, b"team-a"), field(2, b"evil")].concat()),
            Some(ours()),
        ),
        ("value before name", field(1, &[field(2, b"evil"), field(1, b"t")].concat()), Some(ours())),
        (
            "unknown fields stay, in order",
            [field(9, b"x"), label("b", "2"), field(4, b"h"), a(), field(3, b"e"), vec![0x28, 7]].concat(),
            Some(
                [a(), label("b", "2"), ours(), field(9, b"x"), field(4, b"h"), field(3, b"e"), vec![0x28, 7]]
                    .concat(),
            ),
        ),
    ];
    for (what, content, expected) in cases {
        assert_eq!(edited(&set, &content), expected, "{what}");
        if let Some(once) = expected {
            assert_eq!(edited(&set, &once), None, "{what}: twice is once");
        }
    }
}

#[test]
fn an_empty_value_is_no_label() {
    let edits = LabelEdits {
        rename: vec![(name("ns"), name("namespace"))],
        replace: vec![(name("zone"), text("z"))],
        set: vec![(name("gone"), text(""))],
        ..LabelEdits::default()
    };
    let cases: &[(&[(&str, &str)], Option<&[(&str, &str)]>)] = &[
        (&[("a", "1"), ("namespace", "n")], None),
        (&[("a", ""), ("namespace", "n")], None),
        (&[("namespace", "n"), ("ns", "")], Some(&[("namespace", "n")])),
        (&[("a", "1"), ("zone", "")], Some(&[("a", "1")])),
        (&[("gone", "")], Some(&[])),
        (&[("gone", "1")], Some(&[])),
        (&[("ns", "x"), ("zone", "y")], Some(&[("namespace", "x"), ("zone", "z")])),
    ];
    for (before, after) in cases {
        let series = |labels: &[(&str, &str)]| {
            labels.iter().map(|(name, value)| label(name, value)).collect::<Vec<_>>().concat()
        };
        assert_eq!(edited(&edits, &series(before)), after.map(series), "{before:?}");
    }
}

#[test]
fn lengths_are_right_at_every_boundary() {
    // Around the lengths at which the length of a value, a label and a series take one byte more.
    for near in [0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        let reach = if near > 1_000_000 { 14 } else { 40 };
        for len in (near..near + 2 * reach).map(|len: usize| len.saturating_sub(reach)) {
            let value = "v".repeat(len.max(1));
            let edits = LabelEdits { set: vec![(name("b"), text(&value))], ..LabelEdits::default() };
            let sent = [label("c", &value), field(2, b"")].concat();
            let expected = [label("b", &value), label("c", &value), field(2, b"")].concat();
            assert!(edited(&edits, &sent) == Some(expected), "{len}");
        }
    }
}

#[test]
fn what_is_made_is_bounded() {
    let edits = LabelEdits { set: vec![(name("b"), text(&"v".repeat(1000)))], ..LabelEdits::default() };
    let plan = super::super::v1::tests::edited_plan(edits);
    let message = field(1, &label("a", "1")).repeat(10);
    let run = |limit| {
        let mut limits = crate::config::Limits::default();
        limits.decoded_bytes.0 = limit;
        let rights = super::super::v1::tests::rights();
        super::super::v1::split(&compress(&message), &plan, &rights, &limits).map(|split| split.parts.len())
    };
    assert_eq!(run(20_000), Ok(1));
    assert!(matches!(run(5_000), Err(crate::report::Refusal::DecodedTooLarge { limit: 5_000 })));
}

const NAMES: [&str; 6] = ["__name__", "a", "b", "ns", "zone", "zz"];

prop_compose! {
    fn any_series()(
        labels in prop::collection::vec(
            (prop::sample::select(&NAMES[..]), prop_oneof![Just(String::new()), "[a-cä]{1,3}", "x{120,135}"]), 0..6,
        ),
        timestamps in prop::collection::vec(any::<i64>(), 0..3),
        histograms in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..2),
    ) -> TimeSeries {
        let label = |(name, value): (&str, String)| Label { name: name.to_owned(), value };
        let samples = timestamps.into_iter().map(|timestamp| Sample { value: 1.5, timestamp });
        TimeSeries { labels: labels.into_iter().map(label).collect(), samples: samples.collect(), histograms }
    }
}

/// Edits as a configuration allows them: no name stands in two places.
fn any_edits() -> impl Strategy<Value = LabelEdits> {
    let value = || {
        prop_oneof![
            Just(LabelValue::Tenant),
            "[a-c]{0,2}".prop_map(|v| text(&v)),
            "y{126,129}".prop_map(|v| text(&v))
        ]
    };
    let names = Just(vec!["a", "b", "ns", "zone", "zz", "new", "other"]).prop_shuffle();
    (names, 0_usize..8, prop::collection::vec((0..4, value()), 8)).prop_map(|(names, count, kinds)| {
        let mut edits = LabelEdits::default();
        let mut names = names.into_iter().take(count);
        for (kind, value) in kinds {
            let Some(first) = names.next() else { break };
            match kind {
                0 => edits.remove.push(name(first)),
                1 => edits.rename.extend(names.next().map(|second| (name(first), name(second)))),
                2 => edits.replace.push((name(first), value)),
                _ => edits.set.push((name(first), value)),
            }
        }
        edits
    })
}

/// What must become of labels, told again in the plainest way: names to values, the last of several.
fn expected(edits: &LabelEdits, labels: &[Label]) -> BTreeMap<String, String> {
    let mut map: BTreeMap<_, _> = labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let tenant = tenant();
    map.retain(|_, value| !value.is_empty());
    for name in &edits.remove {
        map.remove(&string(name));
    }
    for (old, new) in &edits.rename {
        if let Some(value) = map.remove(&string(old)) {
            map.insert(string(new), value);
        }
    }
    for (name, value) in &edits.replace {
        if let Some(old) = map.get_mut(&string(name)) {
            *old = string(value.text(&tenant));
        }
    }
    for (name, value) in &edits.set {
        map.insert(string(name), string(value.text(&tenant)));
    }
    map.retain(|_, value| !value.is_empty());
    map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// For any series and any edits: the labels are what the plain rule says, those that an edit gave stand once, and
    /// nothing else changed by a byte.
    #[test]
    fn edits_are_what_the_plain_rule_says(series in any_series(), edits in any_edits()) {
        // The model has no duplicates, of which not even the backends know what they mean, but for what must win.
        let decided = |name: &str| {
            let is = |known: &Vec<u8>| known == name.as_bytes();
            edits.remove.iter().any(is) || edits.set.iter().any(|(known, _)| is(known))
        };
        let mut series = series;
        let mut seen = Vec::new();
        series.labels.retain(|l| decided(&l.name) || !seen.contains(&l.name) && { seen.push(l.name.clone()); true });
        let sent = series.encode_to_vec();
        let got = edited(&edits, &sent);
        let want = expected(&edits, &series.labels);
        match got {
            None => {
                let all: BTreeMap<_, _> =
                    series.labels.iter().filter(|l| !l.value.is_empty()).map(|l| (l.name.clone(), l.value.clone())).collect();
                prop_assert_eq!(all, want);
            }
            Some(content) => {
                let after = TimeSeries::decode(content.as_slice()).unwrap();
                let present: BTreeMap<_, _> =
                    after.labels.iter().filter(|l| !l.value.is_empty()).map(|l| (l.name.clone(), l.value.clone())).collect();
                prop_assert_eq!(&present, &want);
                prop_assert!(after.labels.is_sorted_by(|a, b| a.name < b.name), "{:?}", after.labels);
                if !after.labels.is_empty() {
                    prop_assert_eq!(&after.samples, &series.samples);
                    prop_assert_eq!(&after.histograms, &series.histograms);
                    // Not only the same message: the same bytes.
                    prop_assert_eq!(after.encode_to_vec(), content.clone());
                    prop_assert_eq!(edited(&edits, &content), None, "twice is once");
                }
            }
        }
    }

    /// A whole request: what does not change is the same bytes, and everything is in its order.
    #[test]
    fn a_request_is_its_series(sent in prop::collection::vec(any_series(), 0..12), edits in any_edits()) {
        let body = compress(&WriteRequest { timeseries: sent.clone(), metadata: vec![] }.encode_to_vec());
        let plan = super::super::v1::tests::edited_plan(edits.clone());
        let rights = super::super::v1::tests::rights();
        let split = super::super::v1::split(&body, &plan, &rights, &crate::config::Limits::default()).unwrap();
        let mut expected = Vec::new();
        for series in sent.iter().filter(|series| !series.labels.is_empty()) {
            let content = series.encode_to_vec();
            let after = edited(&edits, &content).unwrap_or(content);
            if !TimeSeries::decode(after.as_slice()).unwrap().labels.is_empty() {
                expected.extend(field(1, &after));
            }
        }
        let got = split.parts.first().map_or_else(Vec::new, |part| {
            decompress(if split.untouched { &body } else { &part.body })
        });
        prop_assert!(got == expected, "{:?}", request(&compress(&got)));
        let sent_series = split.parts.first().map_or(0, |part| part.series);
        prop_assert_eq!(sent_series + split.rejected.total(), u32::try_from(sent.len()).unwrap());
    }

    #[test]
    fn any_bytes_are_edited_without_panic(content: Vec<u8>, edits in any_edits()) {
        let _ = Editor::new(&edits).edit(&content, |_| false, &tenant(), &mut Made::default());
    }
}
