//! Any answers to the calls for tables: what is read of them is a table of tenants, and reading them ends.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use scopegate_core::exchange::{Alone, Process};
use scopegate_core::table::{Fetched, Tables};
use scopegate_core_fuzz::policy;

fuzz_target!(|answers: Vec<(u16, Vec<u8>)>| {
    let policy = policy("tables", || {
        serde_json::json!({
            "backends": [{"name": "metrics", "kind": "cortex"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"]}],
            "tables": {
                "namespaces": {"kubernetes": {"cluster": "k", "label": "l"}, "max_entries": 8},
                "grafana": {"grafana": {"cluster": "g"}, "max_bytes": 4096},
                "orgs": {"http": {"cluster": "h", "path": "/"}, "max_bytes": 4096},
            },
        })
    });
    let process: Rc<dyn Process> = Rc::new(Alone::default());
    let mut tables = Tables::new(&policy.tables, Rc::clone(&process), 1);
    let mut asked = tables.tick(0);
    for (status, body) in answers {
        let Some(get) = asked.pop() else { break };
        // Most answers are to be read.
        let status = if status % 4 == 0 { status } else { 200 };
        asked.extend(tables.answered(get.id, Fetched { status: Ok(status), body: Some(body) }, 0));
    }
    // Another worker sees the same.
    let mut other = Tables::new(&policy.tables, process, 2);
    for at in 0..3 {
        assert_eq!(tables.current(at), other.current(at));
    }
});
