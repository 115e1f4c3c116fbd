//! The real host: Envoy, by the proxy-wasm ABI.
//!
//! The SDK gives life cycle and dispatch, and makes the calls, since it must know their tokens. Everything
//! else goes through `ffi`: the SDK's own host calls panic on statuses they do not expect, and a panic here
//! costs every request of the worker.

mod contexts;
mod environment;
#[cfg(feature = "faults")]
mod faults;
mod ffi;
mod host;
mod slots;

use contexts::Root;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}
