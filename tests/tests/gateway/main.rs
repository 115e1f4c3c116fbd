//! The filter in a real Envoy: what it does to requests, seen from both sides.

mod backends;
mod bodies;
mod callers;
mod configuration;
mod examples;
mod federation;
mod gateway;
mod hostile;
mod metadata;
mod labels;
mod metrics;
mod observe;
mod operations;
mod second;
mod split;
