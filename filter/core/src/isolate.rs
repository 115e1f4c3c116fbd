//! How a backend keeps its tenants apart, and how it is told which one a request is for.

use std::rc::Rc;

use hashbrown::HashMap;

use crate::config::{ConfigError, Isolation};
use crate::http::{Headers, add_argument};
use crate::operation::{Class, Kind};
use crate::report::Refusal;
use crate::tenant::TenantId;

/// How one backend keeps its tenants apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Isolate {
    /// By the header `X-Scope-OrgID`.
    #[default]
    Header,
    /// By the header `X-Scope-OrgID`, which the backend reads as a regular expression.
    Pattern,
    /// By a label of this name, which stands in what is written.
    Label(String),
    /// By a label of this name, which the URL of a write sets: `extra_label=NAME=TENANT`. It comes after every label of
    /// the body, and so wins even over one that only reads the same once the backend has made its name plain.
    LabelInUrl(String),
    /// By a field of logs or spans, which the URL of a write sets: `extra_fields=NAME=TENANT`. It takes the place of every
    /// field of that name in the body.
    FieldInUrl(Field),
    /// By accounts in the path: `/insert/ACCOUNT:PROJECT/…`.
    AccountInPath(Accounts),
    /// By accounts in the headers `AccountID` and `ProjectID`.
    AccountInHeaders(Accounts),
}

/// A field of logs or spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The label or attribute that becomes the field.
    label: String,
    /// What the backend puts before its name.
    prefix: &'static str,
}

impl Field {
    /// The name that the backend keeps it under.
    pub fn name(&self) -> String {
        [self.prefix, &self.label].concat()
    }
}

/// The account of each tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts(HashMap<TenantId, (u32, u32)>);

impl Isolate {
    /// Compiles what a backend of this kind says at `path`.
    pub fn compile(config: Option<&Isolation>, kind: Kind, path: &str) -> Result<Self, ConfigError> {
        let takes = Takes::of(kind);
        let error = |problem: &str| {
            Err(ConfigError::new(path, format!("{problem}: {} {}", kind.as_str(), takes.words())))
        };
        match (config, takes) {
            (Some(Isolation::Pattern), Takes::Header | Takes::HeaderOrLabel) => Ok(Self::Pattern),
            (Some(Isolation::Pattern), _) => error("not by a pattern"),
            (None, Takes::Header | Takes::HeaderOrLabel) | (Some(Isolation::Header), _) => Ok(Self::Header),
            (None, _) => error("missing"),
            (
                Some(Isolation::Label(label)),
                Takes::Label | Takes::HeaderOrLabel | Takes::LabelInUrl | Takes::AccountOrField(_),
            ) if !can_keep_apart(label) => Err(ConfigError::new(
                format!("{path}.label"),
                "a label has a name; one that keeps tenants apart is made of A-Z a-z 0-9 _ and does not begin with a digit or `__`",
            )),
            (Some(Isolation::Label(label)), Takes::AccountOrField(prefix)) => {
                if prefix.is_empty() && RESERVED_FIELDS.contains(&&*label.0) {
                    return Err(ConfigError::new(
                        format!("{path}.label"),
                        "the backend has this field for itself",
                    ));
                }
                Ok(Self::FieldInUrl(Field { label: label.0.clone(), prefix }))
            }
            (Some(Isolation::Label(label)), Takes::Label | Takes::HeaderOrLabel) => {
                Ok(Self::Label(label.0.clone()))
            }
            (Some(Isolation::Label(label)), Takes::LabelInUrl) => Ok(Self::LabelInUrl(label.0.clone())),
            (Some(Isolation::Label(_)), _) => error("not by a label"),
            (Some(Isolation::Account(accounts)), Takes::AccountInPath) => {
                Accounts::compile(accounts, &format!("{path}.account")).map(Self::AccountInPath)
            }
            (Some(Isolation::Account(accounts)), Takes::AccountOrField(_)) => {
                Accounts::compile(accounts, &format!("{path}.account")).map(Self::AccountInHeaders)
            }
            (Some(Isolation::Account(_)), _) => error("not by accounts"),
        }
    }

