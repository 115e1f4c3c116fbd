//! How the answers to the parts of a request become one: the rules of one backend, compiled.

use super::failing::GiveUp;
use super::outcome::{Judged, PartAnswer};
use crate::config::{AnswersConfig, ConfigError, RateLimited, SoftErrors};

/// See [`AnswersConfig`].
#[derive(Debug)]
pub struct AnswerRules {
    rate_limited: RateLimited,
    soft_errors: SoftErrors,
    /// For how long settled parts are remembered, in milliseconds; 0 for not at all.
    pub remember_ms: u32,
    /// When a tenant is given up; `None` for never.
    pub give_up: Option<GiveUp>,
}

impl AnswerRules {
    /// Compiles the rules that stand at `path`.
    pub(super) fn compile(config: &AnswersConfig, path: &str) -> Result<Self, ConfigError> {
        let give_up = &config.give_up;
        if give_up.attempts.is_some_and(|attempts| attempts.0 == 0) {
            return Err(ConfigError::new(
                format!("{path}.give_up.attempts"),
                "0 would give up a tenant that never failed; leave it out, or name a number",
            ));
        }
        if give_up.try_every.0 == 0 {
            return Err(ConfigError::new(
                format!("{path}.give_up.try_every"),
                "with 0s every request would wait for the tenant that was given up",
            ));
        }
        let after_ms = Some(give_up.after.0).filter(|after| *after > 0);
        let attempts = give_up.attempts.map(|attempts| attempts.0);
        let given = after_ms.is_some() || attempts.is_some();
        Ok(Self {
            rate_limited: config.rate_limited,
            soft_errors: config.soft_errors,
            remember_ms: config.remember.0,
            give_up: given.then_some(GiveUp { after_ms, attempts, try_every_ms: give_up.try_every.0 }),
        })
    }

    /// Whether an upstream's answer to a part may not be the sender's, so that also a request with one part is
    /// answered by the gateway.
    pub fn change_answers(&self) -> bool {
        self.rate_limited == RateLimited::Drop || self.soft_errors == SoftErrors::Success
    }

    /// Judges an answer as the options say.
    pub(super) fn judge(&self, part: &mut PartAnswer) {
        let answer = &part.answer;
        match answer.status {
            Some(429) if self.rate_limited == RateLimited::Drop => part.judged = Judged::RateLimited,
            Some(400) if self.soft_errors == SoftErrors::Success && is_soft(&answer.message) => {
                part.judged = Judged::Soft;
            }
            _ => {}
        }
    }
}

/// What a message says of samples that are not wanted any more. Before them stands nothing that a client has chosen.
///
/// Cortex says `… desc = user=ID: err: REASON. timestamp=…, series={…}` (`pkg/ingester/ingester.go`, the reasons are those of
/// Prometheus' `storage/interface.go`), Mimir names its errors (`pkg/util/globalerror`).
const SOFT: &[&str] = &[
    "err: out of bounds",
    "err: out of order sample",
    "err: too old sample",
    "err: duplicate sample for timestamp",
    "err: exemplars not ingested because series not already present",
    "err: out of order exemplar",
    "err: duplicate exemplar",
    "(err-mimir-sample-timestamp-too-old)",
    "(err-mimir-sample-out-of-order)",
    "(err-mimir-sample-duplicate-timestamp)",
    "(err-mimir-exemplar-series-missing)",
];

/// The same of Loki, for each entry that it did not take (`pkg/ingester/stream.go`, `pkg/chunkenc/interface.go`).
const SOFT_ENTRIES: &[&str] =
    &["ignored, reason: 'entry too far behind", "ignored, reason: 'entry out of order'"];

