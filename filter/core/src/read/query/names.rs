//! The functions that the languages have. Whatever else is called is refused.

use core::cmp::Ordering;

/// Whether a sorted list has a name.
pub(super) fn is_known(names: &[&str], name: &str) -> bool {
    names.binary_search(&name).is_ok()
}

/// Whether a sorted list has a name, written in any case.
pub(super) fn is_known_in_any_case(names: &[&str], name: &str) -> bool {
    let compare =
        |known: &&str| -> Ordering { known.bytes().cmp(name.bytes().map(|byte| byte.to_ascii_lowercase())) };
    names.binary_search_by(compare).is_ok()
}

/// Aggregations of PromQL.
#[rustfmt::skip]
pub(super) const PROMQL_AGGREGATIONS: &[&str] = &[
    "avg", "bottomk", "count", "count_values", "group", "limit_ratio", "limitk", "max", "min",
    "quantile", "stddev", "stdvar", "sum", "topk",
];

/// Those of them that Prometheus has only with `--enable-feature=promql-experimental-functions`.
pub(super) const PROMQL_EXPERIMENTAL_AGGREGATIONS: &[&str] = &["limit_ratio", "limitk"];

/// Functions of PromQL, those that have another name by now too.
#[rustfmt::skip]
pub(super) const PROMQL_FUNCTIONS: &[&str] = &[
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh",
    "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh",
    "count_over_time", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "deg", "delta",
    "deriv", "exp", "first_over_time", "floor", "histogram_avg", "histogram_count",
    "histogram_fraction", "histogram_quantile", "histogram_stddev", "histogram_stdvar", "histogram_sum",
    "holt_winters", "hour", "idelta", "increase", "irate", "label_join", "label_replace",
    "last_over_time", "ln", "log10", "log2", "max_over_time", "min_over_time", "minute", "month", "pi",
    "predict_linear", "present_over_time", "quantile_over_time", "rad", "rate", "resets", "round",
    "scalar", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt", "stddev_over_time", "stdvar_over_time",
    "sum_over_time", "tan", "tanh", "time", "timestamp", "vector", "year",
];

/// Functions of PromQL that Prometheus has only with the same flag.
#[rustfmt::skip]
pub(super) const PROMQL_EXPERIMENTAL: &[&str] = &[
    "double_exponential_smoothing", "end", "histogram_quantiles", "info", "mad_over_time", "max_of",
    "min_of", "range", "sort_by_label", "sort_by_label_desc", "start", "start_timestamp", "step",
    "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
];

/// Aggregations of MetricsQL.
#[rustfmt::skip]
pub(super) const METRICSQL_AGGREGATIONS: &[&str] = &[
    "any", "avg", "bottomk", "bottomk_avg", "bottomk_last", "bottomk_max", "bottomk_median",
    "bottomk_min", "count", "count_values", "distinct", "geomean", "group", "histogram", "limitk",
    "mad", "max", "median", "min", "mode", "outliers_iqr", "outliers_mad", "outliersk", "quantile",
    "quantiles", "share", "stddev", "stdvar", "sum", "sum2", "topk", "topk_avg", "topk_last",
    "topk_max", "topk_median", "topk_min", "zscore",
];

