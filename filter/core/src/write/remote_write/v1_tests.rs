//! What the walk makes of messages: tables for what is known to be tricky, properties for everything else.

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;
use prost::Message as _;

use super::super::super::also::Also;
use super::super::super::plan::{Allowed, Choice, LabelSource, Place};
use super::super::super::rules::Verdict;
use super::super::testing::{
    Label, MetricMetadata, TimeSeries, WriteRequest, body, compress, decompress, request, series,
};
use super::*;
use crate::tenant::{TenantId, TenantSet};
use crate::wire::{put_len, put_varint};
use crate::write::Part;
use crate::write::labels::LabelEdits;
use crate::write::metadata::Spread;
pub(crate) use crate::write::testing::rights;

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

fn label(name: &str, remove: bool) -> LabelSource {
    LabelSource { name: name.into(), remove, place: Place::Label }
}

/// The label at this position, its value as it stands.
fn choice(label: usize, allowed: Allowed) -> Choice {
    Choice { labels: vec![label], separator: Vec::new(), allowed, key: Rc::default(), table: None }
}

/// Impersonation, then a namespace label, then the own tenant.
pub(crate) fn plan() -> SplitPlan {
    SplitPlan {
        labels: vec![label("imp", true), label("ns", false)],
        choices: vec![choice(0, Allowed::Impersonation), choice(1, Allowed::OnBehalfOf)],
        forbidden: vec![b"secret".to_vec()],
        absent: Verdict::Tenant(tenant("own")),
        unmapped: Verdict::Reject,
        metadata: Some(tenant("own")),
        spread: Spread::Own,
        takes_exemplars_alone: false,
        own: TenantSet::from(tenant("own")),
        edits: LabelEdits::default(),
        isolate: Rc::default(),
        also: Also::default(),
    }
}

/// Everything to one tenant, with these edits.
pub(crate) fn edited_plan(edits: LabelEdits) -> SplitPlan {
    let absent = Verdict::Tenant(tenant("team-a"));
    SplitPlan { labels: vec![], forbidden: vec![], absent, edits, ..plan() }
}

fn run(plan: &SplitPlan, body: &[u8]) -> Result<Split, Refusal> {
    split(body, plan, &rights(), &Limits::default())
}

/// Each part's tenant and series.
fn parts(split: &Split, original: &[u8]) -> Vec<(String, Vec<TimeSeries>)> {
    let series = |part: &Part| request(if split.untouched { original } else { &part.body }).timeseries;
    split.parts.iter().map(|part| (part.tenant.to_string(), series(part))).collect()
}

#[test]
fn each_series_goes_where_its_first_present_label_says() {
    let cases: &[(&str, &[(&str, &str)], Result<&str, &str>, &[&str])] = &[
        ("no label: own", &[("__name__", "up")], Ok("own"), &["__name__"]),
        (
            "impersonated, label off",
            &[("__name__", "up"), ("imp", "cluster-1"), ("job", "x")],
            Ok("cluster-1"),
            &["__name__", "job"],
        ),
        ("a label sorting after it", &[("imp", "cluster-1"), ("zzz", "evil")], Ok("cluster-1"), &["zzz"]),
        ("last label of all", &[("a", "b"), ("imp", "cluster-1")], Ok("cluster-1"), &["a"]),
        ("the only label", &[("imp", "cluster-1")], Err("no_labels"), &[]),
        ("no label at all", &[], Err("no_labels"), &[]),
        ("own tenant by impersonation", &[("imp", "own"), ("a", "b")], Ok("own"), &["a"]),
        ("empty means absent", &[("imp", ""), ("ns", "team-a")], Ok("team-a"), &["ns"]),
        ("namespace stays", &[("ns", "team-a")], Ok("team-a"), &["ns"]),
        ("first present decides", &[("imp", "cluster-1"), ("ns", "team-a")], Ok("cluster-1"), &["ns"]),
        ("not allowed by impersonation", &[("imp", "team-a")], Err("foreign_tenant"), &[]),
        ("not allowed on behalf of", &[("ns", "cluster-1")], Err("foreign_tenant"), &[]),
        ("fake is never meant by a pattern", &[("ns", "fake")], Err("foreign_tenant"), &[]),
        ("no tenant ID", &[("ns", "team-a|team-b")], Err("unmapped"), &[]),
        ("no tenant ID: a space", &[("imp", "cluster 1")], Err("unmapped"), &[]),
        ("not even if the next would do", &[("imp", "a/b"), ("ns", "team-a")], Err("unmapped"), &[]),
        ("a forbidden label", &[("ns", "team-a"), ("secret", "x")], Err("may_not_impersonate"), &[]),
        ("twice, alike", &[("ns", "team-a"), ("ns", "team-a")], Err("duplicate_label"), &[]),
        ("twice, once empty", &[("imp", ""), ("imp", "cluster-1")], Err("duplicate_label"), &[]),
        (
            "a name that only begins so",
            &[("impx", "cluster-1"), ("im", "cluster-1")],
            Ok("own"),
            &["impx", "im"],
        ),
    ];
    for (name, labels, expected, kept) in cases {
        let sent = body(&[series(labels)]);
        let split = run(&plan(), &sent).unwrap();
        match expected {
            Ok(expected) => {
                let parts = parts(&split, &sent);
                let [(tenant, series)] = parts.as_slice() else { panic!("{name}: {parts:?}") };
                assert_eq!(tenant, expected, "{name}");
                let names: Vec<_> = series[0].labels.iter().map(|label| label.name.as_str()).collect();
                assert_eq!(names, *kept, "{name}");
                assert_eq!(series[0].samples[0].value.to_bits(), 0x7ff0_0000_0000_0002, "{name}");
            }
            Err(reason) => {
                assert!(split.parts.is_empty(), "{name}");
                assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), vec![(*reason, 1)], "{name}");
            }
        }
    }
}

