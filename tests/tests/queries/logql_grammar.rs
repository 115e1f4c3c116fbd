//! LogQL by a grammar with a seed. Every construct of the language is a line in one of its tables.

use crate::grammar::Grammar;

/// A query, and how it is asked.
pub(crate) struct Asks {
    pub(crate) query: String,
    /// Whether it is asked over a while, as what lines come of must be.
    pub(crate) is_range: bool,
}

/// The next query.
pub(crate) fn query(grammar: &mut Grammar) -> Asks {
    let depth = grammar.below(4);
    if grammar.below(3) == 0 {
        let query = grammar.lines();
        return Asks { query, is_range: true };
    }
    let query = grammar.numbers(depth);
    Asks { query, is_range: grammar.below(2) == 0 }
}

impl Grammar {
    /// Nothing, or what changes nothing.
    fn space_or_comment(&mut self) -> &'static str {
        self.one(&[
            "",
            "",
            "",
            " ",
            "\n",
            "\t",
            " # {tenant=\"ab\"} | \"\n",
            " // {\n",
            " /* {app=\"x\"} ` */ ",
        ])
    }

    fn streams(&mut self) -> String {
        let mut matchers = vec![self.one(&[
            r#"app="api""#,
            r#"app=~"api|web""#,
            "app=~`a.+`",
            r#"env="prod""#,
            r#"format="logfmt""#,
            r#"tenant="a""#,
            r#"tenant=~".+""#,
            r#"app="n\x6fne""#,
        ])];
        for _ in 0..self.below(3) {
            matchers.push(self.one(&[
                r#"app!="db""#,
                r#"env!~"x.*""#,
                r#"tenant!="c.d""#,
                r#"tenant=~".*""#,
                r#"tenant!="""#,
                r#"other="""#,
                r#"format!="{}""#,
                r#"tenant!~"ab""#,
            ]));
        }
        let (before, between) = (self.space_or_comment(), self.space_or_comment());
        format!("{{{before}{}{between}}}", matchers.join(&format!("{between},")))
    }

    /// Lines that are parsed, with what of them has numbers.
    fn parsed(&mut self) -> (String, &'static str) {
        let choices = [
            (r#"{app="api", format="json"}"#, "| json"),
            (r#"{format="json"}"#, r#"| json took="took", size, level"#),
            (r#"{format="logfmt"}"#, "| logfmt"),
            (r#"{app="web", format="logfmt"}"#, "| logfmt --strict"),
            (r#"{format="logfmt"}"#, "| logfmt --keep-empty took, size=\"size\", status"),
        ];
        let (streams, parser) = choices[self.below(choices.len())];
        (streams.to_owned(), parser)
    }

    fn stage(&mut self) -> &'static str {
        self.one(&[
            r#"|= "level""#,
            "|= `error`",
            r#"!= "warn""#,
            r#"|~ "err(or)?""#,
            r#"!~ "x{2}|\\{y\\}""#,
            r#"|= "error" or "warn""#,
            r#"!= "{tenant=" or "error""#,
            r#"|> "<_>level<_>""#,
            r#"!> "<_>nothing<_>""#,
            r#"|= ip("10.0.0.0/16")"#,
            r##"|= "# no comment""##,
            r#"!= "/* none *`""#,
            "| json",
            "| logfmt",
            r#"| json inner="inner.tenant", first="level""#,
            r#"| regexp "(?P<first>\\S+) (?P<rest>.*)""#,
            r#"| pattern "<first> <rest>""#,
            "| unpack",
            r#"| level="error""#,
            r#"| tenant="a""#,
            r#"| tenant!~"ab""#,
            "| status >= 300 and took < 50ms or size > 1KB",
            r#"| (status=200 or status=500), level!="warn""#,
            "| logfmt | status==200",
            r#"| ip=ip("10.0.1.0/24")"#,
            r#"| trace="t1""#,
            r#"| line_format "{{.app}} } { {{.tenant}}""#,
            "| line_format `{{ if .level }}{{.level | upper}}{{end}}`",
            r#"| label_format copy=app, owner="{{.tenant}}{""#,
            "| label_format tenant=app",
            "| drop env, format",
            r#"| drop level="warn", status"#,
            "| keep app, tenant, level",
            "| decolorize",
            r#"| __error__="""#,
        ])
    }

    fn pipeline(&mut self) -> String {
        let mut pipeline = String::new();
        for _ in 0..self.below(4) {
            pipeline.push_str(self.space_or_comment());
            pipeline.push(' ');
            pipeline.push_str(self.stage());
        }
        pipeline
    }

    fn lines(&mut self) -> String {
        let (before, streams, pipeline) = (self.space_or_comment(), self.streams(), self.pipeline());
        match self.below(6) {
            0 => format!("{before}({streams}{pipeline})"),
            _ => format!("{before}{streams}{pipeline}{}", self.space_or_comment()),
        }
    }

    fn window(&mut self) -> &'static str {
        self.one(&["[5m]", "[2m30s]", "[10m]", "[90s]", "[1h]"])
    }

    fn offset(&mut self) -> &'static str {
        self.one(&["", "", "", " offset 1m", " offset 90s", " OFFSET -1m"])
    }

    fn rolled(&mut self) -> String {
        let (window, shift) = (self.window(), self.offset());
        match self.below(8) {
            0 | 1 => {
                let (streams, parser) = self.parsed();
                let unwrapped = self.one(&[
                    "| unwrap status",
                    "| unwrap duration(took)",
                    "| unwrap duration_seconds(took)",
                    "| unwrap bytes(size)",
                    r#"| unwrap status | __error__="""#,
                    r#"| took > 10ms | unwrap bytes(size) | level!="warn""#,
                ]);
                let function = self.one(&[
                    "sum_over_time(%)",
                    "avg_over_time(%) by (app)",
                    "max_over_time(%) without (ip, inner_tenant, tenant_extracted)",
                    "min_over_time(%) by (tenant, app)",
                    "first_over_time(%) by (app, tenant)",
                    "last_over_time(%) by (tenant, env)",
                    "stddev_over_time(%) by (app)",
                    "stdvar_over_time(%) by (env)",
                    "quantile_over_time(0.5, %) by (app, env)",
                    "rate(%)",
                    "rate_counter(%)",
                ]);
                let inner = format!("{streams} {parser} {unwrapped} {window}{shift}");
                function.replace('%', &inner)
            }
            2 => {
                // What is absent is described by the matchers, ours among them.
                let streams = self.streams();
                format!("sum(absent_over_time({streams}{window}{shift}))")
            }
            3 => {
                let (streams, stage) =
                    (self.streams(), self.one(&[r#"|= "error""#, "| logfmt", r#"!= "x""#]));
                format!("count_over_time({streams}{window} {stage})")
            }
            4 => {
                let (streams, pipeline) = (self.streams(), self.pipeline());
                format!("rate(({streams}{pipeline}){window}{shift})")
            }
            _ => {
                let function =
                    self.one(&["count_over_time", "rate", "bytes_over_time", "bytes_rate", "Rate"]);
                let (streams, pipeline, gap) = (self.streams(), self.pipeline(), self.space_or_comment());
                format!("{function}({gap}{streams}{pipeline}{gap}{window}{shift})")
            }
        }
    }

    fn numbers(&mut self, depth: usize) -> String {
        let Some(less) = depth.checked_sub(1) else { return self.rolled() };
        match self.below(9) {
            0..=3 => {
                let inner = self.numbers(less);
                let gap = self.space_or_comment();
                let aggregation = self.one(&[
                    "sum(%)",
                    "SUM by (app) (%)",
                    "sum(%) by (app, tenant)",
                    "sum without (tenant) (%)",
                    "avg(%) by (env)",
                    "min(%)",
                    "max by (tenant) (%)",
                    "count(%)",
                    "stddev(%)",
                    "stdvar by (app) (%)",
                    "sum(topk(2, %))",
                    "sum(bottomk by (app) (1, %))",
                    "sort(sum by (app) (%))",
                    "sort_desc(sum by (app, env) (%))",
                ]);
                aggregation.replace('%', &format!("{gap}{inner}"))
            }
            4 => {
                let inner = self.numbers(less);
                format!(r#"label_replace(sum by (app) ({inner}), "copy", "$1{{", "app", "(.*)")"#)
            }
            5 => {
                let operator =
                    self.one(&["+", "-", "*", "/", "%", "^", "> bool", "==", "!=", ">=", "< bool"]);
                let (left, number) = (self.numbers(less), self.one(&["2", "0.5", "1e2", "-1", "(3 + 1)"]));
                format!("sum by (app) ({left}) {operator} {number}")
            }
            6 => {
                let operator = self.one(&["+", "-", "*", "/", "and", "or", "unless"]);
                let matching = self.one(&["", "on (app)", "ignoring (env)"]);
                let (left, right) = (self.numbers(less), self.numbers(less));
                format!("sum by (app) ({left}) {operator} {matching} sum by (app) ({right})")
            }
            7 => {
                let (left, right) = (self.rolled(), self.rolled());
                format!("sum by (app, tenant) ({left}) / on (app) group_left sum by (app) ({right})")
            }
            _ => {
                let inner = self.numbers(less);
                self.one(&["(%)", "vector(1) + sum(%)", "-1 * sum(%)", "sum(%) or vector(0)"])
                    .replace('%', &inner)
            }
        }
    }
}
