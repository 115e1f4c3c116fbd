//! The SDK's contexts: one root a worker and configuration, one stream a request.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use scopegate_core::exchange::prepare;

use super::environment;
use super::ffi::{self, Buffer};
use super::host::Envoy;
use super::slots::Slots;
use crate::host::{Host, Level};
use crate::shared::{Role, configure};
use crate::stream::{Flow, Stream};
use crate::ticker::Ticker;

/// One worker's filter, for one configuration.
pub(super) struct Root {
    envoy: Envoy,
    ticker: Ticker<Envoy>,
}

impl Default for Root {
    fn default() -> Self {
        let envoy = Envoy::default();
        Self { ticker: Ticker::new(envoy.clone(), envoy.shared()), envoy }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _trailers: usize) {
        self.ticker.call_answered(token, headers > 0, body_size);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
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
                self.ticker.configured(Rc::new(Slots));
                is_first
            }
            Err(error) => {
                self.envoy.log(Level::Error, &format!("scopegate: the configuration is refused: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.ticker.tick();
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request(Stream::new(self.envoy.clone(), self.envoy.shared()))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request.
struct Request(Stream<Envoy>);

fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Pause => Action::Pause,
    }
}

impl Context for Request {
    fn on_http_call_response(&mut self, token: u32, headers: usize, _body_size: usize, _trailers: usize) {
        #[cfg(feature = "faults")]
        super::faults::trap_if_asked("answer");
        self.0.call_answered(token, headers > 0);
    }

    fn on_done(&mut self) -> bool {
        self.0.closed();
        true
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "faults")]
        super::faults::trap_if_asked("headers");
        action(self.0.request_headers(end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        #[cfg(feature = "faults")]
        super::faults::trap_if_asked("body");
        action(self.0.request_body(size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        action(self.0.request_trailers())
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        action(self.0.response_headers(end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        action(self.0.response_body(size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        action(self.0.response_trailers())
    }
}
