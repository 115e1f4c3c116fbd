//! Connections: each request is read whole, recorded, answered or failed as ordered.

use std::{
    fmt::Write as _,
    future::pending,
    sync::{Arc, Weak},
    time::SystemTime,
};

use anyhow::{anyhow, bail};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, channel::Channel, combinators::BoxBody};
use hyper::{HeaderMap, Request, Response, Version as Http, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use super::{
    Shared,
    answer::{self, Reaction},
    faults::Reply,
    push,
    state::{Outcome, Received},
};

type Body = BoxBody<Bytes, anyhow::Error>;

/// Accepts until it is dropped, which closes everything.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection's socket beside the one that is served, to break the connection by.
struct Socket {
    stream: TcpStream,
    closed: Notify,
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let Ok((stream, socket)) = twice(stream) else { return };
    let socket = Arc::new(Socket { stream: socket, closed: Notify::new() });
    // Streams of HTTP/2 are tasks of their own, which must not keep the socket open.
    let handle = Arc::downgrade(&socket);
    let service =
        service_fn(move |request| handle_request(request, Arc::clone(&shared), Weak::clone(&handle)));
    let builder = auto::Builder::new(TokioExecutor::new());
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // However it ends, the requests on it have their outcomes.
        _ = served => {}
        () = socket.closed.notified() => {}
    }
}

fn twice(stream: TcpStream) -> std::io::Result<(TcpStream, TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let other = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, TcpStream::from_std(other)?))
}

async fn handle_request(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    socket: Weak<Socket>,
) -> anyhow::Result<Response<Body>> {
    shared.change(|state| state.counts.begun += 1);
    let mut received = read(request).await;
    if shared.sink {
        shared.change(|state| state.count(&received));
        return whole(&push::success(&received));
    }
    received.push = push::decode(&received);
    let http2 = received.http2;
    let mut entry = Entry::record(&shared, received);
    match answer::react(&shared, entry.id).await {
        Reaction::Answer(reply) => {
            entry.end(Outcome::Answered(reply.status));
            whole(&reply)
        }
        Reaction::Hang => pending().await,
        Reaction::Reset => {
            entry.end(Outcome::Broken);
            if !http2 {
                close(&socket, TcpStream::set_zero_linger).await?;
            }
            bail!("reset on order");
        }
        Reaction::BreakOff(reply) => {
            entry.end(Outcome::Broken);
            if http2 {
                return broken(&reply);
            }
            // The library could lose the head with the rest, so it goes out by hand.
            let head = half_answer(&reply);
            close(&socket, |stream| stream.try_write(&head).map(drop)).await?;
            bail!("broken off on order");
        }
    }
}

/// Closes a connection of HTTP/1 after `last`, and does not return from that.
async fn close(
    socket: &Weak<Socket>,
    last: impl FnOnce(&TcpStream) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    if let Some(socket) = socket.upgrade() {
        socket.stream.writable().await?;
        last(&socket.stream)?;
        socket.closed.notify_one();
    }
    pending().await
}

/// Reads the request to its end, or as far as it goes.
async fn read(request: Request<Incoming>) -> Received {
    let (head, mut incoming) = request.into_parts();
    let (mut body, mut trailers, mut complete) = (BytesMut::new(), HeaderMap::new(), true);
    while let Some(frame) = incoming.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => body.extend_from_slice(&data),
            Ok(Err(frame)) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    let text =
        |name| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Received {
        id: 0,
        at: SystemTime::now(),
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
        authority: head.uri.authority().map(ToString::to_string).or_else(|| text("host")).unwrap_or_default(),
        http2: head.version == Http::HTTP_2,
        tenant: text("x-scope-orgid"),
        headers: head.headers,
        body: body.freeze(),
        trailers,
        complete,
        push: None,
        outcome: Outcome::Open,
    }
}

/// A recorded request. Dropping it before its end means that the caller went away.
struct Entry<'s> {
    shared: &'s Shared,
    id: u64,
    ended: bool,
}

impl<'s> Entry<'s> {
    fn record(shared: &'s Shared, received: Received) -> Self {
        let id = shared.change(|state| state.record(received));
        Self { shared, id, ended: false }
    }

    fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        self.shared.change(|state| {
            // It may be forgotten meanwhile.
            if let Some(request) = state.request(self.id) {
                request.outcome = outcome;
            }
        });
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::Abandoned);
        }
    }
}

fn whole(reply: &Reply) -> anyhow::Result<Response<Body>> {
    let body = Full::new(reply.body.clone()).map_err(|never| match never {}).boxed();
    respond(reply, body)
}

/// An answer of HTTP/2 that ends with a reset of the stream, which may overtake the head.
fn broken(reply: &Reply) -> anyhow::Result<Response<Body>> {
    let (mut sender, body) = Channel::new(1);
    let part = reply.body.clone();
    tokio::spawn(async move {
        let _ = sender.send_data(part).await;
        sender.abort(anyhow!("broken off on order"));
    });
    respond(reply, body.boxed())
}

fn respond(reply: &Reply, body: Body) -> anyhow::Result<Response<Body>> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    Ok(builder.body(body)?)
}

/// An answer of HTTP/1 that promises more than it holds.
fn half_answer(reply: &Reply) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {} Broken\r\ncontent-length: {}\r\n", reply.status, reply.body.len() + 1);
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let mut answer = (head + "\r\n").into_bytes();
    answer.extend_from_slice(&reply.body);
    answer
}
