use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::exchange::Alone;
use crate::tenant::TenantId;

/// A configuration with these modes: for everything, for the backends `metrics` and `logs`, for the callers `agents` and
/// `users`; null is none.
fn config(everything: &Value, backends: [&Value; 2], callers: [&Value; 2]) -> Config {
    let backend =
        |name: &str, mode: &Value| json!({"name": name, "kind": "cortex", "host": name, "mode": mode});
    let caller = |name: &str, mode: &Value| json!({"name": name, "metadata": {"namespace": name}, "tenants": ["t"], "may": ["read"], "mode": mode});
    let mut config = json!({
        "backends": [backend("metrics", backends[0]), backend("logs", backends[1])],
        "callers": [caller("agents", callers[0]), caller("users", callers[1])],
    });
    if !everything.is_null() {
        config["mode"] = everything.clone();
    }
    Config::from_json(config).unwrap()
}

fn share(share: &str) -> Value {
    json!({ "enforce_for": share })
}

fn tenants(names: &[&str]) -> TenantSet {
    names.iter().map(|name| TenantId::new(name).unwrap()).collect()
}

/// The most particular word counts, and who is not recognised has none of its own.
#[test]
#[allow(clippy::too_many_lines)] // tables are
fn whose_word_counts() {
    let (none, enforce, observe) = (json!(null), json!("enforce"), json!("observe"));
    let (quarter, all, nobody) = (share("25%"), share("100%"), share("0%"));
    // (everything, the backend, the caller; enforced: a caller in the first seats, one in the last, one without a seat,
    // who is not recognised)
    let cases: Vec<([&Value; 3], [bool; 4])> = vec![
        ([&none, &none, &none], [true, true, true, true]),
        ([&enforce, &none, &none], [true, true, true, true]),
        ([&observe, &none, &none], [false, false, false, false]),
        ([&quarter, &none, &none], [true, false, false, false]),
        ([&all, &none, &none], [true, true, true, true]),
        ([&nobody, &none, &none], [false, false, false, false]),
        // The backend's word, whatever is said for everything.
        ([&enforce, &observe, &none], [false, false, false, false]),
        ([&observe, &enforce, &none], [true, true, true, true]),
        ([&enforce, &quarter, &none], [true, false, false, false]),
        ([&quarter, &observe, &none], [false, false, false, false]),
        ([&observe, &all, &none], [true, true, true, true]),
        // The caller's word, whatever the others say; but it is no word for who is not recognised.
        ([&enforce, &none, &observe], [false, false, false, true]),
        ([&observe, &none, &enforce], [true, true, true, false]),
        ([&enforce, &enforce, &observe], [false, false, false, true]),
        ([&observe, &observe, &enforce], [true, true, true, false]),
        ([&enforce, &observe, &enforce], [true, true, true, false]),
        ([&observe, &enforce, &observe], [false, false, false, true]),
        ([&enforce, &enforce, &quarter], [true, false, false, true]),
        ([&observe, &observe, &quarter], [true, false, false, false]),
        ([&quarter, &quarter, &observe], [false, false, false, false]),
        ([&quarter, &none, &enforce], [true, true, true, false]),
        ([&observe, &quarter, &nobody], [false, false, false, false]),
        ([&observe, &nobody, &all], [true, true, true, false]),
    ];
    for ([everything, backend, caller], expected) in cases {
        let rollout = Rollout::compile(&config(everything, [backend, &none], [&none, caller]));
        let enforces = |caller, seat: Option<u16>| rollout.enforces(Some(0), caller, seat.map(Seat));
        let got = [
            enforces(Some(1), Some(2_499)),
            enforces(Some(1), Some(2_500)),
            enforces(Some(1), None),
            enforces(None, None),
        ];
        assert_eq!(got, expected, "{everything}, backend {backend}, caller {caller}");
        // A seat is asked for just where it decides.
        assert_eq!(rollout.asks_for_seat(Some(0), 1), got[0] != got[1], "{everything}, {backend}, {caller}");
    }
}

/// Each word is for its own: neither for the other backend nor for the other caller, and a request without a backend has
/// what is said for everything.
#[test]
fn words_are_for_their_own() {
    let (none, observe) = (json!(null), json!("observe"));
    let rollout = Rollout::compile(&config(&none, [&none, &observe], [&none, &none]));
    let enforces = |backend, caller| rollout.enforces(backend, caller, None);
    assert!(!enforces(Some(1), None) && !enforces(Some(1), Some(0)));
    assert!(enforces(Some(0), None) && enforces(Some(0), Some(1)) && enforces(None, None));
    let rollout = Rollout::compile(&config(&none, [&none, &none], [&none, &observe]));
    let enforces = |backend, caller| rollout.enforces(backend, caller, None);
    assert!(!enforces(Some(0), Some(1)) && !enforces(Some(1), Some(1)) && !enforces(None, Some(1)));
    assert!(enforces(Some(0), Some(0)) && enforces(Some(0), None) && enforces(None, None));
    let rollout = Rollout::compile(&config(&observe, [&json!("enforce"), &none], [&none, &none]));
    assert!(!rollout.enforces(None, None, None), "neither the backend nor the caller is known");
}