    /// The label, where one keeps the tenants apart.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Label(label) | Self::LabelInUrl(label) => Some(label),
            Self::FieldInUrl(field) => Some(&field.label),
            _ => None,
        }
    }

    /// The labels by which a client could name an account itself, where accounts stand in the path. What VictoriaMetrics
    /// reads at its multitenant endpoint (`GetLocalAuthToken`).
    pub fn account_labels(&self) -> &'static [&'static str] {
        match self {
            Self::AccountInPath(_) => {
                &["vm_account_id", "vm_project_id", "VictoriaMetrics_AccountID", "VictoriaMetrics_ProjectID"]
            }
            _ => &[],
        }
    }

    /// Whether the backend would read the ID of this tenant as a pattern for others.
    pub fn misreads(&self, tenant: &TenantId) -> bool {
        matches!(self, Self::Pattern) && tenant.as_str().contains(['.', '*', '(', ')'])
    }

    /// Refuses a write whose body the backend would take for arguments that count more than those of the URL, and so for
    /// nothing that is written.
    pub fn check_write(&self, headers: &Headers<'_>) -> Result<(), Refusal> {
        if !matches!(self, Self::FieldInUrl(_)) {
            return Ok(());
        }
        let media = headers.only("content-type").map_err(|_| Refusal::Repeated("content-type"))?;
        let is_form = media.is_some_and(|media| {
            let media = media.to_ascii_lowercase();
            let has = |form: &[u8]| media.windows(form.len()).any(|piece| piece == form);
            has(b"form-urlencoded") || has(b"multipart")
        });
        if is_form {
            Err(Refusal::MediaType { expected: "that of what is written, and no form" })
        } else {
            Ok(())
        }
    }

    /// Whether the backend can be told this tenant.
    pub fn knows(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Header | Self::Label(_) | Self::LabelInUrl(_) | Self::FieldInUrl(_) => true,
            Self::Pattern => !self.misreads(tenant),
            Self::AccountInPath(accounts) | Self::AccountInHeaders(accounts) => {
                accounts.0.contains_key(tenant)
            }
        }
    }
}

/// Whether every language of queries, and every protocol of writes, takes this name of a label as it is.
fn can_keep_apart(label: &str) -> bool {
    label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !label.starts_with("__")
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a kind of backend can keep tenants apart by, besides what stands in front of it.
#[derive(Clone, Copy)]
enum Takes {
    Header,
    HeaderOrLabel,
    Label,
    LabelInUrl,
    AccountInPath,
    /// By accounts in headers; or by a field, with what stands before its name.
    AccountOrField(&'static str),
}

/// The fields that `VictoriaLogs` makes itself, and the message of a log.
const RESERVED_FIELDS: &[&str] = &["_msg", "_time", "_stream", "_stream_id"];

impl Takes {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Cortex | Kind::Mimir | Kind::Tempo => Self::Header,
            Kind::Loki => Self::HeaderOrLabel,
            Kind::Prometheus | Kind::Alertmanager => Self::Label,
            Kind::VictoriaMetrics => Self::LabelInUrl,
            Kind::VictoriaMetricsCluster => Self::AccountInPath,
            Kind::VictoriaLogs => Self::AccountOrField(""),
            Kind::VictoriaTraces => Self::AccountOrField("resource_attr:"),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Header => "knows X-Scope-OrgID: leave it out, or say `header`",
            Self::HeaderOrLabel => {
                "knows X-Scope-OrgID: leave it out, or say `header`; or `{label: NAME}` for one that runs without tenants"
            }
            Self::Label | Self::LabelInUrl => {
                "knows no X-Scope-OrgID, so that every tenant would see everything; say `{label: NAME}`, or `header` only \
                 if something behind this Envoy does"
            }
            Self::AccountInPath => {
                "knows no X-Scope-OrgID; say `{account: {TENANT: \"ACCOUNT:PROJECT\"}}`, or `header` only if something \
                 behind this Envoy does"
            }
            Self::AccountOrField(_) => {
                "knows no X-Scope-OrgID; say `{account: {TENANT: \"ACCOUNT:PROJECT\"}}`, or `{label: NAME}` for all \
                 tenants in one account, or `header` only if something behind this Envoy does"
            }
        }
    }
}

