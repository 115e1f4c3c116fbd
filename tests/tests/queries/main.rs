//! Rewritten queries in front of real backends: what a tenant gets of all tenants' series through the rewritten query is what
//! it gets of its own series alone through the query as it came.
//!
//! The queries come from a grammar with a seed, so that every run asks the same; `QUERIES_SEED` and `QUERIES` (how many)
//! ask others. `PROMETHEUS_BIN` of a Prometheus 3 adds what only that knows.

mod additions;
mod compare;
mod data;
mod grammar;
mod hostile;
mod logql;
mod logql_grammar;
mod metricsql;
mod promql;
mod templates;
