//! What all requests of one worker share.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use scopegate_core::config::{ConfigError, Role};
use scopegate_core::exchange::{Process, Worker};
use scopegate_core::policy::Policy;
use scopegate_core::write::ledger::version;

/// The state of one worker's filter. It lives in the root context, since one VM may serve several
/// configurations.
#[derive(Debug, Default)]
pub struct Shared {
    /// The policy; absent until a configuration was accepted.
    pub policy: OnceCell<Rc<Policy>>,
    /// What the core keeps between requests.
    pub worker: RefCell<Worker>,
}

impl Shared {
    /// The state of a worker of this process.
    pub fn new(process: Rc<dyn Process>) -> Self {
        Self { policy: OnceCell::new(), worker: RefCell::new(Worker::new(process)) }
    }
}

/// Reads and compiles the configuration that the host gave.
pub fn configure(bytes: &[u8], env: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Policy, ConfigError> {
    match Role::from_envoy(bytes)? {
        Role::Gateway(config) => {
            let mut policy = Policy::compile(&config, env)?;
            policy.version = version(bytes);
            Ok(policy)
        }
        Role::Agent(_) => Err(ConfigError::new("role", "an agent signs nothing yet")),
    }
}
