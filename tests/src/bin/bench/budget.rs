//! The project's budgets, and what was measured against each. They inform; nothing fails for one that is not met.

use std::time::Duration;

use scopegate_tests::bootstrap::module;

use crate::arguments::Peer;
use crate::case::Subject;
use crate::lane::Row;
use crate::numbers::Rounds;
use crate::run::Results;

/// One figure with its goal.
pub(crate) struct Budget {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// The most that it should be; some figures are only for information.
    pub(crate) goal: Option<f64>,
    pub(crate) measured: Measured,
}

/// What was found.
pub(crate) enum Measured {
    /// Figures, of cases that did what they say.
    Sound(Rounds),
    /// Figures, of a case with errors.
    Doubtful(Rounds),
    /// No figures; what they need.
    Not(&'static str),
}

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// One case in terms of another: `1/8.3` or `1.42 ×`.
    Ratio,
    /// Percent points.
    Points,
    /// Thousands of bytes.
    Kilobytes,
    /// Seconds.
    Seconds,
    /// Microseconds.
    Microseconds,
}

impl Measured {
    /// The figures, if there are any.
    pub(crate) fn rounds(&self) -> Option<&Rounds> {
        match self {
            Self::Sound(rounds) | Self::Doubtful(rounds) => Some(rounds),
            Self::Not(_) => None,
        }
    }
}

impl Budget {
    /// Whether it is met, if there is a goal and a figure that can be trusted.
    pub(crate) fn met(&self) -> Option<bool> {
        match &self.measured {
            Measured::Sound(rounds) => Some(rounds.median() <= self.goal?),
            _ => None,
        }
    }
}

/// All of them, also those that this run says nothing about.
pub(crate) fn all(results: &Results) -> Vec<Budget> {
    let mut budgets = Vec::new();
    let peers = results.peers();
    for (series, goal) in [(2000, 1.0 / 10.0), (500, 1.0 / 7.0)] {
        for peer in &peers {
            let what = format!("split {series}");
            budgets.push(results.against(*peer, &what, goal, series, cpu, "--peer with pid=N"));
        }
    }
    for (what, goal, one, other) in [
        ("split 500 / ten calls alone", Some(1.4), (&Subject::ViaCluster, 500), (&Subject::CallsAlone, 500)),
        ("one tenant / buffering Envoy", Some(2.0), (&Subject::OneTenant, 500), (&Subject::Buffering, 500)),
        ("via listener / via cluster, 500", None, (&Subject::ViaListener, 500), (&Subject::ViaCluster, 500)),
        (
            "via listener / via cluster, 2000",
            None,
            (&Subject::ViaListener, 2000),
            (&Subject::ViaCluster, 2000),
        ),
    ] {
        let measured = results.ratio(one, other, cpu, "both cases");
        budgets.push(Budget { what: what.to_owned(), unit: Unit::Ratio, goal, measured });
    }
    budgets.push(Budget {
        what: "headers only, beyond empty filter, requests/s".to_owned(),
        unit: Unit::Points,
        goal: Some(10.0),
        measured: results.beyond_empty(|row| row.rate.clone(), -100.0),
    });
    budgets.push(Budget {
        what: "headers only, beyond empty filter, CPU".to_owned(),
        unit: Unit::Points,
        goal: None,
        measured: results.beyond_empty(cpu, 100.0),
    });
    budgets.push(Budget {
        what: "narrowing a query of 1 KB, CPU".to_owned(),
        unit: Unit::Microseconds,
        goal: Some(50.0),
        measured: results.narrowing(),
    });
    for peer in peers {
        let what = "growth of memory, 64 connections, split 2000";
        let growth =
            |row: &Row| Rounds::of([row.growth().map(approximate)]).filter(|_| results.connections == 64);
        let needs = "--memory, --peer with pid=N";
        budgets.push(results.against(peer, what, 1.0 / 6.0, 2000, growth, needs));
    }
    budgets.push(Budget {
        what: "the core in the module / the same core native".to_owned(),
        unit: Unit::Ratio,
        goal: Some(1.6),
        measured: Measured::Not("another measurement"),
    });
    budgets.push(Budget {
        what: "size of the module".to_owned(),
        unit: Unit::Kilobytes,
        goal: Some(900.0),
        measured: Measured::of(
            Rounds::of([std::fs::metadata(module()).ok().map(|file| approximate(file.len()) / 1e3)]),
            false,
            "the module",
        ),
    });
    budgets.push(Budget {
        what: "start of Envoy, beyond one without the module".to_owned(),
        unit: Unit::Seconds,
        goal: Some(1.0),
        measured: results.start_beyond_plain(),
    });
    budgets
}

