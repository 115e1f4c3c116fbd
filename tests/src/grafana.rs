//! A stand-in for Grafana's list of organisations: it checks who asks, gives them page by page, and remembers the requests.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{identity::basic, ports};

/// A running stand-in, stopped on drop.
#[derive(Debug)]
pub struct Grafana {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

/// What it has and what it saw.
#[derive(Debug, Default)]
pub struct State {
    /// The one `Authorization` that it accepts: that of a server administrator.
    pub authorization: String,
    /// The organisations by their IDs, and their names.
    pub organisations: BTreeMap<u32, String>,
    /// Whether it is out of order.
    pub is_down: bool,
    /// Requests in the order in which they came: the path with its query, and the status of the answer.
    pub requests: Vec<(String, u16)>,
}

impl Grafana {
    /// Starts on a free port, with a server administrator of this name and password.
    pub fn start(name: &str, password: &str) -> Result<Self> {
        let listener = ports::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let state = State { authorization: basic(name, password), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { address, state, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state now, to look at and to change. It must not be held over an `await`.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an organisation this name.
    pub fn name(&self, id: u32, name: &str) {
        self.state().organisations.insert(id, name.to_owned());
    }
}

impl Drop for Grafana {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&mut state.lock().unwrap_or_else(PoisonError::into_inner), &request);
                async { Ok::<_, Infallible>(answer) }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(state: &mut State, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let (status, body) = if state.is_down {
        (StatusCode::BAD_GATEWAY, json!({"message": "Bad Gateway"}))
    } else if header != Some(&state.authorization) {
        (StatusCode::UNAUTHORIZED, json!({"message": "Invalid username or password"}))
    } else if request.method() == "GET" && request.uri().path() == "/api/orgs" {
        (StatusCode::OK, page(state, request.uri().query().unwrap_or_default()))
    } else {
        (StatusCode::NOT_FOUND, json!({"message": "Not found"}))
    };
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    state.requests.push((target, status.as_u16()));
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}

/// A page, which Grafana counts from 0; 1000 organisations unless it is told otherwise.
fn page(state: &State, query: &str) -> Value {
    let arguments: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = |name: &str| arguments.get(name).and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    let size = Some(number("perpage")).filter(|size| *size > 0).unwrap_or(1000);
    let of_page = state.organisations.iter().skip(number("page") * size).take(size);
    of_page.map(|(id, name)| json!({"id": id, "name": name})).collect()
}
