//! What the sender is told where its parts were answered differently, and what is remembered for when it comes again.

use super::scalar::{Count, Millis};
use super::shape::Shape;

/// How the answers to the parts of a request become one. Only requests that are looked into have parts.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub struct AnswersConfig {
    /// What becomes of a part that its backend answers with 429.
    pub rate_limited: RateLimited,
    /// What a 400 counts as that says only that samples are too old, out of order or there already.
    pub soft_errors: SoftErrors,
    /// For how long the parts are remembered that were accepted, or refused for good, when the sender is asked to send
    /// its request again. The same request then goes only to the tenants that are left. `0s` remembers nothing.
    pub remember: Millis,
    /// When a tenant that keeps failing stops holding up the others.
    pub give_up: GiveUpConfig,
}

/// What becomes of a part that its backend answers with 429.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum RateLimited {
    /// The answer is 429. Prometheus then drops the whole batch, or with `retry_on_http_429` sends it again.
    #[default]
    Pass,
    /// The part is dropped and counted, and the sender goes on. If the request comes again for another reason, so
    /// does the part.
    Drop,
}

/// What a 400 counts as that says only that samples are too old, out of order or there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum SoftErrors {
    /// As a 400.
    #[default]
    Pass,
    /// As a success. A backend names one error only, so that others may hide behind it.
    Success,
}

/// When a tenant that keeps failing stops holding up the others: its parts are then dropped, the answer is 400 and
/// names the tenant, and the drop is counted. Never while the backend accepts nobody else's writes either.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub struct GiveUpConfig {
    /// After it has failed for so long, without one success. `0s` is never.
    pub after: Millis,
    /// Or after so many failed attempts, of all senders of one caller together. Without it only the time counts.
    pub attempts: Option<Count>,
    /// How often it is then tried whether the tenant accepts again.
    pub try_every: Millis,
}

impl Default for AnswersConfig {
    fn default() -> Self {
        Self {
            rate_limited: RateLimited::default(),
            soft_errors: SoftErrors::default(),
            remember: Millis(5 * 60_000),
            give_up: GiveUpConfig::default(),
        }
    }
}

impl Default for GiveUpConfig {
    fn default() -> Self {
        Self { after: Millis(60 * 60_000), attempts: None, try_every: Millis(60_000) }
    }
}
