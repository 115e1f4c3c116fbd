//! The real host: Envoy, by the proxy-wasm ABI.
//!
//! Both ways of it are here, and no SDK: the Rust SDK's host calls panic on statuses they do not expect, and a panic
//! costs every request of the worker; and it has every callback there is, so that the host enters the VM where nobody
//! listens, and the module is 40 KB larger.

mod callbacks;
mod contexts;
mod environment;
#[cfg(feature = "faults")]
mod faults;
mod ffi;
mod host;
mod root;
mod slots;