impl Measured {
    fn of(rounds: Option<Rounds>, doubtful: bool, needs: &'static str) -> Self {
        match rounds {
            Some(rounds) if doubtful => Self::Doubtful(rounds),
            Some(rounds) => Self::Sound(rounds),
            None => Self::Not(needs),
        }
    }
}

impl Results {
    fn find(&self, subject: &Subject, series: usize) -> Option<&Row> {
        self.rows.iter().find(|row| row.case.subject == *subject && row.case.series == series)
    }

    /// The peers, or one that is missing.
    fn peers(&self) -> Vec<Option<&Peer>> {
        let mut peers = Vec::new();
        for row in &self.rows {
            if let Subject::Peer(peer) = &row.case.subject
                && !peers.contains(&Some(peer))
            {
                peers.push(Some(peer));
            }
        }
        if peers.is_empty() { vec![None] } else { peers }
    }

    /// A figure of the split via cluster in terms of a peer's.
    fn against(
        &self,
        peer: Option<&Peer>,
        what: &str,
        goal: f64,
        series: usize,
        figure: impl Fn(&Row) -> Option<Rounds>,
        needs: &'static str,
    ) -> Budget {
        let name = peer.map_or("a peer", |peer| peer.name.as_str());
        let measured = match peer.cloned().map(Subject::Peer) {
            Some(peer) => self.ratio((&Subject::ViaCluster, series), (&peer, series), figure, needs),
            None => Measured::Not(needs),
        };
        Budget { what: format!("{what} / {name}"), unit: Unit::Ratio, goal: Some(goal), measured }
    }

    /// A figure of one case in terms of another's.
    fn ratio(
        &self,
        one: (&Subject, usize),
        other: (&Subject, usize),
        figure: impl Fn(&Row) -> Option<Rounds>,
        needs: &'static str,
    ) -> Measured {
        let rows = self.find(one.0, one.1).zip(self.find(other.0, other.1));
        let doubtful = rows.is_some_and(|(one, other)| one.problem.is_some() || other.problem.is_some());
        let rounds = rows.and_then(|(one, other)| figure(one)?.per(&figure(other)?));
        Measured::of(rounds, doubtful, needs)
    }

    /// By how many percent of plain Envoy's the figure of `headers only` differs from that of the empty filter.
    fn beyond_empty(&self, figure: impl Fn(&Row) -> Option<Rounds>, percent: f64) -> Measured {
        let rows = [Subject::Plain, Subject::EmptyFilter, Subject::HeadersOnly];
        let [plain, empty, ours] = rows.map(|subject| self.find(&subject, 500));
        let of_plain = |row: Option<&Row>| figure(row?)?.per(&figure(plain?)?);
        let rounds = of_plain(ours)
            .zip(of_plain(empty))
            .and_then(|(ours, empty)| ours.with(&empty, |ours, empty| (ours - empty) * percent));
        let doubtful = [plain, empty, ours].into_iter().flatten().any(|row| row.problem.is_some());
        Measured::of(rounds, doubtful, "plain, empty and headers only")
    }

