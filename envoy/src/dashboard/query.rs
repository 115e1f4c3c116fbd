//! Queries as they are written in `panels`, and as the dashboard has them: with the matchers of what was chosen above.

use scopegate_core::report::METRICS;

use super::panels::{ENVOY, VARIABLES};

/// The tags of a metric that a variable chooses by, if the metric is known: of the filter, or of Envoy.
pub(super) fn tags(name: &str) -> Option<Vec<&'static str>> {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let ours = METRICS.iter().find(|metric| metric.name == base);
    let tags: Vec<&str> = match ours {
        Some(metric) => metric.tags.iter().map(|tag| tag.trim_matches(['[', ']'])).collect(),
        None => ENVOY.contains(&name).then(Vec::new)?,
    };
    let chosen = VARIABLES.iter().map(|(tag, ..)| *tag);
    // What scrapes an Envoy says which one it was.
    Some(chosen.filter(|tag| *tag == "instance" || tags.contains(tag)).collect())
}

/// A query with the matchers of the variables at every metric that has their tags.
pub(super) fn complete(query: &str) -> String {
    let mut out = String::with_capacity(query.len() * 2);
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let (before, word) = rest.split_at(start);
        let end =
            word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        out.extend([before, word]);
        rest = after;
        let Some(tags) = tags(word) else { continue };
        let matchers: Vec<String> = tags.iter().map(|tag| format!("{tag}=~\"${tag}\"")).collect();
        out.push('{');
        out.push_str(&matchers.join(","));
        match after.strip_prefix('{') {
            Some(own) => {
                out.push(',');
                rest = own;
            }
            None => out.push('}'),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn matchers_are_those_of_the_metric() {
        let cases = [
            (
                "sum by (decision) (rate(scopegate_requests_total[5m]))",
                "sum by (decision) (rate(scopegate_requests_total{instance=~\"$instance\",backend=~\"$backend\"}[5m]))",
            ),
            (
                "scopegate_refusals_total{reason=\"host\"} > 0",
                "scopegate_refusals_total{instance=~\"$instance\",caller=~\"$caller\",reason=\"host\"} > 0",
            ),
            (
                "scopegate_tenant_duration_milliseconds_bucket / envoy_server_live",
                "scopegate_tenant_duration_milliseconds_bucket{instance=~\"$instance\",backend=~\"$backend\",tenant=~\"$tenant\"} \
                 / envoy_server_live{instance=~\"$instance\"}",
            ),
            ("max(scopegate_table_age_seconds)", "max(scopegate_table_age_seconds{instance=~\"$instance\"})"),
            ("sum by (backend) (unknown)", "sum by (backend) (unknown)"),
        ];
        for (query, expected) in cases {
            assert_eq!(complete(query), expected);
        }
    }
}
