//! What a recorded request gets: a fault on order, or the answer of the endpoint it is for.

use serde_json::{Value, json};

use super::{
    EVERYBODY, Shared,
    faults::{Kind, Reply},
    push, query,
    state::{Received, State},
};
use crate::{loki, otlp};

/// What the server does with a request.
pub(super) enum Reaction {
    Answer(Reply),
    Hang,
    Reset,
    BreakOff(Reply),
}

/// Decides about the request recorded under `id`, as soon as a gate in its way is open.
pub(super) async fn react(shared: &Shared, id: u64) -> Reaction {
    let fault = shared.change(|state| {
        let request = state.request(id).cloned()?;
        let (kind, stores) = state.fault(request.tenant.as_deref().unwrap_or(EVERYBODY))?;
        if stores {
            proper(state, &request);
        }
        Some(kind)
    });
    match fault {
        Some(Kind::Answer(reply)) => return Reaction::Answer(reply),
        Some(Kind::Hang) => return Reaction::Hang,
        Some(Kind::Reset) => return Reaction::Reset,
        Some(Kind::BreakOff(reply)) => return Reaction::BreakOff(reply),
        Some(Kind::Hold(gate)) => gate.pass().await,
        None => {}
    }
    shared.change(|state| match state.request(id).cloned() {
        Some(request) => Reaction::Answer(proper(state, &request)),
        None => Reaction::Answer(error(500, "the request was forgotten")),
    })
}

/// What Cortex would do and answer.
fn proper(state: &mut State, request: &Received) -> Reply {
    let path = request.path();
    if path == "/ready" {
        return text(200, "ready\n");
    }
    // Where Victoria's backends are written to, which know no tenant header.
    if path.starts_with("/insert/") {
        return state.replies.get(path).cloned().unwrap_or_else(|| error(404, "unsupported path"));
    }
    let Some(tenants) = request.tenant.as_deref().filter(|tenants| !tenants.is_empty()) else {
        return error(401, "no org id");
    };
    if let Some(reply) = state.replies.get(path) {
        return reply.clone();
    }
    if loki::is_push(request) {
        return match loki::decode(request) {
            Ok(_) => text(204, ""),
            Err(message) => error(400, &message),
        };
    }
    if let Some(signal) = otlp::Signal::of(path) {
        return match otlp::decode(signal, request) {
            // Loki says so, and the others 200.
            Ok(_) if path == "/otlp/v1/logs" => text(204, ""),
            Ok(_) => text(200, ""),
            Err(message) => error(400, &message),
        };
    }
    if push::is_push(path) {
        return push::answer(state, request, tenants);
    }
    let prometheus = path.strip_prefix("/prometheus").or_else(|| path.strip_prefix("/api/prom"));
    if let Some(endpoint) = prometheus.and_then(|path| path.strip_prefix("/api/v1/")) {
        return query::answer(state, request, tenants, endpoint);
    }
    match path {
        _ if accepted_prefixes().any(|prefix| path.starts_with(prefix)) => text(200, ""),
        _ => error(404, "404 page not found"),
    }
}

/// The ruler's and the alertmanager's paths, whose answers nobody looks into.
fn accepted_prefixes() -> impl Iterator<Item = &'static str> {
    [
        "/api/v1/rules",
        "/api/prom/rules",
        "/api/v1/alerts",
        "/alertmanager",
        "/multitenant_alertmanager/",
        "/ruler/",
    ]
    .into_iter()
}

/// A plain answer.
pub(super) fn text(status: u16, body: &str) -> Reply {
    let headers = if body.is_empty() {
        Vec::new()
    } else {
        vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())]
    };
    Reply { status, headers, body: body.to_owned().into() }
}

/// An error as Go's `http.Error` writes it.
pub(super) fn error(status: u16, message: &str) -> Reply {
    let mut reply = text(status, &format!("{message}\n"));
    reply.headers.push(("x-content-type-options".to_owned(), "nosniff".to_owned()));
    reply
}

/// A success of the query API.
pub(super) fn success(data: &Value) -> Reply {
    api(200, &json!({"status": "success", "data": data}))
}

/// An error of the query API.
pub(super) fn api_error(status: u16, kind: &str, message: &str) -> Reply {
    api(status, &json!({"status": "error", "errorType": kind, "error": message}))
}

fn api(status: u16, value: &Value) -> Reply {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Reply { status, headers, body: value.to_string().into() }
}
