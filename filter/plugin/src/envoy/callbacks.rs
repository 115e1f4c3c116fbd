//! What the host calls: the callbacks of the proxy-wasm ABI 0.2.1.
//!
//! Only those that the filter needs: the host does not enter the VM for one that is not there.
//!
//! Specification: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>.
#![allow(unsafe_code)] // the names that the host looks for

use super::contexts::Contexts;
use super::root::Root;
use crate::stream::{Flow, Stream};

/// Tells the host which ABI this is.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what the host gives; [`ffi`](super::ffi) takes it back as a boxed slice of this length, once the host has
/// written all of it.
#[unsafe(export_name = "malloc")]
extern "C" fn allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, parent: u32) {
    Contexts::with(|contexts| contexts.create(id, parent));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(id: u32, _size: usize) -> bool {
    Contexts::with(|contexts| contexts.root(id, Root::configure)).unwrap_or(false)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(id: u32) {
    Contexts::with(|contexts| contexts.root(id, |root| root.ticker.tick()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, _count: usize, end_of_stream: bool) -> u32 {
    on_request(id, |stream| {
        #[cfg(feature = "faults")]
        super::faults::trap_if_asked("headers");
        stream.request_headers(end_of_stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(id: u32, size: usize, end_of_stream: bool) -> u32 {
    on_request(id, |stream| {
        #[cfg(feature = "faults")]
        super::faults::trap_if_asked("body");
        stream.request_body(size, end_of_stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(id: u32, _count: usize) -> u32 {
    on_request(id, Stream::request_trailers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, _count: usize, end_of_stream: bool) -> u32 {
    on_response(id, |stream| stream.response_headers(end_of_stream))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(id: u32, size: usize, end_of_stream: bool) -> u32 {
    on_response(id, |stream| stream.response_body(size, end_of_stream))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(id: u32, _count: usize) -> u32 {
    on_response(id, Stream::response_trailers)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    _root: u32,
    token: u32,
    headers: usize,
    body_size: usize,
    _trailers: usize,
) {
    Contexts::with(|contexts| contexts.answered(token, headers, body_size));
}

/// A request, or a configuration, is over; nothing keeps it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(id: u32) -> bool {
    Contexts::with(|contexts| contexts.stream(id, Stream::closed));
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    Contexts::with(|contexts| contexts.delete(id));
}

/// What becomes of a request. One that is not known here stays held: it must not go on as it is.
fn on_request(id: u32, act: impl FnOnce(&mut Stream<super::host::Envoy>) -> Flow) -> u32 {
    action(Contexts::with(|contexts| contexts.stream(id, act)).unwrap_or(Flow::Pause))
}

/// What becomes of the answer to a request. As above: what is not known may not have been looked at.
fn on_response(id: u32, act: impl FnOnce(&mut Stream<super::host::Envoy>) -> Flow) -> u32 {
    on_request(id, act)
}

/// `Action` of the ABI.
fn action(flow: Flow) -> u32 {
    match flow {
        Flow::Continue => 0,
        Flow::Pause => 1,
    }
}
