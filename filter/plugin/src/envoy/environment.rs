//! The environment of the VM: `vm_config.environment_variables`.

use super::ffi;

/// Reads the environment once, for as many look-ups as there are.
pub(super) fn read() -> impl Fn(&str) -> Option<Vec<u8>> {
    let environment = ffi::environment().unwrap_or_default();
    move |name| {
        environment.split(|byte| *byte == 0).find_map(|entry| {
            let rest = entry.strip_prefix(name.as_bytes())?;
            rest.strip_prefix(b"=").map(<[u8]>::to_vec)
        })
    }
}
