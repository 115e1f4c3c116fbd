//! What only some backends know.

use crate::grammar::Grammar;

impl Grammar {
    /// What Prometheus 3 adds.
    pub(crate) fn prometheus_3(&mut self, depth: usize) -> String {
        let inner = self.vector(depth);
        let choices = [
            "sort_by_label(%, \"job\")",
            "mad_over_time(memory_bytes[5m])",
            "double_exponential_smoothing(memory_bytes[5m], 0.5, 0.5)",
            "limitk(100, %)",
            "limit_ratio(1, %)",
            "rate(requests_total[5m] anchored)",
            "increase(requests_total[5m] smoothed)",
            "sum by (job) (up) + fill(0) sum by (job) (nothing)",
            "sum by (job) (up) + on (job) fill_left(0) fill_right(-1) sum by (job) (nothing)",
            "info(up, {version=~\".+\"})",
            "info(requests_total, {version=\"1\"})",
            "info(up, {version=~\".+\",__name__=\"target_info\"})",
            "% + fill",
            "vector(start()) + vector(end()) + vector(step()) + vector(range())",
            "ts_of_max_over_time(memory_bytes[5m])",
            "first_over_time(up[5m])",
        ];
        self.one(&choices).replace('%', &inner)
    }

    /// What `VictoriaMetrics` adds.
    pub(crate) fn victoria(&mut self, depth: usize) -> String {
        let (inner, other) = (self.vector(depth), self.vector(depth));
        let choices = [
            "(%) default (%2)",
            "(%) if (%2)",
            "(%) ifnot (%2)",
            "rate(requests_total)",
            "increase(requests_total) keep_metric_names",
            "rate(requests_total[5m]) keep_metric_names",
            "abs(%) keep_metric_names",
            "sum(%, %2)",
            "(%, %2)",
            "union(%, %2,)",
            "sum(%) limit 100",
            "sum by (job) (%) limit 100",
            "median(%) by (job)",
            "distinct(%)",
            "sum2(%)",
            "geomean(%)",
            "mode(%)",
            "sum(label_set(%, \"tenant\", \"ab\"))",
            "sum(label_del(%, \"tenant\", \"instance\"))",
            "sum(label_keep(%, \"job\"))",
            "label_copy(%, \"job\", \"copy\")",
            "label_match(%, \"job\", \"a.*\")",
            "sum(label_map(%, \"job\", \"api\", \"x\"))",
            "sum(label_uppercase(%, \"job\"))",
            "alias(%, \"other\")",
            "range_avg(%)",
            "running_sum(%)",
            "range_median(%)",
            "default_rollup(memory_bytes[5m])",
            "rollup(memory_bytes[5m])",
            "rollup_rate(requests_total[5m])",
            "tmax_over_time(memory_bytes[5m])",
            "median_over_time(memory_bytes[5m])",
            "distinct_over_time(memory_bytes)",
            "integrate(memory_bytes[5m])",
            "lag(memory_bytes[5m])",
            "lifetime(memory_bytes[5m])",
            "histogram_share(600, latency_bucket)",
            "prometheus_buckets(latency_bucket)",
            "buckets_limit(3, latency_bucket)",
            "quantiles(\"phi\", 0.5, 0.9, %)",
            "topk_max(100, %, \"other=x\")",
            "ru(%, memory_bytes)",
            "interpolate(%)",
            "keep_last_value(%)",
            "limit_offset(100, 0, %)",
            "{__graphite__=\"up\"}",
            "count by (__name__) ({__name__=~\".+\"})",
            "sum by (__name__, tenant) ({tenant=~\".*\"})",
            "count({job=\"api\"})",
        ];
        self.one(&choices).replace("%2", &other).replace('%', &inner)
    }
}
