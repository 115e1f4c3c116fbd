//! The contexts of the ABI: roots, one for each configuration of this VM, and streams, one for each request.
//!
//! Nothing here panics on a context or a call that is not known: what it stands for is gone, and nobody waits for it.

use std::cell::{Cell, RefCell};

use hashbrown::HashMap;

use super::ffi;
use super::host::Envoy;
use super::root::Root;
use crate::stream::Stream;

/// What the host's numbers stand for. The host never calls in while a call of its own is not over; were it to, it
/// would find nothing here.
pub(super) struct Contexts {
    /// Few, and one nearly always.
    roots: RefCell<Vec<(u32, Root)>>,
    streams: RefCell<HashMap<u32, Box<Stream<Envoy>>>>,
    /// The calls under way, by their tokens, and the contexts that made them.
    calls: RefCell<HashMap<u32, u32>>,
    /// The context that the host has called.
    active: Cell<u32>,
}

thread_local! {
    static CONTEXTS: Contexts = Contexts {
        roots: RefCell::new(Vec::new()),
        streams: RefCell::new(HashMap::new()),
        calls: RefCell::new(HashMap::new()),
        active: const { Cell::new(0) },
    };
}

impl Contexts {
    /// Does something with the contexts of this VM.
    pub(super) fn with<T>(act: impl FnOnce(&Self) -> T) -> T {
        CONTEXTS.with(act)
    }

    /// A context begins: a root where it has no `parent`, else a request of the root `parent`.
    pub(super) fn create(&self, id: u32, parent: u32) {
        if parent == 0 {
            let root = Root::default();
            if let Ok(mut roots) = self.roots.try_borrow_mut() {
                roots.push((id, root));
            }
        } else if let Some(stream) = self.root(parent, |root| Box::new(root.stream()))
            && let Ok(mut streams) = self.streams.try_borrow_mut()
        {
            streams.insert(id, stream);
        }
    }

    /// A context ends.
    pub(super) fn delete(&self, id: u32) {
        let stream = self.streams.try_borrow_mut().ok().and_then(|mut streams| streams.remove(&id));
        if stream.is_none()
            && let Ok(mut roots) = self.roots.try_borrow_mut()
        {
            roots.retain(|(known, _)| *known != id);
        }
    }

    /// Does something with a root.
    pub(super) fn root<T>(&self, id: u32, act: impl FnOnce(&mut Root) -> T) -> Option<T> {
        let mut roots = self.roots.try_borrow_mut().ok()?;
        let (_, root) = roots.iter_mut().find(|(known, _)| *known == id)?;
        self.active.set(id);
        Some(act(root))
    }

    /// Does something with a request.
    pub(super) fn stream<T>(&self, id: u32, act: impl FnOnce(&mut Stream<Envoy>) -> T) -> Option<T> {
        let mut streams = self.streams.try_borrow_mut().ok()?;
        let stream = streams.get_mut(&id)?;
        self.active.set(id);
        Some(act(stream))
    }

    /// The context at hand made a call.
    pub(super) fn called(&self, token: u32) {
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.insert(token, self.active.get());
        }
    }

    /// A call was answered. The host names the root, whoever made it; what is asked of the host from here on is to be
    /// about the one that did. An answer to a request that is gone is nobody's.
    pub(super) fn answered(&self, token: u32, headers: usize, body_size: usize) {
        let Some(id) = self.calls.try_borrow_mut().ok().and_then(|mut calls| calls.remove(&token)) else {
            return;
        };
        if ffi::set_effective_context(id).is_err() {
            return;
        }
        let answered = self.stream(id, |stream| {
            #[cfg(feature = "faults")]
            super::faults::trap_if_asked("answer");
            stream.call_answered(token, headers > 0);
        });
        if answered.is_none() {
            self.root(id, |root| root.ticker.call_answered(token, headers > 0, body_size));
        }
    }
}
