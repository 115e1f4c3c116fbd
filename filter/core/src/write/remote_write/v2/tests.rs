//! What becomes of messages of version 2.0: tables for what is known to be tricky; properties stand beside.

use prost::Message as _;

use super::super::testing::{compress, decompress};
use super::super::v1::tests::{plan, rights, tenant};
use super::testing::{Request, Said, TimeSeries, message, message_over, said};
use super::*;
use crate::wire::{put_len, put_varint};
use crate::write::labels::{LabelEdits, LabelValue};
use crate::write::plan::Allowed;
use crate::write::rules::Verdict;

mod properties;

pub(super) fn run(plan: &SplitPlan, body: &[u8]) -> Result<Split, Refusal> {
    split(body, plan, &rights(), &Limits::default())
}

/// Each part's tenant and message.
pub(super) fn parts(split: &Split, original: &[u8]) -> Vec<(String, Request)> {
    let request = |part: &Part| Request::of(if split.untouched { original } else { &part.body });
    split.parts.iter().map(|part| (part.tenant.to_string(), request(part))).collect()
}

/// A length-delimited field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, number, content.len());
    out.extend_from_slice(content);
    out
}

/// A varint field.
fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::from(field) << 3);
    put_varint(&mut out, value);
    out
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
        ("the only label", &[("imp", "cluster-1")], Err("no_labels"), &[]),
        ("no label at all", &[], Err("no_labels"), &[]),
        ("empty means absent, and goes", &[("imp", ""), ("ns", "team-a")], Ok("team-a"), &["ns"]),
        ("first present decides", &[("ns", "team-a"), ("imp", "cluster-1")], Ok("cluster-1"), &["ns"]),
        ("a name in the place of a value", &[("job", "imp"), ("a", "ns")], Ok("own"), &["job", "a"]),
        ("not allowed by impersonation", &[("imp", "team-a")], Err("foreign_tenant"), &[]),
        ("not allowed on behalf of", &[("ns", "cluster-1")], Err("foreign_tenant"), &[]),
        ("no tenant ID", &[("ns", "team-a|team-b")], Err("unmapped"), &[]),
        ("a forbidden label", &[("ns", "team-a"), ("secret", "x")], Err("may_not_impersonate"), &[]),
        ("a forbidden label, empty", &[("ns", "team-a"), ("secret", "")], Err("may_not_impersonate"), &[]),
        ("twice, alike", &[("ns", "team-a"), ("ns", "team-a")], Err("duplicate_label"), &[]),
        ("twice, once empty", &[("imp", ""), ("imp", "cluster-1")], Err("duplicate_label"), &[]),
    ];
    for (name, labels, expected, kept) in cases {
        let sent = message(&[said(labels)]).body();
        let split = run(&plan(), &sent).unwrap();
        match expected {
            Ok(expected) => {
                let parts = parts(&split, &sent);
                let [(tenant, request)] = parts.as_slice() else { panic!("{name}: {parts:?}") };
                assert_eq!(tenant, expected, "{name}");
                let kept: Vec<_> = labels.iter().copied().filter(|(name, _)| kept.contains(name)).collect();
                assert_eq!(request.said(), [said(&kept)], "{name}");
            }
            Err(reason) => {
                assert!(split.parts.is_empty(), "{name}");
                assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), vec![(*reason, 1)], "{name}");
            }
        }
    }
}

#[test]
fn a_name_may_stand_in_the_table_several_times() {
    let symbols = ["", "ns", "team-a", "x", "ns", "imp", "imp", "cluster-1", "ns"].map(str::to_owned);
    let one = |labels_refs: &[u32]| {
        let samples = vec![super::super::testing::Sample { value: 1.0, timestamp: 1 }];
        let series = TimeSeries { labels_refs: labels_refs.to_vec(), samples, ..TimeSeries::default() };
        Request { symbols: symbols.to_vec(), timeseries: vec![series] }.body()
    };
    let cases: &[(&[u32], Result<&str, &str>)] = &[
        (&[1, 2], Ok("team-a")),
        (&[4, 2], Ok("team-a")),
        (&[3, 3, 8, 2], Ok("team-a")),
        (&[3, 3, 6, 7], Ok("cluster-1")),
        (&[5, 7, 6, 7], Err("duplicate_label")),
        (&[1, 2, 8, 2], Err("duplicate_label")),
    ];
    for (references, expected) in cases {
        let split = run(&plan(), &one(references)).unwrap();
        let got = match split.parts.as_slice() {
            [part] => Ok(part.tenant.as_str()),
            _ => Err(split.rejected.rejected().next().unwrap().0),
        };
        assert_eq!(got, *expected, "{references:?}");
    }
}

