//! The answer to a request that went on: passed as it comes, or taken from the host piece by piece and replaced.
//!
//! What is held stays with the host until it is whole. Nothing larger is ever put in its place: a paused answer that outgrew
//! the host's buffer within a callback would make Envoy answer right there, and call the module that is being called, which
//! ends both.

use std::rc::Rc;

use scopegate_core::exchange::{Changes, Exchange, Step};

use super::{Flow, Stream};
use crate::host::{Failure, HeaderMap, Host};

impl<H: Host> Stream<H> {
    /// The answer to the request begins; with `end_of_stream` it has no body.
    pub fn response_headers(&mut self, end_of_stream: bool) -> Flow {
        let shared = Rc::clone(&self.shared);
        // Also where this is the answer that took another's place.
        self.response_flow = Flow::Continue;
        let Some(exchange) = &mut self.exchange else { return self.response_flow };
        if exchange.wants_answer() {
            let now = self.host.now();
            let map = self.host.response_headers();
            let headers = map.as_ref().map_err(|failure| *failure).and_then(HeaderMap::headers);
            let Ok(headers) = headers else {
                return self.refuse_response("the answer's headers could not be read");
            };
            let step = exchange.answer_head(&mut shared.worker.borrow_mut(), &headers, end_of_stream, now);
            return self.take_response(step);
        }
        if exchange.wants_response() {
            let status = self.host.response_status().ok();
            exchange.responded(&mut shared.worker.borrow_mut(), status, self.host.now());
            self.tell();
        }
        self.response_flow
    }

    /// More of the answer's body has arrived, `size` bytes in all; with `end_of_stream` it is whole.
    pub fn response_body(&mut self, size: usize, end_of_stream: bool) -> Flow {
        self.response_size = size;
        let shared = Rc::clone(&self.shared);
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.wants_answer()) else {
            return self.response_flow;
        };
        let now = self.host.now();
        let step = exchange.answer_progress(&mut shared.worker.borrow_mut(), size, now);
        let flow = self.take_response(step);
        if end_of_stream { self.whole_response() } else { flow }
    }

    /// The answer ends in trailers, so its body is whole.
    pub fn response_trailers(&mut self) -> Flow {
        self.whole_response()
    }

    fn whole_response(&mut self) -> Flow {
        let shared = Rc::clone(&self.shared);
        if !self.exchange.as_ref().is_some_and(Exchange::wants_answer) {
            return self.response_flow;
        }
        let problem = "the answer's body could not be read";
        let body = match self.response_size {
            0 => Ok(Vec::new()),
            size => self.host.response_body(size).map_err(|_| problem),
        };
        let body =
            body.and_then(|body| if body.len() == self.response_size { Ok(body) } else { Err(problem) });
        let now = self.host.now();
        let Some(exchange) = &mut self.exchange else { return self.response_flow };
        let step = exchange.answer_body(&mut shared.worker.borrow_mut(), body, now);
        self.take_response(step)
    }

    /// Does what the core says.
    fn take_response(&mut self, step: Step) -> Flow {
        self.leave_note();
        self.response_flow = match step {
            Step::Continue(changes) => match self.apply_to_response(&changes) {
                Ok(()) => Flow::Continue,
                Err(_) => self.refuse_response("the answer could not be changed"),
            },
            Step::Reply(reply) => {
                self.give(&reply);
                Flow::Pause
            }
            Step::Buffer | Step::Wait | Step::Read | Step::Call(_) => Flow::Pause,
        };
        self.tell();
        self.response_flow
    }

    fn apply_to_response(&self, changes: &Changes) -> Result<(), Failure> {
        for name in &changes.headers.remove {
            self.host.remove_response_header(name)?;
        }
        for (name, value) in &changes.headers.set {
            self.host.set_response_header(name, value)?;
        }
        match &changes.body {
            Some(body) => self.host.replace_response_body(self.response_size, body),
            None => Ok(()),
        }
    }

    fn refuse_response(&mut self, what: &'static str) -> Flow {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.closed(&mut self.shared.worker.borrow_mut());
        }
        self.response_flow = Flow::Pause;
        self.refuse(what)
    }
}
