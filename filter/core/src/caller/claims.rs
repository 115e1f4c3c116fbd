//! Claims: what a verified token or a session says about its holder, with their types.

use serde_json::Value as Json;

use super::Why;
use crate::config::{ConditionConfig, ConfigError, OneOrMany, Text, load_whole};
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
    /// The claim of one name.
    pub(super) fn named(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The name that it begins with.
    pub(super) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

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

/// What stands at a path.
enum Found<'a> {
    Absent,
    Envoy(Datum<'a>),
    Json(&'a Json),
    /// The path leads through something that is no object, or what is there cannot be read.
    Other,
}

impl Claims<'_> {
    /// The names in the claim at `path`. What cannot be read names nothing.
    pub(super) fn names(&self, path: &ClaimPath) -> Named {
        match self.at(path) {
            Found::Absent => Named::Absent,
            Found::Other => Named::Other,
            Found::Envoy(Datum::List(list)) => envoy_list(list),
            Found::Envoy(datum) => envoy_name(datum).map_or(Named::Other, |name| Named::Names(vec![name])),
            Found::Json(Json::Array(list)) => {
                list.iter().map(json_name).collect::<Option<_>>().map_or(Named::Other, Named::Names)
            }
            Found::Json(value) => json_name(value).map_or(Named::Other, |name| Named::Names(vec![name])),
        }
    }

    /// The names of the members of the object at `path`; of anything else its names.
    fn keys(&self, path: &ClaimPath) -> Named {
        match self.at(path) {
            Found::Envoy(Datum::Structure(object)) => {
                let keys = object.entries().map(|entry| entry.ok().map(|(key, _)| key.to_owned()));
                keys.collect::<Option<_>>().map_or(Named::Other, Named::Names)
            }
            Found::Json(Json::Object(object)) => Named::Names(object.keys().cloned().collect()),
            _ => self.names(path),
        }
    }

    /// Whether the claim at `path` is `true`, and nothing that merely reads like it.
    fn is_true(&self, path: &ClaimPath) -> bool {
        matches!(self.at(path), Found::Envoy(Datum::Bool(true)) | Found::Json(Json::Bool(true)))
    }

    fn at(&self, path: &ClaimPath) -> Found<'_> {
        match self {
            Self::Envoy(claims) => envoy(*claims, &path.0),
            Self::Json(claims) => json(claims, &path.0),
        }
    }
}

fn envoy<'a>(claims: Structure<'a>, path: &[String]) -> Found<'a> {
    let [name, rest @ ..] = path else { return Found::Other };
    match (claims.get(name), rest) {
        (Ok(None | Some(Datum::Null)), _) => Found::Absent,
        (Ok(Some(datum)), []) => Found::Envoy(datum),
        (Ok(Some(Datum::Structure(deeper))), _) => envoy(deeper, rest),
        _ => Found::Other,
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

fn json<'a>(claims: &'a Json, path: &[String]) -> Found<'a> {
    let [name, rest @ ..] = path else { return Found::Other };
    match (claims.get(name), rest) {
        (None | Some(Json::Null), _) => Found::Absent,
        (Some(value), []) => Found::Json(value),
        (Some(deeper @ Json::Object(_)), _) => json(deeper, rest),
        _ => Found::Other,
    }
}

fn json_name(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => load_whole(number.as_f64()?).map(|number| number.to_string()),
        _ => None,
    }
}

/// A claim, and how values are read out of it.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    path: ClaimPath,
    split: Option<String>,
    keys: bool,
    verified_by: Option<ClaimPath>,
}

impl Reading {
    /// Compiles what stands at `path`.
    pub(super) fn compile(
        (claim, split, keys, verified_by): (&OneOrMany, Option<&Text>, bool, Option<&OneOrMany>),
        path: &str,
    ) -> Result<Self, ConfigError> {
        if split.is_some_and(|split| split.is_empty()) {
            return Err(ConfigError::new(
                format!("{path}.split"),
                "say what separates the values, such as \" \"",
            ));
        }
        let verified_by = verified_by.map(|claim| ClaimPath::compile(claim, &format!("{path}.verified_by")));
        Ok(Self {
            path: ClaimPath::compile(claim, &format!("{path}.claim"))?,
            split: split.map(|split| split.0.clone()),
            keys,
            verified_by: verified_by.transpose()?,
        })
    }

