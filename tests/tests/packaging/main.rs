//! The module as people get it: packaged, pushed to a real registry, pulled by a real client, and run by a real Envoy.

mod gateway;
mod page;
mod pulling;
mod remote;
mod walk;
