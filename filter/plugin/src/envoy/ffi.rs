//! The proxy-wasm ABI 0.2.1, with every status as a number.
//!
//! Specification: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>.
#![allow(unsafe_code)]

use crate::host::Failure;

mod raw {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, message: *const u8, message_len: usize) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_buffer_bytes(
            buffer: u32,
            start: usize,
            size: usize,
            data: *const u8,
            len: usize,
        ) -> u32;
        pub(super) fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_len: usize,
            body: *const u8,
            body_len: usize,
            headers: *const u8,
            headers_len: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_http_call(
            cluster: *const u8,
            cluster_len: usize,
            headers: *const u8,
            headers_len: usize,
            body: *const u8,
            body_len: usize,
            trailers: *const u8,
            trailers_len: usize,
            timeout_ms: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_effective_context(id: u32) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
            version: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_len: usize,
            data: *const u8,
            len: usize,
            version: u32,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u32;
        pub(super) fn random_get(bytes: *mut u8, len: usize) -> u32;
        pub(super) fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
        pub(super) fn environ_get(pointers: *mut *mut u8, data: *mut u8) -> u32;
    }
}

/// `MapType` of the ABI: whose headers.
#[derive(Clone, Copy)]
pub(super) enum Map {
    Request = 0,
    RequestTrailers = 1,
    Response = 2,
    CallResponse = 6,
}

/// `BufferType` of the ABI.
#[derive(Clone, Copy)]
pub(super) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

fn checked(status: u32) -> Result<(), Failure> {
    if status == 0 { Ok(()) } else { Err(Failure(status)) }
}

/// Takes what the host allocated through `malloc`; nothing at all is empty.
fn owned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Failure> {
    let (mut data, mut len) = (core::ptr::null_mut::<u8>(), 0_usize);
    checked(call(&raw mut data, &raw mut len))?;
    if data.is_null() || len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: `malloc` allocated a boxed slice of exactly `len` bytes for the host, which filled it and gave it away.
    Ok(unsafe { Box::from_raw(core::ptr::slice_from_raw_parts_mut(data, len)) }.into_vec())
}

pub(super) fn log(level: u32, line: &str) {
    // SAFETY: the host reads the line and keeps nothing.
    let _ = unsafe { raw::proxy_log(level, line.as_ptr(), line.len()) };
}

/// The clocks of `wasi_snapshot_preview1`.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    /// Since 1970.
    Wall = 0,
    /// Does not go back.
    Monotonic = 1,
}

/// Nanoseconds on a clock.
pub(super) fn nanoseconds(clock: Clock) -> Result<u64, Failure> {
    let mut time = 0;
    // SAFETY: the host writes eight bytes.
    checked(unsafe { raw::clock_time_get(clock as u32, 1, &raw mut time) }).map(|()| time)
}

/// Random bytes, fit for secrets.
pub(super) fn random_bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    // SAFETY: the host writes as many bytes as there are.
    checked(unsafe { raw::random_get(bytes.as_mut_ptr(), bytes.len()) }).map(|()| bytes)
}

/// Asks for a tick of the context at hand every `period` milliseconds; 0 is never.
pub(super) fn set_tick_period(period: u32) -> Result<(), Failure> {
    // SAFETY: numbers only.
    checked(unsafe { raw::proxy_set_tick_period_milliseconds(period) })
}

pub(super) fn map_pairs(map: Map) -> Result<Vec<u8>, Failure> {
    // SAFETY: the host writes a pointer and a length.
    owned(|data, len| unsafe { raw::proxy_get_header_map_pairs(map as u32, data, len) })
}

/// The first value of a header.
pub(super) fn header(map: Map, name: &str) -> Result<Vec<u8>, Failure> {
    // SAFETY: the host reads the name, and writes a pointer and a length.
    owned(|data, len| unsafe {
        raw::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, len)
    })
}

