//! Reads through the filter in a real Envoy, before a real Prometheus and a real `VictoriaMetrics` that hold the series of
//! several tenants.

mod clients;
mod endpoints;
mod hostile;
mod world;
