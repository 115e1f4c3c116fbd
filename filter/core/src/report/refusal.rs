//! Everything that can be wrong with a request, each with its status and its words.

use core::fmt;

use super::excerpt::Excerpt;
use super::reading;
use crate::operation::{Class, Methods};
use crate::read::RuleGroupProblem;
use crate::session::BadProof;
use crate::tenant::{InvalidTenant, TenantId};
use crate::wire::{JsonProblem, Malformed};

/// Why a request goes no further. Each says what is wrong and what to do; none holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are named for what they hold
pub enum Refusal {
    // Who is calling
    /// No entry recognised the request.
    NoCaller { presented: bool, challenges: Vec<String> },
    /// A header that only a proxy may set, without proof that it was that proxy.
    UnprovenHeader { header: String },
    /// A header of a proxy stands twice, or cannot be read.
    IdentityHeader { header: String },
    /// The credential is known and wrong.
    BadCredential { challenge: String },
    /// A claim that should name tenants holds something else.
    ClaimType { claim: String },
    /// A claim names something that is no tenant ID.
    ClaimTenant { claim: String, reason: InvalidTenant },
    /// The caller is known and has no tenant.
    NoTenant { caller: String },

    /// The proof of a session proves nothing.
    Proof(BadProof),

    // What is asked
    /// Neither the route, the host nor the path leads to a backend.
    NoBackend,
    /// The route names a backend that is not configured.
    UnknownBackend,
    /// The path could be read in more than one way.
    NotCanonical(&'static str),
    /// The path is in no table.
    UnknownPath,
    /// The path is known and kept closed.
    ClosedPath,
    /// The path is known, the method is not one of its own.
    Method { allow: Methods },
    /// The caller has no right to this class of operations.
    NotPermitted { class: Class },

    // Which tenants
    /// A header that may stand once stands several times.
    Repeated(&'static str),
    /// A header names something that is no tenant ID.
    HeaderTenant { header: String, reason: InvalidTenant },
    /// A header names a tenant that is not the caller's own.
    ForeignTenant { header: String },
    /// The header that narrows the caller's tenants does not lead to one of them.
    Narrow { header: String, problem: &'static str },
    /// The endpoint takes one tenant and the caller has several.
    SeveralTenants { tenants: String },
    /// The caller reaches tenants only by naming them.
    NameTenant,
    /// The caller may not read several tenants in one request.
    OneTenant { tenants: String },
    /// No source of the write rules names a tenant. `header` is the one in which it may be named.
    NoSource { header: Option<String>, tenants: String },
    /// More tenants than a request may have.
    TooManyTenants { limit: u32 },
    /// The backend cannot be told this tenant.
    NoAccount { tenant: TenantId },
    /// The backend's label policies have no entry for the caller and this tenant.
    NoLabelPolicy { tenant: TenantId },
    /// Nothing can narrow this operation to one tenant.
    NotNarrowed,
    /// A rule group reads a tenant that is not the caller's own.
    ForeignSource,
    /// A rule group reads something that is no tenant ID.
    SourceTenant { reason: InvalidTenant },
    /// Impersonation was asked for by a caller without that right.
    MayNotImpersonate,

    // Which labels
    /// A label is taken from a claim that holds no text, or several.
    LabelClaim { claim: String },
    /// A label is taken from the caller's own tenant, and it has several.
    LabelTenant { tenants: String },
    /// A header leads to no tenant by its pattern or its table.
    HeaderUnmapped { header: String },
    /// A table that the request needs was never fetched yet.
    TableNotLoaded { table: String },

    // What is read
    /// A query that cannot be narrowed; the error says where in the argument's text.
    Query { argument: &'static str, error: String },
    /// A form that could be read in more than one way.
    Form(&'static str),
    /// A body where backends would read arguments that nobody looked into.
    BodyNotTaken,
    /// What a read would become is larger than a backend takes.
    NarrowedTooLarge { limit: u32 },
    /// A rule group that could be read in more than one way.
    RuleGroup { problem: RuleGroupProblem, line: usize },

    // The body
    /// Neither of the content types that can be read here.
    MediaType { expected: &'static str },
    /// Not the encoding that can be read here.
    Encoding { expected: &'static str },
    /// The protocol's version header does not fit its content type.
    Version { expected: &'static str },
    /// The protocol of this path cannot be split by series.
    CannotSplit,
    /// The body is larger than is looked into.
    BodyTooLarge { limit: u32 },
    /// The body is larger than is looked into once it is decompressed.
    DecodedTooLarge { limit: u32 },
    /// The parts are larger than one worker may hold.
    PartsTooLarge { limit: u32 },
    /// More series than are looked into.
    TooManySeries { limit: u32 },
    /// More symbols than are looked into.
    TooManySymbols { limit: u32 },
    /// The body does not decompress.
    Compression,
    /// The same for other encodings.
    Decompression { encoding: &'static str },
    /// The body is no JSON that its protocol and every backend reads alike; `offset` is where, once decompressed.
    Json { problem: JsonProblem, offset: usize },
    /// The body is no message of its protocol; `offset` is where, in the decompressed body.
    Body { problem: Malformed, offset: usize },

    // Rules, alerts and silences
    /// The body has a member that is not known, and that its backend may take for one that is.
    UnknownMember { name: Vec<u8> },
    /// An alert names another tenant.
    ForeignLabel { label: String },
    /// A silence has a matcher on the tenants' label that is not for just this tenant.
    ForeignMatcher { label: String },
    /// A silence has no matchers.
    NoMatchers,
    /// What should be the ID of a silence is none.
    SilenceId,
    /// There is nothing with this ID, or it is another tenant's: both look alike.
    NotOwn,
    /// The backend could not be asked whose silence it is. The request may be sent again.
    OwnerUnknown { status: Option<u16> },
    /// The backend's answer is not one that can be narrowed.
    Answer { what: &'static str },
    /// The backend's answer has another shape than such answers have.
    AnswerJson { problem: JsonProblem, offset: usize },
    /// The backend's answer is larger than is looked into.
    AnswerTooLarge { limit: u32 },

    // The gateway itself
    /// The agent's side cannot prove a request. It may be sent again.
    NotSigned { what: &'static str },
    /// The worker has no call, or no memory, to spare. The request may be sent again.
    Overloaded { what: &'static str },
    /// Something failed in Envoy that the filter needs.
    Host { what: &'static str },
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NoCaller { .. }
            | Self::BadCredential { .. }
            | Self::UnprovenHeader { .. }
            | Self::Proof(_) => 401,
            Self::ClaimType { .. }
            | Self::ClaimTenant { .. }
            | Self::NoTenant { .. }
            | Self::ClosedPath
            | Self::NotPermitted { .. }
            | Self::ForeignTenant { .. }
            | Self::Narrow { .. }
            | Self::OneTenant { .. }
            | Self::NoAccount { .. }
            | Self::NoLabelPolicy { .. }
            | Self::NotNarrowed
            | Self::LabelClaim { .. }
            | Self::LabelTenant { .. }
            | Self::ForeignLabel { .. }
            | Self::ForeignMatcher { .. }
            | Self::ForeignSource
            | Self::MayNotImpersonate => 403,
            Self::NoBackend | Self::UnknownPath | Self::NotOwn => 404,
            Self::Method { .. } => 405,
            Self::BodyTooLarge { .. }
            | Self::DecodedTooLarge { .. }
            | Self::PartsTooLarge { .. }
            | Self::TooManySeries { .. }
            | Self::NarrowedTooLarge { .. }
            | Self::TooManySymbols { .. } => 413,
            Self::MediaType { .. } | Self::Encoding { .. } | Self::CannotSplit => 415,
            Self::NotCanonical(_)
            | Self::Repeated(_)
            | Self::IdentityHeader { .. }
            | Self::NameTenant
            | Self::HeaderTenant { .. }
            | Self::HeaderUnmapped { .. }
            | Self::SeveralTenants { .. }
            | Self::NoSource { .. }
            | Self::TooManyTenants { .. }
            | Self::Version { .. }
            | Self::SourceTenant { .. }
            | Self::Query { .. }
            | Self::Form(_)
            | Self::BodyNotTaken
            | Self::RuleGroup { .. }
            | Self::Compression
            | Self::Decompression { .. }
            | Self::Json { .. }
            | Self::UnknownMember { .. }
            | Self::NoMatchers
            | Self::SilenceId
            | Self::Body { .. } => 400,
            Self::Answer { .. } | Self::AnswerJson { .. } | Self::AnswerTooLarge { .. } => 502,
            Self::UnknownBackend | Self::Host { .. } => 500,
            Self::Overloaded { .. }
            | Self::NotSigned { .. }
            | Self::TableNotLoaded { .. }
            | Self::OwnerUnknown { .. } => 503,
        }
    }

    /// One word for metrics and access logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoCaller { .. } => "no_caller",
            Self::BadCredential { .. } => "bad_credential",
            Self::UnprovenHeader { .. } => "unproven_header",
            Self::IdentityHeader { .. } => "identity_header",
            Self::NameTenant => "name_tenant",
            Self::OneTenant { .. } => "one_tenant",
            Self::Proof(BadProof::Stale(_)) => "stale_proof",
            Self::Proof(BadProof::Used) => "replayed_proof",
            Self::Proof(_) => "bad_proof",
            Self::NotSigned { .. } => "not_signed",
            Self::ClaimType { .. } | Self::ClaimTenant { .. } => "bad_claim",
            Self::NoAccount { .. } => "no_account",
            Self::NoLabelPolicy { .. } => "no_label_policy",
            Self::NotNarrowed => "not_narrowed",
            Self::Narrow { .. } => "narrow",
            Self::LabelClaim { .. } => "label_claim",
            Self::LabelTenant { .. } => "label_tenant",
            Self::NoTenant { .. } => "no_tenant",
            Self::NoBackend | Self::UnknownBackend => "no_backend",
            Self::NotCanonical(_) => "path_not_canonical",
            Self::UnknownPath => "unknown_path",
            Self::ClosedPath => "closed_path",
            Self::Method { .. } => "method",
            Self::NotPermitted { .. } => "not_permitted",
            Self::Repeated(_) => "repeated_header",
            Self::HeaderTenant { .. } | Self::SourceTenant { .. } => "invalid_tenant",
            Self::HeaderUnmapped { .. } => "unmapped",
            Self::TableNotLoaded { .. } => "table_not_loaded",
            Self::ForeignTenant { .. } | Self::ForeignSource => "foreign_tenant",
            Self::SeveralTenants { .. } | Self::NoSource { .. } => "several_tenants",
            Self::TooManyTenants { .. } => "too_many_tenants",
            Self::MayNotImpersonate => "may_not_impersonate",
            Self::Query { .. } => "query",
            Self::Form(_) => "form",
            Self::BodyNotTaken => "body_not_taken",
            Self::NarrowedTooLarge { .. } => "query_too_large",
            Self::RuleGroup { .. } => "rule_group",
            Self::MediaType { .. } => "media_type",
            Self::Encoding { .. } => "encoding",
            Self::Version { .. } => "version",
            Self::CannotSplit => "cannot_split",
            Self::BodyTooLarge { .. } | Self::DecodedTooLarge { .. } | Self::PartsTooLarge { .. } => {
                "body_too_large"
            }
            Self::TooManySeries { .. } => "too_many_series",
            Self::TooManySymbols { .. } => "too_many_symbols",
            Self::Compression | Self::Decompression { .. } | Self::Json { .. } | Self::Body { .. } => {
                "malformed_body"
            }
            Self::UnknownMember { .. } => "unknown_member",
            Self::ForeignLabel { .. } | Self::ForeignMatcher { .. } => "foreign_label",
            Self::NoMatchers => "no_matchers",
            Self::SilenceId => "silence_id",
            Self::NotOwn => "not_own",
            Self::OwnerUnknown { .. } => "owner_unknown",
            Self::Answer { .. } | Self::AnswerJson { .. } => "malformed_answer",
            Self::AnswerTooLarge { .. } => "answer_too_large",
            Self::Overloaded { .. } => "overloaded",
            Self::Host { .. } => "host",
        }
    }
}

impl fmt::Display for Refusal {
    #[allow(clippy::too_many_lines)] // one sentence for each
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCaller { presented: true, .. } => {
                f.write_str("these credentials are not accepted: they are unknown, expired or from an issuer that is not accepted")
            }
            Self::NoCaller { presented: false, .. } => f.write_str("no credentials: say who is calling"),
            Self::UnprovenHeader { header } => write!(
                f,
                "the header {header} says who is calling, and nothing proves that it comes from the proxy that may say so"
            ),
            Self::IdentityHeader { header } => write!(f, "the header {header} stands more than once, or cannot be read"),
            Self::NameTenant => f.write_str(
                "this caller may reach any of the tenants that it has a wildcard for: name one in X-Scope-OrgID",
            ),
            Self::OneTenant { tenants } => write!(
                f,
                "this caller has no right to read several tenants at once (`several_tenants`): name one in X-Scope-OrgID, of {}",
                Excerpt::new(tenants.as_bytes(), 1024)
            ),
            Self::Proof(bad) => bad.fmt(f),
            Self::NotSigned { what } => {
                write!(f, "the request cannot be signed, so it is not sent: {what}; send again later")
            }
            Self::BadCredential { .. } => f.write_str("the user name or the password is wrong"),
            Self::ClaimType { claim } => {
                write!(f, "the claim {claim} of this caller must be a string or a list of strings")
            }
            Self::ClaimTenant { claim, reason } => {
                write!(f, "the claim {claim} of this caller names something that is no tenant: {reason}")
            }
            Self::NoTenant { caller } => write!(f, "this caller was recognised as {caller}, and has no tenant"),
            Self::NoBackend => f.write_str("neither this host nor this path leads to a backend"),
            Self::UnknownBackend => f.write_str("the route's metadata names a backend that is not configured"),
            Self::NotCanonical(problem) => write!(f, "the path has {problem}; send it in its plain form"),
            Self::UnknownPath => f.write_str(
                "this path is not one that the gateway knows for this backend; an operator can add it under `paths`",
            ),
            Self::ClosedPath => f.write_str(
                "this path is internal or dangerous and is kept closed; an operator can open it under `paths`",
            ),
            Self::Method { allow } => write!(f, "this path takes {allow}"),
            Self::NotPermitted { class } => write!(f, "this caller has no right to `{}`", class.as_str()),
            Self::Repeated(header) => write!(f, "the header {header} stands more than once"),
            Self::HeaderTenant { header, reason } => write!(f, "the header {header} names no tenant: {reason}"),
            Self::HeaderUnmapped { header } => write!(f, "the header {header} leads to no tenant"),
            Self::TableNotLoaded { table } => {
                write!(f, "the gateway has not fetched its table {table} yet; send again later")
            }
            Self::ForeignTenant { header } => {
                write!(f, "the header {header} names a tenant that is not this caller's own")
            }
            Self::Narrow { header, problem } => write!(f, "the header {header} {problem}"),
            Self::SeveralTenants { tenants } => write!(
                f,
                "this endpoint takes one tenant and this caller has several: name one in X-Scope-OrgID, of {}",
                Excerpt::new(tenants.as_bytes(), 1024)
            ),
            Self::NoSource { header: Some(header), tenants } => {
                write!(f, "this write names no tenant: name one in the header {header}, of {tenants}")
            }
            Self::NoSource { header: None, tenants } => write!(
                f,
                "a write goes to one tenant and this caller has several ({tenants}); an operator can add a source under `write`"
            ),
            Self::TooManyTenants { limit } => write!(f, "a request may have at most {limit} tenants"),
            Self::MayNotImpersonate => f.write_str("this caller has no right to impersonate other tenants"),
            Self::NoAccount { tenant } => write!(
                f,
                "the tenant {tenant} has no account in this backend, or an ID that it would read as a pattern (`isolate`)"
            ),
            Self::NotNarrowed => f.write_str(
                "this backend keeps tenants apart by a label, and nothing narrows this operation to the caller's own tenants",
            ),
            Self::LabelClaim { claim } => write!(
                f,
                "what is written gets a label from the claim {claim} of this caller, which must be exactly one text"
            ),
            Self::LabelTenant { tenants } => write!(
                f,
                "what is written gets a label from the one tenant of its caller, and this one has several ({})",
                Excerpt::new(tenants.as_bytes(), 1024)
            ),
            Self::ForeignSource
            | Self::SourceTenant { .. }
            | Self::Query { .. }
            | Self::Form(_)
            | Self::BodyNotTaken
            | Self::NarrowedTooLarge { .. }
            | Self::NoLabelPolicy { .. }
            | Self::RuleGroup { .. } => reading::words(self, f),
            Self::MediaType { expected } => write!(f, "the content type must be {expected}"),
            Self::Encoding { expected } => write!(f, "the content encoding must be {expected}"),
            Self::Version { expected } => {
                write!(f, "X-Prometheus-Remote-Write-Version does not fit the content type: expected {expected}")
            }
            Self::CannotSplit => f.write_str(
                "tenants or labels depend on the series here, and the protocol of this path cannot be taken apart; use remote write",
            ),
            Self::BodyTooLarge { limit } => {
                write!(f, "the body is larger than {limit} bytes (limits.request_bytes); send smaller batches")
            }
            Self::DecodedTooLarge { limit } => write!(
                f,
                "the body is larger than {limit} bytes when decompressed (limits.decoded_bytes); send smaller batches"
            ),
            Self::PartsTooLarge { limit } => write!(
                f,
                "the parts of this request are larger than {limit} bytes (limits.held_bytes_per_worker); send smaller batches"
            ),
            Self::TooManySeries { limit } => {
                write!(f, "the body has more than {limit} series (limits.series); send smaller batches")
            }
            Self::TooManySymbols { limit } => {
                write!(f, "the symbol table has more than {limit} strings; send smaller batches")
            }
            Self::Compression => f.write_str("the body is no valid snappy block"),
            Self::Decompression { encoding } => {
                write!(f, "the body is not exactly one {encoding} stream")
            }
            Self::Json { problem, offset } => {
                write!(f, "the body is malformed: {problem} (at byte {offset} after decompression)")
            }
            Self::Body { problem, offset } => {
                write!(f, "the body is malformed: {problem} (at byte {offset} after decompression)")
            }
            Self::UnknownMember { name } => write!(
                f,
                "the body has a member `{}` that the gateway does not know, and so cannot check; leave it out",
                Excerpt::new(name, 64)
            ),
            Self::ForeignLabel { label } => write!(
                f,
                "the label {label} of an alert names a tenant that this request is not for; leave it out, or send it as that tenant"
            ),
            Self::ForeignMatcher { label } => write!(
                f,
                "the matcher on {label} must be an equality with the one tenant of this request; leave it out, and it is added"
            ),
            Self::NoMatchers => f.write_str("a silence has at least one matcher"),
            Self::SilenceId => {
                f.write_str("the ID of a silence is a UUID in lower case, as the Alertmanager gives it")
            }
            Self::NotOwn => f.write_str("there is nothing with this ID that is this caller's"),
            Self::OwnerUnknown { status: Some(status) } => write!(
                f,
                "the gateway asked whose silence this is and was answered {status}; send again later"
            ),
            Self::OwnerUnknown { status: None } => f.write_str(
                "the gateway asked whose silence this is and got no answer; send again later",
            ),
            Self::Answer { what } => write!(f, "the backend's answer cannot be narrowed to this caller's tenants: {what}"),
            Self::AnswerJson { problem, offset } => write!(
                f,
                "the backend's answer cannot be narrowed to this caller's tenants: {problem} (at byte {offset} after decompression)"
            ),
            Self::AnswerTooLarge { limit } => write!(
                f,
                "the backend's answer is larger than {limit} bytes (limits.response_bytes); ask for less of it"
            ),
            Self::Overloaded { what } => write!(f, "the gateway is busy: {what}; send again later"),
            Self::Host { what } => write!(f, "the gateway failed: {what}"),
        }
    }
}

impl core::error::Error for Refusal {}
