//! For any message: the parts are the whole, and each holds its own series and strings and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use prost::Message as _;

use super::super::super::testing::compress;
use super::super::super::v1::tests::{plan, tenant};
use super::super::testing::{Exemplar, Labels, Metadata, Request, Said, TimeSeries};
use super::{parts, run};
use crate::tenant::TenantId;
use crate::write::plan::SplitPlan;
use crate::write::remote_write::testing::Sample;
use crate::write::rules::Verdict;

/// Strings that stand in tables: names that decide several times, tenants, texts.
const TEXTS: [&str; 16] = [
    "imp",
    "ns",
    "secret",
    "__name__",
    "job",
    "own",
    "team-a",
    "team-b",
    "cluster-1",
    "cluster-2",
    "",
    "a b",
    "ns",
    "imp",
    "help",
    "x",
];

prop_compose! {
    fn any_request()(
        more in prop::collection::vec(prop::sample::select(TEXTS.to_vec()), 0..20),
        series in prop::collection::vec((
            prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
            prop::collection::vec(any::<i64>(), 0..3),
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..2),
            prop::collection::vec(
                prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3), 0..3),
            prop::option::of((0..8_i32, any::<prop::sample::Index>(), any::<prop::sample::Index>())),
            any::<i64>(),
        ), 0..15),
    ) -> Request {
        let symbols: Vec<String> =
            [""].into_iter().chain(TEXTS).chain(more).map(str::to_owned).collect();
        let of = |index: &prop::sample::Index| u32::try_from(index.index(symbols.len())).unwrap();
        let pairs = |pairs: &[(prop::sample::Index, prop::sample::Index)]| {
            pairs.iter().flat_map(|(name, value)| [of(name), of(value)]).collect::<Vec<_>>()
        };
        let timeseries = series.iter().map(|(labels, times, histograms, exemplars, metadata, created)| TimeSeries {
            labels_refs: pairs(labels),
            samples: times.iter().map(|time| Sample { value: 1.5, timestamp: *time }).collect(),
            histograms: histograms.clone(),
            exemplars: exemplars.iter().map(|labels| Exemplar {
                labels_refs: pairs(labels), value: 2.5, timestamp: 3,
            }).collect(),
            metadata: metadata.as_ref().map(|(kind, help, unit)| Metadata {
                kind: *kind, help_ref: of(help), unit_ref: of(unit),
            }),
            created_timestamp: *created,
        });
        Request { timeseries: timeseries.collect(), symbols: symbols.clone() }
    }
}

/// What must become of a series, told again in the plainest way.
fn expected(series: &Said) -> Option<(String, Said)> {
    let values =
        |name: &str| series.labels.iter().filter(|l| l.0 == name).map(|l| l.1.clone()).collect::<Vec<_>>();
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
    series.labels.retain(|(name, _)| name != "imp");
    let sends = !series.samples.is_empty() || !series.histograms.is_empty() || !series.exemplars.is_empty();
    (!series.labels.is_empty() && sends).then_some((tenant, series))
}