/// Everything that a series may hold.
fn full(tenant: &str, mark: &str) -> Said {
    let text = |what: &str| format!("{what} of {mark}");
    Said {
        histograms: vec![vec![1, 2, 3], vec![]],
        exemplars: vec![
            (vec![("trace_id".to_owned(), text("trace"))], 1.5_f64.to_bits(), 7),
            (vec![], 2.5_f64.to_bits(), 8),
        ],
        metadata: Some((1, text("help"), text("unit"))),
        created: 5,
        ..said(&[("__name__", "up"), ("mark", mark), ("ns", tenant)])
    }
}

#[test]
fn each_part_has_exactly_the_symbols_it_uses_in_the_order_of_their_first_use() {
    let unused = ["", "unused", "of nobody"].map(str::to_owned).to_vec();
    let series = [full("team-a", "x"), full("team-b", "y"), full("team-a", "z")];
    let sent = message_over(unused, &series).body();
    let split = run(&plan(), &sent).unwrap();
    let parts = parts(&split, &sent);
    let [(a, of_a), (b, of_b)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((a.as_str(), b.as_str()), ("team-a", "team-b"));
    assert_eq!(of_a.said(), [series[0].clone(), series[2].clone()]);
    assert_eq!(of_b.said(), [series[1].clone()]);
    let table = [
        "",
        "__name__",
        "up",
        "mark",
        "y",
        "ns",
        "team-b",
        "trace_id",
        "trace of y",
        "help of y",
        "unit of y",
    ];
    assert_eq!(of_b.symbols, table);
    // The same bytes as if nobody else had been in the request.
    assert_eq!(decompress(&split.parts[1].body), message(&series[1..2]).encode_to_vec());
    assert_eq!((split.parts[0].series, split.parts[0].samples), (2, 6));
}

#[test]
fn what_is_not_looked_for_stays_untouched() {
    let sent =
        message_over(vec![String::new(), "unused".into()], &[said(&[("a", "1")]), said(&[("b", "2")])]);
    let split = run(&plan(), &sent.body()).unwrap();
    assert!(split.untouched);
    assert_eq!((split.parts[0].tenant.as_str(), split.parts[0].series), ("own", 2));
    assert!(split.parts[0].body.is_empty());
    // The same with a field that is private to some backends.
    for private in [number(6, 1), number(1000, 1), field(1001, b"x"), field(3, b"x")] {
        let whole = compress(&[sent.encode_to_vec(), private].concat());
        let split = run(&plan(), &whole).unwrap();
        assert!(!split.untouched);
        let alone = message(&[said(&[("a", "1")]), said(&[("b", "2")])]);
        assert_eq!(decompress(&split.parts[0].body), alone.encode_to_vec());
    }
    // And with a series that does not go.
    let sent = message(&[said(&[("a", "1")]), said(&[("ns", "a b"), ("b", "of the other")])]).body();
    let split = run(&plan(), &sent).unwrap();
    assert!(!split.untouched);
    assert_eq!(decompress(&split.parts[0].body), message(&[said(&[("a", "1")])]).encode_to_vec());
    assert_eq!(split.rejected.examples(), ["{ns=\"a b\", b=\"of the other\"}: the label leads to no tenant"]);
}

/// A message of these symbols and one series of this content.
fn wire(symbols: &[&[u8]], series: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = symbols.iter().flat_map(|symbol| field(4, symbol)).collect();
    out.extend(field(5, &series.concat()));
    out
}

#[test]
fn nothing_can_be_hidden_and_nothing_is_guessed() {
    const SYMBOLS: &[&[u8]] = &[b"", b"ns", b"team-a", b"a", b"1"];
    let sample = || field(2, &number(2, 1));
    let packed = |references: &[u8]| field(1, references);
    let refused = Err("malformed_body");
    let cases: Vec<(&str, Vec<Vec<u8>>, Result<&str, &str>)> = vec![
        ("packed", vec![packed(&[1, 2]), sample()], Ok("team-a")),
        ("one by one", vec![number(1, 1), number(1, 2), sample()], Ok("team-a")),
        ("in two pieces", vec![packed(&[3, 4, 1]), packed(&[2]), sample()], Ok("team-a")),
        ("in both ways", vec![packed(&[3, 4]), number(1, 1), packed(&[2]), sample()], Ok("team-a")),
        ("after the samples", vec![packed(&[3, 4]), sample(), packed(&[1, 2])], Ok("team-a")),
        ("longer than needed", vec![packed(&[0x81, 0x00, 0x82, 0x80, 0x00]), sample()], Ok("team-a")),
        ("an unknown field", vec![packed(&[1, 2]), field(9, b"x"), sample()], Ok("team-a")),
        ("an odd number", vec![packed(&[1, 2, 3]), sample()], refused),
        ("out of the table", vec![packed(&[1, 5]), sample()], refused),
        ("beyond 32 bits", vec![packed(&[0x81, 0x80, 0x80, 0x80, 0x10, 2]), sample()], refused),
        ("one by one beyond 32 bits", vec![number(1, (1 << 32) | 1), number(1, 2), sample()], refused),
        ("running out of its field", vec![packed(&[1, 0x82]), sample()], refused),
        ("no numbers", vec![vec![0x0d, 1, 0, 0, 0], sample()], refused),
        ("an overlong tag", vec![vec![0x8a, 0x00, 2, 1, 2], sample()], refused),
        ("samples that are no message", vec![packed(&[1, 2]), number(2, 1)], refused),
        ("exemplars that are no message", vec![packed(&[1, 2]), sample(), number(4, 1)], refused),
        ("metadata that is no message", vec![packed(&[1, 2]), sample(), number(5, 1)], refused),
        ("a created time that is no number", vec![packed(&[1, 2]), sample(), field(6, b"")], refused),
        ("an exemplar's odd labels", vec![packed(&[1, 2]), sample(), field(4, &packed(&[1]))], refused),
        (
            "an exemplar out of the table",
            vec![packed(&[1, 2]), sample(), field(4, &packed(&[1, 9]))],
            refused,
        ),
        ("help out of the table", vec![packed(&[1, 2]), sample(), field(5, &number(3, 5))], refused),
        ("a unit out of the table", vec![packed(&[1, 2]), sample(), field(5, &number(4, 1 << 32))], refused),
        ("a unit that is no number", vec![packed(&[1, 2]), sample(), field(5, &field(4, b"x"))], refused),
        ("nothing to write", vec![packed(&[1, 2])], Err("no_samples")),
        ("only metadata", vec![packed(&[1, 2]), field(5, &number(3, 1))], Err("no_samples")),
    ];
    for (what, series, expected) in cases {
        let got = run(&plan(), &compress(&wire(SYMBOLS, &series)));
        let got = got.as_ref().map_err(Refusal::reason).and_then(|split| match split.parts.as_slice() {
            [part] => Ok(part.tenant.as_str()),
            _ => Err(split.rejected.rejected().next().unwrap().0),
        });
        assert_eq!(got, expected, "{what}");
    }
    let series = &[packed(&[1, 2]), sample()];
    let whole: Vec<(&str, Vec<u8>, Result<(), &str>)> = vec![
        ("a table after the series", [field(5, &series.concat()), wire(SYMBOLS, &[])].concat(), Ok(())),
        ("a table that begins with a text", wire(&[b"x", b"ns", b"team-a"], series), refused.map(|_| ())),
        ("no table", wire(&[], series), refused.map(|_| ())),
        ("a symbol that is no string", [number(4, 1), wire(SYMBOLS, series)].concat(), refused.map(|_| ())),
        ("series that are no message", [wire(SYMBOLS, series), number(5, 1)].concat(), refused.map(|_| ())),
        ("nothing", Vec::new(), Ok(())),
    ];
    for (what, message, expected) in whole {
        let got = run(&plan(), &compress(&message)).map(|_| ());
        assert_eq!(got.map_err(|refusal| refusal.reason()), expected, "{what}");
    }
}

/// Labels one by one, exemplars and metadata with fields nobody knows, fields in odd orders: all of it arrives.
#[test]
fn what_is_written_again_keeps_what_is_not_a_reference() {
    let series = [
        field(5, &[number(9, 7), number(4, 4), number(1, 2), number(3, 3)].concat()),
        field(2, &[number(2, 1), number(3, 99)].concat()),
        number(1, 1),
        number(1, 2),
        field(4, &[number(3, 5), number(1, 3), number(1, 4), field(9, b"z")].concat()),
        field(9, b"new"),
        field(3, &[number(15, 1), number(17, 2)].concat()),
    ];
    let symbols: &[&[u8]] = &[b"", b"ns", b"team-a", b"help", b"unit", b"of nobody"];
    let foreign = field(5, &[field(1, &[1, 5]), field(2, b"")].concat());
    let sent = [wire(symbols, &series), foreign].concat();
    let split = run(&plan(), &compress(&sent)).unwrap();
    assert_eq!(split.rejected.total(), 1);
    let rewritten = [
        field(1, &[1, 2]),
        field(5, &[number(9, 7), number(4, 3), number(1, 2), number(3, 4)].concat()),
        series[1].clone(),
        field(4, &[field(1, &[4, 3]), number(3, 5), field(9, b"z")].concat()),
        series[5].clone(),
        series[6].clone(),
    ];
    let table: &[&[u8]] = &[b"", b"ns", b"team-a", b"unit", b"help"];
    assert_eq!(decompress(&split.parts[0].body), wire(table, &rewritten));
}

#[test]
fn text_that_is_not_utf8_is_rejected_where_it_is_used() {
    let series = |references: &[u8], more: Vec<u8>| vec![field(1, references), field(2, b""), more];
    let symbols: &[&[u8]] = &[b"", b"a", "ö".as_bytes(), b"\xff"];
    for (what, series, ok) in [
        ("nowhere", series(&[1, 2], vec![]), true),
        ("a name", series(&[3, 2], vec![]), false),
        ("a value", series(&[1, 2, 2, 3], vec![]), false),
        ("an exemplar", series(&[1, 2], field(4, &field(1, &[1, 3]))), false),
        ("a help text", series(&[1, 2], field(5, &number(3, 3))), false),
    ] {
        let split = run(&plan(), &compress(&wire(symbols, &series))).unwrap();
        assert_eq!(split.rejected.rejected().next(), (!ok).then_some(("not_utf8", 1)), "{what}");
    }
}

#[test]
fn labels_are_edited() {
    let name = |name: &str| name.as_bytes().to_vec();
    let text = |text: &str| LabelValue::Text(text.as_bytes().to_vec());
    let edits = LabelEdits {
        nowhere: &[],
        remove: vec![name("tmp")],
        rename: vec![(name("zone"), name("az"))],
        replace: vec![(name("env"), text("prod"))],
        set: vec![(name("tenant"), LabelValue::Tenant), (name("region"), text("eu"))],
    };
    let plan = SplitPlan { edits, ..plan() };
    let exemplar = || vec![(vec![("tmp".to_owned(), "kept".to_owned())], 0, 1)];
    let sent = message(&[
        Said {
            exemplars: exemplar(),
            ..said(&[
                ("env", "test"),
                ("imp", "cluster-1"),
                ("ns", "x"),
                ("tenant", "evil"),
                ("tmp", "1"),
                ("zone", "eu"),
            ])
        },
        said(&[("tmp", "x")]),
    ]);
    let split = run(&plan, &sent.body()).unwrap();
    let got = parts(&split, &sent.body());
    let first = Said {
        exemplars: exemplar(),
        ..said(&[("az", "eu"), ("env", "prod"), ("ns", "x"), ("region", "eu"), ("tenant", "cluster-1")])
    };
    let second = said(&[("region", "eu"), ("tenant", "own")]);
    assert_eq!(got[0].1.said(), [first]);
    assert_eq!(got[1].1.said(), [second]);
    // Texts that are the same stand once, whether they came or are ours.
    let table = ["", "az", "eu", "env", "prod", "ns", "x", "region", "tenant", "cluster-1", "tmp", "kept"];
    assert_eq!(got[0].1.symbols, table);
    // A request of one tenant is edited too; and what has no labels left is rejected.
    let alone = message(&[said(&[("a", "b")])]).body();
    assert!(!run(&plan, &alone).unwrap().untouched);
    let only_remove = LabelEdits { remove: vec![name("tmp")], ..LabelEdits::default() };
    let split =
        run(&SplitPlan { edits: only_remove, ..plan }, &message(&[said(&[("tmp", "x")])]).body()).unwrap();
    assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), [("no_labels", 1)]);
}