#[test]
fn one_bad_series_never_costs_the_others() {
    let sent = body(&[
        series(&[("ns", "team-a")]),
        series(&[("__name__", "up"), ("ns", "a b")]),
        series(&[("ns", "team-b")]),
    ]);
    let split = run(&plan(), &sent).unwrap();
    assert_eq!(split.parts.len(), 2);
    assert_eq!(split.rejected.total(), 1);
    assert_eq!(split.rejected.examples(), ["up{ns=\"a b\"}: the label leads to no tenant"]);
}

#[test]
fn what_is_not_looked_for_stays_untouched() {
    let sent = body(&[series(&[("a", "1")]), series(&[("b", "2")])]);
    let split = run(&plan(), &sent).unwrap();
    assert!(split.untouched);
    assert_eq!(
        (split.parts[0].tenant.as_str(), split.parts[0].series, split.parts[0].body.len()),
        ("own", 2, 0)
    );
    // The same series with a private field beside them are not.
    let mut message = decompress(&sent);
    message.extend([0x12, 1, 0]);
    let split = run(&plan(), &compress(&message)).unwrap();
    assert!(!split.untouched);
    assert_eq!(decompress(&split.parts[0].body), decompress(&sent));
}

#[test]
fn fallbacks_are_as_configured() {
    let sent =
        body(&[series(&[("a", "1")]), series(&[("ns", "not a tenant")]), series(&[("ns", "foreign")])]);
    for (absent, unmapped, parts, rejected, dropped) in [
        (
            Verdict::Reject,
            Verdict::Reject,
            vec![],
            vec![("no_tenant", 1), ("unmapped", 1), ("foreign_tenant", 1)],
            vec![],
        ),
        (
            Verdict::Drop,
            Verdict::Drop,
            vec![],
            vec![("foreign_tenant", 1)],
            vec![("no_tenant", 1), ("unmapped", 1)],
        ),
        (
            Verdict::Tenant(tenant("x")),
            Verdict::Tenant(tenant("y")),
            vec!["x", "y"],
            vec![("foreign_tenant", 1)],
            vec![],
        ),
    ] {
        let plan = SplitPlan { absent, unmapped, ..plan() };
        let split = run(&plan, &sent).unwrap();
        assert_eq!(split.parts.iter().map(|part| part.tenant.as_str()).collect::<Vec<_>>(), parts);
        assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), rejected);
        assert_eq!(split.rejected.dropped().collect::<Vec<_>>(), dropped);
    }
}

#[test]
fn metadata_goes_to_the_own_tenant_or_is_counted() {
    let metadata = vec![MetricMetadata { kind: 1, family: "up".into() }];
    let message = WriteRequest { timeseries: vec![series(&[("ns", "team-a")])], metadata: metadata.clone() };
    let sent = compress(&message.encode_to_vec());
    let split = run(&plan(), &sent).unwrap();
    let own = split.parts.iter().find(|part| part.tenant.as_str() == "own").unwrap();
    assert_eq!(request(&own.body), WriteRequest { timeseries: vec![], metadata });
    assert_eq!(split.metadata_dropped, 0);
    let split = run(&SplitPlan { metadata: None, ..plan() }, &sent).unwrap();
    assert_eq!((split.parts.len(), split.metadata_dropped), (1, 1));
}

