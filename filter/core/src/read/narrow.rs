//! Reads on backends that know no `X-Scope-OrgID`: narrowed to their tenants by arguments, by the text of their
//! queries, or by an account.

use super::arguments::{Arguments, selector};
use super::query::{Language, Matcher, expression_like, logsql};
use super::{form, remote_read, rule_group};
use crate::config::QueryLanguage;
use crate::http::{Headers, split_query};
use crate::isolate::{Address, Isolate};
use crate::operation::{Kind, Operation, Protocol, Reach};
use crate::report::Refusal;
use crate::tenant::{AllowList, FAKE, TenantId, TenantSet};

/// The longest query of a URL that is made here. Servers take heads of a megabyte.
const URL_BYTES: u32 = 512 << 10;

/// A read, as its head tells of it.
pub struct Reading<'a> {
    /// The kind of its backend.
    pub kind: Kind,
    /// How that keeps tenants apart.
    pub isolate: &'a Isolate,
    /// What is asked.
    pub operation: Operation,
    /// Whose data it may reach.
    pub tenants: &'a TenantSet,
    /// What else it may reach where a label keeps tenants apart: all that are like these. Then `tenants` is empty.
    pub like: Option<&'a AllowList>,
    /// Whether its caller has the right to read what is narrowed for others.
    pub unfiltered: bool,
    /// Whether its backend was told to read experimental syntax.
    pub experimental: bool,
    /// The query language of its metrics.
    pub language: QueryLanguage,
    /// All tenants of its caller.
    pub own: &'a TenantSet,
    /// Its headers.
    pub headers: &'a Headers<'a>,
    /// Whether no body follows.
    pub end_of_stream: bool,
}

/// What a backend narrows a read by itself, told in its arguments.
#[derive(Clone, Copy)]
enum Filter {
    /// `VictoriaMetrics`: `extra_label`, or `extra_filters[]`.
    ExtraLabel,
    /// `VictoriaLogs` and `VictoriaTraces`: `extra_filters` in `LogsQL`.
    LogsQl,
}

/// What becomes of a read.
#[derive(Debug, Default)]
pub struct Narrowed {
    /// The headers that are set.
    pub told: Vec<(String, String)>,
    /// What its body must be looked into for.
    pub body: Option<Body>,
}

/// What the body of a request is looked into for.
#[derive(Debug)]
pub enum Body {
    /// A form, whose arguments are changed like those of the URL.
    Form(Box<Form>),
    /// A message of Prometheus' remote read, whose queries all get these matchers.
    RemoteRead(Vec<Matcher>),
    /// A rule group that may name tenants only of these.
    RuleGroup(TenantSet),
}

/// A form that follows.
#[derive(Debug)]
pub struct Form {
    arguments: Arguments,
    url: Url,
}

/// A path whose own arguments are rewritten.
#[derive(Debug)]
struct Url {
    path: String,
    is_changed: bool,
    /// Whether it has the selector that is else added.
    selects: bool,
}

/// A body that was looked into.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The path, where it changes.
    pub path: Option<String>,
    /// The new body; `None` leaves it as it came.
    pub body: Option<Vec<u8>>,
}

