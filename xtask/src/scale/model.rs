//! The model: costs of single requests, as measured, and what follows for many.

/// Milliseconds of CPU of one Envoy worker for a request, as `scopegate-tests`' program `scale` measured them in one run.
pub(super) struct Measured {
    /// Decided by the head; the body streams through.
    pub(super) head: f64,
    /// Looked into, and all of one tenant: 500 series, 2000 series.
    pub(super) one: [f64; 2],
    /// Split among ten tenants: 500 series, 2000 series.
    pub(super) split: [f64; 2],
    /// 2000 series split among 100 tenants; only to compare with.
    pub(super) hundred: f64,
    /// 2000 series split among 1000 tenants.
    pub(super) thousand: f64,
    /// Megabytes of an Envoy with one worker and no table to speak of.
    pub(super) memory: f64,
    /// Megabytes more for a table of 100,000 entries: the first worker, each further one.
    pub(super) table: [f64; 2],
}

/// The run that the page tells of.
pub(super) const MEASURED: Measured = Measured {
    head: 0.25,
    one: [0.35, 0.575],
    split: [1.30, 2.0],
    hundred: 8.5,
    thousand: 64.5,
    memory: 125.6,
    table: [40.2, 13.7],
};

/// What requests are.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Series (samples) a second, over all senders.
    pub(super) series: f64,
    /// Series of one request.
    pub(super) batch: f64,
    /// Tenants of one request; 0 where the head decides.
    pub(super) tenants: f64,
}

/// What is run, and what is behind it.
pub(super) struct Plan {
    /// Workers of one Envoy, a core each.
    pub(super) workers: f64,
    /// How much of each core is planned for.
    pub(super) busy: f64,
    /// Seconds that the backend takes to answer.
    pub(super) answer: f64,
}

/// Eight cores an Envoy, of which half is used; a backend that answers in 20 ms.
pub(super) const PLAN: Plan = Plan { workers: 8.0, busy: 0.5, answer: 0.02 };

/// What follows.
pub(super) struct Needs {
    pub(super) requests: f64,
    /// Milliseconds a request.
    pub(super) cost: f64,
    pub(super) cores: f64,
    pub(super) envoys: f64,
    pub(super) calls: f64,
    /// Calls under way in one worker.
    pub(super) under_way: f64,
}

impl Measured {
    /// Milliseconds for a series of a split.
    pub(super) fn series(&self) -> f64 {
        (self.split[1] - self.split[0]) / 1500.0
    }

    /// Milliseconds for a part: cut out, compressed, sent, answered.
    pub(super) fn part(&self) -> f64 {
        (self.thousand - self.split[1]) / 990.0
    }

    /// Milliseconds for a split request, besides its series and parts.
    pub(super) fn request(&self) -> f64 {
        self.split[0] - 500.0 * self.series() - 10.0 * self.part()
    }

    /// Milliseconds for a series that is looked into and goes on as it came.
    pub(super) fn seen(&self) -> f64 {
        (self.one[1] - self.one[0]) / 1500.0
    }

    /// Milliseconds for a request of so many series for so many tenants.
    pub(super) fn cost(&self, series: f64, tenants: f64) -> f64 {
        if tenants < 0.5 {
            self.head
        } else if tenants < 1.5 {
            self.one[0] + (series - 500.0) * self.seen()
        } else {
            self.request() + series * self.series() + tenants * self.part()
        }
    }

    /// Megabytes of one Envoy with a table of 100,000 entries in every worker.
    pub(super) fn memory(&self, workers: f64) -> f64 {
        self.memory + self.table[0] + (workers - 1.0) * self.table[1]
    }
}

impl Scenario {
    /// What it takes.
    pub(super) fn needs(&self, measured: &Measured, plan: &Plan) -> Needs {
        let requests = self.series / self.batch;
        let cost = measured.cost(self.batch, self.tenants);
        let cores = requests * cost / 1e3;
        // One alone is none when it is restarted.
        let envoys = (cores / (plan.workers * plan.busy)).ceil().max(2.0);
        let calls = if self.tenants < 1.5 { 0.0 } else { requests * self.tenants };
        let under_way = calls * plan.answer / (envoys * plan.workers);
        Needs { requests, cost, cores, envoys, calls, under_way }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_comes_out_again() {
        let m = MEASURED;
        for (series, tenants, measured) in [
            (500.0, 0.0, m.head),
            (500.0, 1.0, m.one[0]),
            (2000.0, 1.0, m.one[1]),
            (500.0, 10.0, m.split[0]),
            (2000.0, 10.0, m.split[1]),
            (2000.0, 1000.0, m.thousand),
        ] {
            let cost = m.cost(series, tenants);
            assert!(
                (cost - measured).abs() < 1e-9,
                "{series} series, {tenants} tenants: {cost}, not {measured}"
            );
        }
        // What it was not made of: within a tenth.
        let cost = m.cost(2000.0, 100.0);
        assert!((cost / m.hundred - 1.0).abs() < 0.1, "{cost}");
        assert!(m.request() > 0.0 && m.series() > 0.0 && m.part() > 0.0);
    }

    #[test]
    fn needs() {
        let measured = Measured { split: [2.0, 3.5], thousand: 1003.5 - 10.0, ..MEASURED };
        // A microsecond a series, a millisecond a part.
        let scenario = Scenario { name: "", series: 1e6, batch: 1000.0, tenants: 20.0 };
        let needs = scenario.needs(&measured, &PLAN);
        assert!((measured.series() - 0.001).abs() < 1e-9 && (measured.part() - 1.0).abs() < 1e-9);
        assert!((needs.requests - 1000.0).abs() < 1e-9);
        assert!((needs.calls - 20_000.0).abs() < 1e-9);
        assert!((needs.cost - (measured.request() + 21.0)).abs() < 1e-9);
        assert!((needs.envoys - (needs.cores / 4.0).ceil()).abs() < 1e-9);
    }
}
