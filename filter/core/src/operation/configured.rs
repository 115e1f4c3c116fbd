//! What a backend's configuration says about its paths: moved prefixes and further paths.

use crate::config::Shape;

use super::{Class, Method, Tenancy};

/// Path prefixes that were changed in the backend's own configuration. Each starts with a slash and does
/// not end with one. Giving a prefix to a kind of backend that has none is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Prefixes {
    /// Where the Prometheus API is: `-http.prometheus-http-prefix` of Cortex and Mimir (default
    /// `/prometheus`), `--web.route-prefix` of Prometheus (default `/`).
    pub prometheus: Option<String>,
    /// Where the legacy API is: `-http.prefix` of Cortex (default `/api/prom`).
    pub legacy: Option<String>,
    /// Where the Alertmanager is: `-http.alertmanager-http-prefix` of Cortex and Mimir (default
    /// `/alertmanager`), where it cannot be `/`; `--web.route-prefix` of an Alertmanager by itself (default `/`).
    pub alertmanager: Option<String>,
}

/// A path that the table of the backend's kind lacks, or keeps closed.
///
/// Such a request goes on with the tenant header set and with nothing else read or rewritten: neither is a
/// write split, nor a read narrowed on a backend that keeps tenants apart by a label. What the table opens
/// stays as it is, also below a `/*`; naming it again is an error.
#[derive(Clone, Debug, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExtraPath {
    /// The path as clients send it, without the backend's own `path` prefix. `{name}` stands for one
    /// segment without `%2F`, `{name%2F}` for one that may hold it, and `/*` at the end for everything
    /// below. The first segment is always a name.
    pub path: String,
    /// The methods, in upper case. By default only GET.
    #[serde(default = "get")]
    pub methods: Vec<Method>,
    /// What a caller needs the right for.
    pub class: Class,
    /// How many tenants one request may name. By default one.
    #[serde(default)]
    pub tenants: Tenancy,
}

fn get() -> Vec<Method> {
    vec![Method::Get]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, ConfigError};

    fn read<T: Shape>(text: &str) -> Result<T, ConfigError> {
        config::read(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn defaults_are_narrow() {
        let extra: ExtraPath = read(r#"{"path":"/x","class":"admin"}"#).unwrap();
        assert_eq!(
            extra,
            ExtraPath {
                path: "/x".into(),
                methods: vec![Method::Get],
                class: Class::Admin,
                tenants: Tenancy::One
            }
        );
        assert_eq!(read::<Prefixes>("{}").unwrap(), Prefixes::default());
    }

    #[test]
    fn unknown_fields_and_names_are_errors() {
        for text in
            [r#"{"path":"/x"}"#, r#"{"path":"/x","class":"Read"}"#, r#"{"path":"/x","class":"read","a":1}"#]
        {
            assert!(read::<ExtraPath>(text).is_err(), "{text}");
        }
        assert!(read::<Prefixes>(r#"{"promethues":"/x"}"#).is_err());
        assert_eq!(read::<Tenancy>(r#""many""#).unwrap(), Tenancy::Many);
    }
}