/// Whether the message of a 400 says only that samples are too old, out of order or there already.
fn is_soft(message: &[u8]) -> bool {
    let text = String::from_utf8_lossy(message);
    if text.starts_with("entry with timestamp ") {
        // One line an entry; a sum is the last, and where the message was cut there is none.
        return text
            .lines()
            .take_while(|line| line.starts_with("entry with timestamp "))
            .all(|line| SOFT_ENTRIES.iter().any(|reason| line.contains(reason)));
    }
    if text.starts_with("entry for stream '") {
        return text.contains("' has timestamp too old: ");
    }
    // What comes after may be a client's own words.
    let said = text.split(['{', '\'', '"']).next().unwrap_or_default();
    SOFT.iter().any(|reason| said.contains(reason))
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{Answer, PartAnswer};
    use super::*;
    use crate::config;
    use crate::tenant::TenantId;
    use crate::write::written::Written;
    use serde_json::{Value, json};

    fn rules(config: &Value) -> Result<AnswerRules, String> {
        let config: AnswersConfig = config::read(config).map_err(|error| error.to_string())?;
        AnswerRules::compile(&config, "answers").map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_safe() {
        let rules = rules(&json!({})).unwrap();
        assert!(!rules.change_answers());
        assert_eq!(rules.remember_ms, 300_000);
        let hour = GiveUp { after_ms: Some(3_600_000), attempts: None, try_every_ms: 60_000 };
        assert_eq!(rules.give_up, Some(hour));
    }

    #[test]
    fn giving_up_is_compiled() {
        let give_up = |config| rules(&json!({"give_up": config})).map(|rules| rules.give_up);
        let of = |after_ms, attempts, try_every_ms| Some(GiveUp { after_ms, attempts, try_every_ms });
        assert_eq!(give_up(json!({"after": "0s"})), Ok(None));
        assert_eq!(give_up(json!({"after": "2h"})), Ok(of(Some(7_200_000), None, 60_000)));
        assert_eq!(give_up(json!({"after": "0s", "attempts": 9})), Ok(of(None, Some(9), 60_000)));
        assert_eq!(
            give_up(json!({"attempts": 9, "try_every": "5s"})),
            Ok(of(Some(3_600_000), Some(9), 5_000))
        );
        for (wrong, expected) in [
            (json!({"give_up": {"attempts": 0}}), "answers.give_up.attempts: 0 would give up"),
            (json!({"give_up": {"try_every": "0s"}}), "answers.give_up.try_every: with 0s every request"),
            (json!({"give_up": {"after": 60}}), "give_up.after: expected a time with its unit"),
            (json!({"give_up": "never"}), "give_up: expected an object, found a string"),
            (json!({"rate_limited": "ignore"}), "unknown variant `ignore`, expected `pass` or `drop`"),
            (json!({"soft_errors": true}), "soft_errors: expected a string, found a boolean"),
            (json!({"429": "drop"}), "429: unknown field `429`"),
        ] {
            let error = rules(&wrong).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    const CORTEX: &str =
        "user=own: err: out of order sample. timestamp=2026-01-01T00:00:00Z, series={__name__=\"up\"}\n";

    #[test]
    fn what_an_answer_counts_as() {
        let (pass, change) = (json!({}), json!({"rate_limited": "drop", "soft_errors": "success"}));
        let cases: &[(&Value, Option<u16>, &str, Judged)] = &[
            (&pass, Some(429), "", Judged::AsIs),
            (&pass, Some(400), CORTEX, Judged::AsIs),
            (&change, Some(429), "", Judged::RateLimited),
            (&change, Some(400), CORTEX, Judged::Soft),
            (&change, Some(400), "user=own: per-user series limit exceeded", Judged::AsIs),
            (&change, Some(400), "", Judged::AsIs),
            (&change, Some(422), CORTEX, Judged::AsIs),
            (&change, Some(500), CORTEX, Judged::AsIs),
            (&change, Some(200), "", Judged::AsIs),
            (&change, None, CORTEX, Judged::AsIs),
        ];
        for (config, status, message, expected) in cases {
            let answer = Answer {
                status: *status,
                retry_after: None,
                message: message.as_bytes().to_vec(),
                written: Written::Untold,
            };
            let mut part = PartAnswer::new(TenantId::new("own").unwrap(), answer);
            rules(config).unwrap().judge(&mut part);
            assert_eq!(part.judged, *expected, "{config} {status:?} {message}");
        }
    }

    #[test]
    fn what_is_soft() {
        let soft = [
            CORTEX,
            "user=own: err: out of bounds. timestamp=1, tsdbHeadMaxTimestamp=2, series={__name__=\"up\"}",
            // As a Cortex of 2026 says it.
            "maxFailure (quorum) on a given error family, addr=127.0.0.1:9095 state=ACTIVE zone=, rpc error: code = Code(400) desc = user=x: err: duplicate sample for timestamp 1795616884535; overrides not allowed: existing 1, new value 2. series={__name__=\"up\"}\n",
            "user=own: err: too old sample. timestamp=1, series={}",
            "user=own: err: duplicate sample for timestamp. series={}",
            "user=own: err: duplicate sample for timestamp 1; overrides not allowed: existing 1, new value 2. series={}",
            "user=own: err: exemplars not ingested because series not already present. timestamp=1, series={}, exemplar={}",
            "user=own: err: out of order exemplar. timestamp=1",
            "failed pushing to ingester: the sample has been rejected because its timestamp is too old (err-mimir-sample-timestamp-too-old). The affected sample has timestamp 1 and is from series {__name__=\"up\"}",
            "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 1, oldest acceptable timestamp is: 2',\nuser 'own', total ignored: 1 out of 2 for stream: {app=\"x\"}",
            "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry out of order',\nentry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry times",
            "entry for stream '{app=\"x\"}' has timestamp too old: 1, oldest acceptable timestamp is: 2",
        ];
        let hard = [
            "",
            "out of order sample",
            "user=own: series=out of bounds",
            "sample invalid label: \"a-b\" metric \"up{a-b=\\\"err: out of bounds\\\"}\"",
            "label value too long for metric (actual: 4000, limit: 2048) metric: \"up{l=\\\"err: out of bounds. err: out",
            "label value too long for metric: 'err: out of bounds'",
            "label value too long {x=\"err: out of bounds\"}",
            "received a series whose value is \"(err-mimir-sample-out-of-order)\"",
            "user=own: err: labels out of order. series={}",
            "entry with timestamp 1 ignored, reason: 'stream rate limit exceeded',\n",
            "entry with timestamp 1 ignored, reason: 'entry out of order',\nentry with timestamp 1 ignored, reason: 'max entry size exceeded',\n",
            "entry for stream '{app=\"x\"}' has timestamp too new: 1",
        ];
        for message in soft {
            assert!(is_soft(message.as_bytes()), "{message}");
        }
        for message in hard {
            assert!(!is_soft(message.as_bytes()), "{message}");
        }
        assert!(!is_soft(b"\xff\xfe"));
    }
}
