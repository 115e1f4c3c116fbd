//! The example `auth-gateway`, and what `scopegate render` makes besides: a real Envoy before real nginx, with several addresses
//! of one name, TLS on both sides, and a port for who runs it.

mod addresses;
mod components;
mod operations;
mod rendered;
mod tls;
mod world;
