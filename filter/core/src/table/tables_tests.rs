//! Workers that share a process: who fetches, who sees what, and what stays when something fails.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config;
use crate::exchange::{Alone, SlotFailure, Stored};

fn rules(refresh: &str) -> Vec<TableRules> {
    let config = json!({"http": {"cluster": "c", "path": "/", "refresh": refresh, "timeout": "1s"}});
    let config = config::read(&config).unwrap();
    TableRules::compile(&[("orgs".to_owned(), config)].into()).unwrap()
}

fn worker(process: &Rc<dyn Process>, seed: u64) -> Tables {
    Tables::new(&rules("60s"), Rc::clone(process), seed)
}

fn process() -> Rc<dyn Process> {
    Rc::new(Alone::default())
}

fn table(tenant: &str) -> Fetched {
    Fetched { status: Ok(200), body: Some(json!({"ns": tenant}).to_string().into_bytes()) }
}

fn fails(status: u16) -> Fetched {
    Fetched { status: Ok(status), body: None }
}

/// What `ns` leads to.
fn sees(worker: &mut Tables) -> Option<String> {
    worker.current(0)?.get(b"ns").map(ToString::to_string)
}

/// Refreshes by outcome, since the last time.
fn refreshes(worker: &mut Tables) -> Vec<&'static str> {
    let reports = worker.take_reports().into_iter();
    reports
        .filter_map(|(_, metric, _)| match metric {
            TableMetric::Refreshes(outcome) => Some(outcome),
            _ => None,
        })
        .collect()
}

fn gauges(worker: &mut Tables, now: Millis) -> Vec<(TableMetric, u64)> {
    worker.take_reports();
    assert_eq!(worker.tick(now), []);
    worker.take_reports().into_iter().map(|(_, metric, value)| (metric, value)).collect()
}

#[test]
fn one_worker_fetches_for_all() {
    let process = process();
    let mut workers: Vec<Tables> = (0..4).map(|seed| worker(&process, seed)).collect();
    assert_eq!(workers[0].period(), Some(100));
    let gets: Vec<_> = workers.iter_mut().flat_map(|worker| worker.tick(10)).collect();
    assert_eq!(gets.len(), 1, "one lease");
    for worker in &mut workers {
        assert_eq!(worker.tick(100), [], "while the lease holds");
        assert_eq!(sees(worker), None);
    }
    assert_eq!(workers[0].answered(gets[0].id, table("a"), 200), None);
    assert_eq!(refreshes(&mut workers[0]).last(), Some(&"ok"));
    for worker in &mut workers {
        worker.tick(300);
        assert_eq!(sees(worker).as_deref(), Some("a"));
        assert_eq!(worker.period(), Some(1_000));
    }
    // The next one is due after the time of the configuration, give or take a tenth; whoever ticks first makes it.
    let before = workers.iter_mut().flat_map(|worker| worker.tick(53_000)).count();
    let after: Vec<_> = workers.iter_mut().rev().flat_map(|worker| worker.tick(67_000)).collect();
    assert_eq!((before, after.len()), (0, 1));
    let last = workers.len() - 1;
    workers[last].answered(after[0].id, table("b"), 67_100);
    assert_eq!(sees(&mut workers[last]).as_deref(), Some("b"));
    assert_eq!(sees(&mut workers[0]).as_deref(), Some("a"), "until its tick");
    workers[0].tick(68_000);
    assert_eq!(sees(&mut workers[0]).as_deref(), Some("b"));
}

#[test]
fn a_failure_keeps_the_last_good_one_and_is_tried_again_ever_later() {
    let process = process();
    let mut one = worker(&process, 1);
    let get = one.tick(0).remove(0);
    one.answered(get.id, table("a"), 0);
    one.take_logs();
    refreshes(&mut one);
    let mut now = 67_000;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let mut gets = one.tick(now);
        let begun = now;
        while gets.is_empty() {
            now += 100;
            gets = one.tick(now);
        }
        pauses.push(now - begun);
        one.answered(gets.remove(0).id, fails(503), now);
        assert_eq!(refreshes(&mut one), ["status"]);
        assert_eq!(sees(&mut one).as_deref(), Some("a"));
    }
    assert_eq!(pauses[0], 0);
    assert!((800..=1_200).contains(&pauses[1]), "{pauses:?}");
    assert!((1_700..=2_400).contains(&pauses[2]), "{pauses:?}");
    assert!(pauses[9] <= 66_100 && pauses[9] >= 53_900, "{pauses:?}");
    let logs = one.take_logs();
    assert!(logs[0].contains("the table orgs was not fetched: the answer was 503"), "{logs:?}");
    assert!(logs[0].contains("stays, with 1 entries"), "{logs:?}");
    assert!(logs.len() < 6, "{logs:?}");
    // Another life of the worker, as after a trap, and another configuration of the same source.
    let mut reborn = worker(&process, 2);
    assert_eq!(sees(&mut reborn).as_deref(), Some("a"));
    let mut changed: Tables = Tables::new(&rules("5s"), Rc::clone(&process), 3);
    assert_eq!(sees(&mut changed).as_deref(), Some("a"));
    // It wants it more often, and need not wait until the other would have.
    now += 6_000;
    let get = changed.tick(now).remove(0);
    changed.answered(get.id, table("b"), now);
    assert!(changed.take_logs()[0].contains("was fetched: 1 entries"));
    assert_eq!(sees(&mut changed).as_deref(), Some("b"));
}

