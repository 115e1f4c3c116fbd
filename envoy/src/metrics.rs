//! The metrics page, made from what the filter counts.

use core::fmt::Write as _;

use scopegate_core::report::{METRICS, TAGS, tag_pattern};

const HEAD: &str = "# Metrics

This page is made from the code (`cargo xtask docs`); edit `filter/core/src/report/catalogue.rs` instead.

The filter counts through Envoy, so its metrics stand beside Envoy's own at `/stats/prometheus`. Which tenants have
metrics of their own, and how logs and the administrators' report go with them, is told in
[Observability](observability.md).
";

const EXTRACTION: &str = "
## How the tags get into Prometheus

The names carry their tags in the form that Istio's bootstrap extracts (`tag=.=value;.;`). A plain Envoy needs this in
its bootstrap, as the [examples](../examples/impersonation/envoy.yaml) have it:

```yaml
stats_config:
  stats_tags:
";

const ISTIO: &str = "
Istio's bootstrap makes such patterns of the tags that it is told, and keeps no statistics but those that it is told of:

```yaml
meshConfig:
  defaultConfig:
";

const MATCHER: &str = "    proxyStatsMatcher: {inclusionRegexps: [\".*scopegate_.*\"]}
```

It also takes what follows `cache.`, `component.`, `tag.` and `wasm_filter.` in any name for tags of its own, so that a tenant
with one of these in its ID is not told well there.
";

/// The page.
pub(crate) fn page() -> String {
    let mut out = String::from(HEAD);
    out.push_str("\n| metric | kind | tags | what it counts |\n|---|---|---|---|\n");
    for metric in METRICS {
        let kind = metric.kind.as_str();
        let tags: Vec<String> = metric
            .tags
            .iter()
            .map(|tag| match tag.strip_prefix('[').and_then(|tag| tag.strip_suffix(']')) {
                Some(tag) => format!("`{tag}` where there is one"),
                None => format!("`{tag}`"),
            })
            .collect();
        let _ = writeln!(out, "| `{}` | {kind} | {} | {} |", metric.name, tags.join(", "), metric.meaning);
    }
    out.push_str("\n| tag | what it is |\n|---|---|\n");
    for (tag, meaning) in TAGS {
        let _ = writeln!(out, "| `{tag}` | {meaning} |");
    }
    out.push_str(EXTRACTION);
    for (tag, _) in TAGS {
        let regex = tag_pattern(tag).replace('\\', "\\\\");
        let _ = writeln!(out, "    - {{tag_name: {tag}, regex: \"{regex}\"}}");
    }
    out.push_str("```\n");
    let tags: Vec<&str> = TAGS.iter().map(|(tag, _)| *tag).collect();
    let _ = write!(out, "{ISTIO}    extraStatTags: [{}]\n{MATCHER}", tags.join(", "));
    out
}