/// The strings that series use.
fn strings(series: &[Said]) -> BTreeSet<String> {
    let pairs = |labels: &Labels| labels.iter().flat_map(|(n, v)| [n.clone(), v.clone()]).collect::<Vec<_>>();
    let mut strings = BTreeSet::from([String::new()]);
    for said in series {
        strings.extend(pairs(&said.labels));
        strings.extend(said.exemplars.iter().flat_map(|(labels, ..)| pairs(labels)));
        strings.extend(said.metadata.iter().flat_map(|(_, help, unit)| [help.clone(), unit.clone()]));
    }
    strings
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The union of the parts is the whole, each series under its tenant, in order and as it came; and the table of a
    /// part holds the strings of its series and no other.
    #[test]
    fn parts_are_what_the_plain_rule_says(request in any_request()) {
        let body = request.body();
        let split = run(&plan(), &body).unwrap();
        let mut want: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        let (mut lost, mut dropped) = (0, 0);
        for series in request.said() {
            match expected(&series) {
                Some((_, series)) if series.samples.is_empty() && series.histograms.is_empty() => dropped += 1,
                Some((tenant, series)) => want.entry(tenant).or_default().push(series),
                None => lost += 1,
            }
        }
        let got = parts(&split, &body);
        let said: BTreeMap<_, _> = got.iter().map(|(tenant, part)| (tenant.clone(), part.said())).collect();
        prop_assert_eq!(&said, &want);
        prop_assert_eq!(split.rejected.total(), lost);
        prop_assert_eq!(split.rejected.dropped().map(|(_, count)| count).sum::<u32>(), dropped);
        for (part, (tenant, message)) in split.parts.iter().zip(&got) {
            prop_assert_eq!(part.series as usize, want[tenant].len());
            let count = |said: &Said| said.samples.len() + said.histograms.len();
            prop_assert_eq!(part.samples as usize, want[tenant].iter().map(count).sum::<usize>());
            if !split.untouched {
                let table: BTreeSet<_> = message.symbols.iter().cloned().collect();
                prop_assert_eq!(table, strings(&want[tenant]));
                prop_assert_eq!(&message.symbols[0], "");
                // No symbol stands there unused either: every one is referred to, or is the first.
                let mut used = BTreeSet::from([0]);
                for series in &message.timeseries {
                    used.extend(series.labels_refs.iter().copied());
                    used.extend(series.exemplars.iter().flat_map(|exemplar| exemplar.labels_refs.clone()));
                    used.extend(series.metadata.iter().flat_map(|metadata| [metadata.help_ref, metadata.unit_ref]));
                }
                prop_assert_eq!(used.len(), message.symbols.len());
            }
        }
    }

    /// Splitting a part again changes nothing; writing it again gives the same bytes.
    #[test]
    fn splitting_again_changes_nothing(request in any_request()) {
        let body = request.body();
        let split = run(&plan(), &body).unwrap();
        for part in &split.parts {
            let sent = if split.untouched { &body } else { &part.body };
            let plan = SplitPlan {
                labels: vec![],
                forbidden: vec![],
                absent: Verdict::Tenant(part.tenant.clone()),
                ..plan()
            };
            let again = run(&plan, sent).unwrap();
            prop_assert!(again.untouched);
            prop_assert_eq!(&again.parts[0].tenant, &part.tenant);
            if !split.untouched {
                // A private field makes it be written again.
                let message = [super::decompress(sent), vec![0x30, 1]].concat();
                let again = run(&plan, &compress(&message)).unwrap();
                prop_assert_eq!(super::decompress(&again.parts[0].body), super::decompress(sent));
            }
        }
    }

    /// Where all goes to one tenant but one series, what is left is as if that one had never been there.
    #[test]
    fn a_lost_series_leaves_no_trace(request in any_request()) {
        let own = SplitPlan { labels: vec![], forbidden: vec![], absent: Verdict::Tenant(tenant("own")), ..plan() };
        let mut with = request.clone();
        with.symbols.push("of the lost".to_owned());
        let last = u32::try_from(with.symbols.len() - 1).unwrap();
        with.timeseries.push(TimeSeries { labels_refs: vec![last, last], ..TimeSeries::default() });
        let split = run(&own, &with.body()).unwrap();
        for part in &split.parts {
            prop_assert!(!split.untouched);
            prop_assert!(!Request::of(&part.body).symbols.contains(&"of the lost".to_owned()));
        }
    }

    #[test]
    fn any_bytes_split_without_panic(message: Vec<u8>) {
        let _ = run(&plan(), &compress(&message));
        let _ = run(&plan(), &message);
    }

    /// A flipped byte somewhere in a good message: still no panic, and never a foreign tenant.
    #[test]
    fn damaged_messages_stay_within_the_rules(request in any_request(), at: prop::sample::Index, byte: u8) {
        let mut message = request.encode_to_vec();
        let at = at.index(message.len());
        message[at] = byte;
        if let Ok(split) = run(&plan(), &compress(&message)) {
            for part in &split.parts {
                let id = part.tenant.as_str();
                prop_assert!(id == "own" || id.starts_with("cluster-") || id.starts_with("team-"), "{}", id);
                if !split.untouched {
                    // Whatever it was, what goes on is well formed.
                    prop_assert!(run(&plan(), &part.body).is_ok());
                }
            }
        }
    }
}
