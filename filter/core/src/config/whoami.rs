//! The page that tells a caller who it is.

use super::scalar::Text;
use super::shape::Shape;

/// A page for every caller: who the gateway takes it to be, by which source and claims, with which tenants and rights, and
/// why the other entries of `callers` did not apply. It names those entries and their sources; of secrets, tokens and other
/// callers it tells nothing, and to whom nobody recognises it is as closed as everything else.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WhoamiConfig {
    /// Where it is, by default `/-/scopegate/whoami`: `GET` on this path is answered by the gateway itself, whatever the
    /// host and the backends: in JSON, and in HTML to browsers.
    #[serde(default = "whoami_path")]
    pub path: Text,
}

fn whoami_path() -> Text {
    Text("/-/scopegate/whoami".to_owned())
}
