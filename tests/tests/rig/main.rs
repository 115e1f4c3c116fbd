//! The rig proves itself, with Envoy as it comes: what it claims to see and to cause is so without our filter.

mod envoy;
mod prometheus;
mod stand_in;
