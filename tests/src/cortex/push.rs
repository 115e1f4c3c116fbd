//! Remote write: what is accepted, and in which words it is refused.

use super::{
    answer::{error, text},
    faults::Reply,
    message::{Push, Version},
    state::{Received, State},
    store::Written,
    tenants,
};

const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// Whether this is where remote write goes.
pub(super) fn is_push(path: &str) -> bool {
    path == "/api/v1/push" || path == "/api/prom/push"
}

/// What a push says. Of other requests, and those in a protocol that is refused, nothing.
pub(super) fn decode(request: &Received) -> Option<Result<Push, String>> {
    if !is_push(request.path()) || !request.complete {
        return None;
    }
    let version = version(request).ok()?;
    let message = snap::raw::Decoder::new()
        .decompress_vec(&request.body)
        .map_err(|_| "snappy: corrupt input".to_owned());
    Some(message.and_then(|message| Push::decode(version, &message).map_err(|error| error.to_string())))
}

/// Takes a push into the store of its tenant.
pub(super) fn answer(state: &mut State, request: &Received, header: &str) -> Reply {
    if request.method != "POST" {
        return error(405, "Method Not Allowed");
    }
    let version = match version(request) {
        Ok(version) => version,
        Err(message) => return error(415, &message),
    };
    if let Some(encoding) =
        request.header("content-encoding").filter(|encoding| *encoding != "snappy" && !encoding.is_empty())
    {
        return error(
            415,
            &format!(
                "{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
            ),
        );
    }
    if version == Version::V2 && state.only_version_1 {
        return error(
            415,
            &format!("{V2} protobuf message is not accepted by this server; only accepts {V1}"),
        );
    }
    let tenant = tenants::resolve(header).and_then(|mut ids| match ids.pop() {
        Some(id) if ids.is_empty() => Ok(id),
        _ => Err("multiple org IDs present".to_owned()),
    });
    // Version 1 looks at the tenant after the body, which shows in nothing but the status of two mistakes at once.
    let tenant = match (tenant, version) {
        (Ok(tenant), _) => tenant,
        (Err(message), Version::V1) => return error(500, &message),
        (Err(message), Version::V2) => return error(401, &message),
    };
    let push = match &request.push {
        Some(Ok(push)) => push,
        Some(Err(message)) => return error(400, message),
        None => return error(400, "unexpected EOF"),
    };
    if version == Version::V2
        && let Some(series) =
            push.series.iter().find(|series| series.samples.is_empty() && series.histograms == 0)
    {
        return error(
            400,
            &format!("TimeSeries must contain at least one sample or histogram for series {series}"),
        );
    }
    let written = state.stores.entry(tenant.clone()).or_default().write(&tenant, push);
    let mut reply = match &written {
        Ok(Written { refused: None, .. }) => success(request),
        Ok(Written { refused: Some(message), .. }) | Err(message) => error(400, message),
    };
    if version == Version::V2 {
        // What is refused by an ingester counts nothing, though the rest was written.
        let counts = match written {
            Ok(written) if !written.refused_late => [written.samples, written.histograms, written.exemplars],
            _ => [0; 3],
        };
        for (name, count) in ["samples", "histograms", "exemplars"].into_iter().zip(counts) {
            reply.headers.push((format!("x-prometheus-remote-write-{name}-written"), count.to_string()));
        }
    }
    reply
}

/// A success, whatever was pushed.
pub(super) fn success(request: &Received) -> Reply {
    match version(request) {
        Ok(Version::V2) => text(204, ""),
        _ => text(200, ""),
    }
}

/// Which protocol a content type means, compared as literally as there: `; proto=` with a space is version 1, and so is no
/// content type at all.
fn version(request: &Received) -> Result<Version, String> {
    let content_type = request.header("content-type").unwrap_or_default().trim();
    if content_type.is_empty() {
        return Ok(Version::V1);
    }
    let mut parts = content_type.split(';');
    if parts.next() != Some("application/x-protobuf") {
        return Err(format!(
            "expected application/x-protobuf as the first (media) part, got {content_type} content-type"
        ));
    }
    for part in parts {
        match part.split('=').collect::<Vec<_>>()[..] {
            ["proto", V1] => return Ok(Version::V1),
            ["proto", V2] => return Ok(Version::V2),
            ["proto", other] => {
                return Err(format!(
                    "got {content_type} content type; unknown type for remote write protobuf message {other}"
                ));
            }
            [_, _] => {}
            _ => {
                return Err(format!(
                    "expected parameters to be key-values, got {part} in {content_type} content-type"
                ));
            }
        }
    }
    Ok(Version::V1)
}
