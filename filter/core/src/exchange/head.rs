//! What the head of a request decides: who, what, whose, and whether its body is needed.

use super::Held;
use super::pages::Page;
use super::tell::Asked;
use crate::caller::{Attributes, Identity, recognise};
use crate::http::{Edits, Headers, split_query};
use crate::operation::{Class, Method, Methods, Operation, Unclassified};
use crate::policy::{Backend, Policy};
use crate::read;
use crate::report::Refusal;
use crate::wire::{Datum, metadata_namespace};
use crate::write::fanout::Target;
use crate::write::{Format, Plan, plan};

/// What becomes of a request, as far as its head tells.
pub(super) enum Decided {
    /// It goes on to these tenants (the value of `X-Scope-OrgID`), its body unseen.
    Whole { backend: usize, class: Class, edits: Edits, tenants: String },
    /// The gateway answers it itself.
    Page(Page),
    /// Its body must be looked into.
    Look(Box<Held>),
}

/// Decides, and says what is known of the request by then.
pub(super) fn decide(
    policy: &Policy,
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
) -> (Result<Decided, Refusal>, Asked) {
    let mut known = Asked::default();
    let decided = decide_knowing(policy, headers, attributes, &mut known);
    if let Err(Refusal::NoTenant { caller }) = &decided {
        known.caller = policy.callers.iter().position(|known| known.name == *caller);
    }
    (decided, known)
}

fn decide_knowing(
    policy: &Policy,
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    known: &mut Asked,
) -> Result<Decided, Refusal> {
    let (path, query) = split_query(headers.pseudo(":path"));
    if query.contains('#') {
        return Err(Refusal::NotCanonical("a fragment"));
    }
    if let Some(page) = policy.pages.get(path) {
        return own_page(policy, page, headers, attributes, known);
    }
    let named = if policy.has_choice() { named_backend(attributes)? } else { None };
    let (position, path) = policy.backend(named.as_deref(), headers.pseudo(":authority"), path)?;
    let backend = policy.backends.get(position).ok_or(Refusal::NoBackend)?;
    known.backend = Some(position);
    let operation = backend.router.classify(headers.pseudo(":method"), path);
    known.protocol = operation.as_ref().ok().map(|operation| operation.protocol);
    // Who is not known learns nothing about which paths there are.
    let identity = recognise(&policy.callers, headers, attributes)?;
    known.caller = Some(identity.caller);
    let operation = operation.map_err(unclassified)?;
    known.class = Some(operation.class);
    let caller = policy.callers.get(identity.caller).ok_or(Refusal::Host { what: "the caller was lost" })?;
    if !caller.rights.may.contains(&operation.class) {
        return Err(Refusal::NotPermitted { class: operation.class });
    }
    let edits = strip(policy, backend, headers);
    match operation.class {
        Class::Write => write(policy, position, backend, &identity, operation, headers, attributes, edits),
        class => {
            let tenants = read::tenants(&identity, headers, operation.tenancy, policy.limits.tenants.0)?;
            Ok(Decided::Whole { backend: position, class, edits, tenants: tenants.header() })
        }
    }
}

/// A page of the gateway's own, for callers with the right to it.
fn own_page(
    policy: &Policy,
    page: Page,
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    known: &mut Asked,
) -> Result<Decided, Refusal> {
    let identity = recognise(&policy.callers, headers, attributes)?;
    known.caller = Some(identity.caller);
    known.class = Some(page.class());
    if headers.pseudo(":method") != Method::Get.as_str() {
        return Err(Refusal::Method { allow: Methods::of(&[Method::Get]) });
    }
    let caller = policy.callers.get(identity.caller).ok_or(Refusal::Host { what: "the caller was lost" })?;
    if !caller.rights.may.contains(&page.class()) {
        return Err(Refusal::NotPermitted { class: page.class() });
    }
    Ok(Decided::Page(page))
}

#[allow(clippy::too_many_arguments)] // all that is known about a request by now
fn write(
    policy: &Policy,
    position: usize,
    backend: &Backend,
    identity: &Identity,
    operation: Operation,
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    mut edits: Edits,
) -> Result<Decided, Refusal> {
    let caller = policy.callers.get(identity.caller).ok_or(Refusal::Host { what: "the caller was lost" })?;
    let protocol = operation.protocol;
    let format = match Format::of(protocol, headers) {
        Err(refusal) if Format::is_strict(protocol) => return Err(refusal),
        format => format,
    };
    // What the backend would read otherwise than we did goes on in its plain form.
    if let Ok(Some(format)) = format
        && headers.first("content-type") != Some(format.content_type().as_bytes())
    {
        edits.set(headers, "content-type", format.content_type());
    }
    let plan = plan(&backend.write, &caller.rights, identity, headers, policy.impersonations())?;
    let plan = match plan {
        Plan::Whole(tenant) => {
            let tenants = tenant.as_str().to_owned();
            return Ok(Decided::Whole { backend: position, class: Class::Write, edits, tenants });
        }
        Plan::Split(plan) => *plan,
    };
    let format = format?.filter(|format| format.is_split()).ok_or(Refusal::CannotSplit)?;
    let cluster = match &backend.write.calls.cluster {
        Some(cluster) => cluster.clone(),
        None => route_cluster(attributes)?,
    };
    let target = Target::new(&backend.write.calls, headers, cluster, format.content_type());
    edits.remove(headers, "x-scope-orgid");
    Ok(Decided::Look(Box::new(Held {
        backend: position,
        caller: identity.caller,
        protocol,
        format,
        plan,
        target,
        edits,
        announced: headers.first("content-length").is_some(),
        observed: None,
    })))
}

/// Takes off what a client may have said about tenancy, and credentials that end here.
fn strip(policy: &Policy, backend: &Backend, headers: &Headers<'_>) -> Edits {
    let mut edits = Edits::default();
    for name in policy.tenancy_headers().iter().filter(|name| *name != "x-scope-orgid") {
        edits.remove(headers, name);
    }
    if !backend.forward_authorization {
        edits.remove(headers, "authorization");
    }
    edits
}

/// The backend that the route's metadata names under `scopegate`. What is there and cannot be read is no name
/// of any backend.
fn named_backend(attributes: &dyn Attributes) -> Result<Option<String>, Refusal> {
    let Some(metadata) = attributes.get(&["xds", "route_metadata"]) else { return Ok(None) };
    let entry = metadata_namespace(&metadata, "scopegate").map_err(|_| Refusal::UnknownBackend)?;
    match entry.map(|entry| entry.get("backend")) {
        None | Some(Ok(None)) => Ok(None),
        Some(Ok(Some(Datum::Text(name)))) => Ok(Some(name.to_owned())),
        Some(_) => Err(Refusal::UnknownBackend),
    }
}

/// The cluster of the request's own route.
fn route_cluster(attributes: &dyn Attributes) -> Result<String, Refusal> {
    let cluster = attributes.get(&["xds", "cluster_name"]).and_then(|name| String::from_utf8(name).ok());
    cluster.filter(|name| !name.is_empty()).ok_or(Refusal::Host { what: "the route has no cluster" })
}

fn unclassified(reason: Unclassified) -> Refusal {
    match reason {
        Unclassified::NotCanonical(problem) => Refusal::NotCanonical(problem),
        Unclassified::Unknown => Refusal::UnknownPath,
        Unclassified::MethodNotAllowed { allow } => Refusal::Method { allow },
        Unclassified::Closed => Refusal::ClosedPath,
    }
}
