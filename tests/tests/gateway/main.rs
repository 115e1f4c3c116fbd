//! The filter in a real Envoy: what it does to requests, seen from both sides.

mod backends;
mod bodies;
mod callers;
mod configuration;
mod examples;
mod gateway;
mod hostile;
mod metrics;
mod observe;
mod operations;
mod reports;
mod split;
