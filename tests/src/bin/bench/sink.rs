//! Where everything arrives: a server with a thread of its own that answers 200 unread and counts by tenant.
//!
//! It is not the rig's, which keeps more and costs more, and whose port cannot be chosen.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::{mem, thread};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use scopegate_tests::ports;
use tokio::net::{TcpListener, TcpStream};

/// What arrived since it was last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Requests by tenant.
    pub(crate) tenants: BTreeMap<Option<String>, u64>,
    /// Tenants and bodies, while they are kept.
    pub(crate) bodies: Vec<(Option<String>, Bytes)>,
}

#[derive(Debug, Default)]
struct State {
    arrived: Arrived,
    keep: bool,
}

/// The running sink. It speaks HTTP/1 and HTTP/2 on one port of the loopback interface, and ends with the program.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Sink {
    /// Starts on this port, or on any for 0.
    pub(crate) fn start(port: u16) -> Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let (tell, told) = mpsc::channel();
        let shared = Arc::clone(&state);
        thread::Builder::new().name("sink".to_owned()).spawn(move || {
            let bound = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let bound = bound.map_err(Into::into).and_then(|runtime| {
                let listener = runtime.block_on(async { ports::listen(([127, 0, 0, 1], port).into()) })?;
                Ok((listener.local_addr()?, runtime, listener))
            });
            match bound {
                Ok((address, runtime, listener)) => {
                    let _ = tell.send(Ok(address));
                    runtime.block_on(serve(listener, shared));
                }
                Err(error) => drop(tell.send(Err::<_, anyhow::Error>(error))),
            }
        })?;
        let address = told.recv()?.context("no sink")?;
        Ok(Self { address, state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts or ends the keeping of bodies.
    pub(crate) fn keep_bodies(&self, keep: bool) {
        lock(&self.state).keep = keep;
    }

    /// Takes what arrived.
    pub(crate) fn take(&self) -> Arrived {
        mem::take(&mut lock(&self.state).arrived)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&state)));
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let builder = auto::Builder::new(TokioExecutor::new());
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // What breaks off was not counted, which shows.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let tenant = request.headers().get("x-scope-orgid").map(|tenant| tenant.as_bytes().to_owned());
    let tenant = tenant.map(|tenant| String::from_utf8_lossy(&tenant).into_owned());
    let second =
        request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().ends_with(b".v2.Request"));
    let keep = lock(&state).keep;
    let mut body = request.into_body();
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let (Ok(data), true) = (frame?.into_data(), keep) {
            kept.extend_from_slice(&data);
        }
    }
    let mut state = lock(&state);
    if keep {
        state.arrived.bodies.push((tenant.clone(), kept.freeze()));
    }
    *state.arrived.tenants.entry(tenant).or_default() += 1;
    let mut response = Response::new(Empty::new());
    if second {
        // Who says nothing of it counts as one that lost it.
        let written = HeaderValue::from_static("1");
        response.headers_mut().insert("x-prometheus-remote-write-samples-written", written);
    }
    Ok(response)
}
