//! Queries by a grammar with a seed. Every construct of the languages is a line in one of its tables.

/// What the asked backend knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Prometheus 2.
    PromQl,
    /// Prometheus 3 with everything experimental.
    PromQl3,
    /// `VictoriaMetrics`.
    MetricsQl,
}

/// Writes one query after the other.
pub(crate) struct Grammar {
    dialect: Dialect,
    state: u64,
}

impl Grammar {
    pub(crate) fn new(dialect: Dialect, seed: u64) -> Self {
        Self { dialect, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The next query.
    pub(crate) fn query(&mut self) -> String {
        let depth = self.below(4);
        let query = match self.below(20) {
            0 => self.scalar(depth),
            1 => self.range(depth),
            _ => self.vector(depth),
        };
        format!("{}{query}{}", self.gap(), self.gap())
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let high = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap_or_default() % limit
    }

    pub(crate) fn one<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }

    fn is_victoria(&self) -> bool {
        self.dialect == Dialect::MetricsQl
    }

    /// Nothing, or what changes nothing.
    fn gap(&mut self) -> &'static str {
        self.one(&["", "", "", "", "", " ", " ", "\n", "\t", " # {tenant=\"ab\"} , or up\n", "\r\n#\"`\n"])
    }

    /// At least a space.
    fn space(&mut self) -> &'static str {
        self.one(&[" ", " ", " ", "\n", " # up{ \n", "\t "])
    }

    fn selector(&mut self) -> String {
        let gap = self.gap();
        let name = match self.below(12) {
            0 => "",
            // VictoriaMetrics 1.79 crashes over `(sum) if (up)`.
            1 if self.is_victoria() => self.one(&["rate", "offset", "job:up:sum", "by"]),
            1 => self.one(&["sum", "rate", "offset", "job:up:sum", "by"]),
            2 => "nothing",
            3 if self.dialect == Dialect::PromQl3 => {
                let choices = [
                    r#"{"metric.name"}"#,
                    r#"{"metric.name",job="api"}"#,
                    r#"{job!="web",'metric.name',"label.x"=~"i.*",}"#,
                    r#"{"up"}"#,
                    r#"{__name__="metric.name"}"#,
                ];
                return self.one(&choices).to_owned();
            }
            4 if self.is_victoria() => {
                self.one(&[r"memory\_bytes", r"\x75p", r"\u0075p", r"requests\_total"])
            }
            _ => self.one(&["up", "memory_bytes", "requests_total", "latency_bucket"]),
        };
        let mut matchers = Vec::new();
        if name.is_empty() {
            let mut choices = vec![r#"__name__="up""#, r#"__name__=~"memory.*""#, "__name__=~'u(p)'"];
            // VictoriaMetrics picks any of several series that differ in their names alone.
            if !self.is_victoria() {
                choices.extend([
                    r#"__name__=~"up|memory_.*""#,
                    r#"__name__=~".+""#,
                    r#"job="api""#,
                    r#"job=~"a.+""#,
                    r#"tenant="a""#,
                    r#"tenant=~".+""#,
                ]);
            }
            let matcher = self.one(&choices);
            matchers.push(matcher.to_owned());
        }
        for _ in 0..self.below(3) {
            let matcher = self.one(&[
                r#"job="api""#,
                "job!='web'",
                "job=~`api|web`",
                r#"job!~"w\x65b""#,
                r#"instance="i0""#,
                r#"instance!="i9""#,
                r#"code=~"2..""#,
                r#"le="+Inf""#,
                r#"code="""#,
                r#"job!="{}""#,
                r##"job!="#""##,
                r#"job!="\"}""#,
                r#"tenant="a""#,
                r#"tenant="ab""#,
                r#"tenant!="a""#,
                r#"tenant=~".*""#,
                r#"tenant!="""#,
                r#"tenant="""#,
                r#"tenant=~"a|ab|c.d""#,
                r#"tenant!~"ab""#,
            ]);
            matchers.push(matcher.to_owned());
        }
        if matchers.is_empty() && self.below(3) > 0 {
            return name.to_owned();
        }
        let mut inner = String::new();
        let count = matchers.len();
        for (index, matcher) in matchers.into_iter().enumerate() {
            inner.push_str(&matcher);
            inner.push_str(self.gap());
            if index + 1 < count || self.below(6) == 0 {
                inner.push(',');
                inner.push_str(self.gap());
            }
        }
        format!("{name}{}{{{gap}{inner}}}", self.gap())
    }

    fn shift(&mut self) -> String {
        let mut shifts = vec![
            "offset 1m",
            "offset -1m",
            "OFFSET 90s",
            "offset 1m30s",
            "@ start()",
            "@ end()",
            "@ end() offset 2m",
            "offset 1m @ start()",
        ];
        match self.dialect {
            Dialect::PromQl => {}
            Dialect::PromQl3 => {
                shifts.extend([
                    "offset 60",
                    "offset (30s + 30s)",
                    "offset -(1m * 2)",
                    "offset step()",
                    "offset max_of(1m, 2m)",
                    "offset -30.5",
                    "offset 1m",
                ]);
            }
            Dialect::MetricsQl => {
                shifts.extend(["offset 60", "offset 1i", "@ (end() - 60)", "@ start() offset 1.5m"]);
            }
        }
        if self.below(4) > 0 {
            return String::new();
        }
        let shift = self.one(&shifts);
        format!("{}{shift}", self.space())
    }

    /// A selector over a while, or a subquery.
    fn range(&mut self, depth: usize) -> String {
        if depth > 0 && self.below(4) == 0 {
            let inner = self.vector(depth - 1);
            let mut windows = vec!["[5m:1m]", "[5m:]", "[ 3m : 30s ]"];
            if self.dialect == Dialect::PromQl3 {
                windows.extend(["[2m+3m:step()+30s]", "[300:60]", "[max_of(5m,1m):1m]"]);
            }
            if self.is_victoria() {
                windows = vec!["[5m:1m]", "[5m:1i]", "[ 3m : 30s ]", "[1.5m:0.5m]"];
            }
            let window = self.one(&windows);
            return format!("({inner}){window}{}", self.shift());
        }
        let mut windows = vec!["[5m]", "[2m30s]", "[ 10m ]", "[90s]", "[5m # m\n]"];
        match self.dialect {
            Dialect::PromQl => {}
            Dialect::PromQl3 => {
                windows.extend(["[300]", "[5m*2-1m]", "[(2m)^1]", "[ min_of( 5m , 4m ) ]", "[0x12c]"]);
            }
            Dialect::MetricsQl => windows.extend(["[5i]", "[300]", "[1.5m]", "[5m:30s]"]),
        }
        let window = self.one(&windows);
        format!("{}{}{window}{}", self.selector(), self.gap(), self.shift())
    }

    fn scalar(&mut self, depth: usize) -> String {
        if depth > 0 {
            match self.below(4) {
                0 => return format!("scalar({})", self.vector(depth - 1)),
                1 => {
                    let operator = self.one(&["+", "-", "*", "/", "%", "^"]);
                    return format!(
                        "{}{}{operator} {}",
                        self.scalar(depth - 1),
                        self.gap(),
                        self.scalar(depth - 1)
                    );
                }
                _ => {}
            }
        }
        let mut numbers =
            vec!["1", "2.5", "-3", "0x1F", "1e3", "1.5E-1", ".5", "NaN", "Inf", "-inf", "pi()", "(2)"];
        match self.dialect {
            Dialect::PromQl => {}
            Dialect::PromQl3 => numbers.extend(["1_000", "5m", "1h30m", "max_of(1, 2)", "min_of(1, 2)"]),
            Dialect::MetricsQl => numbers.extend(["5m", "1.5e1", "step()"]),
        }
        self.one(&numbers).to_owned()
    }

    fn labels(&mut self) -> String {
        let mut lists =
            vec!["()", "(job)", "(job,instance)", "( job , )", "(tenant)", "(tenant, job)", "(sum, job)"];
        match self.dialect {
            Dialect::PromQl => {}
            Dialect::PromQl3 => lists.extend([r#"("job")"#, r#"("label.x",job)"#, "(on,by,job)"]),
            Dialect::MetricsQl => lists.extend(["(j\\ob)", "(job)"]),
        }
        let list = self.one(&lists);
        format!("{}{list}", self.gap())
    }

    pub(crate) fn vector(&mut self, depth: usize) -> String {
        let Some(less) = depth.checked_sub(1) else { return format!("{}{}", self.selector(), self.shift()) };
        match self.below(16) {
            0 | 1 => self.aggregation(less),
            2 | 3 => self.rollup(less),
            4 | 5 => self.transformation(less),
            6 => self.joined(less),
            7 => {
                let operator = self.one(&["and", "or", "unless", "AND", "Or"]);
                // VictoriaMetrics takes any of several series on the right side of `or`.
                let is_open = self.is_victoria() && operator.eq_ignore_ascii_case("or");
                let matching = match self.below(3) {
                    _ if is_open => String::new(),
                    0 => format!("on{}", self.labels()),
                    1 => format!("ignoring{}", self.labels()),
                    _ => String::new(),
                };
                format!("{} {operator} {matching} {}", self.vector(less), self.vector(less))
            }
            8 => {
                let operator = self
                    .one(&["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "> bool", "<=", ">=bool", "<"]);
                let vector = self.operand(less, operator);
                if self.below(2) == 0 {
                    format!("{vector}{} {operator} {}", self.gap(), self.scalar(less))
                } else {
                    format!("{} {operator} {vector}", self.scalar(less))
                }
            }
            9 => format!("({}{})", self.vector(less), self.gap()),
            10 => format!("-{}{}", self.gap(), self.vector(less)),
            11 => {
                let inner = self.vector(less);
                let call = self.one(&[
                    r#"sum(label_replace(%, "tenant", "x", "job", "(.*)"))"#,
                    r#"label_replace(%, "copy", "$1{", "job", "(.*)")"#,
                    r#"label_join(%, "both", "-", "job", "instance")"#,
                ]);
                call.replace('%', &inner)
            }
            12 => {
                let bucket = format!("rate(latency_bucket[5m]{})", self.shift());
                let by = self.one(&["(le)", "(le, job)"]);
                format!("histogram_quantile(0.9, sum by {by} ({bucket}))")
            }
            // What is absent is described by the matchers, ours among them: only its value is the same.
            13 if !self.is_victoria() => format!("vector(scalar(absent({})))", self.selector()),
            14 => match self.dialect {
                Dialect::MetricsQl => self.victoria(less),
                Dialect::PromQl3 => self.prometheus_3(less),
                Dialect::PromQl => format!("vector({})", self.scalar(less)),
            },
            _ => format!("timestamp({})", self.selector()),
        }
    }

    /// A vector for an operation. Sums that were added up in another order differ a little, which some operations make much
    /// of: these get samples as they are.
    fn operand(&mut self, depth: usize, operation: &str) -> String {
        let is_touchy = operation.contains(['=', '>', '<', '%'])
            || ["floor", "ceil", "round", "sgn", "count_values", "stddev", "stdvar"].contains(&operation);
        self.vector(if is_touchy { 0 } else { depth })
    }

    fn aggregation(&mut self, depth: usize) -> String {
        let function = self.one(&[
            "sum",
            "SUM",
            "avg",
            "count",
            "min",
            "max",
            "group",
            "stddev",
            "stdvar",
            "topk",
            "bottomk",
            "quantile",
            "count_values",
        ]);
        let mut arguments = match function {
            "topk" | "bottomk" => "2, ".to_owned(),
            "quantile" => "0.5, ".to_owned(),
            "count_values" => "\"value\", ".to_owned(),
            _ => String::new(),
        };
        arguments.push_str(&self.operand(depth, function));
        let grouping = self.one(&["by", "without", "BY"]);
        let aggregation = match self.below(3) {
            0 => format!("{function}{}{grouping}{}{}({arguments})", self.space(), self.labels(), self.gap()),
            1 => format!("{function}({arguments}){}{grouping}{}", self.gap(), self.labels()),
            _ => format!("{function}{}({arguments})", self.gap()),
        };
        // Which of several with the same value is chosen is open, their sum is not.
        if arguments.starts_with("2,") { format!("sum({aggregation})") } else { aggregation }
    }

    fn rollup(&mut self, depth: usize) -> String {
        let functions = [
            "rate",
            "increase",
            "irate",
            "delta",
            "idelta",
            "deriv",
            "changes",
            "resets",
            "avg_over_time",
            "min_over_time",
            "max_over_time",
            "sum_over_time",
            "count_over_time",
            "last_over_time",
            "present_over_time",
            "stddev_over_time",
            "stdvar_over_time",
            "quantile_over_time",
            "predict_linear",
        ];
        let function = self.one(&functions);
        let range = self.range(depth);
        match function {
            "quantile_over_time" => format!("{function}(0.5, {range})"),
            "predict_linear" => format!("{function}({range}, 60)"),
            "changes" if !self.is_victoria() => {
                format!("vector(scalar(absent_over_time({range}))) + {function}({range})")
            }
            _ => format!("{function}{}({}{range})", self.gap(), self.gap()),
        }
    }

    fn transformation(&mut self, depth: usize) -> String {
        let functions = [
            "abs",
            "ceil",
            "floor",
            "exp",
            "ln",
            "log2",
            "log10",
            "sqrt",
            "sgn",
            "round",
            "sort",
            "sort_desc",
            "sin",
            "cosh",
            "atan",
            "deg",
            "rad",
            "hour",
            "minute",
            "day_of_week",
            "days_in_month",
            "year",
            "clamp_min",
            "clamp_max",
            "clamp",
        ];
        let function = self.one(&functions);
        let inner = self.operand(depth, function);
        match function {
            "clamp_min" | "clamp_max" => format!("{function}({inner}, 5)"),
            "clamp" => format!("{function}({inner}, 1, {})", self.scalar(0)),
            _ => format!("{function}({inner})"),
        }
    }

    /// Two vectors of which each label set is there once, or many times on one side.
    fn joined(&mut self, depth: usize) -> String {
        let operator = self.one(&["+", "-", "*", "/", ">", "== bool", "%"]);
        let (many, one) = (self.operand(depth, operator), self.operand(depth, operator));
        let choices = [
            "sum by (job) (%m) %o sum by (job) (%1)",
            "sum by (job) (%m) %o on(job) sum by (job) (%1)",
            "sum by (job) (%m) %o ignoring() sum by (job) (%1)",
            "sum by (job, instance) (%m) %o on (job) group_left sum by (job) (%1)",
            "sum by (job, instance) (%m) %o on (job) group_left() sum by (job) (%1)",
            "sum by (job) (%1) %o ignoring (instance) group_right () sum by (job, instance) (%m)",
            "max by (tenant) (%m) %o on (tenant) min by (tenant) (%1)",
        ];
        self.one(&choices).replace("%o", operator).replace("%m", &many).replace("%1", &one)
    }
}
