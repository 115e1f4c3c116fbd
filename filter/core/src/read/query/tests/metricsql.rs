//! MetricsQL, construct by construct.

use super::*;

const METRICSQL: Language = Language::MetricsQl;

#[test]
fn what_it_shares_with_promql() {
    check_rewritten(
        METRICSQL,
        &Options::default(),
        &[
            "up«»",
            "up{«.»}",
            "{«.»}",
            r#"{«,»__name__=~".+"}"#,
            r#"up{«,»job="x",}"#,
            r#"up { «,»job = "x" , i != 'y' , k =~ `z` , l !~ "w" , }"#,
            r#"up{«,»t="b"}"#,
            r#"{«,»"up","a.b"="c"}"#,
            "sum by (x) (rate(up«»[5m])) / on(x) group_left(y) down«» offset -1h",
            "SUM(up«») BY (x) + Rate(up«»[5m]) + TIME()",
            "max_over_time(rate(up«»[5m])[1h:1m] @ end())",
            "up«» @ start() offset 5m",
            "a«» and b«» or c«» unless d«» atan2 e«» == bool f«»",
            "up«» # {a=\"b\"}\n + # x\r\n down«»",
            "-1 + Inf + nan + 0x1F + 1e-3 + .5",
            "sum«» + rate«» + offset«» + by«» + and«» + default«» + limit«» + with«» + prefix«»",
            r#"label_replace(up«», "a", "{b}", "c", "(.*)")"#,
            r#"{«,»__graphite__="a.*.b"}"#,
        ],
    );
}

#[test]
fn groups_of_filters() {
    check_rewritten(
        METRICSQL,
        &Options::default(),
        &[
            r#"{«,»a="b" or «,»c="d"}"#,
            r#"{«,»"up"or«_»"down"}"#,
            r#"up{«,»a="b" or «,»c="d",e="f" OR «,»g="h"}"#,
            r#"{«,»"up" or «,»"down"}"#,
            r#"{«,»or="x" or «,»or="y"}"#,
            r#"{«,»a="b",or="c"}"#,
            "{«,»a=\"b\" # x\n or # or\n «,»c=\"d\"}",
            r#"{«,»__name__="ru" or «,»__name__=~"x.*",c="d"}"#,
            r#"{«,»a="b",or="c" or «,»d="e"}"#,
        ],
    );
}

#[test]
fn what_promql_does_not_have() {
    check_rewritten(
        METRICSQL,
        &Options::default(),
        &[
            "rate(up«»)",
            "up«»[5i]",
            "up«»[5m:3i]",
            "up«»[:]",
            "up«»[:1m]",
            "up«»[1.5h:0.5m]",
            "up«»[1h-5m]",
            "up«»[$__interval]",
            "rate(up«»[$__rate_interval:$__interval])",
            "$__interval + up«»",
            "1Ki + 2.5MiB + 3k + 4GB + 1_000 + 0b11 + 0o7 + 5i + 1H",
            "up«» offset 5i",
            "up«» @ min(down«»)",
            "up«» @ (end() - 1h)",
            "(up«», down«»)",
            "(up«», down«»,)",
            "()",
            "union(up«», down«»)",
            "sum(up«», down«»)",
            "sum(up«»,) limit 5",
            "sum(up«») by (x) limit 5",
            "sum by (x) (up«») limit 5 + 1",
            "rate(up«»[5m]) keep_metric_names",
            "(a«» + b«») keep_metric_names",
            "a«» + b«» KEEP_METRIC_NAMES",
            "a«» default b«» if c«» ifnot d«» default 0",
            "a«» IF b«» IFNOT c«» DEFAULT d«»",
            "a«» + on(x) group_left(*) prefix \"p_\" b«»",
            r#"a«» + on("x.y",) group_left() b«»"#,
            "any(up«») + median(up«») + outliersk(3, up«») + topk_avg(3, up«», \"other=x\")",
            r#"label_set(up«», "t", "b")"#,
            r#"label_map(alias(up«», "x"), "t", "a", "b")"#,
            "ru(a«», b«») + ttf(c«») + range_median(d«»)",
            "ru«» + alias{«.»}",
            r#"up{«,»a="b"+"c"}"#,
            r#""a" + "b""#,
            r"foo\-bar«»",
            r"foo\{bar\}«»",
            r"\x66oo\u0062«»",
            r#"foo\-bar{«,»b\.a\=z="x"}"#,
            r"foo\ bar«»",
            "foo.bar.baz«»",
            "ünïcode«»",
            r#"{«,»ü="ß"}"#,
            ":a:b«»",
            "up«»\u{b}+\u{c}up«»",
        ],
    );
}

