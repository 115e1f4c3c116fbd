//! People and rules of Grafana before `examples/namespaces` and `examples/label-isolation` as they are shipped: what
//! `docs/grafana.md` says, each claim as a test, attacks included.

mod attacks;
mod files;
mod narrowing;
mod realm;
mod rules;
mod world;
