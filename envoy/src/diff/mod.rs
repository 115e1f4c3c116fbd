//! `scopegate diff`: who gains and who loses which tenant by a change of the configuration.
//!
//! The same requests are told to both configurations, by the filter's own core; what differs is told.

mod compare;
mod configuration;
mod identities;
mod render;
mod requests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use scopegate_core::config::{Config, ConfigError, Shape, read};
use serde_json::{Value, json};

use crate::document::{Document, Malformed};
use crate::explain::drive;
use crate::explain::facts::{FactArguments, Known, now};
use crate::explain::har;
use crate::explain::policy::{self, Loaded, PolicyArguments, World};
use crate::explain::request::Request;
use crate::testing::file::RequestCase;
use crate::testing::request::Maker;
use crate::testing::{TestFile, credentials};
use compare::{Answer, Change, Differing, compare, compare_rights};
use configuration::Setting;
use identities::Identity;

/// Says who gains and who loses which tenant between two configurations
#[derive(Args)]
#[command(after_help = "\
Examples:
  # Requests made up from both configurations: one of every class, for every way to be recognised
  scopegate diff old.yaml new.yaml
  # Those of a file of tests, and those that a browser recorded
  scopegate diff old.yaml new.yaml --requests tests.yaml
  scopegate diff old.yaml new.yaml --requests grafana.har --claims claims.json
  # The comment of a review
  git show origin/main:scopegate.yaml | scopegate diff - scopegate.yaml > comment.md

Nothing is sent, and no secret is needed. The answer is Markdown.

Exit code: 0, with --exit-code 1 where something differs; 2 for bad arguments and files that cannot be used.")]
pub(crate) struct Diff {
    /// The configuration as it is: Scopegate's or Envoy's, YAML or JSON; `-` for the standard input
    old: PathBuf,
    /// The configuration as it would be
    new: PathBuf,
    /// Requests: a file of tests (see `scopegate test`), or a HAR file; by default they are made up
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// One JSON object, for tools
    #[arg(long)]
    json: bool,
    /// The exit code is 1 where something differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    facts: FactArguments,
}

/// A request that both are asked about.
struct Question {
    /// Who sends it, and what it is, in words.
    who: String,
    what: String,
    request: Request,
    known: Known,
}

/// One of both configurations.
struct Side {
    config: Config,
    world: World,
    loaded: Loaded,
}

/// Everything that differs.
struct Difference {
    /// How many requests were asked about.
    asked: usize,
    suppositions: Vec<String>,
    changes: Vec<Change>,
    /// Whose rights are others, and which.
    rights: Vec<(String, Differing)>,
    settings: Vec<Setting>,
}

impl Difference {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.rights.is_empty() && self.settings.is_empty()
    }
}

/// The most requests that are asked about.
const MAX: usize = 20_000;

