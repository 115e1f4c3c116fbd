//! A scrape target whose samples are known to the test.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::ports;

/// Serves a page of metrics that may change with every scrape. What it served is kept.
pub struct Target {
    address: SocketAddr,
    pages: Arc<Pages>,
    server: JoinHandle<()>,
}

struct Pages {
    render: Box<dyn Fn(usize) -> String + Send + Sync>,
    served: Mutex<Vec<String>>,
}

impl Target {
    /// Serves what `render` makes of the number of the scrape, which begins at 0, on a free port.
    ///
    /// A line may carry its own timestamp, `up 1 1700000000000`; Prometheus then keeps that.
    pub fn start(render: impl Fn(usize) -> String + Send + Sync + 'static) -> Result<Self> {
        let listener = ports::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let pages = Arc::new(Pages { render: Box::new(render), served: Mutex::default() });
        let server = tokio::spawn(serve(listener, Arc::clone(&pages)));
        Ok(Self { address, pages, server })
    }

    /// Serves the same page for ever.
    pub fn fixed(page: &str) -> Result<Self> {
        let page = page.to_owned();
        Self::start(move |_| page.clone())
    }

    /// Where it listens; Prometheus scrapes `/metrics`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The pages served so far, of which the last may still be under way.
    pub fn served(&self) -> Vec<String> {
        self.pages.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Pages {
    fn next(&self) -> String {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let page = (self.render)(served.len());
        served.push(page.clone());
        page
    }
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let pages = Arc::clone(&pages);
        let service = service_fn(move |_| {
            let page = pages.next();
            async move {
                let response = Response::builder().header("content-type", "text/plain; version=0.0.4");
                response.body(Full::new(Bytes::from(page)))
            }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
