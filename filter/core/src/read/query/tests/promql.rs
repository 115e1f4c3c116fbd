//! PromQL, construct by construct.

use super::*;

const PROMQL: Language = Language::PromQl;

#[test]
fn selectors() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "up«»",
            " up«» ",
            "up{«.»}",
            "up{«.» }",
            "{«.»}",
            r#"up{«,»job="x"}"#,
            r#"up{«,»job="x",}"#,
            r#"up { «,»job = "x" , i != 'y' , k =~ `z` , l !~ "w" , }"#,
            r#"{«,»__name__=~".+"}"#,
            r#"{«,»__name__="up"}"#,
            r#"up{«,»t="b"}"#,
            r#"up{«,»t=~".*"}"#,
            r#"up{«,»t!="a"}"#,
            r#"up{«,»t=""}"#,
            r#"up{«,»on="x",by="y",sum="z",offset="o",bool="b",inf="i",start="s"}"#,
            // Names in quotes.
            r#"{«,»"up"}"#,
            r#"{«,»"up",job="x"}"#,
            r#"{«,»job="x","up"}"#,
            r#"{«,»"metric.name","label.x"="v"}"#,
            r#"{«,»'up',`l`!~"x"}"#,
            r#"{«,»"a}b{c\"d"}"#,
            "job:up:sum«»",
            ":a:«»",
            r#"job:up:sum{«,»a="b"}"#,
            "_«»",
        ],
    );
}

#[test]
fn names_that_are_keywords_too() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "sum«»",
            "rate«»",
            "sum{«.»}",
            "by«»",
            "without«»",
            "offset«»",
            "offset«» offset 5m",
            "and«» and and«»",
            "or«» or or«»",
            "unless«» unless unless«»",
            "start«» + end«»",
            "step«» + range«» + max_of«» + min_of«»",
            "fill«» + fill«»",
            "fill_left«» + fill_right«»",
            "anchored«» + smoothed«»",
            "topk(1, topk«»)",
            "sum by (sum) (sum«»)",
            "info«»",
            "limitk«» + limit_ratio«»",
            "Sum«» + RATE«»",
            "infinity«» + nano«»",
            "e5«» + x1«»",
        ],
    );
}

#[test]
fn numbers_and_strings() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "1",
            "-1 + +1",
            "0x1F + 1e3 + 1E-3 + 1e+3 + .5 + 5. + 1_000",
            "Inf + inf + NaN + nan + -iNf",
            "5m + 1h30m + 1d + 1w + 1y + 500ms",
            r#""a string""#,
            "'{job=\"x\"}'",
            "`up\n{}`",
            r#""\"{up}" "#,
            r#"count_values("up{", up«»)"#,
            r#"label_replace(up«», "a", "$1", "b", "(.*){2}")"#,
        ],
    );
}

#[test]
fn modifiers() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "up«»[5m]",
            "up{«.»}[5m]",
            "up«» [ 5m ]",
            "up«»[300]",
            "up«»[1h30m]",
            "up«»[5m] offset 1h",
            "up«» offset 1h",
            "up«» offset -1h",
            "up«» OFFSET 1h",
            "up«» offset 3600",
            "up«» @ 1.5",
            "up«» @ -1",
            "up«» @ start()",
            "up«» @ END ( )",
            "up«» @ 1 offset 5m",
            "up«» offset 5m @ 1",
            "up«»[5m] @ end() offset 1m",
            "up«»[5m:1m]",
            "up«»[5m:]",
            "up«» [ 5m : 1m ] offset 1d",
            "rate(up«»[5m])[1h:1m]",
            "max_over_time(rate(up«»[5m])[1h:] @ end())",
            "(up«» + down«»)[5m:1m]",
            "sum(up«»)[5m:1m]",
            "up«» offset 5m + up«»",
            "up«» offset 5m and up«»",
            "up«» offset 1h offset 2h",
        ],
    );
}

#[test]
fn operators() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "a«» + b«» - c«» * d«» / e«» % f«» ^ g«»",
            "a«»+b«»-c«»*d«»/e«»%f«»^g«»",
            "a«» == b«» != c«» < d«» <= e«» > f«» >= g«»",
            "a«» </ b«» >/ c«»",
            "a«» and b«» or c«» unless d«» atan2 e«»",
            "a«» AND b«» OR c«» UNLESS d«» ATAN2 e«»",
            "-a«» + --b«» ^ -c«»",
            "a«» == bool b«»",
            "a«» > BOOL 1",
            "a«» + on(x) b«»",
            "a«» + on() b«»",
            "a«» + ignoring(x, y,) b«»",
            "a«» + on(x) group_left b«»",
            "a«» + on(x) group_left() b«»",
            "a«» + on(x) group_left(y, z) b«»",
            "a«» + on(x) group_right(y) (b«»)",
            "a«» == bool on(x) group_left(on, by) b«»",
            r#"a«» + on("x.y", bool, sum) b«»"#,
            "a«» * on(x) group_left (b) (c«»)",
        ],
    );
}

