//! The configuration as the filter compiles it, with its tables.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;
use scopegate_core::config::{Config, Mode, TableConfig, Text};
use scopegate_core::exchange::{Alone, Process, Worker, prepare};
use scopegate_core::policy::Policy;
use scopegate_core::table::{Fetched, Get};
use serde_json::Value;

use crate::check::{PLACEHOLDER, configurations};
use crate::config::filter_part;
use crate::document::{Document, Malformed};

/// What is said about the configuration.
#[derive(Args, Default)]
#[command(next_help_heading = "Configuration")]
pub(super) struct PolicyArguments {
    /// What a table holds: a JSON or YAML object of keys and tenants, or whatever its server would answer
    #[arg(long, value_name = "NAME=FILE")]
    table: Vec<String>,
    /// Which filter of an Envoy configuration, counted from 1
    #[arg(long, value_name = "N")]
    filter: Option<usize>,
    /// As if every decision took effect, whatever `mode` says
    #[arg(long)]
    enforced: bool,
}

/// A configuration that requests can be told to.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) policy: Rc<Policy>,
    /// The contents of the tables that would be fetched.
    contents: BTreeMap<String, Value>,
    /// What was supposed.
    pub(super) suppositions: Vec<String>,
}

impl PolicyArguments {
    /// Reads and compiles the configuration of a file.
    pub(super) fn load(&self, file: &Path) -> Result<Loaded> {
        let Document { name, root, .. } = read(file)?;
        let configurations = configurations(&root);
        let configuration = match (configurations.as_slice(), self.filter) {
            ([], _) => bail!(
                "{name} is neither a Scopegate configuration nor an Envoy configuration with its filter"
            ),
            ([only], None) => only,
            (several, None) => bail!("{name} has {} filters: say which, with --filter", several.len()),
            (some, Some(at)) => {
                let found = at.checked_sub(1).and_then(|at| some.get(at));
                found.with_context(|| format!("{name} has {} filters, and no {at}", some.len()))?
            }
        };
        let (node, path) = configuration;
        // A file of its own may say what is around the filter, too.
        let value = if path.is_empty() { filter_part(node.value()) } else { node.value() };
        self.compile(value).with_context(|| format!("{name} (`scopegate check` says where)"))
    }

    /// Compiles a configuration.
    pub(super) fn compile(&self, configuration: Value) -> Result<Loaded> {
        let mut config = Config::from_json(configuration).map_err(|error| anyhow!("{error}"))?;
        let mut suppositions = Vec::new();
        if self.enforced {
            config.mode = Mode::Enforce;
            config.backends.iter_mut().for_each(|backend| backend.mode = None);
            config.callers.iter_mut().for_each(|caller| caller.mode = None);
            suppositions.push("every decision takes effect, whatever `mode` says".to_owned());
        }
        let mut contents = BTreeMap::new();
        for given in &self.table {
            let (table, file) = given.split_once('=').context("--table: give NAME=FILE")?;
            let content = read(Path::new(file)).context("--table")?.root.value();
            let known = config.tables.get_mut(table);
            let known =
                known.with_context(|| format!("--table: the configuration has no table `{table}`"))?;
            if known.kubernetes.is_some() {
                list(known, &content).with_context(|| format!("--table {table}"))?;
            } else {
                ensure!(known.http.is_some(), "--table: `{table}` is listed in the configuration");
                contents.insert(table.to_owned(), content);
            }
        }
        for (name, table) in &config.tables {
            if table.entries.is_none() && !contents.contains_key(name) {
                suppositions
                    .push(format!("the table {name} was never fetched: give it with --table {name}=FILE"));
            }
        }
        let absent = RefCell::new(Vec::new());
        let env = |name: &str| {
            let value = std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes);
            if value.is_none() && !absent.borrow().iter().any(|known| known == name) {
                absent.borrow_mut().push(name.to_owned());
            }
            Some(value.unwrap_or_else(|| PLACEHOLDER.as_bytes().to_vec()))
        };
        let mut policy = Policy::compile(&config, &env).map_err(|error| anyhow!("{error}"))?;
        for name in absent.into_inner() {
            suppositions
                .push(format!("{name} is not in the environment: no credential made with it is recognised"));
        }
        // It says what was decided.
        policy.telling.access_log = true;
        Ok(Loaded { config, policy: Rc::new(policy), contents, suppositions })
    }
}

impl Loaded {
    /// A worker to which nothing was told yet but the contents of its tables.
    pub(super) fn worker(&self, date: u64) -> Result<Worker> {
        let process: Rc<dyn Process> = Rc::new(Alone::default());
        let failed = |failure| anyhow!("no slots: {failure:?}");
        self.policy.make_slots(&*process).map_err(failed)?;
        prepare(&*process, &self.policy).map_err(failed)?;
        let mut worker = Worker::new(Rc::clone(&process));
        worker.wall_seconds = self.policy.needs_date().then_some(date);
        worker.prepare_tables(&self.policy, &process, 1);
        for get in worker.tick_tables(NOW) {
            let Some((name, content)) = self.content(&get) else { continue };
            let body = serde_json::to_vec(content)?;
            ensure!(body.len() <= get.max_bytes as usize, "--table: {name} is larger than its `max_bytes`");
            worker.fetched(get.id, Fetched { status: Ok(200), body: Some(body) }, NOW);
            if let Some(problem) =
                worker.take_table_logs().into_iter().find(|line| line.contains("could not"))
            {
                bail!("--table: {name}: {problem}");
            }
        }
        Ok(worker)
    }

    /// What the server of a table would answer.
    fn content(&self, get: &Get) -> Option<(&str, &Value)> {
        let path = get.headers.iter().find(|(name, _)| *name == ":path").map(|(_, path)| path.as_str())?;
        self.contents.iter().find_map(|(name, content)| {
            let http = self.config.tables.get(name)?.http.as_ref()?;
            (http.cluster.0 == get.cluster && http.path.0 == path).then_some((name.as_str(), content))
        })
    }
}

/// The hour on a clock that stands still.
pub(super) const NOW: u64 = 1_000_000;

/// A table that is made from something else, as if it were listed.
fn list(table: &mut TableConfig, content: &Value) -> Result<()> {
    let entries = content.as_object().context("no object of keys and tenants")?;
    let entry = |(key, tenant): (&String, &Value)| {
        let tenant = tenant.as_str().with_context(|| format!("the tenant of `{key}` is no text"))?;
        Ok((key.clone(), Text(tenant.to_owned())))
    };
    table.entries = Some(entries.iter().map(entry).collect::<Result<_>>()?);
    (table.kubernetes, table.http) = (None, None);
    Ok(())
}

fn read(file: &Path) -> Result<Document> {
    Document::read(file)?.map_err(|Malformed { name, problem, .. }| anyhow!("{name}: {}", problem.message))
}