    /// What a query costs beyond the same one that is not narrowed.
    fn narrowing(&self) -> Measured {
        let rows = [true, false].map(|narrowed| self.find(&Subject::Query { narrowed }, 500));
        let doubtful = rows.iter().flatten().any(|row| row.problem.is_some());
        let [narrowed, whole] = rows;
        // Milliseconds for each request.
        let rounds = narrowed.and_then(cpu).zip(whole.and_then(cpu));
        let rounds = rounds.and_then(|(one, other)| one.with(&other, |one, other| (one - other) * 1e3));
        Measured::of(rounds, doubtful, "--case query")
    }

    /// How much longer the quickest start with the module took than the quickest without.
    fn start_beyond_plain(&self) -> Measured {
        let quickest = |with: bool| -> Option<Duration> {
            let rows = self.rows.iter().filter(|row| match row.case.subject {
                Subject::Plain | Subject::Buffering => !with,
                Subject::HeadersOnly | Subject::OneTenant | Subject::ViaCluster | Subject::ViaListener => {
                    with
                }
                _ => false,
            });
            rows.filter_map(|row| row.started).min()
        };
        let beyond =
            quickest(true).zip(quickest(false)).map(|(with, plain)| with.saturating_sub(plain).as_secs_f64());
        Measured::of(Rounds::of([beyond]), false, "a case with the module, and plain")
    }
}

fn cpu(row: &Row) -> Option<Rounds> {
    row.cpu.clone()
}

#[expect(clippy::cast_precision_loss, reason = "far less than 2^52")]
fn approximate(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;

    fn row(subject: Subject, cpu: f64, problem: Option<&str>) -> Row {
        Row {
            case: Case { subject, series: 500 },
            rate: Rounds::of([Some(1.0 / cpu)]),
            cpu: Rounds::of([Some(cpu)]),
            latencies: Vec::new(),
            memory: None,
            started: None,
            errors: 0,
            problem: problem.map(str::to_owned),
        }
    }

    fn met(rows: Vec<Row>, what: &str) -> Option<bool> {
        let results = Results { rows, elsewhere: None, connections: 8 };
        all(&results).iter().find(|budget| budget.what == what).expect(what).met()
    }

    #[test]
    fn budgets_are_judged_by_figures_that_can_be_trusted() {
        let what = "one tenant / buffering Envoy";
        let rows =
            |cpu, problem| vec![row(Subject::OneTenant, cpu, problem), row(Subject::Buffering, 1.0, None)];
        assert_eq!(met(rows(2.0, None), what), Some(true));
        assert_eq!(met(rows(2.1, None), what), Some(false));
        assert_eq!(met(rows(1.0, Some("answered 503")), what), None);
        assert_eq!(met(vec![row(Subject::OneTenant, 1.0, None)], what), None);
    }

    #[test]
    fn narrowing_is_what_a_query_costs_more() {
        let rows = |cpu| {
            vec![
                row(Subject::Query { narrowed: true }, cpu, None),
                row(Subject::Query { narrowed: false }, 0.1, None),
            ]
        };
        let what = "narrowing a query of 1 KB, CPU";
        assert_eq!(met(rows(0.14), what), Some(true));
        assert_eq!(met(rows(0.16), what), Some(false));
    }

    #[test]
    fn without_a_peer_nothing_is_compared_with_one() {
        let rows = vec![row(Subject::Plain, 1.0, None), row(Subject::ViaCluster, 0.01, None)];
        assert_eq!(met(rows, "split 500 / a peer"), None);
    }

    #[test]
    fn points_are_percent_of_plain_envoy() {
        let what = "headers only, beyond empty filter, requests/s";
        let rows = |cpu| {
            let others = [row(Subject::Plain, 1.0, None), row(Subject::EmptyFilter, 1.25, None)];
            others.into_iter().chain([row(Subject::HeadersOnly, cpu, None)]).collect()
        };
        // 80 % of plain Envoy's requests with the empty filter; with ours 75 %, and 50 %.
        assert_eq!(met(rows(1.0 / 0.75), what), Some(true));
        assert_eq!(met(rows(2.0), what), Some(false));
    }
}
