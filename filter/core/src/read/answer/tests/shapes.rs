//! Answers in a few characters: what stays, what goes, and what is no answer.

use super::super::Narrowed;
use super::narrowed;
use crate::operation::Alerting::{
    self, Alert, AlertGroups, AlertmanagerAlerts, Alerts, PostSilence, Rule, RuleGroup, Rules, Silence,
    Silences,
};

/// `=` as it came, `-` there is no such thing, else what is left or `! ` and what is wrong.
fn describe(alerting: Alerting, body: &str) -> String {
    match narrowed(alerting, body.as_bytes(), &["a", "ä\n"]) {
        Ok(Narrowed::AsItCame) => "=".to_owned(),
        Ok(Narrowed::Changed(left)) => String::from_utf8(left).unwrap(),
        Ok(Narrowed::Foreign) => "-".to_owned(),
        Err((problem, _)) => format!("! {problem}"),
    }
}

const A: &str = r#"{"labels":{"tenant":"a"}}"#;

#[test]
fn lists() {
    let cases: &[(Alerting, &str, &str)] = &[
        (AlertmanagerAlerts, "[]", "="),
        (AlertmanagerAlerts, " null\n", "="),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":"a"}}]"#, "="),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":"b"}}]"#, "[]"),
        (AlertmanagerAlerts, r#"[ {"labels":{"tenant":"b"}} , {"labels":{"tenant":"c"}} ] "#, "[  ] "),
        (
            AlertmanagerAlerts,
            r#"[ {"labels":{"tenant":"b"}} , {"labels":{}} ,	{"labels":{"tenant":"a"},"x":1e-07} , {"labels":{"tenant":"c"}}
]"#,
            "[ {\"labels\":{\"tenant\":\"a\"},\"x\":1e-07}\n]",
        ),
        (
            AlertmanagerAlerts,
            r#"[{"y":[{"labels":0}],"labels":{"x":"b","tenant":"a"}},{},{"labels":null},{"labels":{"tenant":"a"}},{"labels":{"Tenant":"a"}}]"#,
            r#"[{"y":[{"labels":0}],"labels":{"x":"b","tenant":"a"}},{"labels":{"tenant":"a"}}]"#,
        ),
        // However it is written.
        (AlertmanagerAlerts, r#"[{"lab\u0065ls":{"ten\u0061nt":"\u0061"}}]"#, "="),
        (
            AlertmanagerAlerts,
            "[{\"labels\":{\"tenant\":\"\\u00e4\\n\"}},{\"labels\":{\"tenant\":\"ä\\u000a\"}}]",
            "=",
        ),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":"\u0062"}}]"#, "[]"),
        // An empty label is none.
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":""}}]"#, "[]"),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":"a","tenant":"a"}}]"#, "! a known member stands twice"),
        (
            AlertmanagerAlerts,
            r#"[{"labels":{"tenant":"b"},"labels":{"tenant":"a"}}]"#,
            "! a known member stands twice",
        ),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":["a"]}}]"#, "! a known member has the wrong type"),
        (AlertmanagerAlerts, r#"[{"labels":["tenant","a"]}]"#, "! a known member has the wrong type"),
        (AlertmanagerAlerts, "[[]]", "! a known member has the wrong type"),
        (AlertmanagerAlerts, r#"{"status":"error"}"#, "! a known member has the wrong type"),
        (AlertmanagerAlerts, "\"x\"", "! a known member has the wrong type"),
        (AlertmanagerAlerts, "", "! it is no JSON"),
        (AlertmanagerAlerts, "<html>", "! it is no JSON"),
        (AlertmanagerAlerts, "[] []", "! something follows the JSON value"),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":"a"}}"#, "! it is no JSON"),
        (AlertmanagerAlerts, r#"[{"labels":{"tenant":"a"}},]"#, "! it is no JSON"),
        (AlertGroups, r#"[{"labels":{"tenant":"a"},"alerts":[{"labels":{"tenant":"b"}}]}]"#, "[]"),
        (AlertGroups, r#"[{"labels":{"tenant":"a"},"alerts":[]},{"alerts":null},{}]"#, "[]"),
        (
            AlertGroups,
            r#"[{"alerts":[{"labels":{"tenant":"b"}},{"labels":{"tenant":"a"}}],"receiver":{"name":"r"}}]"#,
            r#"[{"alerts":[{"labels":{"tenant":"a"}}],"receiver":{"name":"r"}}]"#,
        ),
        // What sends asks for is answered as it is.
        (PostSilence, "anything", "="),
    ];
    for (alerting, body, expected) in cases {
        assert_eq!(describe(*alerting, body), *expected, "{alerting:?} {body}");
    }
}

#[test]
fn rules() {
    let rules = |rules: &str| {
        format!(
            r#"{{"status":"success","data":{{"groups":[{{"name":"g","rules":[{rules}]}}],"t":"x"}},"warnings":["w"]}}"#
        )
    };
    let none = r#"{"status":"success","data":{"groups":[],"t":"x"},"warnings":["w"]}"#;
    let mixed = r#"{"labels":{"tenant":"a"},"alerts":[{"labels":{"tenant":"b"}},{"labels":{"tenant":"a"}},{"labels":{}}],"type":"new"}"#;
    let cases: &[(&str, String)] = &[
        (A, "=".into()),
        (r#"{"labels":{"tenant":"b"},"query":"up"}"#, none.into()),
        (r#"{"query":"up"}"#, none.into()),
        // Its label comes with its alerts alone.
        (r#"{"labels":{},"alerts":[{"labels":{"tenant":"a"}}],"query":"up"}"#, none.into()),
        (mixed, rules(r#"{"labels":{"tenant":"a"},"alerts":[{"labels":{"tenant":"a"}}],"type":"new"}"#)),
        (r#"{"alerts":null,"labels":{"tenant":"a"}}"#, "=".into()),
        (
            r#"{"alerts":[{"labels":{"tenant":"b"}}],"labels":{"tenant":"a"}}"#,
            rules(r#"{"alerts":[],"labels":{"tenant":"a"}}"#),
        ),
        // What would have been cut in it goes with it.
        (
            r#"{"alerts":[{"labels":{"tenant":"b"}},{"labels":{"tenant":"a"}}],"labels":{"tenant":"b"}}"#,
            none.into(),
        ),
    ];
    for (rule, expected) in cases {
        assert_eq!(describe(Rules, &rules(rule)), *expected, "{rule}");
    }
    for (body, expected) in [
        (r#"{"status":"success","data":{"groups":null}}"#, "="),
        (r#"{"status":"success","data":null}"#, "="),
        (r#"{"status":"success","data":{"alerts":[]}}"#, "! a known member is missing"),
        (r#"{"status":"success"}"#, "! a known member is missing"),
        (r#"{"status":"success","data":[]}"#, "! a known member has the wrong type"),
        (r#"{"data":{"groups":[]},"data":{"groups":[{"rules":[{}]}]}}"#, "! a known member stands twice"),
    ] {
        assert_eq!(describe(Rules, body), expected, "{body}");
    }
    assert_eq!(
        describe(
            Alerts,
            r#"{"data":{"alerts":[{"labels":{"tenant":"b"}},{"labels":{"tenant":"a"}}]},"status":"success"}"#
        ),
        r#"{"data":{"alerts":[{"labels":{"tenant":"a"}}]},"status":"success"}"#
    );
}

#[test]
fn one_thing() {
    let cases: &[(Alerting, &str, &str)] = &[
        (Rule, A, "="),
        (Rule, r#"{"labels":{"tenant":"b"},"updates":[]}"#, "-"),
        (Rule, "{}", "-"),
        (Rule, "null", "-"),
        (Alert, A, "="),
        (Alert, r#"{"labels":{"x":"a"}}"#, "-"),
        (RuleGroup, r#"{"rules":[{"labels":{"tenant":"b"}}]}"#, "-"),
        (
            RuleGroup,
            r#"{"rules":[{"labels":{"tenant":"b"}},{"labels":{"tenant":"a"}}],"id":"1"}"#,
            r#"{"rules":[{"labels":{"tenant":"a"}}],"id":"1"}"#,
        ),
        (RuleGroup, "[]", "! a known member has the wrong type"),
        (Silence, r#"{"matchers":[]}"#, "-"),
        (Silence, "{}", "-"),
    ];
    for (alerting, body, expected) in cases {
        assert_eq!(describe(*alerting, body), *expected, "{alerting:?} {body}");
    }
}

#[test]
fn silences() {
    let cases = [
        (r#"{"name":"tenant","value":"a","isRegex":false,"isEqual":true}"#, "="),
        (r#"{"name":"tenant","value":"a","isRegex":false}"#, "="),
        (
            r#"{"name":"x","value":"y","isRegex":true},{"isRegex":false,"value":"\u0061","name":"tenant","new":[]}"#,
            "=",
        ),
        (r#"{"name":"tenant","value":"a","isRegex":false,"isEqual":false}"#, "[]"),
        (r#"{"name":"tenant","value":"a","isRegex":true}"#, "[]"),
        (r#"{"name":"tenant","value":"a"}"#, "[]"),
        (r#"{"name":"tenant","value":"a|b","isRegex":true}"#, "[]"),
        (r#"{"name":"tenant","value":"b","isRegex":false}"#, "[]"),
        (r#"{"name":"Tenant","value":"a","isRegex":false}"#, "[]"),
        (r#"{"name":"tenant","value":"a","isRegex":"false"}"#, "! a known member has the wrong type"),
        (r#"{"name":"tenant","name":"x","value":"a","isRegex":false}"#, "! a known member stands twice"),
    ];
    for (matchers, expected) in cases {
        let body = format!(r#"[{{"id":"1","matchers":[{matchers}]}}]"#);
        assert_eq!(describe(Silences, &body), expected, "{matchers}");
    }
}
