//! HTTP filters: ours, and those that stand before it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The module under test: `SCOPEGATE_WASM`, else `target/scopegate.wasm` in the workspace.
pub fn module() -> PathBuf {
    from_environment("SCOPEGATE_WASM", "scopegate.wasm")
}

/// The same module with its faults to be switched on: `SCOPEGATE_FAULTS_WASM`, else `target/scopegate-faults.wasm`.
pub fn faults_module() -> PathBuf {
    from_environment("SCOPEGATE_FAULTS_WASM", "scopegate-faults.wasm")
}

fn from_environment(variable: &str, file: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| crate::target_file(file), PathBuf::from)
}

/// Our filter in Envoy's configuration, set up as the documentation says: headers can wait for the body, and a VM that
/// trapped is replaced.
#[derive(Debug, Clone)]
#[must_use]
pub struct Plugin {
    module: PathBuf,
    config: Value,
    variables: Map<String, Value>,
    host_variables: Vec<String>,
}

impl Plugin {
    /// Configured by a `google.protobuf.Struct`, as people write it in their `envoy.yaml`.
    pub fn structured(configuration: &Value) -> Self {
        Self::new(&json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": configuration}))
    }

    /// Configured by text in a `google.protobuf.StringValue`, which is JSON when it is right.
    pub fn text(configuration: &str) -> Self {
        Self::new(
            &json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration}),
        )
    }

    fn new(configuration: &Value) -> Self {
        Self {
            module: module(),
            config: json!({
                "name": "scopegate",
                "root_id": "scopegate",
                "configuration": configuration,
                "allow_on_headers_stop_iteration": true,
                "failure_policy": "FAIL_RELOAD",
                "reload_config": {"backoff": {"base_interval": "0.1s", "max_interval": "1s"}},
            }),
            variables: Map::new(),
            host_variables: Vec::new(),
        }
    }

    /// Uses another module.
    pub fn module(mut self, module: &Path) -> Self {
        module.clone_into(&mut self.module);
        self
    }

    /// Gives the module an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), json!(value));
        self
    }

    /// Lets the module see a variable of Envoy's own environment, as secrets are given.
    pub fn host_variable(mut self, name: &str) -> Self {
        self.host_variables.push(name.to_owned());
        self
    }

    /// Sets a field of the plugin's configuration.
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    /// The filter, for [`Listener::filter`](super::Listener::filter).
    pub fn filter(mut self) -> Value {
        self.config["vm_config"] = json!({
            "vm_id": "scopegate",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": self.module}},
            "environment_variables": {"key_values": self.variables, "host_env_keys": self.host_variables},
        });
        json!({
            "name": "scopegate",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": self.config,
            }
        })
    }
}

/// Envoy's `jwt_authn`: tokens of `issuer`, verified by the keys `jwks`, leave their claims in the metadata under
/// `provider`. A request without a token passes when `optional`; one with a bad token never does.
pub fn jwt_authn(provider: &str, issuer: &str, jwks: &Value, optional: bool) -> Value {
    let required = json!({"provider_name": provider});
    let rule = if optional {
        json!({"requires_any": {"requirements": [required, {"allow_missing": {}}]}})
    } else {
        required
    };
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {provider: {
                "issuer": issuer,
                "local_jwks": {"inline_string": jwks.to_string()},
                "payload_in_metadata": provider,
                "forward": true,
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": rule}],
        }
    })
}

/// The same, where also what is no good token passes: whoever comes after must refuse it.
pub fn lenient_jwt_authn(provider: &str, issuer: &str, jwks: &Value) -> Value {
    let mut filter = jwt_authn(provider, issuer, jwks, true);
    filter["typed_config"]["rules"][0]["requires"]["requires_any"]["requirements"][1] =
        json!({"allow_missing_or_failed": {}});
    filter
}

/// A Lua filter of this source, which defines `envoy_on_request` or `envoy_on_response`.
pub fn lua(source: &str) -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": source},
        }
    })
}
