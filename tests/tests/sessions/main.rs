//! Sessions end to end: proofs on their way to a real Envoy, and what becomes of those that are not good.

mod agent;
mod documentation;
mod gateway;
mod keys;
mod proofs;
mod replays;
mod traps;