/// A length-delimited field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, number, content.len());
    out.extend_from_slice(content);
    out
}

#[test]
fn no_label_can_be_hidden() {
    let name = |text: &str| field(1, text.as_bytes());
    let value = |text: &str| field(2, text.as_bytes());
    let label = |content: &[Vec<u8>]| field(1, &content.concat());
    let plain = || label(&[name("a"), value("1")]);
    let sample = field(2, &[9, 0, 0, 0, 0, 0, 0, 0, 0]);
    let overlong_tag = [vec![0x8a, 0x00], vec![2], b"xy".to_vec()].concat();
    let wrapping_tag = {
        let mut out = Vec::new();
        put_varint(&mut out, ((1_u64 << 32 | 1) << 3) | 2);
        out.extend([0]);
        out
    };
    // (what, series content, expected tenant or the refusal's reason)
    let cases: Vec<(&str, Vec<u8>, Result<&str, &str>)> = vec![
        ("a second name", [plain(), label(&[name("x"), name("ns"), value("team-a")])].concat(), Ok("team-a")),
        (
            "a second value",
            [plain(), label(&[name("ns"), value("own"), value("team-a")])].concat(),
            Ok("team-a"),
        ),
        ("value before name", [plain(), label(&[value("team-a"), name("ns")])].concat(), Ok("team-a")),
        (
            "after the samples",
            [plain(), sample.clone(), label(&[name("ns"), value("team-a")])].concat(),
            Ok("team-a"),
        ),
        (
            "another field in the label",
            [plain(), label(&[name("ns"), field(9, b"x"), value("team-a")])].concat(),
            Ok("team-a"),
        ),
        ("an overlong tag in the label", label(&[name("ns"), overlong_tag.clone()]), Err("malformed_body")),
        ("an overlong tag in the series", [plain(), overlong_tag].concat(), Err("malformed_body")),
        ("a wrapping field number", [plain(), wrapping_tag].concat(), Err("malformed_body")),
        ("a label that is no message", vec![0x08, 1], Err("malformed_body")),
        ("a name that is no string", label(&[vec![0x08, 1]]), Err("malformed_body")),
        ("a group", vec![0x0b, 0x0c], Err("malformed_body")),
    ];
    for (what, content, expected) in cases {
        let sent = compress(&field(1, &content));
        match (run(&plan(), &sent), expected) {
            (Ok(split), Ok(expected)) => assert_eq!(split.parts[0].tenant.as_str(), expected, "{what}"),
            (Err(refusal), Err(expected)) => assert_eq!(refusal.reason(), expected, "{what}"),
            (got, _) => panic!("{what}: {got:?}"),
        }
    }
    // The timeseries field itself as a number.
    assert_eq!(run(&plan(), &compress(&[0x08, 1])).unwrap_err().reason(), "malformed_body");
}

#[test]
fn text_that_is_not_utf8_is_rejected_wherever_it_stands() {
    let label = |name: &[u8], value: &[u8]| field(1, &[field(1, name), field(2, value)].concat());
    for (content, ok) in [
        (label(b"a", b"\xff"), false),
        (label(b"\xff", b"a"), false),
        ([label(b"a", b"1"), field(2, &[]), label(b"b", b"\xc3\x28")].concat(), false),
        (label("ä".as_bytes(), "ö".as_bytes()), true),
        (label(b"a", "long".repeat(60).as_bytes()), true),
        ([label(b"a", b"1"), field(2, b"\xff\xff")].concat(), true),
    ] {
        let split = run(&plan(), &compress(&field(1, &content))).unwrap();
        assert_eq!(split.rejected.total() == 0, ok, "{}", content.escape_ascii());
    }
}

#[test]
fn limits_are_kept() {
    let many: Vec<_> = (0..10).map(|n| series(&[("ns", &format!("team-{n}"))])).collect();
    let sent = body(&many);
    let limited = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        split(&sent, &plan(), &rights(), &limits).map(|_| ()).map_err(|refusal| refusal.reason())
    };
    assert_eq!(limited(|limits| limits.series.0 = 10), Ok(()));
    assert_eq!(limited(|limits| limits.series.0 = 9), Err("too_many_series"));
    assert_eq!(limited(|limits| limits.tenants.0 = 10), Ok(()));
    assert_eq!(limited(|limits| limits.tenants.0 = 9), Err("too_many_tenants"));
    assert_eq!(limited(|limits| limits.decoded_bytes.0 = 10), Err("body_too_large"));
}

