//! The configuration as people write it: typed, strict, and with the path of the field in every error.
//!
//! Here are only the shapes; what they mean is compiled by the rooms that use them into a
//! [`Policy`](crate::policy::Policy). The doc comments of these types are the reference page.

mod agent;
mod answers;
mod backend;
mod caller;
mod date;
mod labels;
mod limits;
mod load;
mod metrics;
mod mode;
mod read;
mod scalar;
mod session;
mod shape;
mod source;
mod table;
mod whoami;
mod write;

use std::collections::BTreeMap;

pub use agent::{AgentConfig, AgentLimits, SignConfig, SigningKeysConfig};
pub use answers::{AnswersConfig, GiveUpConfig, RateLimited, SoftErrors};
pub use backend::{AlsoReadConfig, BackendConfig, Isolation};
pub use caller::{
    BasicConfig, CallerConfig, ClaimTenantsConfig, ConditionConfig, EnvKey, GrantConfig, ImpersonateConfig,
    JwtConfig, MetadataConfig, NarrowConfig, SourceConfig, TenantsConfig, UserConfig,
};
pub use date::Date;
pub use labels::{LabelEditsConfig, LabelFrom, LabelProtocol, LabelValueConfig, LabelsConfig};
pub use limits::Limits;
pub use load::ConfigError;
pub(crate) use load::whole as load_whole;
pub use metrics::{ByTenant, MetricsConfig, ReportConfig, TenantNamesConfig};
pub use mode::{Mode, Percent};
pub use read::{LabelPolicyConfig, QueryLanguage, ReadConfig};
pub use scalar::{ByteSize, Count, Millis, OneOrMany, Text};
pub use session::{SessionConfig, SessionKeysConfig};
pub use shape::{Node, ReadResult, Shape, read};
pub use source::{
    AnonymousConfig, BearerConfig, CertificateConfig, HeaderConfig, ProofConfig, SharedSecretConfig,
    TokenConfig,
};
pub use table::{GrafanaTableConfig, HttpTableConfig, KubernetesTableConfig, TableConfig, UntilLoaded};
pub use whoami::WhoamiConfig;
pub use write::{
    AccountLabels, AlsoWriteConfig, CallsConfig, Fallback, KeyConfig, MetadataPolicy, RemoteWriteConfig,
    RetriesConfig, TenantSourceConfig, Via, WriteConfig,
};

/// The whole configuration of the filter.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `gateway`. A filter with `role: agent` has a configuration of its own.
    #[serde(default)]
    pub role: RoleName,
    /// Whether decisions take effect. A backend and a caller can say it otherwise for themselves; the caller's own word counts
    /// most.
    #[serde(default)]
    pub mode: Mode,
    /// The systems behind this Envoy. Which one a request is for is decided by the route's metadata
    /// (`filter_metadata: {scopegate: {backend: NAME}}`), else by its host, else by the longest path prefix.
    pub backends: Vec<BackendConfig>,
    /// Who may call. The first entry that recognises a request is its caller; a request that none
    /// recognises is answered 401.
    pub callers: Vec<CallerConfig>,
    /// How writes find their tenants, by the backend's name. A backend without an entry takes the tenant
    /// from the header `X-Scope-OrgID` (within the caller's tenants), else from the caller.
    #[serde(default)]
    pub write: BTreeMap<String, WriteConfig>,
    /// How reads are narrowed, by the backend's name, besides what its `isolate` says.
    #[serde(default)]
    pub read: BTreeMap<String, ReadConfig>,
    /// Tables of tenants by their names, for the sources of tenants that name one.
    #[serde(default)]
    pub tables: BTreeMap<String, TableConfig>,
    /// Bounds on what one request, and one worker, may use.
    #[serde(default)]
    pub limits: Limits,
    /// What is counted, and how finely.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Leaves a line about every request in Envoy's filter state, for the access log: caller, tenants, class, decision,
    /// reason, series, samples and parts. It is printed by `%FILTER_STATE(wasm.scopegate:PLAIN)%`.
    #[serde(default)]
    pub access_log: bool,
    /// A page for administrators that tells what could not be placed and what was refused. By default there is none.
    pub report: Option<ReportConfig>,
    /// A page that tells a caller who the gateway takes it to be, and why. By default there is none.
    pub whoami: Option<WhoamiConfig>,
}

/// What a filter does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// In front of backends it decides who may reach what.
    #[default]
    Gateway,
    /// Beside an agent it signs what that sends.
    Agent,
}

/// The configuration of a filter, in either of its roles.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub enum Role {
    /// In front of backends.
    Gateway(Box<Config>),
    /// Beside an agent.
    Agent(AgentConfig),
}
