//! The page itself: every snippet that configures callers is one that the filter takes.

use anyhow::Result;
use scopegate_core::config::Config;
use scopegate_core::policy::Policy;
use scopegate_tests::page::snippets;

use crate::gateway::{KEY, configuration};

#[test]
fn every_snippet_is_a_configuration() -> Result<()> {
    let names = snippets("callers.md")?;
    assert!(names.len() > 12, "{names:?}");
    for name in names.iter().filter(|name| !["tls", "peer"].contains(&name.as_str())) {
        let config =
            Config::from_json(configuration(name)?).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        Policy::compile(&config, &|_| Some(KEY.as_bytes().to_vec()))
            .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    }
    Ok(())
}