impl Reading<'_> {
    /// Narrows it to its tenants.
    pub fn narrow(&self, mut address: Address) -> Result<Narrowed, Refusal> {
        match self.isolate {
            Isolate::Header | Isolate::Pattern => self.by_header(),
            Isolate::AccountInPath(_) | Isolate::AccountInHeaders(_) => {
                let several = || Refusal::SeveralTenants { tenants: self.tenants.header() };
                let tenant = self.tenants.single().ok_or_else(several)?;
                if !self.isolate.knows(tenant) {
                    return Err(Refusal::NoAccount { tenant: tenant.clone() });
                }
                // Within an account a client's filters only take away; they go all the same, as everywhere.
                let arguments = Arguments::plain(self.operation.reach);
                let url = rewrite_url(&arguments, &address)?;
                let follows = form::follows(self.headers, self.end_of_stream)?;
                if url.is_changed {
                    address.go_to(url.path.clone());
                }
                let told = address.tell(tenant);
                let path = told.iter().find(|(name, _)| name == ":path").map(|(_, path)| path.clone());
                let url = Url { path: path.unwrap_or(url.path), is_changed: false, selects: true };
                let body = follows.then(|| Body::Form(Box::new(Form { arguments, url })));
                Ok(Narrowed { told, body })
            }
            Isolate::Label(label) => self.by_label(label, None, &address),
            Isolate::LabelInUrl(label) => self.by_label(label, Some(Filter::ExtraLabel), &address),
            Isolate::FieldInUrl(field) => self.by_label(&field.name(), Some(Filter::LogsQl), &address),
        }
    }

    fn by_header(&self) -> Result<Narrowed, Refusal> {
        let told = vec![("x-scope-orgid".to_owned(), self.tenants.header())];
        let names_tenants = self.kind == Kind::Mimir
            && self.operation.protocol == Protocol::RulesApi
            && self.headers.pseudo(":method") == "POST";
        if !names_tenants {
            return Ok(Narrowed { told, body: None });
        }
        if self.headers.first("content-encoding").is_some() {
            return Err(Refusal::Encoding { expected: "none" });
        }
        Ok(Narrowed { told, body: Some(Body::RuleGroup(self.own.clone())) })
    }

    fn by_label(&self, label: &str, filter: Option<Filter>, address: &Address) -> Result<Narrowed, Refusal> {
        let reach = self.operation.reach;
        if self.unfiltered || reach == Reach::Nothing {
            return Ok(Narrowed::default());
        }
        let tenants: Vec<&str> = self.tenants.as_slice().iter().map(TenantId::as_str).collect();
        let matchers = || {
            let matchers: Result<Vec<_>, _> = match self.like {
                Some(like) if like.seems_to_allow_fake() => {
                    [Matcher::like(label, like.patterns()), Matcher::not_equal(label, FAKE)]
                        .into_iter()
                        .collect()
                }
                Some(like) => Matcher::like(label, like.patterns()).map(|matcher| vec![matcher]),
                None => Matcher::any_of(label, tenants.iter().copied()).map(|matcher| vec![matcher]),
            };
            matchers.map_err(|_| Refusal::NotNarrowed)
        };
        match reach {
            Reach::Nothing | Reach::Answer | Reach::Everything => return Err(Refusal::NotNarrowed),
            Reach::RemoteRead if filter.is_some() => return Err(Refusal::NotNarrowed),
            Reach::RemoteRead => {
                remote_read::check(self.headers)?;
                return Ok(Narrowed { told: Vec::new(), body: Some(Body::RemoteRead(matchers()?)) });
            }
            Reach::Query | Reach::Selectors | Reach::QuerySelector => {}
        }
        let language = match self.language {
            _ if self.kind == Kind::Loki => Language::LogQl,
            QueryLanguage::PromQl => Language::PromQl,
            QueryLanguage::MetricsQl => Language::MetricsQl,
        };
        let mut arguments = Arguments::plain(reach);
        arguments.options.experimental = self.experimental;
        match filter {
            Some(Filter::ExtraLabel) => {
                let matchers = matchers()?;
                arguments.added.push(match tenants.as_slice() {
                    [tenant] => ("extra_label", [label, "=", tenant].concat()),
                    _ => ("extra_filters[]", selector(&matchers)?),
                });
                arguments.absent = Some(matchers);
            }
            Some(Filter::LogsQl) => {
                let filter = match self.like {
                    Some(like) => {
                        let but = like.seems_to_allow_fake().then_some(FAKE);
                        let like = expression_like(like.patterns());
                        like.ok().map(|like| logsql::filter_like(label, &like, but))
                    }
                    None => logsql::filter(label, &tenants),
                };
                let filter = filter.ok_or(Refusal::NotNarrowed)?;
                arguments.added.push(("extra_filters", filter));
                arguments.is_logsql = true;
            }
            None => {
                let matchers = matchers()?;
                arguments.text = Some((language, matchers.clone()));
                arguments.absent = Some(matchers);
            }
        }
        let mut url = rewrite_url(&arguments, address)?;
        let follows = if self.operation.protocol == Protocol::LokiTail {
            form::is_no_websocket(self.headers, self.end_of_stream)?
        } else {
            form::follows(self.headers, self.end_of_stream)?
        };
        if follows {
            let body = Some(Body::Form(Box::new(Form { arguments, url })));
            return Ok(Narrowed { told: Vec::new(), body });
        }
        url.is_changed |= arguments.complete(&mut url.path, url.selects)?;
        let told = if url.is_changed { vec![(":path".to_owned(), url.path)] } else { Vec::new() };
        Ok(Narrowed { told, body: None })
    }
}

fn rewrite_url(arguments: &Arguments, address: &Address) -> Result<Url, Refusal> {
    let (path, query) = split_query(address.path());
    let outcome =
        arguments.rewrite(query.strip_prefix('?').unwrap_or_default(), URL_BYTES, Refusal::NotCanonical)?;
    let is_changed = outcome.text.is_some();
    let path = match outcome.text {
        Some(text) if text.is_empty() => path.to_owned(),
        Some(text) => [path, "?", &text].concat(),
        None => address.path().to_owned(),
    };
    Ok(Url { path, is_changed, selects: outcome.selects })
}

impl Body {
    /// Looks into the body.
    pub fn look(self, body: &[u8], decoded_limit: u32) -> Result<Looked, Refusal> {
        match self {
            Self::Form(form) => {
                let text =
                    core::str::from_utf8(body).map_err(|_| Refusal::Form("a text that is not UTF-8"))?;
                let Form { arguments, mut url } = *form;
                let outcome = arguments.rewrite(text, decoded_limit, Refusal::Form)?;
                url.is_changed |= arguments.complete(&mut url.path, url.selects || outcome.selects)?;
                let path = url.is_changed.then_some(url.path);
                Ok(Looked { path, body: outcome.text.map(String::into_bytes) })
            }
            Self::RemoteRead(matchers) => {
                let body = remote_read::narrow(body, &matchers, decoded_limit)?;
                Ok(Looked { path: None, body: Some(body) })
            }
            Self::RuleGroup(own) => rule_group::check(body, &own).map(|()| Looked::default()),
        }
    }
}
