//! Reads through the filter in a real Envoy, before a real Prometheus and a real `VictoriaMetrics` that hold the series of
//! several tenants.

mod clients;
mod endpoints;
mod example;
mod explained;
mod hostile;
mod loki;
mod victorialogs;
mod world;