/// Seats must not change between versions: a share would have other callers after an update.
#[test]
fn seats_stay() {
    let cases: &[(&str, Option<&str>, &[&str], u16)] = &[
        ("agents", None, &["a"], 3_561),
        ("agents", None, &["a", "b"], 4_300),
        ("agents", None, &["b", "a"], 4_300),
        ("agents", Some("a"), &["a"], 7_848),
        // Who has a name keeps the seat, whatever becomes of the tenants.
        ("agents", Some("a"), &["b", "c"], 7_848),
        ("agentsu", Some("ser a"), &["a"], 8_007),
        ("users", Some("a"), &["a"], 198),
        ("users", Some("grün"), &["a"], 8_771),
    ];
    let seats = cases.iter().map(|(entry, user, own, _)| Seat::of(entry, *user, &tenants(own)).0);
    assert_eq!(seats.collect::<Vec<_>>(), cases.iter().map(|(.., seat)| *seat).collect::<Vec<_>>());
}

/// About as many as the share says, whatever names callers have.
#[test]
fn a_share_is_about_that_much() {
    let count = 20_000_u32;
    let named: Vec<Seat> =
        (0..count).map(|n| Seat::of("users", Some(&format!("user-{n}")), &TenantSet::default())).collect();
    let of_tenants: Vec<Seat> =
        (0..count).map(|n| Seat::of("agents", None, &tenants(&[&n.to_string()]))).collect();
    for (percent, seats) in [1, 5, 25, 50, 90].iter().flat_map(|p| [(*p, &named), (*p, &of_tenants)]) {
        let none = Value::Null;
        let rollout =
            Rollout::compile(&config(&share(&format!("{percent}%")), [&none, &none], [&none, &none]));
        let enforced = seats.iter().filter(|seat| rollout.enforces(Some(0), Some(0), Some(**seat))).count();
        let expected = f64::from(count) * f64::from(percent) / 100.0;
        // Five standard deviations of as many coins.
        let deviation = (expected * (1.0 - f64::from(percent) / 100.0)).sqrt() * 5.0;
        #[allow(clippy::cast_precision_loss)]
        let off = (enforced as f64 - expected).abs();
        assert!(off <= deviation, "{percent}%: {enforced} of {count}");
    }
}

proptest! {
    /// A larger share has all the callers of a smaller one; none is nobody, and all of it everybody.
    #[test]
    fn a_larger_share_only_adds(
        entry in "[a-z]{1,8}", user in proptest::option::of(".{0,8}"), names in proptest::collection::vec("[a-z]{1,4}", 0..4),
        mut shares in proptest::collection::vec(0_u16..=10_000, 2..10),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let seat = Seat::of(&entry, user.as_deref(), &tenants(&names));
        prop_assert!(seat.0 < 10_000);
        prop_assert_eq!(seat, Seat::of(&entry, user.as_deref(), &tenants(&names)));
        shares.extend([0, 10_000]);
        shares.sort_unstable();
        let none = Value::Null;
        let enforced: Vec<bool> = shares
            .iter()
            .map(|hundredths| {
                let mode = share(&Percent(*hundredths).to_string());
                let rollout = Rollout::compile(&config(&mode, [&none, &none], [&none, &none]));
                rollout.enforces(Some(0), Some(0), Some(seat))
            })
            .collect();
        prop_assert!(enforced.is_sorted());
        prop_assert!(!enforced[0] && *enforced.last().unwrap());
    }
}

#[test]
fn the_log_names_who_is_open_to_what_and_once() {
    let none = Value::Null;
    let cases: Vec<(Config, [u64; 2], Vec<&str>)> = vec![
        (config(&none, [&none, &none], [&none, &none]), [0, 0], vec![]),
        (
            config(&json!("observe"), [&json!("enforce"), &none], [&none, &share("12.5%")]),
            [1, 3],
            vec![
                "metrics is open to the callers that are observed, to every tenant: users (enforced for 12.50%)",
                "logs is open to the callers that are observed, to every tenant: agents, users (enforced for 12.50%), \
                 (not recognised)",
            ],
        ),
        (
            config(&none, [&none, &share("1%")], [&json!("enforce"), &none]),
            [0, 2],
            vec![
                "logs is open to the callers that are observed, to every tenant: users (enforced for 1%), (not recognised)",
            ],
        ),
    ];
    let process = Alone::default();
    for (version, (config, open, expected)) in (1..).zip(cases) {
        let mut policy = Policy::compile(&config, &|_| None).unwrap();
        policy.version = [version; 16];
        assert_eq!([policy.rollout.not_enforced(0), policy.rollout.not_enforced(1)], open);
        let lines: Vec<String> = warnings(&policy, &process)
            .iter()
            .map(|line| line.strip_prefix("scopegate: mode: the backend ").unwrap().to_owned())
            .collect();
        assert_eq!(lines, expected);
        assert_eq!(warnings(&policy, &process), [""; 0], "the next worker says it again");
    }
    // The same again, after another.
    let mut policy =
        Policy::compile(&config(&json!("observe"), [&none, &none], [&none, &none]), &|_| None).unwrap();
    policy.version = [2; 16];
    assert_eq!(warnings(&policy, &process).len(), 2);
}

#[test]
fn the_line_is_short() {
    let callers: Vec<Value> = (0..100)
        .map(|n| json!({"name": format!("{n:0>64}"), "metadata": {"namespace": "n"}, "tenants": ["t"], "may": ["read"]}))
        .collect();
    let config =
        json!({"mode": "observe", "backends": [{"name": "b", "kind": "cortex"}], "callers": callers});
    let policy = Policy::compile(&Config::from_json(config).unwrap(), &|_| None).unwrap();
    let lines = warnings(&policy, &Alone::default());
    assert!(lines.len() == 1 && lines[0].len() < 1_500 && lines[0].ends_with(", …"), "{lines:?}");
}
