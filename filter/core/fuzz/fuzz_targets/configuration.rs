//! Any bytes as a configuration: read and compiled, or refused with words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::config::Config;
use scopegate_core::policy::Policy;

fuzz_target!(|bytes: &[u8]| {
    match Config::from_envoy(bytes).and_then(|config| Policy::compile(&config, &|_| Some(vec![7; 32]))) {
        Ok(policy) => assert!(!policy.backends.is_empty() && !policy.callers.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
