//! The answer to a request that went on: passed as it comes, or taken from the host piece by piece and replaced.
//!
//! A paused answer over the host's own buffer limit becomes a plain 500 without another callback. So nothing of it is left
//! with the host: each piece is taken, and the host's copy emptied. How much may be kept is the core's business.

use std::rc::Rc;

use scopegate_core::exchange::{Changes, Exchange, Step};

use super::{Flow, Stream};
use crate::host::{Failure, Host};

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
            let headers = map.as_ref().map_err(|failure| *failure).and_then(|map| map.headers());
            let Ok(headers) = headers else {
                return self.refuse_response("the answer's headers could not be read");
            };
            let step = exchange.answer_head(&mut shared.worker.borrow_mut(), &headers, end_of_stream, now);
            return self.take_response(step, 0);
        }
        if exchange.wants_response() {
            let status = self.host.response_status().ok();
            exchange.responded(&mut shared.worker.borrow_mut(), status, self.host.now());
            self.tell();
        }
        self.response_flow
    }

    /// More of the answer's body has arrived: `size` bytes since it was last taken; with `end_of_stream` it is whole.
    pub fn response_body(&mut self, size: usize, end_of_stream: bool) -> Flow {
        let shared = Rc::clone(&self.shared);
        if !self.exchange.as_ref().is_some_and(Exchange::wants_answer) {
            if self.response_flow == Flow::Pause {
                // Another answer has taken its place, and may still be on its way.
                let _ = self.host.replace_response_body(size, &[]);
            }
            return self.response_flow;
        }
        let piece = self.take_piece(size, end_of_stream);
        let now = self.host.now();
        let Some(exchange) = &mut self.exchange else { return self.response_flow };
        let step = exchange.answer_piece(&mut shared.worker.borrow_mut(), piece, end_of_stream, now);
        self.take_response(step, if end_of_stream { size } else { 0 })
    }

    /// The answer ends in trailers, so its body is whole.
    pub fn response_trailers(&mut self) -> Flow {
        self.response_body(0, true)
    }

    /// The last piece stays with the host until it is replaced.
    fn take_piece(&self, size: usize, is_last: bool) -> Result<Vec<u8>, &'static str> {
        if size == 0 {
            return Ok(Vec::new());
        }
        let problem = "the answer's body could not be read";
        let piece = self.host.response_body(size).map_err(|_| problem)?;
        if piece.len() != size {
            return Err(problem);
        }
        if !is_last {
            self.host.replace_response_body(size, &[]).map_err(|_| problem)?;
        }
        Ok(piece)
    }

    /// Does what the core says. The host keeps `size` bytes of the answer's body.
    fn take_response(&mut self, step: Step, size: usize) -> Flow {
        self.response_flow = match step {
            Step::Continue(changes) => match self.apply_to_response(&changes, size) {
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

    fn apply_to_response(&self, changes: &Changes, size: usize) -> Result<(), Failure> {
        for name in &changes.headers.remove {
            self.host.remove_response_header(name)?;
        }
        for (name, value) in &changes.headers.set {
            self.host.set_response_header(name, value)?;
        }
        match &changes.body {
            Some(body) => self.host.replace_response_body(size, body),
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
