//! What a tenant may try against another's alerts and silences. The proof is what the real Alertmanager holds afterwards.

use anyhow::Result;
use scopegate_tests::alertmanager::{Alertmanager, silence};
use scopegate_tests::client::Call;
use serde_json::{Value, json};

use crate::gateway::{Gateway, by, post};

#[tokio::test]
async fn nothing_of_another_tenant_is_touched_or_seen() -> Result<()> {
    let alertmanager = Alertmanager::start().await?;
    let gateway = Gateway::start("alertmanager", alertmanager.address()).await?;
    let b = json!([{"name": "tenant", "value": "team-b", "isRegex": false, "isEqual": true}]);
    let id = alertmanager.silence(&b).await?;
    alertmanager.post("/api/v2/alerts", &json!([{"labels": {"alertname": "B", "tenant": "team-b"}}])).await?;
    let (silences, alerts) = (alertmanager.silences().await?, alertmanager.alerts(1).await?);

    let matcher =
        |name: &str, value: &str, regex: bool| json!({"name": name, "value": value, "isRegex": regex});
    let own = matcher("tenant", "team-a", false);
    let x = matcher("x", "y", false);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut silence = silence(&json!([x]));
        change(&mut silence);
        silence
    };
    let matchers = |matchers: Value| with(&move |silence| silence["matchers"] = matchers.clone());
    let set = |name: &'static str, value: Value| with(&move |silence| silence[name] = value.clone());
    let json =
        |what: &'static str, path: &str, body: &Value, status: u16| (what, post("alice", path, body), status);
    let raw = |what: &'static str, path: &str, body: String, status: u16| {
        let call = Call::post(path, body).header("content-type", "application/json");
        (what, by("alice", call), status)
    };
    let call = |what: &'static str, method: &str, path: &str, status: u16| {
        (what, by("alice", Call::new(method, path)), status)
    };
    let (silences_path, alerts_path) = ("/api/v2/silences", "/api/v2/alerts");
    let own_text = silence(&json!([own])).to_string();
    let beside = |more: &str| own_text.replacen('{', &format!("{{{more},"), 1);
    let foreign_alert = json!([{"labels": {"alertname": "E", "tenant": "team-b"}}]);
    let upper = id.to_uppercase();
    let attacks: Vec<(&str, Call, u16)> = vec![
        // A silence for another tenant.
        json("another's", silences_path, &matchers(b.clone()), 403),
        json("another's beside the own", silences_path, &matchers(json!([own, b[0]])), 403),
        json("by a regex", silences_path, &matchers(json!([matcher("tenant", "team-.*", true)])), 403),
        json(
            "by a regex that is the own",
            silences_path,
            &matchers(json!([matcher("tenant", "team-a", true)])),
            403,
        ),
        json(
            "all but the own",
            silences_path,
            &matchers(json!([{"name": "tenant", "value": "team-a", "isRegex": false, "isEqual": false}])),
            403,
        ),
        json("where there is none", silences_path, &matchers(json!([matcher("tenant", "", false)])), 403),
        json("nothing matched", silences_path, &matchers(json!([])), 400),
        json("no matchers", silences_path, &matchers(Value::Null), 400),
        raw("matchers twice", silences_path, beside(&format!("\"matchers\":{b}")), 403),
        raw("in another case", silences_path, beside(&format!("\"Matchers\":{b}")), 400),
        raw("in another alphabet", silences_path, beside(&format!("\"matcher\u{17f}\":{b}")), 400),
        raw("escaped", silences_path, beside(&format!("\"matcher\\u017f\":{b}")), 400),
        json("a list of lists", silences_path, &set("matcherSets", json!([b])), 400),
        raw("two silences", silences_path, format!("{own_text}{}", silence(&b)), 400),
        json("a list", silences_path, &json!([silence(&b)]), 400),
        json(
            "a matcher in another case",
            silences_path,
            &matchers(json!([{"name": "x", "value": "team-b", "isRegex": false, "Name": "tenant"}])),
            400,
        ),
        ("as a form", by("alice", Call::form(silences_path, &[("matchers", &b.to_string())])), 415),
        ("compressed", post("alice", silences_path, &silence(&b)).header("content-encoding", "gzip"), 415),
        ("as the other", post("alice", silences_path, &silence(&json!([x]))).tenant("team-b"), 403),
        // Another's silence, changed.
        json("its end", silences_path, &with(&|silence| silence["id"] = json!(id)), 404),
        json(
            "by its own matchers",
            silences_path,
            &{
                let mut silence = silence(&json!([own]));
                silence["id"] = json!(id);
                silence
            },
            404,
        ),
        raw("the ID twice", silences_path, beside(&format!("\"id\":\"\",\"id\":\"{id}\"")), 400),
        raw("the ID in another case", silences_path, beside(&format!("\"ID\":\"{id}\"")), 400),
        json("in upper case", silences_path, &set("id", json!(upper)), 400),
        json("a path for an ID", silences_path, &set("id", json!(format!("../silence/{id}"))), 400),
        // Another's silence, ended.
        call("ended", "DELETE", &format!("/api/v2/silence/{id}"), 404),
        call("with a query", "DELETE", &format!("/api/v2/silence/{id}?silenceID=x"), 404),
        call("in upper case", "DELETE", &format!("/api/v2/silence/{upper}"), 400),
        call("with a slash", "DELETE", &format!("/api/v2/silence/{id}/"), 400),
        call("doubled slashes", "DELETE", &format!("/api/v2//silence/{id}"), 400),
        call("dots", "DELETE", &format!("/api/v2/silence/x/../{id}"), 400),
        call("escaped", "DELETE", &format!("/api/v2/silence/%{:x}{}", id.as_bytes()[0], &id[1..]), 400),
        call("by another method", "POST", &format!("/api/v2/silence/{id}"), 405),
        call("none", "DELETE", "/api/v2/silence/x", 400),
        call("by the old API", "DELETE", &format!("/api/v1/silence/{id}"), 403),
        // An alert of another tenant.
        json("another's alert", alerts_path, &foreign_alert, 403),
        json("beside the own", alerts_path, &json!([{"labels": {"alertname": "E"}}, foreign_alert[0]]), 403),
        raw(
            "the label twice",
            alerts_path,
            r#"[{"labels":{"alertname":"E","tenant":"team-a","tenant":"team-b"}}]"#.to_owned(),
            400,
        ),
        raw(
            "labels in another case",
            alerts_path,
            r#"[{"labels":{"tenant":"team-a"},"Labels":{"alertname":"E","tenant":"team-b"}}]"#.to_owned(),
            400,
        ),
        raw("two lists", alerts_path, format!("[]{foreign_alert}"), 400),
        json("by the old API", "/api/v1/alerts", &foreign_alert, 403),
        // What shows everything.
        call("the configuration", "GET", "/api/v2/status", 403),
        call("the receivers", "GET", "/api/v2/receivers", 403),
        call("its metrics", "GET", "/metrics", 403),
        call("its pages", "GET", "/", 403),
        call("reloading", "POST", "/-/reload", 403),
    ];
    for (what, call, status) in attacks {
        let answer = gateway.send(call).await?;
        assert_eq!(answer.status, status, "{what}: {answer}");
        assert_eq!(alertmanager.silences().await?, silences, "{what}");
        assert_eq!(alertmanager.alerts(1).await?, alerts, "{what}");
    }

    // Arguments by which the Alertmanager might show more.
    let b_filter = "filter=tenant%3D%22team-b%22";
    for path in ["/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences"] {
        for query in [
            b_filter.to_owned(),
            "filter=tenant%3D~%22.*%22".to_owned(),
            "filter=tenant%21%3D%22team-a%22".to_owned(),
            format!("x=1;{b_filter}"),
            "silenced=true&inhibited=true&active=true&unprocessed=true&expired=true".to_owned(),
            "receiver=.*".to_owned(),
            "filter=".to_owned(),
            "%".to_owned(),
            "filter=%zz&x=".to_owned(),
        ] {
            let answer = gateway.send(by("alice", Call::get(&format!("{path}?{query}")))).await?;
            assert!(!answer.text().contains("team-b"), "{path}?{query}: {answer}");
            assert!(answer.status >= 400 || answer.text().trim() == "[]", "{path}?{query}: {answer}");
        }
        // Those of nobody who is known.
        let answer = gateway.send(Call::get(path)).await?;
        assert_eq!(answer.status, 401, "{answer}");
    }
    Ok(())
}
