//! Any bytes as a configuration: read and compiled, or refused with words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::agent::Signer;
use scopegate_core::config::Role;
use scopegate_core::policy::Policy;

fuzz_target!(|bytes: &[u8]| {
    let env = |_: &str| Some(vec![7; 32]);
    let compiled = Role::from_envoy(bytes).and_then(|role| match role {
        Role::Gateway(config) => Policy::compile(&config, &env).map(Some),
        Role::Agent(config) => Signer::compile(&config, &env).map(|_| None),
    });
    match compiled {
        Ok(None) => {}
        Ok(Some(policy)) => assert!(!policy.backends.is_empty() && !policy.callers.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
