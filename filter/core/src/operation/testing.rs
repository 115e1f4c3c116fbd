//! How the tests of the tables are written: `(methods, path, what comes out)`.

use super::{
    Class, ExtraPath, Kind, Method, Operation, Prefixes, Router, RouterError, Tenancy, Unclassified,
};

/// One line per request: its methods, its path, and its answer as [`describe`] words it.
pub(super) type Cases<'a> = &'a [(&'a str, &'a str, &'a str)];

pub(super) fn router(kind: Kind) -> Router {
    Router::new(kind, &Prefixes::default(), &[]).unwrap()
}

/// `write remote_write one`, `closed`, `unknown`, `405 GET, POST` or `not canonical`.
pub(super) fn describe(answer: Result<Operation, Unclassified>) -> String {
    match answer {
        Ok(Operation { class, protocol, tenancy, .. }) => {
            format!("{} {} {}", class.as_str(), protocol.as_str(), tenancy.as_str())
        }
        Err(Unclassified::NotCanonical(_)) => "not canonical".into(),
        Err(Unclassified::Unknown) => "unknown".into(),
        Err(Unclassified::MethodNotAllowed { allow }) => format!("405 {allow}"),
        Err(Unclassified::Closed) => "closed".into(),
    }
}

pub(super) fn check(router: &Router, cases: Cases<'_>) {
    for (methods, path, expected) in cases {
        for method in methods.split(' ') {
            assert_eq!(describe(router.classify(method, path)), *expected, "{method} {path}");
        }
    }
}

/// An entry of `paths` for administrators.
pub(super) fn admin(path: &str, methods: &[Method]) -> ExtraPath {
    ExtraPath { path: path.into(), methods: methods.into(), class: Class::Admin, tenants: Tenancy::One }
}

/// A router with further paths.
pub(super) fn with(kind: Kind, paths: &[ExtraPath]) -> Result<Router, RouterError> {
    Router::new(kind, &Prefixes::default(), paths)
}
