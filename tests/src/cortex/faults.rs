//! Faults on order: what a tenant gets instead of the proper answer.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

/// A fault. It holds until it is [healed](super::Cortex::heal), or for as many requests as [`times`](Self::times) says.
/// Faults of one tenant take their turns in the order they were given.
#[derive(Debug, Clone)]
#[must_use]
pub struct Fault {
    pub(super) kind: Kind,
    pub(super) times: Option<usize>,
    pub(super) stores: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Answer(Reply),
    Hold(Gate),
    Hang,
    Reset,
    BreakOff(Reply),
}

/// An answer given in advance.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Fault {
    /// Answers with this status, and nothing is stored.
    pub fn answer(status: u16) -> Self {
        Self::new(Kind::Answer(Reply { status, headers: Vec::new(), body: Bytes::new() }))
    }

    /// Waits until the gate is open, then does what is proper.
    pub fn hold(gate: &Gate) -> Self {
        Self::new(Kind::Hold(gate.clone()))
    }

    /// Never answers.
    pub fn hang() -> Self {
        Self::new(Kind::Hang)
    }

    /// Resets the connection of HTTP/1, or the stream of HTTP/2, after reading the request.
    pub fn reset() -> Self {
        Self::new(Kind::Reset)
    }

    /// Sends the head with this status and the body set by [`body`](Self::body), then breaks off.
    pub fn break_off(status: u16) -> Self {
        Self::new(Kind::BreakOff(Reply {
            status,
            headers: Vec::new(),
            body: Bytes::from_static(b"half an answer"),
        }))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, times: None, stores: false }
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Answer(reply) | Kind::BreakOff(reply) = &mut self.kind {
            reply.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of the answer.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Kind::Answer(reply) | Kind::BreakOff(reply) = &mut self.kind {
            reply.body = body.into();
        }
        self
    }

    /// Ends the fault after this many requests.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Stores what was pushed before it fails, as a server does whose answer gets lost.
    pub fn stores(mut self) -> Self {
        self.stores = true;
        self
    }
}

/// Holds requests back until it is opened. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything pass, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        // The sender lives as long as this gate, so waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
