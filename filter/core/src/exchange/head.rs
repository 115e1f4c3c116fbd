//! What the head of a request decides: who, what, whose, and whether its body is needed.

use std::rc::Rc;

use super::answering::{self, Answering};
use super::explained;
use super::reading::HeldRead;
use super::tell::Asked;
use super::{Held, Worker};
use crate::caller::{Attributes, Evidence, Identity, first};
use crate::http::{Edits, Headers, Reply, has_argument, split_query, without_arguments};
use crate::isolate::{Address, add_extra_label};
use crate::operation::{Class, Kind, Operation, Protocol, Unclassified};
use crate::policy::{Backend, Policy};
use crate::read::{self, LABEL_POLICY, Narrowed, Reading, TENANCY_ARGUMENTS};
use crate::report::{Refusal, Voice};
use crate::rollout::Seat;
use crate::tenant::TenantSet;
use crate::wire::{Datum, metadata_namespace};
use crate::write::fanout::Target;
use crate::write::remote_write::Version;
use crate::write::{Format, Plan, Wanted, plan};

/// What becomes of a request, as far as its head tells.
#[derive(Debug)]
pub(super) enum Decided {
    /// It goes on to these tenants (as `X-Scope-OrgID` names them), its body unseen. The backend is told by `edits`.
    Whole { backend: usize, class: Class, edits: Edits, tenants: String },
    /// The gateway answers it itself.
    Page(Reply),
    /// It is a read, and its body must be looked into.
    Read(Box<HeldRead>),
    /// It is about rules, alerts or silences that a label keeps apart.
    Answering(Box<Answering>),
    /// It is a write, and its body must be looked into.
    Look(Box<Held>),
}

impl Decided {
    /// The tenants that it reaches, as `X-Scope-OrgID` names them; empty where its body says.
    pub(super) fn tenants(&self) -> String {
        match self {
            Self::Whole { tenants, .. } => tenants.clone(),
            Self::Read(held) => held.tenants.clone(),
            Self::Answering(answering) => answering.tenants(),
            Self::Page(_) | Self::Look(_) => String::new(),
        }
    }
}

/// Decides, and says what is known of the request by then.
pub(super) fn decide(
    policy: &Policy,
    headers: &Headers<'_>,
    end_of_stream: bool,
    attributes: &dyn Attributes,
    worker: &mut Worker,
) -> (Result<Decided, Refusal>, Asked) {
    let mut known = Asked::default();
    let decided = decide_knowing(policy, headers, end_of_stream, attributes, worker, &mut known);
    // At the gateway's own paths nothing else answers.
    known.observed = !policy.rollout.enforces(known.backend, known.caller, known.seat)
        && policy.pages.get(split_query(headers.pseudo(":path")).0).is_none();
    (decided, known)
}