impl Accounts {
    fn compile(
        config: &std::collections::BTreeMap<String, crate::config::Text>,
        path: &str,
    ) -> Result<Self, ConfigError> {
        let mut accounts = HashMap::new();
        if config.is_empty() {
            return Err(ConfigError::new(path, "name the account of at least one tenant"));
        }
        for (name, text) in config {
            let at = format!("{path}.{name}");
            let tenant = TenantId::new(name).map_err(|error| ConfigError::new(&at, error.to_string()))?;
            let account = parse(text).ok_or_else(|| {
                ConfigError::new(
                    &at,
                    "an account is a number up to 4294967295, or two as in \"ACCOUNT:PROJECT\"",
                )
            })?;
            if let Some((other, _)) = accounts.iter().find(|(_, known)| **known == account) {
                return Err(ConfigError::new(
                    at,
                    format!("{other} has this account: they would share their data"),
                ));
            }
            accounts.insert(tenant, account);
        }
        Ok(Self(accounts))
    }
}

/// `1` or `1:2`, in plain digits.
fn parse(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let is_plain = text.bytes().all(|c| c.is_ascii_digit());
        if is_plain { text.parse().ok() } else { None }
    };
    match text.split_once(':') {
        Some((account, project)) => Some((number(account)?, number(project)?)),
        None => Some((number(text)?, 0)),
    }
}

/// Where a request goes, and how its tenant is told there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    isolate: Rc<Isolate>,
    /// The request's path with its query.
    path: String,
    /// Whether that is another one than the client's.
    is_new: bool,
    /// How much of it stands before the backend's own paths.
    prefix: usize,
    class: Class,
}

impl Address {
    /// The address of a request of this class with `path`, of which the first `prefix` bytes are not the backend's.
    pub fn new(isolate: &Rc<Isolate>, class: Class, path: &str, prefix: usize) -> Self {
        Self { isolate: Rc::clone(isolate), path: path.to_owned(), is_new: false, prefix, class }
    }

    /// Goes to another path, which has the same prefix.
    pub fn go_to(&mut self, path: String) {
        self.path = path;
        self.is_new = true;
    }

    /// The same at another path, all of which is the backend's.
    #[must_use]
    pub fn elsewhere(&self, path: &str) -> Self {
        Self::new(&self.isolate, self.class, path, 0)
    }

    /// The path, before anything about a tenant is said in it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The headers that are set to these values, `:path` among them where it is to be changed. They say the same to the
    /// backend however often they are set.
    pub fn tell(&self, tenant: &TenantId) -> Vec<(String, String)> {
        let header = |name: &str, value: String| (name.to_owned(), value);
        let mut told = match &*self.isolate {
            Isolate::Header | Isolate::Pattern => vec![header("x-scope-orgid", tenant.as_str().to_owned())],
            Isolate::Label(_) => Vec::new(),
            Isolate::LabelInUrl(label) => {
                let mut path = self.path.clone();
                add_extra_label(&mut path, label.as_bytes(), tenant.as_str().as_bytes());
                return vec![header(":path", path)];
            }
            Isolate::FieldInUrl(field) => {
                let mut path = self.path.clone();
                let set = [&field.name(), "=", tenant.as_str()].concat();
                add_argument(&mut path, "extra_fields", set.as_bytes());
                return vec![header(":path", path)];
            }
            Isolate::AccountInPath(accounts) => {
                let verb = if self.class == Class::Write { "insert" } else { "select" };
                let (before, own) = self.path.split_at_checked(self.prefix).unwrap_or(("", &self.path));
                let account = accounts.0.get(tenant).map(|(account, project)| format!("{account}:{project}"));
                return vec![header(":path", format!("{before}/{verb}/{}{own}", known(account)))];
            }
            Isolate::AccountInHeaders(accounts) => {
                let account = accounts.0.get(tenant);
                vec![
                    header("accountid", known(account.map(|(account, _)| account.to_string()))),
                    header("projectid", known(account.map(|(_, project)| project.to_string()))),
                ]
            }
        };
        if self.is_new {
            told.push(header(":path", self.path.clone()));
        }
        told
    }
}

/// Says in the URL of a write to `VictoriaMetrics` which label everything in it gets.
pub fn add_extra_label(path: &mut String, name: &[u8], value: &[u8]) {
    add_argument(path, "extra_label", &[name, b"=", value].concat());
}

/// No request gets so far for a tenant without an account; if one did, no backend would take this for a number.
fn known(account: Option<String>) -> String {
    account.unwrap_or_else(|| "none".to_owned())
}