/// Names that may stand nowhere go, from the labels and from the table.
#[test]
fn names_that_may_stand_nowhere_are_gone() {
    let edits = LabelEdits { nowhere: &["account"], ..LabelEdits::default() };
    let plan = SplitPlan { edits, ..plan() };
    let sent =
        message(&[said(&[("a", "b"), ("account", "9"), ("ns", "team-a")]), said(&[("account", "8")])]).body();
    let split = run(&plan, &sent).unwrap();
    let got = parts(&split, &sent);
    assert_eq!(got[0].1.said(), [said(&[("a", "b"), ("ns", "team-a")])]);
    assert_eq!(got[0].1.symbols, ["", "a", "b", "ns", "team-a"]);
    assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), [("no_labels", 1)]);
}

/// As Prometheus sends them: every exemplar is a series of its own.
#[test]
fn series_of_exemplars_alone_go_where_they_are_taken() {
    let exemplar = |ns: &str| Said { samples: vec![], histograms: vec![], ..full(ns, "x") };
    let series = [full("team-a", "x"), exemplar("team-a"), full("team-b", "y")];
    let sent = message(&series).body();
    for takes_exemplars_alone in [true, false] {
        let plan = SplitPlan { takes_exemplars_alone, ..plan() };
        let split = run(&plan, &sent).unwrap();
        let kept = if takes_exemplars_alone { &series[..2] } else { &series[..1] };
        assert_eq!(decompress(&split.parts[0].body), message(kept).encode_to_vec());
        let dropped: Vec<_> = split.rejected.dropped().collect();
        assert_eq!(dropped, if takes_exemplars_alone { vec![] } else { vec![("no_samples", 1)] });
        assert!(!split.rejected.any_rejected());
    }
}

