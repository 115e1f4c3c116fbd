//! `scopegate dashboard`: Grafana's dashboard of the filter's metrics, as `dashboards/scopegate.json` has it.

mod panels;
mod query;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use panels::{Kind, Panel, ROWS, Row, VARIABLES};
use query::complete;

/// The version of Grafana's JSON model: that of Grafana 11 and 12.
const SCHEMA_VERSION: u32 = 41;
/// Grafana's grid is so wide.
const WIDTH: u32 = 24;

/// The dashboard.
pub(crate) fn page() -> String {
    format!("{:#}\n", dashboard())
}

fn dashboard() -> Value {
    json!({
        "uid": "scopegate",
        "title": "Scopegate",
        "description": "Multi-tenancy in Envoy: who is let in, what is refused, and how each tenant fares",
        "tags": ["scopegate", "envoy"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": variables()},
        "panels": panels(),
    })
}

/// The data source, and the values of tags. Each is for all unless chosen.
fn variables() -> Vec<Value> {
    let source = json!({
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "default", "value": "default"},
        "hide": 0,
        "includeAll": false,
        "multi": false,
        "refresh": 1,
    });
    let of = |&(tag, label, metric): &(&str, &str, &str)| {
        let query = format!("label_values({metric}, {tag})");
        json!({
            "name": tag,
            "label": label,
            "type": "query",
            "datasource": source_of_data(),
            "definition": query,
            "query": {"query": query, "refId": tag},
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "hide": 0,
            "includeAll": true,
            "multi": true,
            "refresh": 2,
            "sort": 1,
        })
    };
    std::iter::once(source).chain(VARIABLES.iter().map(of)).collect()
}

fn source_of_data() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Every row with its panels, placed from left to right and from top to bottom.
fn panels() -> Vec<Value> {
    let mut all = Vec::new();
    let mut top = 0;
    for Row { title, panels } in ROWS {
        let grid = json!({"h": 1, "w": WIDTH, "x": 0, "y": top});
        all.push(json!({"id": all.len() + 1, "type": "row", "title": title, "collapsed": false, "gridPos": grid, "panels": []}));
        top += 1;
        let mut left = 0;
        for panel in *panels {
            let (width, height) = panel.kind.size();
            if left + width > WIDTH {
                left = 0;
                top += height;
            }
            let grid = json!({"h": height, "w": width, "x": left, "y": top});
            all.push(drawn(all.len() + 1, panel, &grid));
            left += width;
        }
        top += panels.last().map_or(0, |panel| panel.kind.size().1);
    }
    all
}

fn drawn(id: usize, panel: &Panel, grid: &Value) -> Value {
    let is_number = panel.kind == Kind::Number;
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .zip('A'..)
        .map(|((query, legend), id)| {
            json!({
                "refId": id.to_string(),
                "datasource": source_of_data(),
                "editorMode": "code",
                "expr": complete(query),
                "legendFormat": legend,
                "instant": is_number,
                "range": !is_number,
            })
        })
        .collect();
    let mut defaults = json!({"unit": panel.unit, "min": 0});
    let (kind, options) = if is_number {
        let steps: Vec<Value> = std::iter::once(json!({"color": "green", "value": null}))
            .chain(panel.worse_from.map(|value| json!({"color": "orange", "value": value})))
            .collect();
        defaults["thresholds"] = json!({"mode": "absolute", "steps": steps});
        // Nothing has happened yet where there is no series.
        defaults["noValue"] = json!("0");
        let reduce = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        (
            "stat",
            json!({"reduceOptions": reduce, "colorMode": "value", "graphMode": "none", "textMode": "value"}),
        )
    } else {
        let stacking = if panel.kind == Kind::Stacked { "normal" } else { "none" };
        defaults["custom"] = json!({
            "drawStyle": "line",
            "fillOpacity": if panel.kind == Kind::Stacked { 30 } else { 5 },
            "lineWidth": 1,
            "showPoints": "never",
            "spanNulls": false,
            "stacking": {"mode": stacking, "group": "A"},
        });
        let legend = json!({"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"], "showLegend": true});
        ("timeseries", json!({"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}))
    };
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": source_of_data(),
        "gridPos": grid,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": targets,
    })
}