#[test]
fn refused() {
    let template = "no WITH template of this name is defined here";
    check_refused(
        METRICSQL,
        &Options::default(),
        &[
            ("", "1:1: unexpected end, expected an expression"),
            ("up{x}", &format!("1:4: {template}")),
            ("up{a=\"b\",x}", &format!("1:10: {template}")),
            ("up{x or a=\"b\"}", &format!("1:4: {template}")),
            ("up[x]", "1:4: unexpected \"x\", expected a duration"),
            ("up[5m:x]", "1:7: unexpected \"x\", expected a duration"),
            ("up[x:y]", "1:4: unexpected \"x\", expected a duration"),
            ("up offset x", "1:11: unexpected \"x\", expected a duration"),
            ("up{a=x}", "1:6: unexpected \"x\", expected a string"),
            ("up{a=\"b\"+x}", "1:10: unexpected \"x\", expected a string"),
            ("foo(up)", "1:1: unknown function \"foo\""),
            (r"\sum(up)", "1:1: unknown function \"\\\\sum\""),
            (r"r\ate(up)", "1:1: unknown function \"r\\\\ate\""),
            ("top\u{212a}(1, up)", "1:1: unknown function \"top\u{212a}\""),
            ("top\u{212a} by (x) (up)", "1:6: unexpected \"by\", expected an operator"),
            ("up up", "1:4: unexpected \"up\", expected an operator"),
            ("up{a=\"b\" or}", "1:12: unexpected \"}\", expected a label or `}`"),
            ("up{or or}", &format!("1:4: {template}")),
            ("up{a=\"b\" c=\"d\"}", "1:10: unexpected \"c\", expected `,`, `or` or `}`"),
            ("up{a=\"b\",or c=\"d\"}", "1:13: unexpected \"c\", expected an operator such as `=`"),
            ("up{a==\"b\"}", "1:5: unexpected \"==\", expected an operator such as `=`"),
            ("up{,}", "1:4: unexpected \",\", expected a label or `}`"),
            ("sum(,)", "1:5: unexpected \",\", expected an expression"),
            ("a, b", "1:2: unexpected \",\", expected an operator"),
            ("inf{}", "1:4: unexpected \"{\", expected an operator"),
            ("1and up", "1:1: \"1and\" is no number or duration"),
            ("1if up", "1:1: \"1if\" is no number or duration"),
            ("5mup", "1:1: \"5mup\" is no number or duration"),
            ("$__intervalx", "1:1: unexpected character '$'"),
            ("$__range", "1:1: unexpected character '$'"),
            ("`a\\` + up", "1:1: an escape that strings do not have"),
            ("'a", "1:1: a string or comment without its end"),
            ("'a\n'", "1:1: a string or comment without its end"),
            ("\\x4", "1:1: an escape that strings do not have"),
            ("\\x{7b", "1:1: an escape that strings do not have"),
            ("up\\\n{}", "1:3: an escape that strings do not have"),
            ("up # a\r + down", "1:7: a carriage return within a comment: end the line with a newline"),
            ("up\u{a0}", "1:3: unexpected character '\\u{a0}'"),
            ("up | up", "1:4: unexpected character '|'"),
            ("sum(up) limit x", "1:15: unexpected \"x\", expected a number"),
            ("a + on(x) group_left() prefix b", "1:31: unexpected \"b\", expected a string"),
            ("a + group_left(x) b", "1:5: unknown function \"group_left\""),
            ("sum by x (up)", "1:8: unexpected \"x\", expected `(`"),
        ],
    );
}

