use super::*;
use proptest::prelude::*;

const HOUR: u64 = 3_600_000;
const RULES: GiveUp = GiveUp { after_ms: Some(3_600_000), attempts: None, try_every_ms: 60_000 };
const START: u64 = 1_000_000_000;

fn name(tenant: &str) -> Name {
    Name::new("caller", "backend", &TenantId::new(tenant).unwrap())
}

/// Fails once a minute from the start on, up to and with this minute.
fn failing(minutes: u64, others_accepted: bool) -> Failing {
    let mut list = Failing::default();
    for minute in 0..=minutes {
        list.failed(name("bad"), others_accepted, START + minute * 60_000);
    }
    list
}

#[test]
fn names_tell_callers_backends_and_tenants_apart() {
    let tenant = |name| TenantId::new(name).unwrap();
    let all = [
        Name::new("a", "b", &tenant("c")),
        Name::new("ab", "b", &tenant("c")),
        Name::new("a", "bb", &tenant("c")),
        Name::new("a", "b", &tenant("cc")),
        Name::new("ab", "", &tenant("c")),
        Name::new("", "ab", &tenant("c")),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at));
    }
    assert_eq!(all[0], Name::new("a", "b", &tenant("c")));
}

#[test]
fn who_is_given_up() {
    let often = GiveUp { after_ms: None, attempts: Some(5), ..RULES };
    let either = GiveUp { attempts: Some(5), ..RULES };
    let cases: &[(&str, Failing, GiveUp, u64, Standing)] = &[
        ("who never failed", Failing::default(), RULES, 0, Standing::Good),
        ("not for long enough", failing(59, true), RULES, 59, Standing::Failing),
        ("for an hour", failing(60, true), RULES, 60, Standing::GivenUp),
        ("for an hour, and nobody else was accepted", failing(60, false), RULES, 60, Standing::Failing),
        ("for an hour, and it is time to try", failing(60, true), RULES, 61, Standing::Due),
        ("for an hour, and then the others failed too", failing(60, true), RULES, 62, Standing::Failing),
        ("not often enough", failing(3, true), often, 3, Standing::Failing),
        ("often enough", failing(4, true), often, 4, Standing::GivenUp),
        ("often enough, before the hour", failing(4, true), either, 4, Standing::GivenUp),
    ];
    for (what, list, rules, minute, expected) in cases {
        assert_eq!(list.standing(name("bad"), rules, START + minute * 60_000), *expected, "{what}");
        assert_eq!(list.standing(name("other"), rules, START), Standing::Good, "{what}");
    }
}

#[test]
fn a_success_takes_it_off_the_list() {
    let mut list = failing(60, true);
    assert!(!list.settled(name("other")));
    assert!(list.settled(name("bad")));
    assert!(list.is_empty());
    list.failed(name("bad"), true, START + HOUR);
    assert_eq!(list.standing(name("bad"), &RULES, START + HOUR), Standing::Failing);
}

/// Two failures that are far from each other are two, not one that lasts.
#[test]
fn a_pause_starts_anew() {
    let mut list = failing(0, true);
    list.failed(name("bad"), true, START + HOUR);
    assert_eq!(list.standing(name("bad"), &RULES, START + HOUR), Standing::Failing);
}

#[test]
fn one_try_at_a_time() {
    let mut list = failing(60, true);
    let now = START + HOUR + 60_000;
    assert_eq!(list.standing(name("bad"), &RULES, now), Standing::Due);
    list.try_again(name("bad"), now);
    assert_eq!(list.standing(name("bad"), &RULES, now), Standing::GivenUp);
    // While others are accepted it stays given up, and is tried again from time to time.
    let mut tries = 0;
    for second in 1..=600 {
        let now = now + second * 1000;
        list.not_sent(name("bad"), now);
        match list.standing(name("bad"), &RULES, now) {
            Standing::Due => {
                tries += 1;
                list.try_again(name("bad"), now);
            }
            standing => assert_eq!(standing, Standing::GivenUp, "{second}"),
        }
    }
    assert_eq!(tries, 10);
}

#[test]
fn that_others_were_accepted_is_not_written_down_each_time() {
    let mut list = failing(60, true);
    let writes = (0..60_u64).filter(|second| list.not_sent(name("bad"), START + HOUR + second * 1000));
    assert_eq!(writes.count(), 11);
    assert!(!list.not_sent(name("other"), START + 2 * HOUR));
}

#[test]
fn the_list_is_bounded() {
    let mut list = Failing::default();
    for number in 0..MAX_FAILING as u64 + 10 {
        list.failed(name(&format!("t{number}")), true, START + number);
        // This one fails all the time.
        list.failed(name("t0"), true, START + number);
    }
    assert_eq!(list.0.len(), MAX_FAILING);
    let standing = |tenant: &str| list.standing(name(tenant), &RULES, START);
    assert_eq!(standing("t0"), Standing::Failing);
    assert_eq!(standing("t1"), Standing::Good);
    assert_eq!(standing("t137"), Standing::Failing);
}

proptest! {
    #[test]
    fn what_is_written_is_read(failures in prop::collection::vec((0_u8..40, any::<bool>(), any::<u32>()), 0..60)) {
        let mut list = Failing::default();
        for (tenant, others, now) in failures {
            list.failed(name(&format!("t{tenant}")), others, u64::from(now));
        }
        prop_assert_eq!(Failing::decode(&list.encode()), list);
    }

    #[test]
    fn anything_is_read(bytes: Vec<u8>, now: u64) {
        let list = Failing::decode(&bytes);
        prop_assert!(list.0.len() <= MAX_FAILING);
        list.standing(name("bad"), &RULES, now);
    }
}
