//! What depends on the date: the host is asked for it where a rule needs it, and where it has none nothing does.

use super::{CONFIG, Flow, Op, Request, Stream, asked, shared, tell};
use crate::testing::{Fake, body};

const UNTIL: u64 = 1_798_675_200;

fn moving() -> String {
    CONFIG.replace(
        r#"{"tenant": ["caller"]}"#,
        r#"{"tenant": ["caller"], "also_write": [{"tenant": "own", "to": "next", "until": "2026-12-31T00:00:00Z"}]}"#,
    )
}

fn tenants(host: &Fake) -> Vec<String> {
    host.0.calls.borrow().iter().map(|(_, call)| call.tenant.to_string()).collect()
}

#[test]
fn a_date_is_asked_for_where_a_rule_needs_it() {
    let request = Request::write("user", &[], body(&["-"]));
    let at = |config: &str, date: Option<u64>| {
        let host = request.host();
        match date {
            Some(date) => host.0.date.set(date),
            None => host.0.fails.set(Some((Op::Date, None, 10))),
        }
        let flow = tell(&mut Stream::new(host.clone(), shared(config)));
        (flow, tenants(&host), asked(&host, Op::Date))
    };
    assert_eq!(at(CONFIG, Some(0)), (Flow::Continue, vec![], 0));
    let both = vec!["own".to_owned(), "next".to_owned()];
    assert_eq!(at(&moving(), Some(UNTIL - 1)), (Flow::Pause, both, 1));
    assert_eq!(at(&moving(), Some(UNTIL)), (Flow::Continue, vec![], 1));
    assert_eq!(at(&moving(), None), (Flow::Continue, vec![], 1));
}
