//! LogQL, construct by construct.

use super::*;

const LOGQL: Language = Language::LogQl;

#[test]
fn selectors_and_line_filters() {
    check_rewritten(
        LOGQL,
        &Options::default(),
        &[
            "{«.»}",
            r#"{«,»app="x"}"#,
            r#" { «,»app = "x" , b != "y", c =~ `z`, d !~ "w" } "#,
            r#"{«,»t="b"}"#,
            r#"{«,»t=~".*"}"#,
            r#"({«,»app="x"})"#,
            r#"{«,»app="x"} |= "a" != "b" |~ "c" !~ "d" |> "<_> e" !> "f <_>""#,
            r#"{«,»app="x"} |= "{t=\"b\"}""#,
            "{«,»app=\"x\"} |= `{t=\"b\"} \" or {`",
            r#"{«,»app="x"} |= "a" or "b" or "c""#,
            r#"{«,»app="x"} |= ip("192.168.0.0/16") or ip("::1") != ip("10.0.0.1")"#,
            r#"{«,»app="x"}|="a"|~`b`"#,
        ],
    );
}

#[test]
fn pipelines() {
    check_rewritten(
        LOGQL,
        &Options::default(),
        &[
            r#"{«,»a="b"} | json | logfmt | unpack | decolorize"#,
            r#"{«,»a="b"} | json first="servers[0]", second, third="x.y" | JSON"#,
            r#"{«,»a="b"} | logfmt --strict --keep-empty a, b="c" | logfmt --strict"#,
            r#"{«,»a="b"} | regexp "(?P<x>{\\d{2}})" | pattern `<_> {<x>} "<y>"`"#,
            r#"{«,»a="b"} | line_format "{{.x}} {{ if eq .y \"{\" }}}{{end}}""#,
            r#"{«,»a="b"} | label_format x=y, z="{{.w}}", t=other"#,
            r#"{«,»a="b"} | drop x, t, y="z" , w=~`{.*}` | keep x, y!="z""#,
            r#"{«,»a="b"} | t="b" | t="b" or t="c" and (d="e", f!="g" h=~"i")"#,
            r#"{«,»a="b"} | x > 5 | x >= 5.5 and y < 10ms | z <= 20KB | w == 1 | v != 2h30m | u = -3"#,
            r#"{«,»a="b"} | addr = ip("1.2.3.4") or addr != ip("::1")"#,
            r#"{«,»a="b"} | ((x="y") or (z="w")) | duration > 1s | bytes > 1MB | rate > 5 | ip="x""#,
            r#"{«,»a="b"} | json | x="y" |= "z" or "w" | x="y" != "z""#,
        ],
    );
}

#[test]
fn metric_queries() {
    check_rewritten(
        LOGQL,
        &Options::default(),
        &[
            r#"rate({«,»a="b"}[5m])"#,
            r#"RATE ( {«,»a="b"} |= "x" [5m] offset 1h )"#,
            r#"rate({«,»a="b"}[5m] |= "x" | json)"#,
            r#"rate({«,»a="b"}[5m] offset -1h | json)"#,
            r#"rate(({«,»a="b"} | json)[5m])"#,
            r#"rate(({«,»a="b"})[5m] offset 1m)"#,
            r#"count_over_time({«,»a="b"} | json | x="y" [1m])"#,
            r#"sum by (x) (sum_over_time({«,»a="b"} | json | unwrap y [5m]))"#,
            r#"sum_over_time({«,»a="b"} | unwrap duration(y) | __error__="" [5m]) by (x, z)"#,
            r#"quantile_over_time(0.99, {«,»a="b"} | unwrap bytes(y) | t="c" [5m]) without (x)"#,
            r#"avg_over_time({«,»a="b"}[5m] | unwrap duration_seconds(y))"#,
            r#"topk(5, rate({«,»a="b"}[5m])) by (x)"#,
            r#"approx_topk(5, sum by (x) (rate({«,»a="b"}[5m])))"#,
            r#"sort_desc(rate({«,»a="b"}[5m])) + sort(rate({«.»}[5m]))"#,
            r#"rate({«,»a="b"}[5m]) / on(x, y) group_left(z) rate({«,»c="d"}[5m])"#,
            r#"rate({«,»a="b"}[5m]) > bool 5 or rate({«,»c="d"}[5m]) and vector(1) unless vector(0)"#,
            r#"rate({«,»a="b"}[5m]) != rate({«,»c="d"}[5m]) == on() vector(1.5)"#,
            r#"rate({«,»a="b"} != "x" [5m]) != ignoring(x) group_right() (rate({«,»c="d"}[5m]))"#,
            r#"-1 + 2 * rate({«,»a="b"}[5m]) ^ 2 % 3 - -4"#,
            r#"label_replace(rate({«,»a="b"}[5m]), "t", "$1", "x", "(.*{)")"#,
            r#"absent_over_time({«,»a="b"}[5m]) or vector(0)"#,
            r#"first_over_time({«,»a="b"} | unwrap x [1h30m]) + last_over_time({«.»} | unwrap x [1d])"#,
        ],
    );
}

