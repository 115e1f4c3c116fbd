//! `scopegate test`: the unit tests of a configuration. A file says requests and what must become of them; the filter's own
//! core says what does.

pub(crate) mod body;
pub(crate) mod credentials;
pub(crate) mod expect;
pub(crate) mod file;
mod junit;
mod report;
pub(crate) mod request;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use scopegate_core::config::{Config, ConfigError, read};

pub(crate) use file::TestFile;

use crate::check::finding;
use crate::document::{Document, Malformed};
use crate::explain::drive::{self, Explanation};
use crate::explain::facts::now;
use crate::explain::policy::{self, Loaded, World};
use crate::finding::{Finding, Severity};
use expect::Mismatch;
use request::Maker;

/// Runs the tests of a configuration: requests, and what must become of them
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate test tests.yaml                        all of it
  scopegate test --run 'writes for' tests.yaml     those with these words in their names
  scopegate test --junit report.xml */tests.yaml   for CI

A test file:
  configuration: scopegate.yaml
  tests:
    - name: users read their tenant
      request: {path: /prometheus/api/v1/query?query=up, jwt: {claims: {tenant: a}}}
      expect: {caller: users, tenants: [a]}

Nothing is sent and nothing is read from the environment. `docs/testing.md` tells everything.

Exit code: 0 where every test passed, 1 where one failed, 2 for a file that cannot be used.")]
pub(crate) struct Test {
    /// Files of tests, YAML or JSON; `-` for the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only tests with this text in their names
    #[arg(long, value_name = "TEXT")]
    run: Option<String>,
    /// One JSON object, for tools
    #[arg(long)]
    json: bool,
    /// Writes a report that CI systems read, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What became of a file.
pub(crate) struct Ran {
    /// Its name and its text.
    name: String,
    text: String,
    /// Why it cannot be used.
    unusable: Vec<Finding>,
    results: Vec<Tested>,
}

/// What became of a test.
pub(crate) struct Tested {
    name: String,
    /// Where it stands: its path, such as `tests[3]`.
    path: String,
    /// What became of the request, in a line, and for tools.
    brief: String,
    outcome: serde_json::Value,
    /// What is not as expected, with its place.
    failures: Vec<(Finding, Mismatch)>,
}

impl Test {
    /// Runs and reports.
    pub(crate) fn run(&self) -> ExitCode {
        match self.report() {
            Ok(code) => code,
            Err(error) => {
                eprintln!("scopegate: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    fn report(&self) -> Result<ExitCode> {
        let ran: Vec<Ran> =
            self.files.iter().map(|file| run(file, self.run.as_deref())).collect::<Result<_>>()?;
        if self.json {
            println!("{:#}", report::json(&ran));
        } else {
            anstream::print!("{}", report::text(&ran));
        }
        if let Some(file) = &self.junit {
            junit::write(file, &ran)?;
        }
        let code = if ran.iter().any(|ran| !ran.unusable.is_empty()) {
            2
        } else {
            u8::from(ran.iter().flat_map(|ran| &ran.results).any(|test| !test.failures.is_empty()))
        };
        Ok(ExitCode::from(code))
    }
}

/// Runs the tests of a file.
fn run(file: &Path, only: Option<&str>) -> Result<Ran> {
    let document = match Document::read(file)? {
        Ok(document) => document,
        Err(Malformed { name, text, problem }) => {
            let unusable = vec![Finding::new(Severity::Error, "", problem.span, problem.message)];
            return Ok(Ran { name, text, unusable, results: Vec::new() });
        }
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let (unusable, results) = match tests(&document, folder, only) {
        Ok(results) => (Vec::new(), results),
        Err(error) => (vec![finding(&error, &document.root, "")], Vec::new()),
    };
    Ok(Ran { name: document.name, text: document.text, unusable, results })
}

/// A file of tests whose requests can be told to a configuration.
pub(crate) struct Prepared {
    pub(crate) file: TestFile,
    pub(crate) world: World,
    pub(crate) loaded: Loaded,
}

/// Compiles a configuration in the world of a file of tests.
pub(crate) fn prepare(file: TestFile, mut config: Config) -> Result<Prepared, ConfigError> {
    let mut world = World {
        tables: file.tables.iter().map(|(name, content)| (name.clone(), content.0.clone())).collect(),
        enforced: file.enforced,
        env: Some(file.env.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()),
    };
    credentials::admit(&file, &mut config, &mut world)?;
    if let Some(name) = world.tables.keys().find(|name| !config.tables.contains_key(*name)) {
        let known = config.tables.keys().map(String::as_str);
        return Err(ConfigError::new(format!("tables.{name}"), request::unknown("table", name, known)));
    }
    let loaded =
        world.compile(config).map_err(|error| ConfigError::new("configuration", format!("{error:#}")))?;
    Ok(Prepared { file, world, loaded })
}

impl Prepared {
    /// The time of its requests.
    pub(crate) fn date(&self) -> u64 {
        self.file.now.map_or_else(now, |date| date.0)
    }

    /// What becomes of the request of a test.
    pub(crate) fn explain(&self, index: usize, folder: &Path) -> Result<Explanation, ConfigError> {
        let path = format!("tests[{index}].request");
        let maker = Maker { config: &self.loaded.config, world: &self.world, folder, date: self.date() };
        let Some(case) = self.file.tests.get(index) else {
            return Err(ConfigError::new(path, "no such test"));
        };
        let (request, known) = maker.request(&case.request, &path, index)?;
        drive::explain(&self.loaded, request, &known.facts())
            .map_err(|error| ConfigError::new(path, format!("{error:#}")))
    }
}

fn tests(document: &Document, folder: &Path, only: Option<&str>) -> Result<Vec<Tested>, ConfigError> {
    let file: TestFile = read(&document.root.value())?;
    let wrong = |error: anyhow::Error| ConfigError::new("configuration", format!("{error:#}"));
    let filter = file.filter.map(|filter| filter.0 as usize);
    let configuration = policy::configuration(&folder.join(&file.configuration.0), filter).map_err(wrong)?;
    let prepared = prepare(file, policy::config(configuration).map_err(wrong)?)?;
    let mut results = Vec::new();
    for (index, case) in prepared.file.tests.iter().enumerate() {
        // What cannot be used is told whether it is run or not.
        let explained = prepared.explain(index, folder)?;
        let path = format!("tests[{index}]");
        if only.is_some_and(|only| !case.name.contains(only)) {
            continue;
        }
        let mismatches = expect::compare(&case.expect, &explained);
        let failures = mismatches.into_iter().map(|mismatch| {
            let rest = if mismatch.path.is_empty() { String::new() } else { format!(".{}", mismatch.path) };
            let path = format!("{path}.expect{rest}");
            let span = document.root.place(&path);
            let finding = Finding::new(Severity::Error, &path, span, mismatch.what.as_str());
            (finding.note(report::difference(&mismatch)), mismatch)
        });
        results.push(Tested {
            name: case.name.0.clone(),
            failures: failures.collect(),
            brief: expect::brief(&explained),
            outcome: expect::outcome(&explained),
            path,
        });
    }
    Ok(results)
}
