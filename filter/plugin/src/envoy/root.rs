//! One worker's filter, for one configuration.

use std::rc::Rc;

use scopegate_core::exchange::{Process, prepare};

use super::environment;
use super::ffi::{self, Buffer};
use super::host::Envoy;
use super::slots::Slots;
use crate::host::{Host, Level};
use crate::shared::{Role, configure};
use crate::stream::Stream;
use crate::ticker::Ticker;

pub(super) struct Root {
    envoy: Envoy,
    pub(super) ticker: Ticker<Envoy>,
}

impl Default for Root {
    fn default() -> Self {
        let envoy = Envoy::default();
        Self { ticker: Ticker::new(envoy.clone(), envoy.shared()), envoy }
    }
}

impl Root {
    /// The configuration is there; whether it is taken.
    pub(super) fn configure(&mut self) -> bool {
        let bytes = ffi::buffer(Buffer::PluginConfiguration, usize::MAX >> 1).unwrap_or_default();
        match configure(&bytes, &environment::read()) {
            Ok(role) => {
                let shared = self.envoy.shared();
                // Without them nothing is remembered: more is sent again than must be, and no proof is good.
                if let Role::Gateway(policy) = &role
                    && prepare(&*shared.worker.borrow().process, policy).is_err()
                {
                    self.envoy.log(Level::Warn, "scopegate: the workers can share no state");
                }
                let is_first = shared.take(role);
                let process: Rc<dyn Process> = Rc::new(Slots);
                self.ticker.configured(&process);
                is_first
            }
            Err(error) => {
                self.envoy.log(Level::Error, &format!("scopegate: the configuration is refused: {error}"));
                false
            }
        }
    }

    /// A request that arrives.
    pub(super) fn stream(&self) -> Stream<Envoy> {
        Stream::new(self.envoy.clone(), self.envoy.shared())
    }
}