prop_compose! {
    fn any_label()(
        name in prop_oneof![Just("imp"), Just("ns"), Just("__name__"), Just("job"), Just("zz"), Just("a"), Just("secret")],
        value in prop_oneof![
            Just(String::new()), Just("own".to_owned()), "team-[a-c]", "cluster-[1-3]", "[a-z |]{0,4}", "x{120,140}",
        ],
    ) -> Label {
        Label { name: name.to_owned(), value }
    }
}

prop_compose! {
    fn any_series()(
        labels in prop::collection::vec(any_label(), 0..6),
        timestamps in prop::collection::vec(any::<i64>(), 0..3),
        histograms in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..2),
    ) -> TimeSeries {
        let samples = timestamps.into_iter().map(|timestamp| super::super::testing::Sample { value: 1.5, timestamp });
        TimeSeries { labels, samples: samples.collect(), histograms }
    }
}

/// What must become of a series, told again in the plainest way.
fn expected(series: &TimeSeries) -> Option<(String, TimeSeries)> {
    let values = |name: &str| {
        series.labels.iter().filter(|l| l.name == name).map(|l| l.value.clone()).collect::<Vec<_>>()
    };
    let (imp, ns) = (values("imp"), values("ns"));
    if imp.len() > 1 || ns.len() > 1 || !values("secret").is_empty() {
        return None;
    }
    let valid = |id: &str| TenantId::new(id).is_ok();
    let tenant = match (imp.first().filter(|v| !v.is_empty()), ns.first().filter(|v| !v.is_empty())) {
        (Some(id), _) if valid(id) && (id == "own" || id.starts_with("cluster-")) => id.clone(),
        (None, Some(id)) if valid(id) && (id == "own" || id.starts_with("team-")) => id.clone(),
        (None, None) => "own".to_owned(),
        _ => return None,
    };
    let mut series = series.clone();
    series.labels.retain(|label| label.name != "imp");
    (!series.labels.is_empty()).then_some((tenant, series))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The union of the parts is the whole, each series under its tenant, in order and byte for byte.
    #[test]
    fn parts_are_what_the_plain_rule_says(sent in prop::collection::vec(any_series(), 0..20)) {
        let body = body(&sent);
        let split = run(&plan(), &body).unwrap();
        let mut want: BTreeMap<String, Vec<TimeSeries>> = BTreeMap::new();
        let mut lost = 0;
        for series in &sent {
            match expected(series) {
                Some((tenant, series)) => want.entry(tenant).or_default().push(series),
                None => lost += 1,
            }
        }
        let got: BTreeMap<_, _> = parts(&split, &body).into_iter().collect();
        prop_assert_eq!(&got, &want);
        prop_assert_eq!(split.rejected.total(), lost);
        for part in &split.parts {
            prop_assert_eq!(part.series as usize, want[part.tenant.as_str()].len());
            if !split.untouched {
                // Not only the same message: the same bytes.
                let message = WriteRequest { timeseries: want[part.tenant.as_str()].clone(), metadata: vec![] };
                prop_assert_eq!(decompress(&part.body), message.encode_to_vec());
            }
        }
    }

    /// Splitting a part again changes nothing.
    #[test]
    fn splitting_again_changes_nothing(sent in prop::collection::vec(any_series(), 0..20)) {
        let body = body(&sent);
        let split = run(&plan(), &body).unwrap();
        for part in &split.parts {
            let sent = if split.untouched { &body } else { &part.body };
            // What came by impersonation has lost its label and would now go by the next source.
            let plan = SplitPlan {
                labels: vec![],
                choices: vec![],
                forbidden: vec![],
                absent: Verdict::Tenant(part.tenant.clone()),
                ..plan()
            };
            let again = run(&plan, sent).unwrap();
            prop_assert!(again.untouched || request(sent).timeseries.is_empty());
        }
    }

    #[test]
    fn any_bytes_split_without_panic(message: Vec<u8>) {
        let _ = run(&plan(), &compress(&message));
        let _ = run(&plan(), &message);
    }

    /// A flipped byte somewhere in a good message: still no panic, and never a foreign tenant.
    #[test]
    fn damaged_messages_stay_within_the_rules(sent in prop::collection::vec(any_series(), 1..5), at: prop::sample::Index, byte: u8) {
        let mut message = WriteRequest { timeseries: sent, metadata: vec![] }.encode_to_vec();
        prop_assume!(!message.is_empty());
        let at = at.index(message.len());
        message[at] = byte;
        if let Ok(split) = run(&plan(), &compress(&message)) {
            for part in split.parts {
                let id = part.tenant.as_str();
                prop_assert!(id == "own" || id.starts_with("cluster-") || id.starts_with("team-"), "{}", id);
            }
        }
    }
}
