//! Generated answers, with spaces, numbers and escapes that a printer would write otherwise.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::super::Narrowed;
use super::{left, narrowed, oracle};
use crate::operation::Alerting;

/// Labels, and whose they are: one of four tenants, or nobody.
fn labels() -> impl Strategy<Value = String> {
    let tenant = prop_oneof![
        Just(r#""tenant":"t0""#),
        Just(r#" "tenant" : "t1" "#),
        Just("\"ten\\u0061nt\":\"t2\"\n"),
        Just(r#""tenant":"\u0074\u0033""#),
        Just(r#""tenant":"""#),
        Just(r#""Tenant":"t0""#),
        Just(r#""x":"t0""#),
    ];
    let other = prop_oneof![Just(""), Just(r#""alertname":"tenant","#), Just(r#""é":"\"tenant\":\"t0\"","#)];
    prop_oneof![
        8 => (other, tenant).prop_map(|(other, tenant)| format!(r#""labels":{{{other}{tenant}}}"#)),
        1 => Just(r#""labels": null"#.to_owned()),
        1 => Just(r#""labels":{}"#.to_owned()),
    ]
}

/// A member that nobody knows.
fn unknown() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just(r#""value":"1e+00""#),
        Just(r#""n": -0.10e+05 "#),
        Just(r#""big":123456789012345678"#),
        Just(r#""s":"\u003c\/\ud83d\ude00 é ]},{[""#),
        Just(r#""deep":[{"labels":{"tenant":"t0"}},[[]],{}]"#),
        Just("\"b\" :\t[ true,false ,null ]"),
    ]
}

/// Members in any order.
fn object(members: Vec<String>) -> impl Strategy<Value = String> {
    Just(members).prop_shuffle().prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn list(name: &'static str, of: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    let name = if name.is_empty() { String::new() } else { format!("\"{name}\":") };
    let comma = prop_oneof![Just(","), Just(" , "), Just(",\n\t")];
    (prop::collection::vec(of, 0..most), comma)
        .prop_map(move |(list, comma)| format!("{name}[{}]", list.join(comma)))
}

fn alert() -> impl Strategy<Value = String> {
    (labels(), unknown()).prop_flat_map(|(labels, unknown)| object(vec![labels, unknown.to_owned()]))
}

fn rule() -> impl Strategy<Value = String> {
    (labels(), unknown(), list("alerts", alert(), 4), any::<bool>()).prop_flat_map(
        |(labels, unknown, alerts, alerting)| {
            let mut members = vec![labels, unknown.to_owned(), r#""query":"up{tenant=\"t0\"}""#.to_owned()];
            members.extend(Some(alerts).filter(|_| alerting));
            object(members)
        },
    )
}

fn silence() -> impl Strategy<Value = String> {
    let matcher = (
        "[tx]",
        0..4,
        any::<bool>(),
        prop_oneof![Just(""), Just(r#","isEqual":true"#), Just(r#","isEqual":false"#)],
    )
        .prop_map(|(name, value, regex, equal)| {
            let name = if name == "t" { "tenant" } else { "x" };
            format!(r#"{{"name":"{name}","value":"t{value}","isRegex":{regex}{equal}}}"#)
        });
    (list("matchers", matcher, 4), unknown())
        .prop_flat_map(|(matchers, unknown)| object(vec![matchers, unknown.to_owned()]))
}

fn answer() -> impl Strategy<Value = (Alerting, String)> {
    let group = |name, of| {
        (list(name, of, 5), unknown()).prop_flat_map(|(list, unknown)| object(vec![list, unknown.to_owned()]))
    };
    let api = |list: String| {
        object(vec![
            format!(r#""data": {{"t":"x",{list}}}"#),
            r#""status":"success""#.to_owned(),
            r#""warnings":["w"]"#.to_owned(),
        ])
    };
    prop_oneof![
        list("groups", group("rules", rule().boxed()), 5)
            .prop_flat_map(api)
            .prop_map(|text| (Alerting::Rules, text)),
        list("alerts", alert(), 6).prop_flat_map(api).prop_map(|text| (Alerting::Alerts, text)),
        list("", alert(), 6).prop_map(|text| (Alerting::AlertmanagerAlerts, text)),
        list("", group("alerts", alert().boxed()), 5).prop_map(|text| (Alerting::AlertGroups, text)),
        list("", silence(), 6).prop_map(|text| (Alerting::Silences, text)),
    ]
}

/// Whether `short` is `long` with bytes left out.
fn is_left_of(short: &[u8], long: &[u8]) -> bool {
    let mut rest = long.iter();
    short.iter().all(|byte| rest.any(|other| other == byte))
}

/// The texts of the elements of a list, by a reader that only counts brackets outside of strings.
fn elements(list: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut start) = (0_i32, false, false, None);
    let mut out = Vec::new();
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                if depth == 2 {
                    start = Some(at);
                }
            }
            b'}' | b']' => {
                if depth == 2 {
                    out.push(&list[start.unwrap()..=at]);
                }
                depth -= 1;
            }
            _ => {}
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_stays_is_what_another_reader_keeps(
        (alerting, body) in answer(),
        own in prop::sample::subsequence(vec!["t0", "t1", "t2", "t3"], 0..4),
    ) {
        let got = left(alerting, body.as_bytes(), &own).unwrap();
        let read: Json = serde_json::from_slice(&got).unwrap();
        prop_assert_eq!(&read, &oracle(alerting, body.as_bytes(), &own));
        prop_assert!(is_left_of(&got, body.as_bytes()));
        prop_assert_eq!(left(alerting, &got, &own).unwrap(), got);
        let all = narrowed(alerting, body.as_bytes(), &["t0", "t1", "t2", "t3"]).unwrap();
        if read == serde_json::from_str::<Json>(&body).unwrap() {
            prop_assert_eq!(left(alerting, body.as_bytes(), &own).unwrap(), body.as_bytes());
        }
        prop_assert!(!matches!(all, Narrowed::Foreign));
    }

    /// Every alert and every silence that stays is byte for byte one that came, in the order they came.
    #[test]
    fn what_stays_is_byte_for_byte((alerting, body) in answer()) {
        if matches!(alerting, Alerting::AlertmanagerAlerts | Alerting::Silences) {
            let got = String::from_utf8(left(alerting, body.as_bytes(), &["t1", "t3"]).unwrap()).unwrap();
            let mut before = elements(&body).into_iter();
            for element in elements(&got) {
                prop_assert!(before.any(|known| known == element), "{element} of {body}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(body: Vec<u8>, cut in 0_usize..400, (alerting, answer) in answer()) {
        let _ = narrowed(alerting, &body, &["t0"]);
        let cut = answer.as_bytes().get(..cut).unwrap_or(answer.as_bytes());
        // A part of an answer is none.
        if cut.len() < answer.len() {
            prop_assert!(narrowed(alerting, cut, &["t0"]).is_err());
        }
    }
}
