//! A stand-in for Cortex: as strict and as lax as the real one where that decides about tenancy, with a memory of
//! everything it received, and with faults on order.
//!
//! It takes remote write 1.0 and 2.0 into memory, answers enough of the query API to read it back (also for several
//! tenants at once), and says 200 to rulers' and alertmanagers' paths. For Loki's and OTLP's pushes it stands in as well:
//! see [`loki`](crate::loki) and [`otlp`](crate::otlp). Samples may come out of order, as with an out-of-order window; nothing is limited.

mod answer;
mod faults;
pub(crate) mod lax;
mod message;
mod push;
mod query;
mod server;
mod state;
mod store;
mod tenants;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::{sync::watch, task::JoinHandle};

pub use self::{
    faults::{Fault, Gate},
    lax::Malformed,
    message::{Label, Metadata, Push, Sample, Series, Version},
    state::{Counts, Outcome, Received, State},
    store::Store,
    tenants::resolve,
};
use crate::{ports, wait::DEADLINE};

/// The tenant of faults that everybody has, also requests without a tenant.
pub const EVERYBODY: &str = "*everybody*";

/// A running stand-in, stopped on drop. It speaks HTTP/1 and HTTP/2 on one port of the loopback interface.
#[derive(Debug)]
pub struct Cortex {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
    reserved: Option<ports::Reservation>,
}

/// What the server's connections share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Counts changes of the state.
    changes: watch::Sender<u64>,
    /// Whether to count only.
    sink: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes whoever waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }
}

impl Cortex {
    /// Starts on a free port.
    pub fn start() -> Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts on this address.
    pub fn start_on(address: SocketAddr) -> Result<Self> {
        Self::run(address, false)
    }

    /// Starts one that answers every push with success unread and keeps nothing but [`Counts`], for measurements.
    pub fn sink() -> Result<Self> {
        Self::run(SocketAddr::from(([127, 0, 0, 1], 0)), true)
    }

    fn run(address: SocketAddr, sink: bool) -> Result<Self> {
        let listener = ports::listen(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { state: Mutex::default(), changes: watch::Sender::default(), sink });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server: Some(server), reserved: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state now. It must not be held over an `await`.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Changes what is to be changed of the state, such as [`State::only_version_1`].
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        self.shared.change(change);
    }

    /// Forgets what was received and stored. Faults and replies stay.
    pub fn forget(&self) {
        self.shared.change(State::forget);
    }

    /// Waits until the state is as `wanted` says.
    ///
    /// # Errors
    /// After [`DEADLINE`], with `what` was waited for and what was received instead.
    pub async fn wait_for(&self, what: &str, wanted: impl FnMut(&State) -> bool) -> Result<()> {
        self.wait_within(DEADLINE, what, wanted).await
    }

    /// Like [`wait_for`](Self::wait_for), with another deadline.
    pub async fn wait_within(
        &self,
        deadline: Duration,
        what: &str,
        mut wanted: impl FnMut(&State) -> bool,
    ) -> Result<()> {
        let mut changes = self.shared.changes.subscribe();
        // A change after the subscription is seen by the wait, so none is missed. The sender outlives it.
        let wait = changes.wait_for(|_| wanted(&self.state()));
        if tokio::time::timeout(deadline, wait).await.is_err() {
            bail!("{what}: not so within {deadline:?}; {}", self.state().summary());
        }
        Ok(())
    }

    /// Gives `tenant` ([`EVERYBODY`] for all) a fault, after those it has.
    pub fn fault(&self, tenant: &str, fault: Fault) {
        self.shared.change(|state| state.faults.entry(tenant.to_owned()).or_default().push_back(fault));
    }

    /// Takes all faults of `tenant` away. Requests that are held or hang stay so.
    pub fn heal(&self, tenant: &str) {
        self.shared.change(|state| state.faults.remove(tenant));
    }

    /// Sets the answer to every request with a tenant for exactly this path, such as a list of rules. Faults go first.
    /// Below `/insert/`, where Victoria's backends are written to, no tenant is asked for.
    pub fn reply(&self, path: &str, status: u16, content_type: &str, body: impl Into<Bytes>) {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        let reply = faults::Reply { status, headers, body: body.into() };
        self.shared.change(|state| state.replies.insert(path.to_owned(), reply));
    }

    /// Closes the listener and all connections, and keeps the port: connections are refused until [`up`](Self::up).
    pub async fn down(&mut self) -> Result<()> {
        self.reserved = Some(ports::Reservation::of(self.address)?);
        if let Some(server) = self.server.take() {
            server.abort();
            // What remains of the task is dropped by then.
            let _ = server.await;
        }
        Ok(())
    }

    /// Listens again on the same port, with all memory.
    pub fn up(&mut self) -> Result<()> {
        if self.server.is_none() {
            let listener = ports::listen(self.address)?;
            self.server = Some(tokio::spawn(server::serve(listener, Arc::clone(&self.shared))));
            self.reserved = None;
        }
        Ok(())
    }
}

impl Drop for Cortex {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}