#[test]
fn aggregations_and_functions() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "sum(up«»)",
            "SUM (up«»)",
            "sum by (x) (up«»)",
            "sum by(x)(up«»)",
            "sum(up«») by (x)",
            "sum without (x, y,) (up«»)",
            "sum(up«») without ()",
            r#"sum by ("x.y", on, sum:x) (up«»)"#,
            "topk(5, up«»)",
            "topk by (x) (scalar(up«»), up«»)",
            "quantile(0.5, up«») by (x)",
            r#"count_values("x", up«»)"#,
            "group(up«») + stddev(up«») + stdvar(up«») + min(up«») + max(up«») + avg(up«») + bottomk(1, up«»)",
            "rate(up«»[5m])",
            "time()",
            "time ( )",
            "vector(1)",
            "hour() + hour(up«»)",
            "absent(up«») or absent_over_time(up{«.»}[5m])",
            "histogram_quantile(0.9, sum by (le) (rate(x_bucket«»[5m])))",
            "histogram_count(up«») + histogram_sum(up«») + histogram_fraction(0, 1, up«»)",
            "holt_winters(up«»[5m], 0.5, 0.5)",
            "clamp(up«», 0, scalar(down«»))",
            "pi() + timestamp(up«»)",
            "((up«»))",
        ],
    );
}

#[test]
fn comments_and_spacing_stay() {
    check_rewritten(
        PROMQL,
        &Options::default(),
        &[
            "up«» # the end",
            "# first\nup«»",
            "# first\r\n\tup«»\r\n",
            "up«» # {job=\"x\"}\n + # up\n down«»",
            "up{ # a comment }\n «,»job=\"x\" # , another\n , # and {\n}",
            "up{«.» # nothing\n }",
            "sum # \n by # ( \n ( # x\n x # y\n ) ( up«» )",
            "up«» # \n [ 5m # \n : # \n 1m ]",
            "\t\n\r up«»",
        ],
    );
}

#[test]
fn what_is_experimental_is_switched_on() {
    let cases = [
        "limitk(1, up«»)",
        "limit_ratio by (x) (0.5, up«»)",
        "sort_by_label(up«», \"x\")",
        "mad_over_time(up«»[5m])",
        "double_exponential_smoothing(up«»[5m], 0.5, 0.5)",
        "start() + end() + step() + range()",
        "max_of(1, 2) + min_of(1, 2)",
        "rate(up«»[5m] anchored) + up«» smoothed",
        "up«»[5m + 1m]",
        "up«»[5m * 2 : step()]",
        "up«»[(5m + 1m) * -2 ^ 2:max_of(step(), 1m)]",
        "up«» offset step()",
        "up«» offset -step()",
        "up«» offset -(5m + 1m)",
        "up«» offset (5m + 1m) + up«»",
        "up«» offset max_of(1m, range() / 2)",
        "a«» + fill(0) b«»",
        "a«» + on(x) group_left(y) fill_left(-1) fill_right(NaN) b«»",
        r#"info(up«», {«,»version=~".+"})"#,
        r#"info(rate(up«»[5m]), {«,»__name__="build_info",version="1"})"#,
    ];
    check_rewritten(PROMQL, &experimental(), &cases);
    for case in cases {
        let error = rewrite(PROMQL, &with_marks(case, [""; 4]), &tenant(), &Options::default());
        assert!(matches!(error.unwrap_err().problem, Problem::Experimental(_)), "{case}");
    }
}

