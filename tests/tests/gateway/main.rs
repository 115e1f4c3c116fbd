//! The filter in a real Envoy: what it does to requests, seen from both sides.

mod backends;
mod bodies;
mod callers;
mod configuration;
mod examples;
mod federation;
mod gateway;
mod hostile;
mod labels;
mod limits;
mod loki;
mod metadata;
mod metrics;
mod observe;
mod operations;
mod otlp;
mod real;
mod reports;
mod rollout;
mod second;
mod split;
mod whoami;
