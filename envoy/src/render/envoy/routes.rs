//! Hosts and routes.

use super::{extension, one, seconds};
use crate::gateway::{PathMatch, Retries, Route, VirtualHost};
use crate::yaml::{Fields, Yaml};

/// The virtual hosts, each route with the metadata that tells the filter its backend.
pub(crate) fn virtual_hosts(hosts: &[VirtualHost]) -> Yaml {
    hosts.iter().map(virtual_host).collect::<Vec<_>>().into()
}

fn virtual_host(host: &VirtualHost) -> Fields {
    let common = common_retries(host);
    let fields = Fields::block().with("name", &host.name).with("domains", super::texts(&host.domains));
    let fields = match &common {
        Some(retries) => fields.told(
            "What only reads is tried again, at another address. Writes never are: their senders do that.",
            "retry_policy",
            retry_policy(retries, None),
        ),
        None => fields,
    };
    fields.with("routes", host.routes.iter().map(|one| route(one, common.as_ref())).collect::<Vec<_>>())
}

/// What holds for all of a host's routes that read, unless each has its own.
fn common_retries(host: &VirtualHost) -> Option<Retries> {
    let mut common: Option<Retries> = None;
    for retries in
        host.routes.iter().filter_map(|route| route.retries.as_ref()).filter(|retries| retries.max > 0)
    {
        match &mut common {
            None => common = Some(retries.clone()),
            Some(known) => {
                known.max = known.max.max(retries.max);
                for read in &retries.reads {
                    if !known.reads.contains(read) {
                        known.reads.push(read.clone());
                    }
                }
            }
        }
    }
    common
}

fn route(route: &Route, common: Option<&Retries>) -> Fields {
    let matching = match &route.path {
        PathMatch::Exact(path) => Fields::new().with("path", path),
        PathMatch::Below(above) => Fields::new().with("prefix", above),
    };
    let backend = Fields::new().with("scopegate", Fields::new().with("backend", &route.backend));
    let action = Fields::new()
        .with("cluster", &route.cluster)
        .with("timeout", seconds(route.timeout))
        .maybe("idle_timeout", route.idle_timeout.map(seconds))
        .maybe("prefix_rewrite", route.rewrite.as_deref())
        .maybe("host_rewrite_literal", route.authority.as_deref())
        .maybe("retry_policy", own_retries(route, common));
    Fields::block()
        .with("match", matching)
        .with("route", action)
        .with("metadata", Fields::new().with("filter_metadata", backend))
}

/// What a route says in place of its host's policy.
fn own_retries(route: &Route, common: Option<&Retries>) -> Option<Fields> {
    let never = |fields: Fields| fields.with("num_retries", 0_u32);
    match (&route.retries, common, route.response_timeout) {
        // Only writes go there, which the host's policy passes over.
        (None, _, None) => None,
        (Some(retries), Some(common), None) if retries.max == common.max => None,
        (Some(retries), None, None) if retries.max == 0 => None,
        (Some(retries), _, response) if retries.max > 0 => Some(retry_policy(retries, response)),
        (_, _, response) => Some(never(Fields::new()).maybe("per_try_timeout", response.map(seconds))),
    }
}

fn retry_policy(Retries { max, reads }: &Retries, response_timeout: Option<u32>) -> Fields {
    let get = Fields::new().with("name", ":method").with("string_match", Fields::new().with("exact", "GET"));
    // A beginning is enough to know them by: what is no path of the backend does not get past the filter.
    let is_new = |path: &&String| {
        !reads.iter().any(|other| other.len() < path.len() && path.starts_with(other.as_str()))
    };
    let read = |path: &String| {
        Fields::new().with("name", ":path").with("string_match", Fields::new().with("prefix", path))
    };
    let which: Vec<Fields> = [get].into_iter().chain(reads.iter().filter(is_new).map(read)).collect();
    let previous = extension(
        "envoy.retry_host_predicates.previous_hosts",
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        Fields::new(),
    );
    Fields::new()
        .with("retry_on", "connect-failure,refused-stream,reset,gateway-error")
        .with("num_retries", *max)
        .maybe("per_try_timeout", response_timeout.map(seconds))
        .with("retry_host_predicate", one(previous))
        .with("host_selection_retry_max_attempts", 3_u32)
        .with("retriable_request_headers", which)
}