#[test]
fn info_reads_other_series() {
    let why = "info() is followed only with a second argument that names a label, such as {version=~\".+\"}";
    let at = |position: &str| format!("{position}: {why}");
    check_refused(
        PROMQL,
        &experimental(),
        &[
            ("info(up)", &at("1:8")),
            ("info(up, {})", &at("1:10")),
            (r#"info(up, {version=~".*"})"#, &at("1:10")),
            (r#"info(up, {version!="x"})"#, &at("1:10")),
            (r#"info(up, {version=""})"#, &at("1:10")),
            (r#"info(up, {__name__=~".+"})"#, &at("1:10")),
            (r#"info(up, {"version"=~".+"})"#, &at("1:10")),
            ("info(up, build_info)", "1:10: unexpected \"build_info\", expected a selector"),
            (r#"info(up, {version=~".+"} offset 5m)"#, "1:26: unexpected \"offset\", expected `)`"),
            (r#"info(up, ({version=~".+"}))"#, "1:10: unexpected \"(\", expected a selector"),
            (r#"info(up, {version=~".+"}, {a="b"})"#, "1:25: unexpected \",\", expected `)`"),
            ("info()", "1:6: unexpected \")\", expected an expression"),
        ],
    );
}

#[test]
fn refused() {
    check_refused(
        PROMQL,
        &Options::default(),
        &[
            ("", "1:1: unexpected end, expected an expression"),
            (" # only a comment", "1:18: unexpected end, expected an expression"),
            ("up up", "1:4: unexpected \"up\", expected an operator"),
            ("up{", "1:4: unexpected end, expected a label or `}`"),
            ("up}", "1:3: unexpected \"}\", expected an operator"),
            ("(up", "1:4: unexpected end, expected `)`"),
            ("up)", "1:3: unexpected \")\", expected an operator"),
            ("()", "1:2: unexpected \")\", expected an expression"),
            ("sum()", "1:5: unexpected \")\", expected an expression"),
            ("sum(up,)", "1:8: unexpected \")\", expected an expression"),
            ("(a, b)", "1:3: unexpected \",\", expected an operator"),
            ("a, b", "1:2: unexpected \",\", expected an operator"),
            ("a +", "1:4: unexpected end, expected an expression"),
            ("a + * b", "1:5: unexpected \"*\", expected an expression"),
            ("a = b", "1:3: unexpected \"=\", expected an operator"),
            ("a =~ b", "1:3: unexpected \"=~\", expected an operator"),
            ("up{job}", "1:7: unexpected \"}\", expected an operator such as `=`"),
            ("up{,}", "1:4: unexpected \",\", expected a label or `}`"),
            (r#"up{job="x",,}"#, "1:12: unexpected \",\", expected a label or `}`"),
            (r#"up{job="x" or job="y"}"#, "1:12: unexpected \"or\", expected `,` or `}`"),
            (r#"up{job=="x"}"#, "1:7: unexpected \"==\", expected an operator such as `=`"),
            ("up{job=x}", "1:8: unexpected \"x\", expected a string"),
            (r#"up{a:b="x"}"#, "1:4: unexpected \"a:b\", expected a label or `}`"),
            (r#"up{1="x"}"#, "1:4: unexpected \"1\", expected a label or `}`"),
            (r#"up{job="x"}{a="b"}"#, "1:12: unexpected \"{\", expected an operator"),
            ("up{{}}", "1:4: unexpected \"{\", expected a label or `}`"),
            ("Inf{}", "1:4: unexpected \"{\", expected an operator"),
            ("nan{a=\"b\"}", "1:4: unexpected \"{\", expected an operator"),
            ("bool", "1:1: unexpected \"bool\", expected an expression"),
            ("on", "1:1: unexpected \"on\", expected an expression"),
            ("a + group_left(x) b", "1:5: unexpected \"group_left\", expected an expression"),
            ("a atan2 atan2", "1:9: unexpected \"atan2\", expected an expression"),
            ("foo(up)", "1:1: unknown function \"foo\""),
            ("foo (up)", "1:1: unknown function \"foo\""),
            ("foo # \n (up)", "1:1: unknown function \"foo\""),
            ("RATE(up[5m])", "1:1: unknown function \"RATE\""),
            ("by (x)", "1:1: unknown function \"by\""),
            ("a:b(up)", "1:1: unknown function \"a:b\""),
            ("label_set(up)", "1:1: unknown function \"label_set\""),
            ("a + fill(b)", "1:5: \"fill\" is experimental and not switched on for this backend"),
            ("up[5m", "1:6: unexpected end, expected `]`"),
            ("up[]", "1:4: unexpected \"]\", expected a duration"),
            ("up[:1m]", "1:4: unexpected \":\", expected a duration"),
            ("up[5m:1m:1m]", "1:9: unexpected \":\", expected `]`"),
            ("up[up]", "1:4: unexpected \"up\", expected a duration"),
            ("up[5m up]", "1:7: unexpected \"up\", expected `]`"),
            ("up[{}]", "1:4: unexpected \"{\", expected a duration"),
            ("up[$__interval]", "1:4: unexpected character '$'"),
            ("up offset up", "1:11: unexpected \"up\", expected a duration"),
            ("up @ up", "1:6: unexpected \"up\", expected a number"),
            ("up @ start", "1:11: unexpected end, expected `(`"),
            ("sum by x (up)", "1:8: unexpected \"x\", expected `(`"),
            ("sum by (x) up", "1:12: unexpected \"up\", expected `(`"),
            ("sum by (x) (up) by (x)", "1:17: unexpected \"by\", expected an operator"),
            ("sum by (,) (up)", "1:9: unexpected \",\", expected a label or `)`"),
            ("rate(up) by (x)", "1:10: unexpected \"by\", expected an operator"),
            ("1and up", "1:1: \"1and\" is no number or duration"),
            ("5mx", "1:1: \"5mx\" is no number or duration"),
            ("\"up", "1:1: a string or comment without its end"),
            ("\"up\n\"", "1:1: a string or comment without its end"),
            ("`up", "1:1: a string or comment without its end"),
            (r#"up{a="\q"}"#, "1:7: an escape that strings do not have"),
            ("up # a\rb", "1:7: a carriage return within a comment: end the line with a newline"),
            ("up\u{a0}", "1:3: unexpected character '\\u{a0}'"),
            ("\u{feff}up", "1:1: unexpected character '\\u{feff}'"),
            ("up\u{2028}", "1:3: unexpected character '\\u{2028}'"),
            ("up\0", "1:3: unexpected character '\\0'"),
            ("\"\0\"", "1:2: unexpected character '\\0'"),
            ("up\u{b}", "1:3: unexpected character '\\u{b}'"),
            ("up;", "1:3: unexpected character ';'"),
            ("ü", "1:1: unexpected character 'ü'"),
            ("$x", "1:1: unexpected character '$'"),
            ("a | b", "1:3: unexpected character '|'"),
            ("a & b", "1:3: unexpected character '&'"),
            ("a !b", "1:3: unexpected character '!'"),
            ("a // b", "1:4: unexpected \"/\", expected an expression"),
            ("a /* b */", "1:4: unexpected \"*\", expected an expression"),
            ("a.b", "1:2: unexpected character '.'"),
            (r"a\-b", "1:2: unexpected character '\\\\'"),
            ("WITH (x = up) x", "1:1: unknown function \"WITH\""),
            ("up default 0", "1:4: unexpected \"default\", expected an operator"),
            (
                "rate(up[5m]) keep_metric_names",
                "1:14: unexpected \"keep_metric_names\", expected an operator",
            ),
        ],
    );
}

#[test]
fn selectors_alone() {
    let cases: &[(&str, Result<&str, &str>)] = &[
        ("up", Ok(r#"up{t="a"}"#)),
        (" up # x", Ok(r#" up{t="a"} # x"#)),
        ("{}", Ok(r#"{t="a"}"#)),
        (r#"{__name__=~".+"}"#, Ok(r#"{t="a",__name__=~".+"}"#)),
        (r#"up{job="x",}"#, Ok(r#"up{t="a",job="x",}"#)),
        ("sum", Ok(r#"sum{t="a"}"#)),
        (r#"{"a.b"}"#, Ok(r#"{t="a","a.b"}"#)),
        ("", Err("1:1: parse error: unexpected end, expected a selector")),
        ("up[5m]", Err("1:3: parse error: unexpected \"[\", expected the end")),
        ("up offset 5m", Err("1:4: parse error: unexpected \"offset\", expected the end")),
        ("up or up", Err("1:4: parse error: unexpected \"or\", expected the end")),
        ("sum(up)", Err("1:4: parse error: unexpected \"(\", expected the end")),
        ("(up)", Err("1:1: parse error: unexpected \"(\", expected a selector")),
        ("inf", Err("1:1: parse error: unexpected \"inf\", expected a selector")),
        ("bool", Err("1:1: parse error: unexpected \"bool\", expected a selector")),
        ("1", Err("1:1: parse error: unexpected \"1\", expected a selector")),
        ("up{}{}", Err("1:5: parse error: unexpected \"{\", expected the end")),
    ];
    for (text, expected) in cases {
        let made = rewrite_selector(PROMQL, text, &tenant(), &Options::default());
        let made = made.map(|rewritten| rewritten.text).map_err(|error| error.to_string());
        assert_eq!(made.as_deref().map_err(String::as_str), *expected, "{text}");
    }
}
