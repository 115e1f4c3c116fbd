//! Claims: what a verified token or a session says about its holder, with their types.

use serde_json::Value as Json;

use super::Why;
use crate::config::{ConditionConfig, ConfigError, OneOrMany, load_whole};
use crate::wire::{Datum, List, Structure};

/// An object of claims, either in Envoy's serialized form or as parsed JSON.
#[derive(Clone, Debug)]
pub(super) enum Claims<'a> {
    Envoy(Structure<'a>),
    Json(Json),
}

/// Where a claim stands: names that lead through nested objects; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

/// What stands in a claim, as far as it can name something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The claim is absent or null.
    Absent,
    /// The strings (and whole numbers, as their digits) that it holds; one, unless it is a list.
    Names(Vec<String>),
    /// It holds something that names nothing: a boolean, an object, a fraction.
    Other,
}

impl Named {
    /// The name, where there is exactly one.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::Names(names) => match names.as_slice() {
                [name] => Some(name),
                _ => None,
            },
            Self::Absent | Self::Other => None,
        }
    }
}

impl ClaimPath {
    /// Compiles what stands at `path`.
    pub fn compile(config: &OneOrMany, path: &str) -> Result<Self, ConfigError> {
        if config.0.is_empty() {
            return Err(ConfigError::new(path, "name the claim, or the names that lead to it"));
        }
        Ok(Self(config.0.iter().map(|name| name.0.clone()).collect()))
    }
}

impl core::fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0.join(" › "))
    }
}

impl Claims<'_> {
    /// The names in the claim at `path`. What cannot be read names nothing.
    pub(super) fn names(&self, path: &ClaimPath) -> Named {
        match self {
            Self::Envoy(claims) => envoy(*claims, &path.0),
            Self::Json(claims) => json(claims, &path.0),
        }
    }
}

fn envoy(claims: Structure<'_>, path: &[String]) -> Named {
    let [name, rest @ ..] = path else { return Named::Other };
    match (claims.get(name), rest) {
        (Ok(None | Some(Datum::Null)), _) => Named::Absent,
        (Ok(Some(Datum::Structure(deeper))), [_, ..]) => envoy(deeper, rest),
        (Ok(Some(Datum::List(list))), []) => envoy_list(list),
        (Ok(Some(datum)), []) => envoy_name(datum).map_or(Named::Other, |name| Named::Names(vec![name])),
        _ => Named::Other,
    }
}

fn envoy_list(list: List<'_>) -> Named {
    let names = list.items().map(|item| item.ok().and_then(envoy_name)).collect::<Option<_>>();
    names.map_or(Named::Other, Named::Names)
}

fn envoy_name(datum: Datum<'_>) -> Option<String> {
    match datum {
        Datum::Text(text) => Some(text.to_owned()),
        // A JSON integer is a double here; beyond 2^53 it may be another one than was written.
        Datum::Number(number) => load_whole(number).map(|number| number.to_string()),
        _ => None,
    }
}

fn json(claims: &Json, path: &[String]) -> Named {
    let [name, rest @ ..] = path else { return Named::Other };
    match (claims.get(name), rest) {
        (None | Some(Json::Null), _) => Named::Absent,
        (Some(deeper @ Json::Object(_)), [_, ..]) => json(deeper, rest),
        (Some(Json::Array(list)), []) => {
            list.iter().map(json_name).collect::<Option<_>>().map_or(Named::Other, Named::Names)
        }
        (Some(value), []) => json_name(value).map_or(Named::Other, |name| Named::Names(vec![name])),
        _ => Named::Other,
    }
}

fn json_name(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => load_whole(number.as_f64()?).map(|number| number.to_string()),
        _ => None,
    }
}

/// What must hold of a claim: it is, or holds, one of the values.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    claim: ClaimPath,
    values: Vec<String>,
}

impl Condition {
    pub(super) fn compile_all(configs: &[ConditionConfig], path: &str) -> Result<Vec<Self>, ConfigError> {
        let compile = |(position, config): (usize, &ConditionConfig)| {
            if config.values.0.is_empty() {
                return Err(ConfigError::new(format!("{path}[{position}].in"), "name at least one value"));
            }
            Ok(Self {
                claim: ClaimPath::compile(&config.claim, &format!("{path}[{position}].claim"))?,
                values: config.values.0.iter().map(|value| value.0.clone()).collect(),
            })
        };
        configs.iter().enumerate().map(compile).collect()
    }

    /// The first of the conditions that is not met.
    pub(super) fn unmet<'a>(conditions: &'a [Self], claims: &Claims<'_>) -> Option<Why<'a>> {
        let unmet = conditions.iter().find(|condition| !condition.holds(claims))?;
        Some(Why::Claim(&unmet.claim))
    }

    pub(super) fn claim(&self) -> &ClaimPath {
        &self.claim
    }

    fn holds(&self, claims: &Claims<'_>) -> bool {
        match claims.names(&self.claim) {
            Named::Names(names) => names.iter().any(|name| self.values.contains(name)),
            Named::Absent | Named::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Text;
    use crate::wire::testing;
    use serde_json::json;

    #[test]
    fn names_are_the_same_from_either_form() {
        let claims = json!({
            "text": "a", "list": ["a", 7], "null": null, "yes": true, "half": 0.5, "seven": 7, "huge": 9_007_199_254_740_993_u64,
            "deep": {"er": ["x"], "null": null}, "mixed": ["a", null], "empty": [], "a.b": "dot",
        });
        let names = |names: &[&str]| Named::Names(names.iter().map(|name| (*name).to_owned()).collect());
        let cases: &[(&[&str], Named)] = &[
            (&["text"], names(&["a"])),
            (&["list"], names(&["a", "7"])),
            (&["seven"], names(&["7"])),
            (&["deep", "er"], names(&["x"])),
            (&["a.b"], names(&["dot"])),
            (&["empty"], names(&[])),
            (&["null"], Named::Absent),
            (&["absent"], Named::Absent),
            (&["deep", "null"], Named::Absent),
            (&["absent", "er"], Named::Absent),
            (&["deep"], Named::Other),
            (&["yes"], Named::Other),
            (&["half"], Named::Other),
            (&["huge"], Named::Other),
            (&["mixed"], Named::Other),
            (&["text", "er"], Named::Other),
        ];
        let message = testing::structure(&claims);
        for (path, expected) in cases {
            let path = OneOrMany(path.iter().map(|name| Text((*name).to_owned())).collect());
            let path = ClaimPath::compile(&path, "").unwrap();
            assert_eq!(Claims::Envoy(Structure::new(&message)).names(&path), *expected, "{path} from Envoy");
            assert_eq!(Claims::Json(claims.clone()).names(&path), *expected, "{path} from JSON");
        }
    }
}