/// Whatever has braces gets the matchers, and every name but those that are surely a template's.
#[test]
fn templates() {
    check_rewritten(
        METRICSQL,
        &Options::default(),
        &[
            "WITH (x = up«») x",
            "with () up«»",
            "With (x = up«»,) x + y«»",
            "1 + WITH (x = up«») x + x",
            "-WITH (x = up«») x",
            "(WITH (x = up«») x) + x«»",
            "sum(WITH (x = up«») x, x«»)",
            "WITH (x = up«») WITH (y = x) x + y + z«»",
            "(WITH (x = up«») WITH (y = x) y) + x«» + y«»",
            // Of several the last counts, also where it has parameters.
            "WITH (x = up«») WITH (x(a) = a) x«» + x(1)",
            "WITH (x(a) = a) WITH (x = up«») x + x(y«»)",
            // A definition sees what stands before it, and neither itself nor what stands after it.
            "WITH (x = x«») x",
            "WITH (x = y«», y = up«») x + y",
            "WITH (x = up«», y = x) y",
            "WITH (x = WITH (y = up«») y + y, z = y«») x + z + y«»",
            // Parameters are seen in their own definition alone.
            "WITH (f(x, y) = x + y + z«», g = x«») f(up«», down«») + x«» + g",
            "WITH (f() = up«») f() + f",
            "WITH (f(x) = x) f«» + f(f(up«»))",
            "WITH (f(q,) = sum(rate(q[5m])) by (job)) f(up{«,»a=\"b\"})",
            "WITH (x = up«», f(x) = x) f(x)",
            "WITH (f(x) = WITH (y = x) y + x) f(up«») + x«»",
            // Names that mean something else as well.
            "WITH (sum = up«») sum + sum(sum)",
            "WITH (rate(x) = x) rate(up«»)",
            "WITH (ru = up«») ru + ru(a«», b«»)",
            "WITH (with = up«») with",
            "WITH (inf = up«») inf",
            "WITH (or = up«») or or or",
            r"WITH (foo = up«») \x66oo«» + fo\o«» + foo",
            // Filters.
            r#"WITH (f = {«,»a="b"}) up{«,»f} + f{«,»c="d"} + {«,»f,c="d"}"#,
            r#"WITH (f = {«.»}) up{«,»f or «,»f,a="b"} + f"#,
            r#"WITH (f = {«,»a="b" or «,»c="d"}) f{«,»e="f"} + f{«.»}"#,
            r#"WITH (f(x) = {«,»a=x}) up{«,»b="c"} + f("d")"#,
            r#"WITH (x = 5) x{«.»} + {«,»__name__="x"} + {«,»"x"}"#,
            // Strings, durations and labels.
            r#"WITH (a = "b" + "c") up{«,»x=a+"d"+a,y="z"+a}"#,
            "WITH (w = 5m) up«»[w] + up«»[w:w] offset w + up«» offset -w",
            "WITH (f(x) = x) sum(up«») by (f, g)",
            "WITH (f(w) = rate(up«»[w:1m])) f(5m)",
            "WITH # (x = y)\n ( x = up«» # )\n ) x",
        ],
    );
    let template = "no WITH template of this name is defined here";
    let labels = "labels by a WITH template are not followed here: write them out";
    check_refused(
        METRICSQL,
        &Options::default(),
        &[
            ("WITH (", "1:7: unexpected end, expected a template or `)`"),
            ("WITH (x", "1:8: unexpected end, expected `=`"),
            ("WITH (x =", "1:10: unexpected end, expected an expression"),
            ("WITH (x = up", "1:13: unexpected end, expected `)`"),
            ("WITH (x = up)", "1:14: unexpected end, expected an expression"),
            ("WITH (x = up, ) x)", "1:18: unexpected \")\", expected an operator"),
            ("WITH (, x = up) x", "1:7: unexpected \",\", expected a template or `)`"),
            ("WITH (x up) x", "1:9: unexpected \"up\", expected `=`"),
            ("WITH (x == up) x", "1:9: unexpected \"==\", expected `=`"),
            ("WITH (x = up,, y = 1) x", "1:14: unexpected \",\", expected a template or `)`"),
            ("WITH (\"x\" = up) x", "1:7: unexpected \"\\\"x\\\"\", expected a template or `)`"),
            (r"WITH (\x = up) x", "1:7: an escape that strings do not have"),
            (r"WITH (a\.b = up) x", "1:7: unexpected \"a\\\\.b\", expected a template or `)`"),
            ("WITH (f(\"x\") = up) f(1)", "1:9: unexpected \"\\\"x\\\"\", expected a parameter or `)`"),
            ("WITH (f(x y) = up) f(1)", "1:11: unexpected \"y\", expected `,` or `)`"),
            ("WITH (f(x) up) f(1)", "1:12: unexpected \"up\", expected `=`"),
            ("WITH (f(x) = x) g(up)", "1:17: unknown function \"g\""),
            ("(WITH (f(x) = x) f(up)) + f(up)", "1:27: unknown function \"f\""),
            ("WITH (f = {a=\"b\"}) up{g}", &format!("1:23: {template}")),
            ("(WITH (f = {a=\"b\"}) up{f}) + up{f}", &format!("1:33: {template}")),
            ("WITH (f(x) = up{x}) up{x}", &format!("1:24: {template}")),
            ("WITH (w = 5m) up[v]", "1:18: unexpected \"v\", expected a duration"),
            ("WITH (a:b = 5m) up offset a:b", "1:27: unexpected \"a:b\", expected a duration"),
            ("WITH (a = \"b\") up{c=d}", "1:21: unexpected \"d\", expected a string"),
            ("WITH (l = (a, b)) sum(up) by (l)", &format!("1:31: {labels}")),
            ("WITH (l = job) sum by (a, l) (up)", &format!("1:27: {labels}")),
            ("WITH (f(l) = a + on (l) b) f(job)", &format!("1:22: {labels}")),
            ("a, WITH (x = up) x", "1:2: unexpected \",\", expected an operator"),
        ],
    );
    let deep = format!("{}up", "WITH () ".repeat(101));
    check_refused(
        METRICSQL,
        &Options::default(),
        &[(&deep, "1:806: more than 100 brackets are open at once")],
    );
}

#[test]
fn selectors_alone() {
    let cases: &[(&str, Result<&str, &str>)] = &[
        ("up", Ok(r#"up{t="a"}"#)),
        (r#"{a="b" or c="d"}"#, Ok(r#"{t="a",a="b" or t="a",c="d"}"#)),
        ("up[5m]", Err("1:3: parse error: unexpected \"[\", expected the end")),
        ("up or up", Err("1:4: parse error: unexpected \"or\", expected the end")),
        ("(up)", Err("1:1: parse error: unexpected \"(\", expected a selector")),
        ("rate(up)", Err("1:5: parse error: unexpected \"(\", expected the end")),
        ("with (x = up) x", Err("1:6: parse error: unexpected \"(\", expected the end")),
    ];
    for (text, expected) in cases {
        let made = rewrite_selector(METRICSQL, text, &tenant(), &Options::default());
        let made = made.map(|rewritten| rewritten.text).map_err(|error| error.to_string());
        assert_eq!(made.as_deref().map_err(String::as_str), *expected, "{text}");
    }
}