fn decide_knowing(
    policy: &Policy,
    headers: &Headers<'_>,
    end_of_stream: bool,
    attributes: &dyn Attributes,
    worker: &mut Worker,
    known: &mut Asked,
) -> Result<Decided, Refusal> {
    let (whole_path, query) = split_query(headers.pseudo(":path"));
    if query.contains('#') {
        return Err(Refusal::NotCanonical("a fragment"));
    }
    // `jwt_authn` takes it from there, and everybody behind would log it.
    if has_argument(query, "access_token") {
        return Err(Refusal::NotCanonical("a token among its arguments, where logs keep it"));
    }
    if let Some(page) = policy.pages.get(whole_path) {
        return page.reply(policy, headers, attributes, worker, known).map(Decided::Page);
    }
    let named = if policy.has_choice() { named_backend(attributes)? } else { None };
    let (position, path) = policy.backend(named.as_deref(), headers.pseudo(":authority"), whole_path)?;
    let backend = policy.backends.get(position).ok_or(Refusal::NoBackend)?;
    known.backend = Some(position);
    let operation = backend.router.classify(headers.pseudo(":method"), path);
    let protocol = operation.as_ref().ok().map(|operation| operation.protocol);
    known.voice = match protocol {
        // What is not known, or closed, is most often asked for by what shows errors in this form only.
        None if backend.kind.has_prometheus_api() && path.contains("/api/v1/") => Voice::PrometheusJson,
        _ => Voice::of(protocol, headers.first("content-type")),
    };
    // Who is not known learns nothing about which paths there are.
    let evidence = Evidence::new(headers, attributes)?;
    let mut lookup = worker.lookup(policy);
    let recognised = first(&policy.callers, &evidence, &mut lookup, &mut |_, _| ())?;
    known.caller = Some(recognised.position);
    known.body = recognised.body();
    let caller = recognised.caller;
    let identity = recognised.identity(backend.write.labels.claims(), &mut lookup)?;
    known.explain = explained::is_asked(headers) && identity.rights.may.contains(&Class::Admin);
    if policy.rollout.asks_for_seat(Some(position), recognised.position) {
        known.seat = Some(Seat::of(&caller.name, recognised.user(), &identity.tenants));
    }
    let identity = recognised.narrow(identity, headers, &mut lookup)?;
    let operation = operation.map_err(unclassified)?;
    known.class = Some(operation.class);
    if !identity.rights.may.contains(&operation.class) {
        return Err(Refusal::NotPermitted { class: operation.class });
    }
    let mut edits = strip(policy, backend, headers);
    let prefix = whole_path.len().saturating_sub(path.len());
    let address = Address::new(&backend.isolate, operation.class, headers.pseudo(":path"), prefix);
    match operation.class {
        Class::Write => {
            let write = Write { policy, position, backend, identity: &identity, operation, headers };
            write.decide(attributes, worker, known, edits, address)
        }
        class => {
            let also = backend.also_read.at(worker.wall_seconds);
            let tenants = read::tenants(&identity, headers, &operation, policy.limits.tenants.0, &also);
            // A policy is for tenants that have names.
            let like = read::like(&identity, &operation, &backend.isolate)
                .filter(|_| backend.label_policies.is_empty());
            let (tenants, like) = match (tenants, like) {
                (Err(Refusal::NameTenant), Some(like)) => (TenantSet::default(), Some(like)),
                (tenants, _) => (tenants?, None),
            };
            known.wildcard = like.is_some() || identity.uses_wildcard(tenants.as_slice());
            if let Some(tenant) = tenants.as_slice().iter().find(|tenant| backend.isolate.misreads(tenant)) {
                return Err(Refusal::NoAccount { tenant: tenant.clone() });
            }
            let unfiltered = identity.rights.unfiltered;
            if let (Protocol::Alerting(what), Some(_)) = (operation.protocol, backend.isolate.label())
                && !(unfiltered && what.is_read())
            {
                let cluster = if what.is_read() { None } else { route_cluster(attributes).ok() };
                let path = (whole_path, prefix);
                let head =
                    answering::Head { asked: *known, position, backend, class, headers, path, cluster };
                return head.decide(what, tenants, edits).map(Box::new).map(Decided::Answering);
            }
            let reading = Reading {
                kind: backend.kind,
                isolate: &backend.isolate,
                operation,
                tenants: &tenants,
                like,
                unfiltered,
                experimental: backend.experimental,
                language: backend.language,
                own: &identity.tenants,
                headers,
                end_of_stream,
            };
            let Narrowed { mut told, body } = reading.narrow(address)?;
            if class == Class::Read
                && let Some(header) = backend.label_policies.header(identity.caller, &tenants)?
            {
                told.push((LABEL_POLICY.to_owned(), header));
            }
            tell(&mut edits, headers, &told);
            let tenants = match like {
                Some(like) => like.patterns().collect::<Vec<_>>().join("|"),
                None => tenants.header(),
            };
            let Some(body) = body else {
                return Ok(Decided::Whole { backend: position, class, edits, tenants });
            };
            let announced = headers.first("content-length").is_some();
            let asked = *known;
            let held =
                HeldRead { backend: position, class, asked, edits, tenants, body, announced, observed: None };
            Ok(Decided::Read(Box::new(held)))
        }
    }
}

/// Headers that turn a request into another one, for servers that heed them.
const OVERRIDES: &[&str] =
    &["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

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
        known: &mut Asked,
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
        backend.isolate.check_write(headers)?;
        let (path, query) = split_query(address.path());
        if let Some(query) = without_arguments(query, TENANCY_ARGUMENTS).map_err(Refusal::NotCanonical)? {
            address.go_to(format!("{path}{query}"));
        }
        let labels = backend.write.labels.edits(protocol, &caller.name, identity)?;
        // Its `extra_label` wins over every label of that name in the body, in each of its protocols.
        let in_url = backend.kind == Kind::VictoriaMetrics && labels.only_set();
        let has_metadata = matches!(format, Ok(Some(Format::RemoteWrite(Version::V1))));
        let wanted = Wanted { edits: &labels, in_url, isolate: &backend.isolate, has_metadata };
        let (rules, rights, others) = (&backend.write, &identity.rights, policy.impersonations());
        let lookup = worker.lookup(policy);
        let mut plan = match plan(rules, rights, identity, headers, others, &wanted, lookup)? {
            Plan::Whole(tenant) => {
                known.wildcard = identity.uses_wildcard(core::slice::from_ref(&tenant));
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
        known.wildcard = plan.head_tenant().is_some_and(|t| identity.uses_wildcard(core::slice::from_ref(t)));
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
            rights: Rc::clone(&identity.rights),
            wildcard: known.wildcard,
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
    for name in OVERRIDES {
        edits.remove(headers, name);
    }
    for name in policy.tenancy_headers().iter().filter(|name| *name != "x-scope-orgid") {
        edits.remove(headers, name);
    }
    let names = headers.iter().filter_map(|(name, _)| core::str::from_utf8(name).ok());
    for name in names.filter(|name| name.contains('_') && policy.is_about_tenancy(name.as_bytes())) {
        if !edits.remove.iter().any(|known| known == name) {
            edits.remove(headers, name);
        }
    }
    if !backend.forward_authorization {
        for name in CREDENTIALS {
            edits.remove(headers, name);
        }
    }
    edits
}

/// Headers with a token of the caller. Grafana sends the last two besides the first.
const CREDENTIALS: &[&str] = &["authorization", "x-id-token", "x-grafana-id"];

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