#[test]
fn fallbacks_are_as_configured() {
    let sent =
        message(&[said(&[("a", "1")]), said(&[("ns", "not a tenant")]), said(&[("ns", "foreign")])]).body();
    let plan = SplitPlan { absent: Verdict::Drop, unmapped: Verdict::Tenant(tenant("y")), ..plan() };
    let split = run(&plan, &sent).unwrap();
    let [part] = split.parts.as_slice() else { panic!("{split:?}") };
    assert_eq!(part.tenant.as_str(), "y");
    assert_eq!(decompress(&part.body), message(&[said(&[("ns", "not a tenant")])]).encode_to_vec());
    assert_eq!(split.rejected.rejected().collect::<Vec<_>>(), [("foreign_tenant", 1)]);
    assert_eq!(split.rejected.dropped().collect::<Vec<_>>(), [("no_tenant", 1)]);
    // Labels that may lead elsewhere are told apart by the right that stands behind each.
    assert!(plan.choices.iter().any(|choice| choice.allowed == Allowed::Impersonation));
}

#[test]
fn limits_are_kept() {
    let many: Vec<_> = (0..10).map(|n| said(&[("ns", &format!("team-{n}"))])).collect();
    let sent = message(&many).body();
    let limited = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        split(&sent, &plan(), &rights(), &limits).map(|_| ()).map_err(|refusal| refusal.reason())
    };
    assert_eq!(limited(|limits| limits.series.0 = 10), Ok(()));
    assert_eq!(limited(|limits| limits.series.0 = 9), Err("too_many_series"));
    assert_eq!(limited(|limits| limits.tenants.0 = 9), Err("too_many_tenants"));
    assert_eq!(limited(|limits| limits.decoded_bytes.0 = 10), Err("body_too_large"));
    let symbols = |count: usize| run(&plan(), &compress(&[0x22, 0].repeat(count))).map(|_| ());
    assert_eq!(symbols(1 << 20), Ok(()));
    assert_eq!(symbols((1 << 20) + 1), Err(Refusal::TooManySymbols { limit: 1 << 20 }));
    let labels = |count: usize| {
        let series = [field(1, &[1, 1].repeat(count)), field(2, b"")];
        let split = run(&plan(), &compress(&wire(&[b"", b"a"], &series))).unwrap();
        (split.parts.len(), split.rejected.rejected().collect::<Vec<_>>())
    };
    assert_eq!(labels(200), (1, vec![]));
    assert_eq!(labels(201), (0, vec![("too_many_labels", 1)]));
    assert_eq!(labels(100_000), (0, vec![("too_many_labels", 1)]));
}