pub(super) fn replace_header(map: Map, name: &str, value: &str) -> Result<(), Failure> {
    // SAFETY: the host reads both texts and keeps nothing.
    checked(unsafe {
        raw::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

pub(super) fn remove_header(map: Map, name: &str) -> Result<(), Failure> {
    // SAFETY: the host reads the name and keeps nothing.
    checked(unsafe { raw::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

pub(super) fn buffer(buffer: Buffer, max: usize) -> Result<Vec<u8>, Failure> {
    // SAFETY: the host writes a pointer and a length.
    owned(|data, len| unsafe { raw::proxy_get_buffer_bytes(buffer as u32, 0, max, data, len) })
}

pub(super) fn replace_buffer(buffer: Buffer, size: usize, bytes: &[u8]) -> Result<(), Failure> {
    // SAFETY: the host reads the bytes and keeps nothing.
    checked(unsafe { raw::proxy_set_buffer_bytes(buffer as u32, 0, size, bytes.as_ptr(), bytes.len()) })
}

/// Lets the request at hand go on.
pub(super) fn continue_request() -> Result<(), Failure> {
    const REQUEST: u32 = 0;
    // SAFETY: numbers only.
    checked(unsafe { raw::proxy_continue_stream(REQUEST) })
}

/// `path` is joined by zeros.
pub(super) fn property(path: &[u8]) -> Result<Vec<u8>, Failure> {
    // SAFETY: the host reads the path, and writes a pointer and a length.
    owned(|data, len| unsafe { raw::proxy_get_property(path.as_ptr(), path.len(), data, len) })
}

/// Sets `wasm.PATH` in the filter state of the request.
pub(super) fn set_property(path: &str, value: &[u8]) -> Result<(), Failure> {
    // SAFETY: the host reads path and value and keeps copies.
    checked(unsafe { raw::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// `headers` is a serialized map.
pub(super) fn local_response(status: u16, details: &str, body: &[u8], headers: &[u8]) -> Result<(), Failure> {
    const NO_GRPC_STATUS: i32 = -1;
    // SAFETY: the host reads all of it and keeps nothing.
    checked(unsafe {
        raw::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

/// Makes a call; gives its token. `headers` is a serialized map.
pub(super) fn http_call(cluster: &str, headers: &[u8], body: &[u8], timeout_ms: u32) -> Result<u32, Failure> {
    // A map without pairs.
    const NO_TRAILERS: [u8; 4] = [0; 4];
    let mut token = 0;
    // SAFETY: the host reads all of it and keeps copies, and writes four bytes.
    checked(unsafe {
        raw::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            NO_TRAILERS.as_ptr(),
            NO_TRAILERS.len(),
            timeout_ms,
            &raw mut token,
        )
    })
    .map(|()| token)
}

/// Makes this context the one that host calls are about.
pub(super) fn set_effective_context(id: u32) -> Result<(), Failure> {
    // SAFETY: numbers only.
    checked(unsafe { raw::proxy_set_effective_context(id) })
}

/// A value of the process' shared data, with its version.
pub(super) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), Failure> {
    let mut version = 0;
    // SAFETY: the host reads the key, and writes a pointer, a length and a version.
    let value = owned(|data, len| unsafe {
        raw::proxy_get_shared_data(key.as_ptr(), key.len(), data, len, &raw mut version)
    })?;
    Ok((value, version))
}

/// Sets a value of the process' shared data if its version is this one, or in any case if it is 0.
pub(super) fn set_shared_data(key: &str, value: &[u8], version: u32) -> Result<(), Failure> {
    // SAFETY: the host reads key and value and keeps copies.
    checked(unsafe {
        raw::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version)
    })
}

/// `MetricType` of the ABI.
#[derive(Clone, Copy)]
pub(super) enum MetricKind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

pub(super) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Failure> {
    let mut id = 0;
    // SAFETY: the host reads the name and writes four bytes.
    checked(unsafe { raw::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) })
        .map(|()| id)
}

pub(super) fn increment(id: u32, by: i64) -> Result<(), Failure> {
    // SAFETY: numbers only.
    checked(unsafe { raw::proxy_increment_metric(id, by) })
}

pub(super) fn record(id: u32, value: u64) -> Result<(), Failure> {
    // SAFETY: numbers only.
    checked(unsafe { raw::proxy_record_metric(id, value) })
}

/// The environment as `NAME=VALUE` texts, each ended by a zero.
pub(super) fn environment() -> Result<Vec<u8>, Failure> {
    let (mut count, mut size) = (0_usize, 0_usize);
    // SAFETY: the host writes two numbers.
    checked(unsafe { raw::environ_sizes_get(&raw mut count, &raw mut size) })?;
    let mut pointers = vec![core::ptr::null_mut::<u8>(); count];
    let mut data = vec![0_u8; size];
    if count == 0 || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host writes `count` pointers and `size` bytes, for which there is room.
    checked(unsafe { raw::environ_get(pointers.as_mut_ptr(), data.as_mut_ptr()) })?;
    Ok(data)
}
