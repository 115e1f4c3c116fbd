//! Label edits in every protocol and notation alike, against one plain model of them: at every length at which a length
//! takes one byte more.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;

use super::format::Format;
use super::labels::{LabelEdits, LabelValue};
use super::loki::testing::{NOTATIONS, Notation, Plain};
use super::otlp::Signal;
use super::otlp::testing::{SIGNALS, plain, read, write};
use super::parts::Split;
use super::remote_write::testing::{WriteRequest, compress, decompress, request, series};
use super::remote_write::v2::testing::{Request, message, said};
use super::testing::{plan, rights};
use crate::config::Limits;
use crate::http::Headers;
use crate::operation::Protocol;
use crate::tenant::TenantId;

/// A protocol and its notation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    First,
    Second,
    Loki(Notation),
    Otlp(Signal, bool),
}

type Labels = Vec<(String, String)>;

fn forms() -> Vec<Form> {
    let loki = NOTATIONS.map(Form::Loki);
    let otlp = SIGNALS.into_iter().flat_map(|signal| [false, true].map(|json| Form::Otlp(signal, json)));
    [Form::First, Form::Second].into_iter().chain(loki).chain(otlp).collect()
}

impl Form {
    fn format(self) -> Format {
        let protobuf = "application/x-protobuf";
        let (protocol, media, path, encoding) = match self {
            Self::First => (Protocol::RemoteWrite, protobuf, "/api/v1/push", "snappy"),
            Self::Second => (
                Protocol::RemoteWrite,
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                "/api/v1/push",
                "snappy",
            ),
            Self::Loki(Notation::Protobuf) => (Protocol::LokiPush, protobuf, "/loki/api/v1/push", "snappy"),
            Self::Loki(Notation::Json) => (Protocol::LokiPush, "application/json", "/loki/api/v1/push", ""),
            Self::Loki(Notation::Legacy) => (Protocol::LokiPush, "application/json", "/api/prom/push", ""),
            Self::Otlp(signal, json) => {
                let protocol = match signal {
                    Signal::Metrics => Protocol::OtlpMetrics,
                    Signal::Logs => Protocol::OtlpLogs,
                    Signal::Traces => Protocol::OtlpTraces,
                };
                (protocol, if json { "application/json" } else { protobuf }, "/v1", "")
            }
        };
        let pairs = [(":path", path), ("content-type", media), ("content-encoding", encoding)];
        let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
        let headers = Headers::new(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
        Format::of(protocol, &headers).unwrap().unwrap()
    }

    fn is_compressed(self) -> bool {
        matches!(self, Self::First | Self::Second | Self::Loki(Notation::Protobuf))
    }

    /// The message with a series of each of these labels.
    fn write(self, all: &[Labels]) -> Vec<u8> {
        fn pairs(labels: &Labels) -> Vec<(&str, &str)> {
            labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
        }
        match self {
            Self::First => {
                let timeseries = all.iter().map(|labels| series(&pairs(labels))).collect();
                WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec()
            }
            Self::Second => {
                message(&all.iter().map(|labels| said(&pairs(labels))).collect::<Vec<_>>()).encode_to_vec()
            }
            Self::Loki(notation) => {
                let entries = || vec![(1, "line".to_owned(), Vec::new())];
                let stream = |labels: &Labels| Plain { labels: labels.clone(), entries: entries() };
                notation.write(&all.iter().map(stream).collect::<Vec<_>>())
            }
            Self::Otlp(signal, json) => {
                write(signal, json, &all.iter().map(|labels| plain(&pairs(labels), 1)).collect::<Vec<_>>())
            }
        }
    }

    /// The labels of each series of a message.
    fn read(self, message: &[u8]) -> Vec<Labels> {
        match self {
            Self::First => {
                let labels = request(&compress(message)).timeseries.into_iter().map(|series| series.labels);
                labels.map(|labels| labels.into_iter().map(|l| (l.name, l.value)).collect()).collect()
            }
            Self::Second => {
                Request::decode(message).unwrap().said().into_iter().map(|said| said.labels).collect()
            }
            Self::Loki(notation) => notation.read(message).into_iter().map(|stream| stream.labels).collect(),
            Self::Otlp(signal, json) => {
                let resources = read(signal, json, message).into_iter().map(|resource| resource.attributes);
                let text = |(name, value): (String, Result<String, i64>)| (name, value.unwrap());
                resources.map(|attributes| attributes.into_iter().map(text).collect()).collect()
            }
        }
    }

    /// Splits a message for one tenant, and gives what has become of it.
    fn split(self, message: &[u8], edits: &LabelEdits) -> (Split, Vec<u8>) {
        let mut plan = plan(&[]);
        plan.edits = edits.clone();
        let body = if self.is_compressed() { compress(message) } else { message.to_vec() };
        let split = self.format().split(&body, &plan, &rights(), &Limits::default()).unwrap();
        let [part] = split.parts.as_slice() else { panic!("{self:?}: {split:?}") };
        let got = match (split.untouched, self.is_compressed()) {
            (true, _) => message.to_vec(),
            (false, true) => decompress(&part.body),
            (false, false) => part.body.clone(),
        };
        (split, got)
    }

    /// What of a message with one series stands in it for the series alone.
    fn alone(self, labels: &Labels) -> Vec<u8> {
        let whole = self.write(std::slice::from_ref(labels));
        let (before, after) = match self {
            Self::First | Self::Second | Self::Loki(Notation::Protobuf) | Self::Otlp(_, false) => (0, 0),
            Self::Loki(_) => ("{\"streams\":[".len(), 2),
            Self::Otlp(..) => (self.write(&[]).len() - "]}".len(), 2),
        };
        whole[before..whole.len() - after].to_vec()
    }
}

/// Text about as long as what takes one byte more of length, in a value, a label or a series.
fn near_a_boundary() -> impl Strategy<Value = String> {
    let len = prop_oneof![4 => 0_usize..4, 3 => 90_usize..135, 2 => 16_330_usize..16_390];
    (len, "[a-zä\"\\\\]").prop_map(|(len, letter)| letter.repeat(len))
}

const NAMES: [&str; 5] = ["a", "b", "nn", "zone", "zz"];

/// Labels as any sender sorts them, with one that no edit names.
fn any_labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(prop::sample::select(&NAMES[..]), near_a_boundary(), 0..4).prop_map(
        |labels| {
            let mut labels: BTreeMap<String, String> =
                labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            labels.insert("kept".to_owned(), "k".to_owned());
            labels.into_iter().collect()
        },
    )
}

