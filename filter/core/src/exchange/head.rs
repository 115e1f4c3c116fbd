//! What the head of a request decides: who, what, whose, and whether its body is needed.

use super::pages::Page;
use super::tell::Asked;
use super::{Held, Worker};
use crate::caller::{Attributes, Evidence, Identity, first};
use crate::http::{Edits, Headers, split_query, without_arguments};
use crate::isolate::{Address, Isolate, add_extra_label};
use crate::operation::{Class, Kind, Method, Methods, Operation, Unclassified};
use crate::policy::{Backend, Policy};
use crate::read;
use crate::report::{Refusal, Voice};
use crate::table::Lookup;
use crate::wire::{Datum, metadata_namespace};
use crate::write::fanout::Target;
use crate::write::{Format, Plan, Wanted, plan};

/// What becomes of a request, as far as its head tells.
#[derive(Debug)]
pub(super) enum Decided {
    /// It goes on to these tenants (as `X-Scope-OrgID` names them), its body unseen. The backend is told by `edits`.
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
    worker: &mut Worker,
) -> (Result<Decided, Refusal>, Asked) {
    let mut known = Asked::default();
    let decided = decide_knowing(policy, headers, attributes, worker, &mut known);
    (decided, known)
}

fn decide_knowing(
    policy: &Policy,
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    worker: &mut Worker,
    known: &mut Asked,
) -> Result<Decided, Refusal> {
    let (whole_path, query) = split_query(headers.pseudo(":path"));
    if query.contains('#') {
        return Err(Refusal::NotCanonical("a fragment"));
    }
    if let Some(page) = policy.pages.get(whole_path) {
        return own_page(policy, page, headers, attributes, known);
    }
    let named = if policy.has_choice() { named_backend(attributes)? } else { None };
    let (position, path) = policy.backend(named.as_deref(), headers.pseudo(":authority"), whole_path)?;
    let backend = policy.backends.get(position).ok_or(Refusal::NoBackend)?;
    known.backend = Some(position);
    let operation = backend.router.classify(headers.pseudo(":method"), path);
    let protocol = operation.as_ref().ok().map(|operation| operation.protocol);
    known.voice = Voice::of(protocol, headers.first("content-type"));
    // Who is not known learns nothing about which paths there are.
    let evidence = Evidence::new(headers, attributes)?;
    let recognised = first(&policy.callers, &evidence, &mut |_, _| ())?;
    known.caller = Some(recognised.position);
    known.body = recognised.body();
    let caller = recognised.caller;
    let identity = recognised.identity(backend.write.labels.claims())?;
    let operation = operation.map_err(unclassified)?;
    known.class = Some(operation.class);
    if !caller.rights.may.contains(&operation.class) {
        return Err(Refusal::NotPermitted { class: operation.class });
    }
    let mut edits = strip(policy, backend, headers);
    let prefix = whole_path.len().saturating_sub(path.len());
    let address = Address::new(&backend.isolate, operation.class, headers.pseudo(":path"), prefix);
    match operation.class {
        Class::Write => {
            let write = Write { policy, position, backend, identity: &identity, operation, headers };
            write.decide(attributes, worker, edits, address)
        }
        class => {
            let tenants = read::tenants(&identity, headers, operation.tenancy, policy.limits.tenants.0)?;
            let told = match (&*backend.isolate, tenants.single()) {
                (Isolate::Header, _) => vec![("x-scope-orgid".to_owned(), tenants.header())],
                (Isolate::Label(_) | Isolate::LabelInUrl(_), _) => return Err(Refusal::NotNarrowed),
                (_, Some(tenant)) if backend.isolate.knows(tenant) => address.tell(tenant),
                (_, Some(tenant)) => return Err(Refusal::NoAccount { tenant: tenant.clone() }),
                (_, None) => return Err(Refusal::SeveralTenants { tenants: tenants.header() }),
            };
            tell(&mut edits, headers, &told);
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
    let evidence = Evidence::new(headers, attributes)?;
    let recognised = first(&policy.callers, &evidence, &mut |_, _| ())?;
    known.caller = Some(recognised.position);
    known.body = recognised.body();
    recognised.identity(&[])?;
    known.class = Some(page.class());
    if headers.pseudo(":method") != Method::Get.as_str() {
        return Err(Refusal::Method { allow: Methods::of(&[Method::Get]) });
    }
    if !recognised.caller.rights.may.contains(&page.class()) {
        return Err(Refusal::NotPermitted { class: page.class() });
    }
    Ok(Decided::Page(page))
}

/// Arguments by which a client could say what its data are labelled with, or which of them it sees.
const TENANCY_ARGUMENTS: &[&str] =
    &["extra_label", "extra_filters", "extra_filters[]", "extra_fields", "extra_stream_filters"];

/// A write, as its head tells of it.
struct Write<'a> {
    policy: &'a Policy,
    position: usize,
    backend: &'a Backend,
    identity: &'a Identity,
    operation: Operation,
    headers: &'a Headers<'a>,
}

impl Write<'_> {
    fn decide(
        &self,
        attributes: &dyn Attributes,
        worker: &mut Worker,
        mut edits: Edits,
        mut address: Address,
    ) -> Result<Decided, Refusal> {
        let Self { policy, position, backend, identity, headers, .. } = *self;
        let caller =
            policy.callers.get(identity.caller).ok_or(Refusal::Host { what: "the caller was lost" })?;
        let protocol = self.operation.protocol;
        let format = match Format::of(protocol, headers) {
            Err(refusal) if Format::is_strict(protocol) => return Err(refusal),
            format => format,
        };
        if let Ok(Some(format)) = format {
            backend.write.check(format)?;
        }
        // What the backend would read otherwise than we did goes on in its plain form.
        if let Ok(Some(format)) = format
            && headers.first("content-type") != Some(format.content_type().as_bytes())
        {
            edits.set(headers, "content-type", format.content_type());
        }
        let (path, query) = split_query(address.path());
        if let Some(query) = without_arguments(query, TENANCY_ARGUMENTS).map_err(Refusal::NotCanonical)? {
            address.go_to(format!("{path}{query}"));
        }
        let labels = backend.write.labels.edits(protocol, &caller.name, identity)?;
        // Its `extra_label` wins over every label of that name in the body, in each of its protocols.
        let in_url = backend.kind == Kind::VictoriaMetrics && labels.only_set();
        let wanted = Wanted { edits: &labels, in_url, isolate: &backend.isolate };
        let (rules, rights, others) = (&backend.write, &caller.rights, policy.impersonations());
        let wall_seconds = worker.wall_seconds;
        let lookup = Lookup { rules: &policy.tables, tables: &mut worker.tables, wall_seconds };
        let mut plan = match plan(rules, rights, identity, headers, others, &wanted, lookup)? {
            Plan::Whole(tenant) => {
                if !labels.is_empty() {
                    let mut path = address.path().to_owned();
                    for (name, value) in &labels.set {
                        add_extra_label(&mut path, name, value.text(&tenant));
                    }
                    address.go_to(path);
                }
                tell(&mut edits, headers, &address.tell(&tenant));
                let tenants = tenant.as_str().to_owned();
                return Ok(Decided::Whole { backend: position, class: Class::Write, edits, tenants });
            }
            Plan::Split(plan) => *plan,
        };
        // Cortex refuses all of a request for one such series.
        plan.takes_exemplars_alone = backend.kind != Kind::Cortex;
        plan.keep_apart(&backend.name, &caller.name, &identity.tenants);
        let format = format?.ok_or(Refusal::CannotSplit)?;
        let cluster = match &backend.write.calls.cluster {
            Some(cluster) => cluster.clone(),
            None => route_cluster(attributes)?,
        };
        let calls = &backend.write.calls;
        let target = Target::new(calls, headers, cluster, format.content_type(), &address);
        edits.remove(headers, "x-scope-orgid");
        Ok(Decided::Look(Box::new(Held {
            backend: position,
            caller: identity.caller,
            format,
            plan,
            target,
            address,
            edits,
            announced: headers.first("content-length").is_some(),
            observed: None,
        })))
    }
}

/// Sets the headers that tell the tenant, in place of what the client said.
fn tell(edits: &mut Edits, headers: &Headers<'_>, told: &[(String, String)]) {
    if told.iter().all(|(name, _)| name != "x-scope-orgid") {
        edits.remove(headers, "x-scope-orgid");
    }
    for (name, value) in told {
        edits.set(headers, name, value);
    }
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
