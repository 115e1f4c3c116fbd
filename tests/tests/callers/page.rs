//! The page itself: every snippet that configures callers is one that the filter takes.

use anyhow::Result;
use scopegate_core::config::{CallerConfig, Config};
use scopegate_core::policy::Policy;
use scopegate_tests::page::snippets;
use scopegate_tests::session::KEYS;
use serde_json::Value;

use crate::gateway::{KEY, configuration};

/// What stands in the environment, by the name of its variable.
fn secret(variable: &str) -> &'static str {
    if variable == "SCOPEGATE_SESSION_KEYS" { KEYS } else { KEY }
}

/// Each source has a row in the table, a section of its name, and a snippet in it.
#[test]
fn every_source_is_shown() -> Result<()> {
    let page = include_str!("../../../docs/callers.md");
    let configurations: Vec<_> = snippets("callers.md")?
        .iter()
        .filter(|name| !["tls", "peer"].contains(&name.as_str()))
        .map(|name| configuration(name))
        .collect::<Result<_>>()?;
    for source in CallerConfig::SOURCES.split(", ") {
        assert!(page.contains(&format!("| [`{source}`](#{source}) |")), "no row for {source}");
        assert!(page.contains(&format!("\n## {source}\n")), "no section for {source}");
        let shows = |configuration: &Value| {
            let callers = configuration["callers"].as_array();
            callers.is_some_and(|callers| callers.iter().any(|caller| caller.get(source).is_some()))
        };
        assert!(configurations.iter().any(shows), "no snippet for {source}");
    }
    Ok(())
}

#[test]
fn every_snippet_is_a_configuration() -> Result<()> {
    let names = snippets("callers.md")?;
    assert!(names.len() > 12, "{names:?}");
    for name in names.iter().filter(|name| !["tls", "peer"].contains(&name.as_str())) {
        let config =
            Config::from_json(configuration(name)?).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        Policy::compile(&config, &|name| Some(secret(name).into()))
            .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    }
    Ok(())
}