impl Diff {
    /// Prints the difference.
    pub(crate) fn run(&self) -> ExitCode {
        match self.difference() {
            Ok(difference) => {
                if self.json {
                    println!("{:#}", render::json(&difference));
                } else {
                    print!("{}", render::markdown(&difference));
                }
                ExitCode::from(u8::from(self.exit_code && !difference.is_empty()))
            }
            Err(error) => {
                eprintln!("scopegate: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    fn difference(&self) -> Result<Difference> {
        let filter = self.policy.filter;
        let (old, new) = (policy::whole(&self.old, filter)?, policy::whole(&self.new, filter)?);
        let settings = configuration::changed(&old.value, &new.value);
        let (old, new) = (old.filter(), new.filter());
        let from = match &self.requests {
            None => From::Nothing,
            Some(file) => From::read(file)?,
        };
        let mut world = self.policy.world()?;
        if let From::Tests(file, _) = &from {
            world.tables.extend(file.tables.iter().map(|(name, content)| (name.clone(), content.0.clone())));
            world.enforced |= file.enforced;
        }
        // What a secret is makes no difference between them.
        world.env = Some(match &from {
            From::Tests(file, _) => {
                file.env.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()
            }
            _ => std::collections::BTreeMap::new(),
        });
        let mut suppositions = Vec::new();
        let side = |configuration: Value, name: &Path, suppositions: &mut Vec<String>| -> Result<Side> {
            let config = policy::config(configuration).with_context(|| name.display().to_string())?;
            let mut world = World { tables: world.tables.clone(), ..world.clone() };
            // One configuration may have a table that the other has not.
            world.tables.retain(|table, _| config.tables.contains_key(table));
            suppose(&config, &mut world, suppositions);
            Side::new(config, world)
                .with_context(|| format!("{} (`scopegate check` says where)", name.display()))
        };
        let old = side(old, &self.old, &mut suppositions)?;
        let new = side(new, &self.new, &mut suppositions)?;
        suppositions.sort_unstable();
        suppositions.dedup();
        let questions = self.questions(&from, &old, &new)?;
        let mut changes = Vec::new();
        let mut rights: Vec<(String, Differing)> = Vec::new();
        for question in &questions {
            let (before, after) = (old.answer(question)?, new.answer(question)?);
            changes.extend(compare(question, &before, &after));
            for right in compare_rights(&before, &after) {
                let right = (question.who.clone(), right);
                if !rights.contains(&right) {
                    rights.push(right);
                }
            }
        }
        Ok(Difference { asked: questions.len(), suppositions, changes, rights, settings })
    }

    fn questions(&self, from: &From, old: &Side, new: &Side) -> Result<Vec<Question>> {
        let date = self.facts.date.unwrap_or_else(now);
        match from {
            From::Nothing => Ok(made_up(old, new, date)),
            From::Tests(file, folder) => {
                let date = file.now.map_or(date, |now| now.0);
                let mut questions = Vec::new();
                for (index, case) in file.tests.iter().enumerate() {
                    let path = format!("tests[{index}].request");
                    let make = |side: &Side| side.request(&case.request, folder, date, index, &path);
                    let (request, known) = make(new).or_else(|_| make(old))?;
                    questions.push(Question {
                        who: case.name.0.clone(),
                        what: String::new(),
                        request,
                        known,
                    });
                }
                Ok(questions)
            }
            From::Har(requests) => {
                let mut questions = Vec::new();
                for (index, request) in requests.iter().enumerate() {
                    let known = self.facts.told(&new.config).or_else(|_| self.facts.told(&old.config))?.0;
                    let path = request.text(":path");
                    let path = path.split('?').next().unwrap_or_default();
                    let what = format!("{} {path}", request.text(":method"));
                    let who = format!("entry {}", index + 1);
                    questions.push(Question { who, what, request: request.clone(), known });
                }
                Ok(questions)
            }
        }
    }
}

/// Where requests come from.
enum From {
    Nothing,
    Tests(Box<TestFile>, PathBuf),
    Har(Vec<Request>),
}

impl From {
    fn read(file: &Path) -> Result<Self> {
        let document = Document::read(file)?
            .map_err(|Malformed { name, problem, .. }| anyhow!("{name}: {}", problem.message))?;
        if document.root.find(&["log", "entries"]).is_some() {
            return Ok(Self::Har(har::requests(file)?));
        }
        let name = file.display();
        let tests = read(&document.root.value()).map_err(|error: ConfigError| anyhow!("{name}: {error}"))?;
        Ok(Self::Tests(Box::new(tests), file.parent().unwrap_or(Path::new("")).to_owned()))
    }
}

impl Side {
    /// Compiles it with credentials that are known here for everybody whom it lists.
    fn new(mut config: Config, mut world: World) -> Result<Self> {
        let mut users = Vec::new();
        let mut hashes = Vec::new();
        let keys = |world: &World, table: &Option<_>| -> Vec<String> {
            let table =
                table.as_ref().and_then(|name: &scopegate_core::config::Text| world.tables.get(&name.0));
            table.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.clone()).collect()
        };
        for caller in &config.callers {
            if let Some(basic) = &caller.basic {
                users.extend(basic.users.iter().map(|user| user.username.0.clone()));
                users.extend(keys(&world, &basic.table));
            }
            if let Some(bearer) = &caller.bearer {
                hashes
                    .extend(bearer.tokens.iter().filter_map(|token| Some(token.token.0.first()?.0.clone())));
                hashes.extend(keys(&world, &bearer.table));
            }
        }
        for user in users {
            credentials::user(&user, &mut config, &mut world)?;
        }
        for hash in hashes {
            credentials::token(&hash, &mut config, &mut world)?;
        }
        let loaded = world.compile(config.clone())?;
        Ok(Self { config, world, loaded })
    }

    /// A request, made with what this configuration knows.
    fn request(
        &self,
        case: &RequestCase,
        folder: &Path,
        date: u64,
        number: usize,
        path: &str,
    ) -> Result<(Request, Known)> {
        let maker = Maker { config: &self.config, world: &self.world, folder, date };
        maker.request(case, path, number).map_err(|error| anyhow!("{error}"))
    }

    fn answer(&self, question: &Question) -> Result<Answer> {
        let explained = drive::explain(&self.loaded, question.request.clone(), &question.known.facts())
            .with_context(|| format!("{} {}", question.who, question.what))?;
        Ok(Answer::new(&self.loaded.policy, &explained))
    }
}

/// What tables hold that nobody told anything of.
fn suppose(config: &Config, world: &mut World, suppositions: &mut Vec<String>) {
    let example = identities::EXAMPLE;
    let users = config.callers.iter().filter_map(|caller| caller.basic.as_ref()?.table.as_ref());
    let tokens = config.callers.iter().filter_map(|caller| caller.bearer.as_ref()?.table.as_ref());
    let credentials: Vec<&str> = users.chain(tokens).map(|name| name.0.as_str()).collect();
    let keys = config.callers.iter().filter_map(|caller| caller.session.as_ref()?.keys.table.as_ref());
    let keys: Vec<&str> = keys.map(|name| name.0.as_str()).collect();
    for (name, table) in &config.tables {
        if table.entries.is_some() || world.tables.contains_key(name) {
            continue;
        }
        let (content, told) = if keys.contains(&name.as_str()) {
            // Nobody knows it but who reads this.
            (json!({example: {"secret": "A".repeat(43)}}), "one key".to_owned())
        } else if credentials.contains(&name.as_str()) {
            (json!({example: {"tenants": [example]}}), format!("one of the tenant `{example}`"))
        } else {
            (json!({example: "example-tenant"}), format!("`{example}`, which leads to `example-tenant`"))
        };
        suppositions
            .push(format!("the table `{name}` has one entry, {told} (`--table` tells what it really holds)"));
        world.tables.insert(name.clone(), content);
    }
}

/// Requests of everybody whom one of both knows, and of nobody.
fn made_up(old: &Side, new: &Side, date: u64) -> Vec<Question> {
    let mut questions = Vec::new();
    let mut known_already = std::collections::BTreeSet::new();
    for side in [old, new] {
        let nobody =
            Identity { words: "nobody".to_owned(), request: RequestCase::blank(), impersonates: None };
        let all = identities::all(&side.config, &side.world);
        for identity in all.iter().chain([&nobody]) {
            for asked in requests::of(identity, &side.config, &side.world) {
                let is_new = known_already.insert(format!("{} {:?}", identity.words, asked.request));
                if questions.len() >= MAX || !is_new {
                    continue;
                }
                let made = side.request(&asked.request, Path::new(""), date, questions.len(), "");
                // What cannot be made cannot be asked about: a pattern, for one, that nothing here fits.
                let Ok((request, known)) = made else { continue };
                questions.push(Question { who: identity.words.clone(), what: asked.words, request, known });
            }
        }
    }
    questions
}