#[test]
fn comments() {
    check_rewritten(
        LOGQL,
        &Options::default(),
        &[
            "{«,»a=\"b\"} # {c=\"d\"}",
            "# {\n{«,»a=\"b\"}",
            "{ # x }\n «,»a=\"b\" # , c=\"d\"\n}",
            "{«,»a=\"b\"} // {c=\"d\"}\n |= \"// {\" // end",
            "/* {c=\"d\"} */ {/* } */«,»a=\"b\"/* , */} /**/ |= \"/*\" /* \n */",
            "rate({«,»a=\"b\"}[5m]) / /* x */ 5",
        ],
    );
}

#[test]
fn refused() {
    let operand = "expected a selector, a function or a number";
    check_refused(
        LOGQL,
        &Options::default(),
        &[
            ("", &format!("1:1: unexpected end, {operand}")),
            ("up", &format!("1:1: unexpected \"up\", {operand}")),
            ("up{a=\"b\"}", &format!("1:1: unexpected \"up\", {operand}")),
            ("{a=\"b\",}", "1:8: unexpected \"}\", expected a label or `}`"),
            ("{,}", "1:2: unexpected \",\", expected a label or `}`"),
            ("{a}", "1:3: unexpected \"}\", expected an operator such as `=`"),
            ("{\"a\"=\"b\"}", "1:2: unexpected \"\\\"a\\\"\", expected a label or `}`"),
            ("{a=\"b\" or c=\"d\"}", "1:8: unexpected \"or\", expected `,` or `}`"),
            ("{a=\"b\"", "1:7: unexpected end, expected `,` or `}`"),
            ("{a=\"b\"} {c=\"d\"}", "1:9: unexpected \"{\", expected an operator"),
            ("{a='b'}", "1:4: unexpected character '\\''"),
            ("{a=\"b\"} |= 'x'", "1:12: unexpected character '\\''"),
            ("{a=\"b\"} |= x", "1:12: unexpected \"x\", expected a string"),
            ("{a=\"b\"} | {c=\"d\"}", "1:11: unexpected \"{\", expected a label or a stage of a pipeline"),
            ("{a=\"b\"} | x", "1:12: unexpected end, expected an operator such as `=`"),
            ("{a=\"b\"} | x = y", "1:15: unexpected \"y\", expected a string or a number"),
            ("{a=\"b\"} | (x=\"y\"", "1:17: unexpected end, expected a label or `)`"),
            ("{a=\"b\"} | regexp", "1:17: unexpected end, expected a string"),
            ("{a=\"b\"} | logfmt --x", "1:20: unexpected \"x\", expected `--strict` or `--keep-empty`"),
            ("rate({a=\"b\"}[5m]", "1:17: unexpected end, expected `)`"),
            ("rate({a=\"b\"}[$__interval])", "1:14: unexpected character '$'"),
            ("rate({a=\"b\"}[5m:1m])", "1:16: unexpected character ':'"),
            ("foo({a=\"b\"}[5m])", "1:1: unknown function \"foo\""),
            ("variants(rate({a=\"b\"}[5m])) of ({a=\"b\"}[5m])", "1:1: unknown function \"variants\""),
            ("sum", "1:4: unexpected end, expected `(`"),
            ("5and vector(1)", "1:1: \"5and\" is no number or duration"),
            ("{a=\"b\"} /* x", "1:9: a string or comment without its end"),
            ("{a=\"b\"} /*/", "1:9: a string or comment without its end"),
            (
                "{a=\"b\"} // x\r |= \"y\"",
                "1:13: a carriage return within a comment: end the line with a newline",
            ),
            ("{a=\"b\"} # x\ry", "1:12: a carriage return within a comment: end the line with a newline"),
            ("{ä=\"b\"}", "1:2: unexpected character 'ä'"),
            ("\u{feff}{a=\"b\"}", "1:1: unexpected character '\\u{feff}'"),
            ("{a=\"b\"}\u{a0}", "1:8: unexpected character '\\u{a0}'"),
            ("{a=\"b\"};", "1:8: unexpected character ';'"),
            ("{a=\"b\"} |= \"\0\"", "1:13: unexpected character '\\0'"),
            ("{a=\"b\"} |= \"\\q\"", "1:13: an escape that strings do not have"),
        ],
    );
}

#[test]
fn selectors_alone() {
    let cases: &[(&str, Result<&str, &str>)] = &[
        (r#"{app="x"}"#, Ok(r#"{t="a",app="x"}"#)),
        ("{}", Ok(r#"{t="a"}"#)),
        (r#"{app="x"} |= "y""#, Err("1:11: parse error: unexpected \"|=\", expected the end")),
        (r#"({app="x"})"#, Err("1:1: parse error: unexpected \"(\", expected a selector")),
        (r#"rate({app="x"}[5m])"#, Err("1:1: parse error: unexpected \"rate\", expected a selector")),
        ("", Err("1:1: parse error: unexpected end, expected a selector")),
    ];
    for (text, expected) in cases {
        let made = rewrite_selector(LOGQL, text, &tenant(), &Options::default());
        let made = made.map(|rewritten| rewritten.text).map_err(|error| error.to_string());
        assert_eq!(made.as_deref().map_err(String::as_str), *expected, "{text}");
    }
}
