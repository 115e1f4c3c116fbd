//! A backend that answers whatever it is told to, in pieces, with trailers, compressed or broken off.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::channel::Channel;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use scopegate_tests::ports;
use tokio::task::JoinHandle;

/// What it answers to every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
    /// Breaks off instead of ending.
    pub(crate) breaks_off: bool,
}

/// Header names and values of a request.
pub(crate) type Heard = Vec<(String, String)>;

/// A running backend, stopped on drop.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Canned>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    server: JoinHandle<()>,
}

impl Backend {
    pub(crate) fn start() -> Result<Self> {
        let listener = ports::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let (answer, heard) = (Arc::<Mutex<Canned>>::default(), Arc::<Mutex<Vec<Heard>>>::default());
        let shared = (Arc::clone(&answer), Arc::clone(&heard));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, heard) = (Arc::clone(&shared.0), Arc::clone(&shared.1));
                tokio::spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        let text =
                            |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                        let mut all: Heard =
                            request.headers().iter().map(|(n, v)| (n.to_string(), text(v))).collect();
                        all.push((":target".into(), request.uri().path_and_query().unwrap().to_string()));
                        heard.lock().unwrap().push(all);
                        let canned = answer.lock().unwrap().clone();
                        async { Ok::<_, Infallible>(respond(canned)) }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, answer, heard, server })
    }

    /// From here on it answers this.
    pub(crate) fn answer(&self, canned: Canned) {
        *self.answer.lock().unwrap() = canned;
    }

    /// Takes what it has heard.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn respond(canned: Canned) -> Response<Channel<Bytes, std::io::Error>> {
    let (mut sender, body) = Channel::new(1);
    let mut response = Response::new(body);
    *response.status_mut() = canned.status.try_into().unwrap();
    for (name, value) in &canned.headers {
        response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    tokio::spawn(async move {
        for piece in canned.pieces {
            if sender.send_data(piece).await.is_err() {
                return;
            }
        }
        if canned.breaks_off {
            sender.abort(std::io::Error::other("as it was told"));
            return;
        }
        if !canned.trailers.is_empty() {
            let trailers = canned.trailers.iter();
            let trailers: HeaderMap =
                trailers.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
            let _ = sender.send_trailers(trailers).await;
        }
    });
    response
}
