//! The rules by Prometheus' own tool: they are well-formed, and each alert fires when it should and not else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use scopegate_tests::oci::output;
use scopegate_tests::prometheus::binary;

/// A file of the folder `dashboards`.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards").join(name)
}

/// `promtool`, which comes with Prometheus. `None` if there is none here.
fn promtool() -> Option<PathBuf> {
    binary().map(|prometheus| prometheus.with_file_name("promtool")).filter(|promtool| promtool.is_file())
}

#[test]
fn promtool_is_content() -> Result<()> {
    let Some(promtool) = promtool() else { return Ok(()) };
    output(Command::new(&promtool).args(["check", "rules"]).arg(file("rules.yaml")))?;
    output(Command::new(&promtool).args(["test", "rules"]).arg(file("rules.test.yaml")))?;
    Ok(())
}

/// That the tests of the rules would notice: with every threshold out of reach, or none, they fail.
#[test]
fn the_tests_of_the_rules_would_notice() -> Result<()> {
    let Some(promtool) = promtool() else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let rules = std::fs::read_to_string(file("rules.yaml"))?;
    let (tests, copy) = (dir.path().join("rules.test.yaml"), dir.path().join("rules.yaml"));
    // The one that takes a day of evaluations need not.
    let shorter =
        std::fs::read_to_string(file("rules.test.yaml"))?.replace("eval_time: 25h", "eval_time: 1m");
    std::fs::write(&tests, shorter)?;
    let failures = |rules: String| -> Result<String> {
        std::fs::write(&copy, rules)?;
        let error = output(Command::new(&promtool).args(["test", "rules"]).arg(&tests)).err();
        Ok(error.context("it noticed nothing")?.to_string())
    };
    let never = failures(rules.replace("alert: Scopegate", "alert: Other"))?;
    assert!(never.contains("ScopegateTableOld"), "{never}");
    let always =
        failures(rules.replace("scopegate_table_age_seconds) > 600", "scopegate_table_age_seconds) > 0"))?;
    assert!(always.contains("ScopegateTableOld"), "{always}");
    Ok(())
}
