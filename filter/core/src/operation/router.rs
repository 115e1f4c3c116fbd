//! A table compiled: every request is looked up here.

use hashbrown::HashMap;

use super::compile::{self, RouterError, Row};
use super::pattern::Pattern;
use super::table::Answer;
use super::{ExtraPath, Kind, Method, Methods, Operation, Prefixes, canonical};

/// The routes of one backend: the table of its kind, with its prefixes, and the operator's further paths.
/// Looking up allocates nothing.
#[derive(Clone, Debug)]
pub struct Router {
    table: Routes,
    /// Looked up only where the table opens nothing: what the table knows how to read and rewrite can
    /// never be turned into something that passes unread.
    extra: Routes,
}

/// Why a request is refused before anything else is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclassified {
    /// The path could be read in two ways. It says what is wrong, to follow "the path has …".
    NotCanonical(&'static str),
    /// No route knows the path.
    Unknown,
    /// The path is known, but not with this method.
    MethodNotAllowed {
        /// The methods it is known with; never empty.
        allow: Methods,
    },
    /// The path is known as internal, or as dangerous even within one tenant, and nobody configured it.
    Closed,
}

impl Router {
    /// Compiles the table of `kind`. Fails where the configuration contradicts the table, or where two
    /// prefixes make one path mean two things.
    pub fn new(kind: Kind, prefixes: &Prefixes, extra: &[ExtraPath]) -> Result<Self, RouterError> {
        let table = compile::table(kind, prefixes)?;
        let extra = compile::extra(extra, &table)?;
        Ok(Self { table: table.into_iter().collect(), extra: extra.into_iter().collect() })
    }

    /// Says what `method` on `path` asks for. `path` has no query string any more, nor the prefix under
    /// which this Envoy offers the backend; otherwise it is byte for byte what the client sent.
    pub fn classify(&self, method: &str, path: &str) -> Result<Operation, Unclassified> {
        let method = Method::parse(method);
        let mut seen = Seen::default();
        // Most requests end here. The rows are canonical, so what equals one is canonical as well.
        if let Some(operation) = self.table.literal(method, path, &mut seen) {
            return Ok(operation);
        }
        let shape = canonical::check(path).map_err(Unclassified::NotCanonical)?;
        // What is closed by name stays so below an open subtree.
        let table = if seen.closed { None } else { self.table.pattern(method, path, &mut seen) };
        table
            .or_else(|| self.extra.literal(method, path, &mut seen))
            .or_else(|| self.extra.pattern(method, path, &mut seen))
            .ok_or(match seen {
                Seen { allow, .. } if !allow.is_empty() => Unclassified::MethodNotAllowed { allow },
                Seen { closed: true, .. } => Unclassified::Closed,
                _ if shape.encoded_slash => Unclassified::NotCanonical("an escaped slash where none may be"),
                _ if shape.trailing_slash => Unclassified::NotCanonical("a slash at the end"),
                _ => Unclassified::Unknown,
            })
    }
}

/// What the rows said that matched the path and did not open it.
#[derive(Clone, Copy, Default)]
struct Seen {
    allow: Methods,
    closed: bool,
}

impl Seen {
    fn take(&mut self, answer: Answer, method: Option<Method>) -> Option<Operation> {
        match answer {
            Answer::Open(methods, operation) if method.is_some_and(|method| methods.contains(method)) => {
                return Some(operation);
            }
            Answer::Open(methods, _) => self.allow = self.allow.union(methods),
            Answer::Closed => self.closed = true,
        }
        None
    }
}

/// Rows, arranged for looking up.
#[derive(Clone, Debug, Default)]
struct Routes {
    literals: HashMap<Box<str>, Vec<Answer>>,
    patterns: Vec<(Pattern, Answer)>,
}

impl Routes {
    fn literal(&self, method: Option<Method>, path: &str, seen: &mut Seen) -> Option<Operation> {
        self.literals.get(path)?.iter().find_map(|answer| seen.take(*answer, method))
    }

    /// Tries the rows in their order, until one opens the path or closes it.
    fn pattern(&self, method: Option<Method>, path: &str, seen: &mut Seen) -> Option<Operation> {
        for (pattern, answer) in &self.patterns {
            if pattern.matches(path) {
                let operation = seen.take(*answer, method);
                if operation.is_some() || *answer == Answer::Closed {
                    return operation;
                }
            }
        }
        None
    }
}

impl FromIterator<Row> for Routes {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut routes = Self::default();
        for Row { path, pattern, answer, .. } in rows {
            if pattern.is_literal() {
                routes.literals.entry(path.into()).or_default().push(answer);
            } else {
                routes.patterns.push((pattern, answer));
            }
        }
        routes
    }
}

#[cfg(test)]
mod tests {
    use super::super::Method::{Delete, Get, Post};
    use super::super::testing::{admin, check, with};
    use super::super::{Class, ExtraPath, Kind, Tenancy};

    #[test]
    fn configured_paths() {
        let paths = [
            admin("/purger/delete_tenant", &[Post]),
            admin("/ingester/*", &[Get, Post]),
            admin("/custom/{name}/x", &[Get]),
            admin("/custom/{name%2F}/y", &[Get]),
            admin("/static/", &[Get]),
            admin("/api/v1/push", &[Get]),
            ExtraPath { tenants: Tenancy::Many, class: Class::Read, ..admin("/api/*", &[Delete]) },
        ];
        let router = with(Kind::Cortex, &paths).unwrap();
        check(
            &router,
            &[
                ("POST", "/purger/delete_tenant", "admin other one"),
                ("GET", "/purger/delete_tenant", "405 POST"),
                ("GET", "/purger/delete_tenant_status", "closed"),
                ("GET POST", "/ingester/shutdown", "admin other one"),
                ("POST", "/ingester/push", "admin other one"),
                ("DELETE", "/ingester/push", "405 GET, POST"),
                ("GET", "/custom/a/x", "admin other one"),
                ("GET", "/custom/a%20b/x", "admin other one"),
                ("GET", "/custom/a%2Fb/x", "not canonical"),
                ("GET", "/custom/a%2Fb/y", "admin other one"),
                ("GET", "/custom/../x", "not canonical"),
                ("GET", "/custom/%61/x", "not canonical"),
                ("GET", "/custom//x", "not canonical"),
                ("GET", "/static/", "admin other one"),
                ("GET", "/static", "unknown"),
                // The table stays as it is below what the operator opened.
                ("POST", "/api/v1/push", "write remote_write one"),
                ("GET", "/api/v1/push", "admin other one"),
                ("DELETE", "/api/v1/alerts", "alerts alertmanager_api one"),
                ("DELETE", "/api/v1/rules/a", "rules rules_api one"),
                ("DELETE", "/api/v1/user-overrides", "read other many"),
                ("DELETE", "/api/v1/pus%68", "not canonical"),
            ],
        );
    }
}
