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
pub(crate) struct PolicyArguments {
    /// What a table holds: a JSON or YAML object of keys and tenants, or whatever its server would answer
    #[arg(long, value_name = "NAME=FILE")]
    table: Vec<String>,
    /// Which filter of an Envoy configuration, counted from 1
    #[arg(long, value_name = "N")]
    pub(crate) filter: Option<usize>,
    /// As if every decision took effect, whatever `mode` says
    #[arg(long)]
    enforced: bool,
}

/// A configuration that requests can be told to.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) policy: Rc<Policy>,
    /// The contents of the tables that would be fetched.
    contents: BTreeMap<String, Value>,
    /// What was supposed.
    pub(crate) suppositions: Vec<String>,
}

/// What a configuration is compiled in.
#[derive(Clone, Default)]
pub(crate) struct World {
    /// What the tables hold that are not listed in the configuration.
    pub(crate) tables: BTreeMap<String, Value>,
    /// As if every decision took effect.
    pub(crate) enforced: bool,
    /// The environment of the filter; that of this process where there is none.
    pub(crate) env: Option<BTreeMap<String, String>>,
}

impl PolicyArguments {
    /// Reads and compiles the configuration of a file.
    pub(crate) fn load(&self, file: &Path) -> Result<Loaded> {
        let configuration = configuration(file, self.filter)?;
        self.compile(configuration)
            .with_context(|| format!("{} (`scopegate check` says where)", file.display()))
    }

    /// Compiles a configuration.
    pub(crate) fn compile(&self, configuration: Value) -> Result<Loaded> {
        self.world()?.compile(config(configuration)?)
    }

    /// What is said of the world around.
    pub(crate) fn world(&self) -> Result<World> {
        let mut world = World { enforced: self.enforced, ..World::default() };
        for given in &self.table {
            let (table, file) = given.split_once('=').context("--table: give NAME=FILE")?;
            world.tables.insert(table.to_owned(), read(Path::new(file)).context("--table")?.root.value());
        }
        Ok(world)
    }
}

/// The configuration in a file; the one of this filter, counted from 1, where there are several. With what stands beside it
/// in a file of its own, which says what is around the filter.
pub(crate) fn whole(file: &Path, filter: Option<usize>) -> Result<Whole> {
    let Document { name, root, .. } = read(file)?;
    let configurations = configurations(&root);
    let found = match (configurations.as_slice(), filter) {
        ([], _) => {
            bail!("{name} is neither a Scopegate configuration nor an Envoy configuration with its filter")
        }
        ([only], None) => only,
        (several, None) => bail!("{name} has {} filters: say which, with --filter", several.len()),
        (some, Some(at)) => {
            let found = at.checked_sub(1).and_then(|at| some.get(at));
            found.with_context(|| format!("{name} has {} filters, and no {at}", some.len()))?
        }
    };
    let (node, path) = found;
    Ok(Whole { value: node.value(), is_own: path.is_empty() })
}

/// A configuration as it is written.
pub(crate) struct Whole {
    pub(crate) value: Value,
    /// Whether it is a file of its own.
    is_own: bool,
}

impl Whole {
    /// What the filter sees of it.
    pub(crate) fn filter(self) -> Value {
        if self.is_own { filter_part(self.value) } else { self.value }
    }
}

/// The configuration that the filter sees.
pub(crate) fn configuration(file: &Path, filter: Option<usize>) -> Result<Value> {
    Ok(whole(file, filter)?.filter())
}

/// Reads a configuration.
pub(crate) fn config(configuration: Value) -> Result<Config> {
    Config::from_json(configuration).map_err(|error| anyhow!("{error}"))
}

