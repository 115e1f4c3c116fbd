//! The shipped dashboard and rules: what promtool says of the rules, and all of it against real metrics, those of an Envoy with
//! the filter under a load of all kinds, scraped by a real Prometheus that evaluates the rules.

mod live;
mod rules;
mod world;
