//! The filter in a real Envoy when things go wrong: upstreams fail, clients leave, the module traps, processes are
//! restarted, configurations change. Every part that should arrive does, exactly; nothing else does.

mod batch;
mod bounds;
mod departures;
mod gateway;
mod prometheus;
mod retries;
mod rollout;
mod traps;
mod updates;
mod upstreams;