impl World {
    /// Compiles a configuration.
    pub(crate) fn compile(&self, mut config: Config) -> Result<Loaded> {
        let mut suppositions = Vec::new();
        if self.enforced {
            config.mode = Mode::Enforce;
            config.backends.iter_mut().for_each(|backend| backend.mode = None);
            config.callers.iter_mut().for_each(|caller| caller.mode = None);
            suppositions.push("every decision takes effect, whatever `mode` says".to_owned());
        }
        let mut contents = BTreeMap::new();
        for (table, content) in &self.tables {
            let known = config.tables.get_mut(table);
            let known = known.with_context(|| format!("the configuration has no table `{table}`"))?;
            if known.kubernetes.is_some() || (known.grafana.is_some() && content.is_object()) {
                list(known, content).with_context(|| format!("the table {table}"))?;
            } else {
                ensure!(known.entries.is_none(), "the table {table} is listed in the configuration");
                contents.insert(table.clone(), content.clone());
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
            let value = self.variable(name);
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
        // Every request is the first: what would be remembered of it takes time only.
        policy.backends.iter_mut().for_each(|backend| backend.write.answers.remember_ms = 0);
        Ok(Loaded { config, policy: Rc::new(policy), contents, suppositions })
    }

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        match &self.env {
            Some(env) => env.get(name).map(|value| value.clone().into_bytes()),
            None => std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes),
        }
    }

    /// The same, or what stands for one that is not there.
    pub(crate) fn secret(&self, name: &str) -> Vec<u8> {
        self.variable(name).unwrap_or_else(|| PLACEHOLDER.as_bytes().to_vec())
    }
}

impl Loaded {
    /// A worker to which nothing was told yet but the contents of its tables.
    pub(crate) fn worker(&self, date: u64) -> Result<Worker> {
        let process: Rc<dyn Process> = Rc::new(Alone::default());
        let failed = |failure| anyhow!("no slots: {failure:?}");
        prepare(&*process, &self.policy).map_err(failed)?;
        let mut worker = Worker::new(Rc::clone(&process));
        worker.wall_seconds = self.policy.needs_date().then_some(date);
        worker.prepare_tables(&self.policy, &process, 1);
        for get in worker.tick_tables(NOW) {
            let Some((name, content)) = self.content(&get) else { continue };
            let body = serde_json::to_vec(content)?;
            ensure!(body.len() <= get.max_bytes as usize, "the table {name} is larger than its `max_bytes`");
            worker.fetched(get.id, Fetched { status: Ok(200), body: Some(body) }, NOW);
            if let Some(problem) =
                worker.take_table_logs().into_iter().find(|line| line.contains("could not"))
            {
                bail!("the table {name}: {problem}");
            }
        }
        Ok(worker)
    }

    /// What the server of a table would answer.
    fn content(&self, get: &Get) -> Option<(&str, &Value)> {
        let path = get.headers.iter().find(|(name, _)| *name == ":path").map(|(_, path)| path.as_str())?;
        self.contents.iter().find_map(|(name, content)| {
            let table = self.config.tables.get(name)?;
            let (cluster, from) = match (&table.http, &table.grafana) {
                (Some(http), _) => (&http.cluster.0, http.path.0.as_str()),
                (None, Some(grafana)) => {
                    (&grafana.cluster.0, grafana.path.as_ref().map_or("/api/orgs", |path| &path.0))
                }
                (None, None) => return None,
            };
            // A list that comes in pages says so in the query.
            let is_its = path == from || path.strip_prefix(from).is_some_and(|rest| rest.starts_with('?'));
            (*cluster == get.cluster && is_its).then_some((name.as_str(), content))
        })
    }
}

/// The hour on a clock that stands still.
pub(crate) const NOW: u64 = 1_000_000;

/// A table that is made from something else, as if it were listed.
fn list(table: &mut TableConfig, content: &Value) -> Result<()> {
    let entries = content.as_object().context("no object of keys and tenants")?;
    let entry = |(key, tenant): (&String, &Value)| {
        let tenant = tenant.as_str().with_context(|| format!("the tenant of `{key}` is no text"))?;
        Ok((key.clone(), Text(tenant.to_owned())))
    };
    table.entries = Some(entries.iter().map(entry).collect::<Result<_>>()?);
    (table.kubernetes, table.grafana) = (None, None);
    Ok(())
}

fn read(file: &Path) -> Result<Document> {
    Document::read(file)?.map_err(|Malformed { name, problem, .. }| anyhow!("{name}: {}", problem.message))
}
