//! What all requests of one worker share.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use scopegate_core::agent::Signer;
use scopegate_core::config::{self, ConfigError};
use scopegate_core::exchange::{Process, Worker};
use scopegate_core::policy::Policy;
use scopegate_core::write::ledger::version;

/// The state of one worker's filter. It lives in the root context, since one VM may serve several
/// configurations.
#[derive(Debug, Default)]
pub struct Shared {
    /// The policy; absent until a configuration was accepted, and beside an agent.
    pub policy: OnceCell<Rc<Policy>>,
    /// Who signs beside an agent; absent until a configuration was accepted, and in front of backends.
    pub signer: OnceCell<Rc<Signer>>,
    /// What the core keeps between requests.
    pub worker: RefCell<Worker>,
}

impl Shared {
    /// The state of a worker of this process.
    pub fn new(process: Rc<dyn Process>) -> Self {
        Self { policy: OnceCell::new(), signer: OnceCell::new(), worker: RefCell::new(Worker::new(process)) }
    }

    /// Takes what a configuration says; it is taken once.
    pub fn take(&self, role: Role) -> bool {
        match role {
            Role::Gateway(policy) => self.policy.set(policy).is_ok(),
            Role::Agent(signer) => self.signer.set(Rc::new(signer)).is_ok(),
        }
    }
}

/// What a filter does, compiled from its configuration.
#[derive(Debug)]
pub enum Role {
    /// In front of backends.
    Gateway(Rc<Policy>),
    /// Beside an agent.
    Agent(Signer),
}

/// Reads and compiles the configuration that the host gave.
pub fn configure(bytes: &[u8], env: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Role, ConfigError> {
    Ok(match config::Role::from_envoy(bytes)? {
        config::Role::Gateway(config) => {
            let mut policy = Policy::compile(&config, env)?;
            policy.version = version(bytes);
            Role::Gateway(Rc::new(policy))
        }
        config::Role::Agent(config) => Role::Agent(Signer::compile(&config, env)?),
    })
}
