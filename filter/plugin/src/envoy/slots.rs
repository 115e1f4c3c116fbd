//! Envoy's shared data as the slots of a [`Process`].
//!
//! It is one map for all VMs with the same `vm_id`, so keys carry a prefix. Its compare-and-swap compares
//! nothing on an absent key: slots are made by the first VM, on the main thread, which is configured before
//! any worker's.

use scopegate_core::exchange::{Process, SlotFailure, Stored};

use super::ffi;
use crate::host::Failure;

/// The shared data of this process.
pub(super) struct Slots;

fn key(slot: &str) -> String {
    format!("scopegate/{slot}")
}

fn failure(failure: Failure) -> SlotFailure {
    match failure {
        Failure::NOT_FOUND => SlotFailure::Absent,
        Failure::CAS_MISMATCH => SlotFailure::Changed,
        _ => SlotFailure::Host,
    }
}

impl Process for Slots {
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure> {
        match self.load(slot) {
            Err(SlotFailure::Absent) => ffi::set_shared_data(&key(slot), value, 0).map_err(failure),
            Ok(_) => Ok(()),
            Err(other) => Err(other),
        }
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        ffi::shared_data(&key(slot)).map(|(value, version)| Stored { value, version }).map_err(failure)
    }

    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure> {
        // Version 0 would set it in any case.
        if version == 0 {
            return Err(SlotFailure::Host);
        }
        ffi::set_shared_data(&key(slot), value, version).map_err(failure)
    }
}