/// Edits as a configuration allows them: no name stands in two places.
fn any_edits() -> impl Strategy<Value = LabelEdits> {
    let value = prop_oneof![
        Just(LabelValue::Tenant),
        near_a_boundary().prop_map(|text| LabelValue::Text(text.into_bytes()))
    ];
    let names = Just([&NAMES[..], &["new", "other"]].concat()).prop_shuffle();
    (names, 0_usize..6, prop::collection::vec((0..5, value), 6)).prop_map(|(names, count, kinds)| {
        let mut edits = LabelEdits::default();
        let mut names = names.into_iter().take(count).map(|name| name.as_bytes().to_vec());
        for (kind, value) in kinds {
            let Some(first) = names.next() else { break };
            match kind {
                0 => edits.remove.push(first),
                1 => edits.rename.extend(names.next().map(|second| (first, second))),
                2 => edits.replace.push((first, value)),
                3 => edits.nowhere = &["nn"],
                _ => edits.set.push((first, value)),
            }
        }
        // No configuration can change what is the gateway's own.
        if edits.nowhere == ["nn"] {
            let is_own = |name: &Vec<u8>| name == b"nn";
            edits.remove.retain(|name| !is_own(name));
            edits.rename.retain(|(old, new)| !is_own(old) && !is_own(new));
            edits.replace.retain(|(name, _)| !is_own(name));
            edits.set.retain(|(name, _)| !is_own(name));
        }
        edits
    })
}

/// What must become of labels, told again in the plainest way. An empty value is an absent label.
fn expected(edits: &LabelEdits, labels: &Labels) -> BTreeMap<String, String> {
    let mut map = present(labels);
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let own = TenantId::new("own").unwrap();
    map.retain(|name, _| {
        !edits.remove.contains(&name.as_bytes().to_vec()) && !edits.nowhere.contains(&&**name)
    });
    for (old, new) in &edits.rename {
        if let Some(value) = map.remove(&string(old)) {
            map.insert(string(new), value);
        }
    }
    for (name, value) in &edits.replace {
        map.entry(string(name)).and_modify(|old| *old = string(value.text(&own)));
    }
    for (name, value) in &edits.set {
        map.insert(string(name), string(value.text(&own)));
    }
    map.retain(|_, value| !value.is_empty());
    map
}

fn present(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().filter(|(_, value)| !value.is_empty()).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn edits_are_what_the_plain_rule_says_in_every_form(
        sent in prop::collection::vec(any_labels(), 1..5),
        edits in any_edits(),
        form in prop::sample::select(forms()),
    ) {
        let before = form.write(&sent);
        let (split, after) = form.split(&before, &edits);
        let got = form.read(&after);
        prop_assert_eq!(got.len(), sent.len(), "{:?}", form);
        prop_assert_eq!(split.rejected.total(), 0);
        for (labels, sent) in got.iter().zip(&sent) {
            let want = expected(&edits, sent);
            prop_assert!(present(labels) == want, "{form:?}: {edits:?}\nsent {sent:?}\n got {labels:?}");
            prop_assert!(labels.is_sorted_by(|one, next| one.0 < next.0), "{form:?}: {labels:?}");
            // What does not change is the same bytes; in 2.0 but for the numbers of its strings.
            if labels == sent && form != Form::Second {
                let alone = form.alone(sent);
                prop_assert!(after.windows(alone.len()).any(|window| window == alone), "{form:?}: {sent:?}");
            }
        }
        if got == sent {
            prop_assert!(after == before, "{form:?}");
        }
        let (again, twice) = form.split(&after, &edits);
        prop_assert!(again.untouched && twice == after, "{form:?}: twice is once");
    }
}