#[test]
fn who_dies_with_the_lease_is_replaced() {
    let process = process();
    let mut dead = worker(&process, 1);
    let late = dead.tick(0).remove(0);
    let mut other = worker(&process, 2);
    assert_eq!(other.tick(5_900), []);
    let get = other.tick(6_000).remove(0);
    // The first one lives after all: its answer is worth nothing now, whether it comes before or after the other's.
    dead.answered(late.id, table("late"), 6_001);
    assert_eq!(refreshes(&mut dead), Vec::<&str>::new());
    assert_eq!(sees(&mut dead), None);
    other.answered(get.id, table("a"), 6_002);
    assert_eq!(sees(&mut dead).as_deref(), Some("a"));
}

#[test]
fn an_answer_that_never_comes_counts_as_failed() {
    let process = process();
    let mut one = worker(&process, 1);
    let lost = one.tick(0).remove(0);
    assert_eq!(one.tick(6_000), []);
    assert_eq!(refreshes(&mut one), ["no_answer"]);
    assert_eq!(one.answered(lost.id, table("late"), 6_001), None);
    assert_eq!(sees(&mut one), None);
    assert!(one.take_logs()[0].contains("there is none yet"));
    assert_eq!(one.tick(8_000).len(), 1);
}

#[test]
fn gauges_tell_age_and_size() {
    let process = process();
    let (mut one, mut two) = (worker(&process, 1), worker(&process, 2));
    let get = one.tick(1_000).remove(0);
    assert_eq!(gauges(&mut two, 1_100), [(TableMetric::Loaded, 0)]);
    let body = json!({"a": "x", "b": "y", "c": "z/z"}).to_string().into_bytes();
    one.answered(get.id, Fetched { status: Ok(200), body: Some(body) }, 2_000);
    // Every worker can tell, and tells the same.
    for worker in [&mut one, &mut two] {
        assert_eq!(
            gauges(worker, 14_900),
            [
                (TableMetric::Loaded, 1),
                (TableMetric::Age, 12),
                (TableMetric::Entries, 2),
                (TableMetric::Invalid, 1),
            ]
        );
    }
}

#[test]
fn a_static_table_needs_no_ticks() {
    let config = config::read(&json!({"static": {"ns": "a"}})).unwrap();
    let rules = TableRules::compile(&[("orgs".to_owned(), config)].into()).unwrap();
    let mut tables = Tables::new(&rules, process(), 1);
    assert_eq!(tables.period(), None);
    assert_eq!(tables.tick(0), []);
    assert_eq!(sees(&mut tables).as_deref(), Some("a"));
}

/// A process whose slots cannot be had.
struct Broken;

impl Process for Broken {
    fn make(&self, _: &str, _: &[u8]) -> Result<(), SlotFailure> {
        Err(SlotFailure::Host)
    }
    fn load(&self, _: &str) -> Result<Stored, SlotFailure> {
        Err(SlotFailure::Host)
    }
    fn swap(&self, _: &str, _: &[u8], _: u32) -> Result<(), SlotFailure> {
        Err(SlotFailure::Host)
    }
}

#[test]
fn without_slots_nothing_is_fetched() {
    let mut tables = worker(&(Rc::new(Broken) as Rc<dyn Process>), 1);
    assert_eq!(tables.tick(0), []);
    assert_eq!(sees(&mut tables), None);
}

/// Something that happens to one of the workers.
#[derive(Clone, Debug)]
enum Event {
    Tick(usize),
    Answer(usize, u16),
    Reborn(usize),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Event::Tick),
        3 => (0..3_usize, 0..200_u16).prop_map(|(at, n)| Event::Answer(at, n)),
        1 => (0..3_usize).prop_map(Event::Reborn),
    ]
}

proptest! {
    /// Whatever happens in whatever order: at most one worker holds the lease, a table that was loaded is never lost, and
    /// after a tick every worker has what was published last.
    #[test]
    fn workers_agree(events in prop::collection::vec((any_event(), 0..30_000_u64), 1..60)) {
        let process = process();
        let mut workers: Vec<Tables> = (0..3).map(|seed| worker(&process, seed)).collect();
        let mut asked: Vec<Vec<Get>> = vec![Vec::new(); 3];
        let (mut now, mut seed, mut published) = (0, 100, None);
        for (event, later) in events {
            now += later;
            match event {
                Event::Tick(at) => {
                    let gets = workers[at].tick(now);
                    prop_assert!(gets.len() <= 1);
                    asked[at].extend(gets);
                    prop_assert_eq!(sees(&mut workers[at]), published.clone());
                }
                Event::Answer(at, n) => {
                    let Some(get) = asked[at].pop() else { continue };
                    let tenant = format!("org-{n}");
                    let answer = if n < 100 { fails(500) } else { table(&tenant) };
                    refreshes(&mut workers[at]);
                    workers[at].answered(get.id, answer, now);
                    if refreshes(&mut workers[at]) == ["ok"] {
                        published = Some(tenant);
                        prop_assert_eq!(sees(&mut workers[at]), published.clone());
                    }
                }
                Event::Reborn(at) => {
                    seed += 1;
                    workers[at] = worker(&process, seed);
                    asked[at].clear();
                    prop_assert_eq!(sees(&mut workers[at]), published.clone());
                }
            }
        }
    }
}
