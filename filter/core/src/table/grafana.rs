//! Grafana's organisations, page by page: from the ID of one to the tenant that its name begins with.
//!
//! Specification: <https://grafana.com/docs/grafana/latest/developers/http_api/org/#search-all-organizations>.

use serde_json::Value;

use super::content::{Entry, Gathered};
use super::failure::Failure;
use crate::wire::json_tree;

/// The path, where Grafana is at the root of its host.
pub(super) const PATH: &str = "/api/orgs";

/// How many organisations are asked for at once; what Grafana gives by default.
const PAGE: usize = 1000;

/// The first page.
const FIRST: &str = "0";

/// What separates the tenant, which is the first part of an organisation's name, from the name that people read.
const SEPARATOR: &str = " - ";

/// The path of a page; the first, which Grafana calls 0, has no token.
pub(super) fn path(path: &str, token: Option<&str>) -> String {
    format!("{path}?perpage={PAGE}&page={}", token.unwrap_or(FIRST))
}

/// Reads the page of this token into `gathered`, and gives the token of the next one.
pub(super) fn page<E: Entry>(
    body: &[u8],
    token: Option<&str>,
    gathered: &mut Gathered<E>,
) -> Result<Option<String>, Failure> {
    let Ok(Value::Array(organisations)) = json_tree(body) else {
        return Err(Failure::Malformed);
    };
    for organisation in &organisations {
        let id = organisation.get("id").and_then(Value::as_u64).ok_or(Failure::Malformed)?;
        let name = organisation.get("name").and_then(Value::as_str).ok_or(Failure::Malformed)?;
        let tenant = name.split_once(SEPARATOR).map_or(name, |(tenant, _)| tenant);
        gathered.add(&id.to_string(), &Value::from(tenant))?;
    }
    if organisations.len() < PAGE {
        return Ok(None);
    }
    let page: u32 = token.unwrap_or(FIRST).parse().map_err(|_| Failure::Malformed)?;
    Ok(Some(page.saturating_add(1).to_string()))
}
