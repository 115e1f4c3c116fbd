//! From a table, the prefixes and the operator's paths to rows, and what can be wrong with them.

use core::fmt;

use super::pattern::Pattern;
use super::table::{Answer, Mark, Marks};
use super::{Class, ExtraPath, Kind, Methods, Operation, Prefixes, Protocol, Reach};

/// One path and its answer, ready to be looked up.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) path: String,
    pub(super) pattern: Pattern,
    pub(super) answer: Answer,
    origin: Origin,
}

/// What the path was made from. Rows of one origin are the table's own doing, with the order it has;
/// rows of different origins can collide because of how prefixes were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Absolute,
    Prometheus,
    Legacy,
    Alertmanager,
    Extra,
}

/// Why a backend's prefixes and paths make no router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterError {
    /// The kind of backend has no such prefix, or none that can be changed.
    NoSuchPrefix {
        /// The kind.
        kind: Kind,
        /// `prometheus`, `legacy` or `alertmanager`.
        prefix: &'static str,
    },
    /// A prefix is no prefix.
    BadPrefix {
        /// `prometheus`, `legacy` or `alertmanager`.
        prefix: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The prefixes make one path mean two things, and which of them the backend does depends on the order
    /// in which it was started.
    Ambiguous {
        /// The path.
        path: String,
    },
    /// A further path is no path.
    BadPath {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A further path has no methods.
    NoMethods {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// A further path names what the table opens already.
    AlreadyOpen {
        /// Its place in the list, from 0.
        index: usize,
        /// The methods that are open.
        methods: Methods,
        /// What they need the right for.
        class: Class,
    },
    /// A further path is listed twice with the same method.
    Twice {
        /// Its place in the list, from 0.
        index: usize,
        /// The methods it shares with the earlier one.
        methods: Methods,
    },
}

impl RouterError {
    /// The field of the backend's configuration that is wrong, such as `paths[2].methods`.
    pub fn field(&self) -> String {
        match self {
            Self::NoSuchPrefix { prefix, .. } | Self::BadPrefix { prefix, .. } => {
                format!("prefixes.{prefix}")
            }
            Self::Ambiguous { .. } => "prefixes".into(),
            Self::BadPath { index, .. } | Self::AlreadyOpen { index, .. } | Self::Twice { index, .. } => {
                format!("paths[{index}].path")
            }
            Self::NoMethods { index } => format!("paths[{index}].methods"),
        }
    }
}

impl fmt::Display for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPrefix { kind, .. } => {
                write!(f, "a backend of kind {} has no such prefix to change: leave it out", kind.as_str())
            }
            Self::BadPrefix { problem, .. } | Self::BadPath { problem, .. } => f.write_str(problem),
            Self::Ambiguous { path } => write!(
                f,
                "with these prefixes {path} stands for two things: give each API of the backend a prefix of its own"
            ),
            Self::NoMethods { .. } => f.write_str("name at least one method, or leave `methods` out for GET"),
            Self::AlreadyOpen { methods, class, .. } => {
                write!(f, "{methods} is open here already, with the right `{}`", class.as_str())
            }
            Self::Twice { methods, .. } => write!(f, "an earlier entry has {methods} here already"),
        }
    }
}

impl core::error::Error for RouterError {}

