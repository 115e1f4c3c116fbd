//! A trap on demand, for the tests of what follows one. Only in a module built with the feature `faults`.

use super::ffi::{self, Map};
use crate::host::HeaderMap;

/// Traps if the request has the header `x-scopegate-fault` with the value `place`.
pub(super) fn trap_if_asked(place: &str) {
    let map = HeaderMap::new(ffi::map_pairs(Map::Request).unwrap_or_default());
    let asked =
        map.headers().is_ok_and(|headers| headers.first("x-scopegate-fault") == Some(place.as_bytes()));
    if asked {
        core::arch::wasm32::unreachable();
    }
}