    /// The claims that are read.
    pub(super) fn claims<'a>(&'a self, claims: &mut Vec<&'a ClaimPath>) {
        claims.push(&self.path);
        claims.extend(&self.verified_by);
    }

    /// The values. A claim that another one should verify, and does not, is as good as absent.
    pub(super) fn names(&self, claims: &Claims<'_>) -> Named {
        if self.verified_by.as_ref().is_some_and(|path| !claims.is_true(path)) {
            return Named::Absent;
        }
        let found = if self.keys { claims.keys(&self.path) } else { claims.names(&self.path) };
        match (found, &self.split) {
            (Named::Names(names), Some(split)) => {
                let parts = names.iter().flat_map(|name| name.split(split.as_str()));
                Named::Names(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
            }
            (found, _) => found,
        }
    }
}

impl core::fmt::Display for Reading {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.path.fmt(f)
    }
}

/// What must hold of claims.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// The claim holds one of the values.
    In(Reading, Vec<String>),
    /// The claim holds all of the values.
    All(Reading, Vec<String>),
    /// One of these holds.
    Any(Vec<Condition>),
}

impl Condition {
    pub(super) fn compile_all(configs: &[ConditionConfig], path: &str) -> Result<Vec<Self>, ConfigError> {
        let compile = |(position, config)| Self::compile(config, &format!("{path}[{position}]"));
        configs.iter().enumerate().map(compile).collect()
    }

    fn compile(config: &ConditionConfig, path: &str) -> Result<Self, ConfigError> {
        let ConditionConfig { claim, values, all, any, split, keys, verified_by } = config;
        if !any.is_empty() {
            let is_alone = claim.0.is_empty()
                && values.0.is_empty()
                && all.0.is_empty()
                && split.is_none()
                && !keys
                && verified_by.is_none();
            if !is_alone {
                return Err(ConfigError::new(path, "`any` stands alone: put the claim into its conditions"));
            }
            return Self::compile_all(any, &format!("{path}.any")).map(Self::Any);
        }
        let claim = Reading::compile((claim, split.as_ref(), *keys, verified_by.as_ref()), path)?;
        let texts = |list: &OneOrMany| list.0.iter().map(|value| value.0.clone()).collect();
        match (values.0.as_slice(), all.0.as_slice()) {
            ([_, ..], []) => Ok(Self::In(claim, texts(values))),
            ([], [_, ..]) => Ok(Self::All(claim, texts(all))),
            ([], []) => {
                Err(ConfigError::new(format!("{path}.in"), "name at least one value, here or under `all`"))
            }
            _ => Err(ConfigError::new(path, "give exactly one of `in`, `all`")),
        }
    }

    /// The first of the conditions that is not met.
    pub(super) fn unmet<'a>(conditions: &'a [Self], claims: &Claims<'_>) -> Option<Why<'a>> {
        let unmet = conditions.iter().find(|condition| !condition.holds(claims))?;
        let mut asked = Vec::new();
        unmet.claims(&mut asked);
        Some(asked.first().map_or(Why::Words("a condition is not met"), |claim| Why::Claim(claim)))
    }

    /// The claims that are asked for.
    pub(super) fn claims<'a>(&'a self, claims: &mut Vec<&'a ClaimPath>) {
        match self {
            Self::In(claim, _) | Self::All(claim, _) => claim.claims(claims),
            Self::Any(conditions) => conditions.iter().for_each(|condition| condition.claims(claims)),
        }
    }

    pub(super) fn holds(&self, claims: &Claims<'_>) -> bool {
        let names = |claim: &Reading| match claim.names(claims) {
            Named::Names(names) => names,
            Named::Absent | Named::Other => Vec::new(),
        };
        match self {
            Self::In(claim, values) => names(claim).iter().any(|name| values.contains(name)),
            Self::All(claim, values) => {
                let names = names(claim);
                values.iter().all(|value| names.contains(value))
            }
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(claims)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode;
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
        let message = encode::structure(&claims);
        for (path, expected) in cases {
            let path = OneOrMany(path.iter().map(|name| Text((*name).to_owned())).collect());
            let path = ClaimPath::compile(&path, "").unwrap();
            assert_eq!(Claims::Envoy(Structure::new(&message)).names(&path), *expected, "{path} from Envoy");
            assert_eq!(Claims::Json(claims.clone()).names(&path), *expected, "{path} from JSON");
        }
    }
}
