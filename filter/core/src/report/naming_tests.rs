use std::rc::Rc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::exchange::Alone;

fn config(metrics: &serde_json::Value) -> Config {
    let session = json!({"filter_state": "session"});
    Config::from_json(json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "a", "metadata": session, "tenants": {"union": ["listed", {"claim": "t"}]}, "may": ["write"],
             "impersonate": {"label": "x", "tenants": ["imp", "imp-*"]}, "on_behalf_of": ["behalf", "team-*"]},
            {"name": "b", "basic": {"key": {"env": "KEY"}, "users": [
                {"username": "u", "password": "x", "tenants": {"first": ["users-own"]}}]},
             "may": ["write"]},
        ],
        "write": {"metrics": {"on_absent": {"tenant": "absent"}, "on_unmapped": {"tenant": "unmapped"}}},
        "metrics": metrics,
    }))
    .unwrap()
}

fn rules(max: u32) -> NamingRules {
    NamingRules::compile(&config(&json!({"tenants": {"max": max, "window": "1s", "pinned": ["pinned"]}})))
        .unwrap()
}

fn id(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// Workers of one process.
struct Process {
    rules: NamingRules,
    slots: Rc<Alone>,
    workers: Vec<Naming>,
    now: Millis,
}

impl Process {
    fn new(max: u32, workers: usize) -> Self {
        let slots = Rc::new(Alone::default());
        Naming::prepare(&*slots);
        let workers = (0..workers).map(|_| Naming::default()).collect();
        Self { rules: rules(max), slots, workers, now: 7_000 }
    }

    /// Requests of these tenants at this worker; how each is told.
    fn requests<'a>(&mut self, worker: usize, tenants: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut told = Vec::new();
        for tenant in tenants {
            let tag = self.workers[worker].tag(&self.rules, &*self.slots, &id(tenant), self.now);
            told.push(tag.as_str().to_owned());
        }
        told
    }

    fn next_window(&mut self) {
        self.now += 1_000;
    }

    fn named(&self) -> Vec<String> {
        let stored = crate::exchange::Process::load(&*self.slots, SLOT).unwrap();
        read(&stored.value).as_slice().iter().map(|tenant| tenant.as_str().to_owned()).collect()
    }
}

#[test]
fn what_the_configuration_names_is_pinned() {
    let mut process = Process::new(0, 1);
    let named = ["pinned", "listed", "imp", "behalf", "users-own", "absent", "unmapped"];
    assert_eq!(process.requests(0, named), named);
    let others = ["t", "imp-1", "imp-*", "team-", "u"];
    assert!(process.requests(0, others).iter().all(|told| told == "~other"));
    for tag in [TenantTag::Other, TenantTag::Several, TenantTag::None] {
        assert!(TenantId::new(tag.as_str()).is_err());
    }
}

#[test]
fn errors_say_where() {
    for (metrics, expected) in [
        (
            json!({"tenants": {"max": 1001}}),
            "metrics.tenants.max: a host keeps a metric for ever: give at most 1000",
        ),
        (json!({"tenants": {"window": "999ms"}}), "metrics.tenants.window: give at least 1s"),
        (json!({"tenants": {"pinned": ["a", "a|b"]}}), "metrics.tenants.pinned[1]: a tenant ID is made of"),
    ] {
        let error = NamingRules::compile(&config(&metrics)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_tenant_that_comes_back_gets_a_name_of_its_own() {
    let mut process = Process::new(10, 2);
    assert_eq!(process.requests(0, ["a", "a", "b"]), ["~other"; 3]);
    process.next_window();
    assert_eq!(process.requests(0, ["a", "c"]), ["~other"; 2]);
    process.next_window();
    assert_eq!(process.requests(0, ["a", "b", "c"]), ["a", "~other", "~other"], "twice in a row");
    assert_eq!(process.named(), ["a"]);
    // The other worker learns it with its next window.
    assert_eq!(process.requests(1, ["a"]), ["a"]);
    // Names stay.
    process.now += 1_000_000;
    assert_eq!(process.requests(0, ["a", "b"]), ["a", "~other"]);
    // After a pause nobody was seen in the window before.
    process.next_window();
    process.now += 5_000;
    assert_eq!(process.requests(0, ["b"]), ["~other"]);
    process.next_window();
    assert_eq!(process.requests(0, ["b"]), ["~other"]);
    process.next_window();
    assert_eq!(process.requests(0, ["b"]), ["b"]);
}

/// Many names take half of the places at most; who has a share of the requests gets in whenever it comes.
#[test]
fn a_burst_of_names_keeps_no_heavy_hitter_out() {
    let mut process = Process::new(10, 1);
    let crowd: Vec<String> = (0..500).map(|n| format!("crowd-{n:03}")).collect();
    for _ in 0..4 {
        process.requests(0, crowd.iter().map(String::as_str));
        process.next_window();
    }
    assert_eq!(process.named().len(), 5);
    for _ in 0..3 {
        for chunk in crowd.chunks(5) {
            process.requests(0, chunk.iter().map(String::as_str).chain(["heavy"]));
        }
        process.next_window();
    }
    assert_eq!(process.requests(0, ["heavy"]), ["heavy"]);
    assert_eq!(process.named().len(), 6);
}

#[test]
fn without_the_slot_only_pinned_tenants_have_names() {
    let mut process = Process::new(10, 1);
    process.slots = Rc::new(Alone::default());
    for _ in 0..3 {
        assert_eq!(process.requests(0, ["a", "pinned"]), ["~other", "pinned"]);
        process.next_window();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes at whichever worker: never more than the cap, names stay, and whoever has its share gets in.
    #[test]
    fn never_more_than_the_cap(
        max in 1_u32..8,
        windows in proptest::collection::vec(proptest::collection::vec((0_usize..3, 0_u8..40), 0..80), 1..8),
    ) {
        let mut process = Process::new(max, 3);
        let mut before: Vec<String> = Vec::new();
        for window in &windows {
            for (worker, tenant) in window {
                process.requests(*worker, [format!("t{tenant}").as_str()]);
            }
            process.next_window();
            let named = process.named();
            prop_assert!(named.len() <= max as usize);
            prop_assert!(before.iter().all(|name| named.contains(name)));
            before = named;
        }
    }

    #[test]
    fn a_heavy_hitter_always_gets_in(
        max in 2_u32..50,
        noise in proptest::collection::vec(0_u32..1000, 100..400),
    ) {
        let mut process = Process::new(max, 1);
        for _ in 0..3 {
            for (at, other) in noise.iter().enumerate() {
                process.requests(0, [format!("n{other}").as_str()]);
                // Its fair share, spread over the window.
                if at % (max as usize - 1) == 0 {
                    process.requests(0, ["heavy"]);
                }
            }
            process.next_window();
        }
        prop_assert_eq!(process.requests(0, ["heavy"]), ["heavy"]);
    }
}