/// Functions of MetricsQL: rollups, transformations and the templates that are always there.
#[rustfmt::skip]
pub(super) const METRICSQL_FUNCTIONS: &[&str] = &[
    "abs", "absent", "absent_over_time", "acos", "acosh", "aggr_over_time", "alias", "ascent_over_time",
    "asin", "asinh", "atan", "atanh", "avg_over_time", "bitmap_and", "bitmap_or", "bitmap_xor",
    "buckets_limit", "ceil", "changes", "changes_prometheus", "clamp", "clamp_max", "clamp_min", "cos",
    "cosh", "count_eq_over_time", "count_gt_over_time", "count_le_over_time", "count_ne_over_time",
    "count_over_time", "count_values_over_time", "day_of_month", "day_of_week", "day_of_year",
    "days_in_month", "decreases_over_time", "default_rollup", "deg", "delta", "delta_prometheus",
    "deriv", "deriv_fast", "descent_over_time", "distinct_over_time", "drop_common_labels",
    "drop_empty_series", "duration_over_time", "end", "exp", "first_over_time", "floor",
    "geomean_over_time", "histogram_avg", "histogram_fraction", "histogram_over_time",
    "histogram_quantile", "histogram_quantiles", "histogram_share", "histogram_stddev",
    "histogram_stdvar", "hoeffding_bound_lower", "hoeffding_bound_upper", "holt_winters", "hour",
    "idelta", "ideriv", "increase", "increase_prometheus", "increase_pure", "increases_over_time",
    "integrate", "interpolate", "irate", "keep_last_value", "keep_next_value", "label_copy",
    "label_del", "label_graphite_group", "label_join", "label_keep", "label_lowercase", "label_map",
    "label_match", "label_mismatch", "label_move", "label_replace", "label_set", "label_transform",
    "label_uppercase", "label_value", "labels_equal", "lag", "last_over_time", "lifetime",
    "limit_offset", "ln", "log10", "log2", "mad_over_time", "max_over_time", "median_over_time",
    "min_over_time", "minute", "mode_over_time", "month", "now", "outlier_iqr_over_time", "pi",
    "predict_linear", "present_over_time", "prometheus_buckets", "quantile_over_time",
    "quantiles_over_time", "rad", "rand", "rand_exponential", "rand_normal", "range_avg", "range_first",
    "range_last", "range_linear_regression", "range_mad", "range_max", "range_median", "range_min",
    "range_normalize", "range_over_time", "range_quantile", "range_stddev", "range_stdvar", "range_sum",
    "range_trim_outliers", "range_trim_spikes", "range_trim_zscore", "range_zscore", "rate",
    "rate_over_sum", "rate_prometheus", "remove_resets", "resets", "rollup", "rollup_candlestick",
    "rollup_delta", "rollup_deriv", "rollup_increase", "rollup_rate", "rollup_scrape_interval", "round",
    "ru", "running_avg", "running_max", "running_min", "running_sum", "scalar", "scrape_interval",
    "sgn", "share_eq_over_time", "share_gt_over_time", "share_le_over_time", "sin", "sinh",
    "smooth_exponential", "sort", "sort_by_label", "sort_by_label_desc", "sort_by_label_numeric",
    "sort_by_label_numeric_desc", "sort_desc", "sqrt", "stale_samples_over_time", "start",
    "stddev_over_time", "stdvar_over_time", "step", "sum2_over_time", "sum_eq_over_time",
    "sum_gt_over_time", "sum_le_over_time", "sum_over_time", "tan", "tanh", "tfirst_over_time", "time",
    "timestamp", "timestamp_with_name", "timezone_offset", "tlast_change_over_time", "tlast_over_time",
    "tmax_over_time", "tmin_over_time", "ttf", "union", "vector", "year", "zscore_over_time",
];

/// Aggregations of LogQL, over time and over series.
#[rustfmt::skip]
pub(super) const LOGQL_AGGREGATIONS: &[&str] = &[
    "absent_over_time", "approx_topk", "avg", "avg_over_time", "bottomk", "bytes_over_time",
    "bytes_rate", "count", "count_over_time", "first_over_time", "last_over_time", "max",
    "max_over_time", "min", "min_over_time", "quantile_over_time", "rate", "rate_counter", "sort",
    "sort_desc", "stddev", "stddev_over_time", "stdvar", "stdvar_over_time", "sum", "sum_over_time",
    "topk",
];

/// Other functions of LogQL.
#[rustfmt::skip]
pub(super) const LOGQL_FUNCTIONS: &[&str] = &[
    "label_replace", "vector",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        for names in [
            PROMQL_AGGREGATIONS,
            PROMQL_EXPERIMENTAL_AGGREGATIONS,
            PROMQL_FUNCTIONS,
            PROMQL_EXPERIMENTAL,
            METRICSQL_AGGREGATIONS,
            METRICSQL_FUNCTIONS,
            LOGQL_AGGREGATIONS,
            LOGQL_FUNCTIONS,
        ] {
            assert!(names.is_sorted(), "{names:?}");
        }
    }
}