/// The rows of `kind`.
pub(super) fn table(kind: Kind, prefixes: &Prefixes) -> Result<Vec<Row>, RouterError> {
    let system = kind.system();
    let roots = Roots::new(kind, &system.marks, prefixes)?;
    let mut rows: Vec<Row> = Vec::with_capacity(system.routes.len().saturating_mul(2));
    for route in system.routes {
        for (origin, root, below) in roots.expand(route.path) {
            let path = format!("{root}{below}");
            // A prefix passed its own check and the tables are tested, so this does not fail.
            let Ok(pattern) = Pattern::parse(&path) else {
                return Err(RouterError::Ambiguous { path });
            };
            let row = Row { path, pattern, answer: route.answer, origin };
            if rows.iter().any(|earlier| earlier.collides(&row)) {
                return Err(RouterError::Ambiguous { path: row.path });
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The rows of the operator's further paths.
pub(super) fn extra(paths: &[ExtraPath], table: &[Row]) -> Result<Vec<Row>, RouterError> {
    let mut rows: Vec<Row> = Vec::with_capacity(paths.len());
    for (index, extra) in paths.iter().enumerate() {
        let pattern =
            Pattern::parse(&extra.path).map_err(|problem| RouterError::BadPath { index, problem })?;
        let methods = Methods::of(&extra.methods);
        if methods.is_empty() {
            return Err(RouterError::NoMethods { index });
        }
        if let Some((methods, class)) = already_open(table, &pattern, methods) {
            return Err(RouterError::AlreadyOpen { index, methods, class });
        }
        for row in &rows {
            let both = row.answer.methods().intersection(methods);
            if row.pattern == pattern && !both.is_empty() {
                return Err(RouterError::Twice { index, methods: both });
            }
        }
        let operation = Operation {
            class: extra.class,
            protocol: Protocol::Other,
            tenancy: extra.tenants,
            reach: Reach::Nothing,
        };
        let answer = Answer::Open(methods, operation);
        rows.push(Row { path: extra.path.clone(), pattern, answer, origin: Origin::Extra });
    }
    Ok(rows)
}

/// Which of `methods` the table opens on every path of `pattern`, looked up as the router does.
fn already_open(table: &[Row], pattern: &Pattern, methods: Methods) -> Option<(Methods, Class)> {
    let (literals, patterns): (Vec<_>, Vec<_>) = table.iter().partition(|row| row.pattern.is_literal());
    for row in literals.into_iter().chain(patterns).filter(|row| row.pattern.covers(pattern)) {
        match row.answer {
            Answer::Closed => return None,
            Answer::Open(open, operation) => {
                let both = open.intersection(methods);
                if !both.is_empty() {
                    return Some((both, operation.class));
                }
            }
        }
    }
    None
}

impl Row {
    fn collides(&self, other: &Self) -> bool {
        self.origin != other.origin
            && self.meaning() != other.meaning()
            && !self.answer.methods().intersection(other.answer.methods()).is_empty()
            && (self.pattern.covers(&other.pattern) || other.pattern.covers(&self.pattern))
    }

    /// The answer without its methods.
    fn meaning(&self) -> Option<Operation> {
        match self.answer {
            Answer::Open(_, operation) => Some(operation),
            Answer::Closed => None,
        }
    }
}

/// The prefixes as they hold for one backend, without a slash at the end: `/` is the empty one.
struct Roots<'a> {
    prometheus: Vec<&'a str>,
    legacy: Vec<&'a str>,
    alertmanager: Vec<&'a str>,
}

impl<'a> Roots<'a> {
    fn new(kind: Kind, marks: &Marks, prefixes: &'a Prefixes) -> Result<Self, RouterError> {
        let roots = |name, mark: &Mark, configured: &'a Option<String>| match (mark, configured) {
            (Mark::None, None) => Ok(Vec::new()),
            (Mark::Fixed(roots), None) => Ok(roots.to_vec()),
            (Mark::Setting(root), None) => Ok(vec![*root]),
            (Mark::Setting(_), Some(root)) => match valid_root(root) {
                Ok(root) => Ok(vec![root]),
                Err(problem) => Err(RouterError::BadPrefix { prefix: name, problem }),
            },
            (Mark::None | Mark::Fixed(_), Some(_)) => Err(RouterError::NoSuchPrefix { kind, prefix: name }),
        };
        let roots = Self {
            prometheus: roots("prometheus", &marks.prometheus, &prefixes.prometheus)?,
            legacy: roots("legacy", &marks.legacy, &prefixes.legacy)?,
            alertmanager: roots("alertmanager", &marks.alertmanager, &prefixes.alertmanager)?,
        };
        let is_all = matches!(marks.alertmanager, Mark::Setting(""));
        if roots.alertmanager.contains(&"") && !is_all {
            let problem = "the Alertmanager cannot be at `/`: every other path would be its own";
            return Err(RouterError::BadPrefix { prefix: "alertmanager", problem });
        }
        Ok(roots)
    }

    /// Every path that `route` stands for: where it comes from, its prefix and the rest.
    fn expand<'r>(&self, route: &'r str) -> Vec<(Origin, &'a str, &'r str)> {
        let under = |origin, roots: &[&'a str], below| -> Vec<_> {
            roots.iter().map(|root| (origin, *root, below)).collect()
        };
        if let Some(below) = route.strip_prefix('P') {
            let mut both = under(Origin::Prometheus, &self.prometheus, below);
            both.extend(under(Origin::Legacy, &self.legacy, below));
            both
        } else if let Some(below) = route.strip_prefix('L') {
            under(Origin::Legacy, &self.legacy, below)
        } else if let Some(below) = route.strip_prefix('A') {
            under(Origin::Alertmanager, &self.alertmanager, below)
        } else {
            under(Origin::Absolute, &[""], route)
        }
    }
}

fn valid_root(root: &str) -> Result<&str, &'static str> {
    if matches!(root, "" | "/") {
        return Ok("");
    }
    if root.ends_with('/') {
        return Err("it must not end with a slash");
    }
    match Pattern::parse(root) {
        Ok(pattern) if pattern.is_literal() => Ok(root),
        Ok(_) => Err("it must be plain text, without `{name}` and `*`"),
        Err(problem) => Err(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Method::{Delete, Get, Post};
    use super::super::Router;
    use super::super::testing::{admin, with};
    use super::*;

    #[test]
    fn contradictions_are_errors() {
        let cases: &[(Kind, ExtraPath, &str)] = &[
            (Kind::Cortex, admin("custom", &[Get]), "paths[0].path: it must start with a slash"),
            (Kind::Cortex, admin("/a//b", &[Get]), "paths[0].path: it must not have empty segments"),
            (
                Kind::Cortex,
                admin("/*", &[Get]),
                "paths[0].path: its first segment must be a name: `/*` and `/{x}` would open everything",
            ),
            (
                Kind::Cortex,
                admin("/a", &[]),
                "paths[0].methods: name at least one method, or leave `methods` out for GET",
            ),
            (
                Kind::Cortex,
                admin("/api/v1/push", &[Get, Post]),
                "paths[0].path: POST is open here already, with the right `write`",
            ),
            (
                Kind::Cortex,
                admin("/api/v1/rules/mine", &[Get, Delete]),
                "paths[0].path: GET, DELETE is open here already, with the right `rules`",
            ),
            (
                Kind::Cortex,
                admin("/alertmanager/api/*", &[Get]),
                "paths[0].path: GET is open here already, with the right `alerts`",
            ),
        ];
        for (kind, path, expected) in cases {
            let error = with(*kind, core::slice::from_ref(path)).unwrap_err();
            assert_eq!(format!("{}: {error}", error.field()), *expected);
        }
        let twice = [admin("/a/{x}", &[Get, Post]), admin("/a/{y}", &[Post])];
        assert!(matches!(with(Kind::Loki, &twice), Err(RouterError::Twice { index: 1, .. })));
    }

    #[test]
    fn contradictory_prefixes_are_errors() {
        let prefix = |prometheus: Option<&str>, legacy: Option<&str>, alertmanager: Option<&str>| Prefixes {
            prometheus: prometheus.map(Into::into),
            legacy: legacy.map(Into::into),
            alertmanager: alertmanager.map(Into::into),
        };
        for (kind, prefixes, field) in [
            (Kind::Cortex, prefix(Some("p"), None, None), "prefixes.prometheus"),
            (Kind::Cortex, prefix(Some("/p/"), None, None), "prefixes.prometheus"),
            (Kind::Cortex, prefix(None, Some("/a/../b"), None), "prefixes.legacy"),
            (Kind::Cortex, prefix(None, None, Some("/")), "prefixes.alertmanager"),
            (Kind::Cortex, prefix(None, None, Some("/{x}")), "prefixes.alertmanager"),
            (Kind::Cortex, prefix(None, None, Some("/a/{x}")), "prefixes.alertmanager"),
            // `/api/v1/rules` would be the rules' state and their configuration.
            (Kind::Cortex, prefix(Some(""), None, None), "prefixes"),
            (Kind::Cortex, prefix(Some("/"), None, None), "prefixes"),
            (Kind::Mimir, prefix(Some("/"), None, None), "prefixes"),
            // `/push` would be the distributor and the ingester.
            (Kind::Cortex, prefix(None, Some(""), None), "prefixes"),
            // The Alertmanager would be over the Prometheus API.
            (Kind::Cortex, prefix(Some("/x/y"), None, Some("/x")), "prefixes"),
            (Kind::Mimir, prefix(Some("/debug"), None, None), "prefixes"),
            (Kind::Mimir, prefix(None, Some("/api/prom"), None), "prefixes.legacy"),
            (Kind::Loki, prefix(Some("/prometheus"), None, None), "prefixes.prometheus"),
            (Kind::Tempo, prefix(Some("/x"), None, None), "prefixes.prometheus"),
            (Kind::Prometheus, prefix(None, None, Some("/x")), "prefixes.alertmanager"),
            (Kind::VictoriaMetrics, prefix(Some("/x"), None, None), "prefixes.prometheus"),
        ] {
            let error = Router::new(kind, &prefixes, &[]).unwrap_err();
            assert_eq!(error.field(), field, "{kind:?} {prefixes:?}: {error}");
        }
        assert!(Router::new(Kind::Cortex, &prefix(Some("/x"), Some("/x"), Some("/y")), &[]).is_ok());
        assert!(Router::new(Kind::Prometheus, &prefix(Some("/"), None, None), &[]).is_ok());
    }
}
