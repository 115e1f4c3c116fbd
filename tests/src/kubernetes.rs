//! A stand-in for the Kubernetes API as far as namespaces go: it checks the token, lists page by page, lets lists expire,
//! and remembers who asked for what. It serves files as well, for tables that are not namespaces.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{ports, wait::DEADLINE};

/// A running stand-in, stopped on drop.
#[derive(Debug)]
pub struct Kubernetes {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

/// What it has and what it saw.
#[derive(Debug, Default)]
pub struct State {
    /// The one token that it accepts.
    pub token: String,
    /// The namespaces with their metadata.
    pub namespaces: BTreeMap<String, Value>,
    /// Files by path, served as they are.
    pub files: BTreeMap<String, String>,
    /// The statuses of the next answers, before it answers as it should.
    pub failures: VecDeque<u16>,
    /// How many of the next continued lists have expired.
    pub expiring: u32,
    /// Fills every namespace with an annotation of so many bytes.
    pub padding: usize,
    /// Requests in the order in which they came: the path with its query, and the status of the answer.
    pub requests: Vec<(String, u16)>,
    /// Tokens that came, each once.
    pub tokens: Vec<String>,
}

impl State {
    /// Lists that were begun.
    pub fn lists(&self) -> usize {
        self.requests.iter().filter(|(path, _)| !path.contains("continue=")).count()
    }
}

impl Kubernetes {
    /// Starts on a free port with this token.
    pub fn start(token: &str) -> Result<Self> {
        let listener = ports::listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = listener.local_addr()?;
        let state = Mutex::new(State { token: token.to_owned(), ..State::default() });
        let shared = Arc::new(Shared { state, changes: watch::Sender::default() });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state now, to look at and to change. It must not be held over an `await`.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// Gives a namespace this label, and no other metadata.
    pub fn label(&self, namespace: &str, label: &str, value: &str) {
        let metadata = json!({"name": namespace, "labels": {label: value}});
        self.state().namespaces.insert(namespace.to_owned(), metadata);
    }

    /// Waits until the state is as `wanted` says.
    pub async fn wait_for(&self, what: &str, mut wanted: impl FnMut(&State) -> bool) -> Result<()> {
        let mut changes = self.shared.changes.subscribe();
        let wait = changes.wait_for(|_| wanted(&self.state()));
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            bail!("{what}: not so; it saw {:?}", self.state().requests);
        }
        Ok(())
    }

    /// Waits until so many more lists were begun.
    pub async fn wait_for_lists(&self, more: usize) -> Result<()> {
        let before = self.state().lists();
        self.wait_for("further lists", |state| state.lists() >= before + more).await
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&mut shared.state(), &request);
                shared.changes.send_modify(|count| *count = count.wrapping_add(1));
                async { Ok::<_, Infallible>(answer) }
            });
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(state: &mut State, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let is_known = token == state.token;
    if !state.tokens.contains(&token) {
        state.tokens.push(token);
    }
    let failure = state.failures.pop_front();
    let result = if !is_known {
        Err(401)
    } else if let Some(status) = failure {
        Err(status)
    } else if request.method() != "GET" {
        Err(405)
    } else if let Some(file) = state.files.get(request.uri().path()) {
        Ok(file.clone())
    } else if request.uri().path() == "/api/v1/namespaces" {
        list(state, request.uri().query().unwrap_or_default())
    } else {
        Err(404)
    };
    let (status, body) = match result {
        Ok(body) => (200, body),
        Err(status) => (status, json!({"kind": "Status", "status": "Failure", "code": status}).to_string()),
    };
    state.requests.push((target, status));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// A page of the list. A token of the next one is where it begins, in a form that must be escaped.
fn list(state: &mut State, query: &str) -> Result<String, u16> {
    let arguments: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let limit: usize = arguments.get("limit").and_then(|limit| limit.parse().ok()).ok_or(400_u16)?;
    let start = match arguments.get("continue") {
        None => 0,
        Some(_) if state.expiring > 0 => {
            state.expiring -= 1;
            return Err(410);
        }
        Some(token) => {
            token.strip_prefix("from + & =").and_then(|start| start.parse().ok()).ok_or(400_u16)?
        }
    };
    let padding = "x".repeat(state.padding);
    let items: Vec<_> = state
        .namespaces
        .values()
        .skip(start)
        .take(limit)
        .map(|metadata| {
            let mut metadata = metadata.clone();
            if state.padding > 0 {
                metadata["annotations"]["padding"] = json!(padding);
            }
            json!({"metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
        })
        .collect();
    let next = start + limit;
    let token = if next < state.namespaces.len() { format!("from + & ={next}") } else { String::new() };
    let metadata = json!({"resourceVersion": "7", "continue": token});
    Ok(json!({"kind": "NamespaceList", "apiVersion": "v1", "metadata": metadata, "items": items}).to_string())
}

/// A directory with a token as the kubelet mounts it: the file is a link through `..data`, and a new version is swapped in
/// by renaming a link.
#[derive(Debug)]
pub struct Mount {
    dir: TempDir,
    versions: u32,
}

impl Mount {
    /// A directory with this token.
    pub fn new(token: &str) -> Result<Self> {
        let mut mount = Self { dir: tempfile::tempdir()?, versions: 0 };
        mount.rotate(token)?;
        symlink("..data/token", mount.dir.path().join("token"))?;
        Ok(mount)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The file with the token.
    pub fn token(&self) -> PathBuf {
        self.dir.path().join("token")
    }

    /// Puts another token in the place of the one that is there.
    pub fn rotate(&mut self, token: &str) -> Result<()> {
        let before = format!("..version-{}", self.versions);
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        let path = |name: &str| self.dir.path().join(name);
        fs::create_dir(path(&version))?;
        fs::write(path(&version).join("token"), token)?;
        symlink(&version, path("..data_tmp"))?;
        fs::rename(path("..data_tmp"), path("..data"))?;
        if path(&before).exists() {
            fs::remove_dir_all(path(&before))?;
        }
        Ok(())
    }
}
