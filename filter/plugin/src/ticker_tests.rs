//! Ticks and answers, each host call failing in turn.

use std::rc::Rc;

use scopegate_core::config::Config;
use scopegate_core::exchange::Alone;
use scopegate_core::policy::Policy;
use scopegate_core::report::TableMetric;

use super::*;
use crate::testing::{Fake, Op};

const CONFIG: &str = r#"{
    "backends": [{"name": "metrics", "kind": "cortex"}],
    "callers": [{"name": "c", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"]}],
    "tables": {"orgs": {"kubernetes": {"cluster": "kube-api", "label": "org", "page_size": 1}, "max_bytes": 1000}}
}"#;

fn ticker(config: &str) -> (Fake, Ticker<Fake>) {
    let config = Config::from_envoy(config.as_bytes()).unwrap();
    let shared = Rc::new(Shared::default());
    shared.policy.set(Rc::new(Policy::compile(&config, &|_| None).unwrap())).unwrap();
    let fake = Fake::default();
    let mut ticker = Ticker::new(fake.clone(), shared);
    let process: Rc<dyn Process> = Rc::new(Alone::default());
    ticker.configured(&process);
    (fake, ticker)
}

fn answer(fake: &Fake, status: &str, body: &str) {
    *fake.0.answer.borrow_mut() = (vec![(":status".to_owned(), status.to_owned())], body.as_bytes().to_vec());
}

fn sees(ticker: &Ticker<Fake>) -> Option<String> {
    let table = ticker.shared.worker.borrow_mut().tables.current(0)?;
    table.get(b"shop").map(ToString::to_string)
}

/// The outcomes of refreshes that were told.
fn outcomes(fake: &Fake) -> Vec<&'static str> {
    let told = std::mem::take(&mut *fake.0.told.borrow_mut());
    told.into_iter()
        .filter_map(|(table, metric, by)| match metric {
            TableMetric::Refreshes(outcome) => {
                assert_eq!((table.as_str(), by), ("orgs", 1));
                Some(outcome)
            }
            _ => None,
        })
        .collect()
}

const FIRST: &str =
    r#"{"metadata": {"continue": "t"}, "items": [{"metadata": {"name": "shop", "labels": {"org": "a"}}}]}"#;
const LAST: &str = r#"{"metadata": {}, "items": []}"#;

#[test]
fn who_is_not_enforced_is_told_at_once() {
    for (mode, open, lines) in [("enforce", 0, 0), ("observe", 2, 1)] {
        let config = CONFIG.replacen('{', &format!("{{\"mode\": \"{mode}\","), 1);
        let (fake, _) = ticker(&config);
        assert_eq!(*fake.0.gauges.borrow(), [(Metric::NotEnforced { backend: 0 }, open)], "{mode}");
        let logs = fake.0.logs.borrow();
        let warned = logs.iter().filter(|(level, line)| {
            *level == Level::Warn
                && line.contains("metrics is open to")
                && line.ends_with(": c, (not recognised)")
        });
        assert_eq!((warned.count(), logs.len()), (lines, lines), "{logs:?}");
    }
}

#[test]
fn nothing_is_asked_before_the_first_tick_and_then_page_by_page() {
    let (fake, mut ticker) = ticker(CONFIG);
    assert_eq!(fake.0.tick_period.get(), 100);
    assert!(fake.0.gets.borrow().is_empty());
    ticker.tick();
    let (token, get) = fake.0.gets.borrow()[0].clone();
    assert_eq!(get.cluster, "kube-api");
    answer(&fake, "200", FIRST);
    ticker.call_answered(token + 1, true, FIRST.len());
    ticker.call_answered(token, true, FIRST.len());
    let (token, get) = fake.0.gets.borrow()[1].clone();
    assert!(get.headers.contains(&(":path", "/api/v1/namespaces?limit=1&continue=t".to_owned())));
    assert_eq!(sees(&ticker), None);
    answer(&fake, "200", LAST);
    ticker.call_answered(token, true, LAST.len());
    assert_eq!(sees(&ticker).as_deref(), Some("a"));
    assert_eq!(outcomes(&fake), ["ok"]);
    assert_eq!(fake.0.tick_period.get(), 1_000);
    assert!(fake.0.logs.borrow().iter().any(|(_, line)| line.contains("the table orgs was fetched")));
}

#[test]
fn what_fails_is_told_and_tried_again() {
    let cases: &[(&str, Option<Op>, &str, bool, &str)] = &[
        ("no call", Some(Op::Get), "200", true, "no_call"),
        ("no headers", None, "200", false, "no_answer"),
        ("headers that cannot be read", Some(Op::AnswerHeaders), "200", true, "no_answer"),
        ("a body that cannot be read", Some(Op::AnswerBody), "200", true, "no_answer"),
        ("no number", None, "two hundred", true, "no_answer"),
        ("not permitted", None, "403", true, "not_permitted"),
        ("gone", None, "410", true, "expired"),
        ("an error", None, "503", true, "status"),
    ];
    for (what, fails, status, has_headers, expected) in cases {
        let (fake, mut ticker) = ticker(CONFIG);
        fake.0.fails.set(fails.map(|op| (op, None, 10)));
        answer(&fake, status, LAST);
        ticker.tick();
        let token = fake.0.gets.borrow().first().map(|(token, _)| *token);
        if let Some(token) = token {
            ticker.call_answered(token, *has_headers, LAST.len());
        }
        assert_eq!(outcomes(&fake), [*expected], "{what}");
        assert_eq!(sees(&ticker), None, "{what}");
        // It comes right later.
        fake.0.fails.set(None);
        fake.0.now.set(2_000);
        ticker.tick();
        let token = fake.0.gets.borrow().last().unwrap().0;
        let whole = FIRST.replace("\"t\"", "\"\"");
        answer(&fake, "200", &whole);
        ticker.call_answered(token, true, whole.len());
        assert_eq!(sees(&ticker).as_deref(), Some("a"), "{what}");
    }
}

#[test]
fn a_huge_body_is_not_even_read() {
    let (fake, mut ticker) = ticker(CONFIG);
    ticker.tick();
    let token = fake.0.gets.borrow()[0].0;
    answer(&fake, "200", &" ".repeat(1001));
    ticker.call_answered(token, true, 1001);
    assert_eq!(outcomes(&fake), ["too_large"]);
    assert_eq!(fake.0.asked.borrow().get(&Op::AnswerBody), None);
}

#[test]
fn a_body_that_is_not_whole_is_none() {
    let (fake, mut ticker) = ticker(CONFIG);
    ticker.tick();
    let token = fake.0.gets.borrow()[0].0;
    answer(&fake, "200", FIRST);
    ticker.call_answered(token, true, FIRST.len() + 1);
    assert_eq!(outcomes(&fake), ["no_answer"]);
}

#[test]
fn without_tables_there_are_no_ticks() {
    let config = CONFIG.split(",\n    \"tables\"").next().unwrap().to_owned() + "}";
    let (fake, _) = ticker(&config);
    assert_eq!(fake.0.tick_period.get(), 0);
}
