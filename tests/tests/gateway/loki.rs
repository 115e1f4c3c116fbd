//! Loki's push: every tenant gets its own streams and entries, in order, and nobody else's.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Fault;
use scopegate_tests::loki::{FORMS, Form, Stream, body, decode, gzip, push, stream, streams};
use serde_json::{Value, json};

use crate::gateway::{Gateway, as_agent, as_forwarder, configuration};

/// Tenants by structured metadata, then by label, then by a header, then the caller's.
fn by_metadata() -> Value {
    let mut configuration = configuration();
    configuration["backends"] = json!([{"name": "logs", "kind": "loki"}]);
    configuration["write"] = json!({"logs": {"tenant": [
        {"metadata": "team", "remove": true}, {"label": "namespace"}, {"header": "X-Team"}, "caller",
    ]}});
    configuration
}

/// Only labels.
fn by_label() -> Value {
    let mut configuration = by_metadata();
    configuration["write"]["logs"]["tenant"] = json!([{"label": "namespace"}, "caller"]);
    configuration
}

fn lines() -> Vec<Stream> {
    vec![
        stream(
            &[("app", "a \"quoted\" \\ name"), ("namespace", "namespace-1")],
            &[("1\n\t\"", &[]), ("2", &[])],
        ),
        stream(&[("app", "b"), ("namespace", "namespace-2")], &[("3", &[("trace", "t")])]),
        stream(&[("app", "c")], &[("4", &[])]),
        stream(&[("app", "d"), ("namespace", "namespace-1")], &[("ä😀", &[("a", "1"), ("b", "2")])]),
    ]
}

#[tokio::test]
async fn streams_by_label_in_every_form() -> Result<()> {
    let gateway = Gateway::start(&by_label()).await?;
    let all = lines();
    for client in [gateway.http1()?, gateway.http2()?] {
        for form in FORMS {
            gateway.cortex.forget();
            let answer = client.send(as_forwarder(push(form, &all))).await?.expect(204)?;
            assert_eq!(answer.text(), "", "{form:?}");
            let state = gateway.cortex.state();
            assert_eq!(state.tenants(), ["namespace-1", "namespace-2", "platform"], "{form:?}");
            assert_eq!(streams(&state, "namespace-1"), [all[0].clone(), all[3].clone()], "{form:?}");
            assert_eq!(streams(&state, "namespace-2"), all[1..2], "{form:?}");
            assert_eq!(streams(&state, "platform"), all[2..3], "{form:?}");
            for part in &state.requests {
                assert!(decode(part).is_ok());
                let encoding = match form {
                    Form::JsonGzip => Some("gzip"),
                    Form::JsonDeflate => Some("deflate"),
                    _ => None,
                };
                assert_eq!(part.header("content-encoding"), encoding, "{form:?}");
                assert_eq!(part.header_values("x-scope-orgid").len(), 1);
            }
        }
    }
    // All for one: the body goes on as it came.
    for form in FORMS {
        gateway.cortex.forget();
        client_sends(&gateway, push(form, &all[..1])).await?;
        let state = gateway.cortex.state();
        assert_eq!(state.requests[0].body, body(form, &all[..1]), "{form:?}");
        assert_eq!(state.tenants(), ["namespace-1"]);
    }
    Ok(())
}

async fn client_sends(gateway: &Gateway, call: Call) -> Result<()> {
    gateway.http1()?.send(as_forwarder(call)).await?.expect(204)?;
    Ok(())
}

#[tokio::test]
async fn entries_by_metadata_in_every_form() -> Result<()> {
    let gateway = Gateway::start(&by_metadata()).await?;
    let labels = [("app", "x"), ("namespace", "namespace-9")];
    let team = |team: &'static str| [("team", team), ("trace", "t")];
    let (one, two) = (team("namespace-1"), team("namespace-2"));
    let sent = [stream(&labels, &[("1", &one), ("2", &two), ("3", &[]), ("4", &one)])];
    let share = |entries: &[usize]| {
        let mut share = stream(&labels, &[]);
        share.entries = entries.iter().map(|position| sent[0].entries[*position].clone()).collect();
        for entry in &mut share.entries {
            entry.metadata.retain(|(name, _)| name != "team");
        }
        vec![share]
    };
    for form in FORMS {
        gateway.cortex.forget();
        client_sends(&gateway, push(form, &sent)).await?;
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), ["namespace-1", "namespace-2", "namespace-9"], "{form:?}");
        assert_eq!(streams(&state, "namespace-1"), share(&[0, 3]), "{form:?}");
        assert_eq!(streams(&state, "namespace-2"), share(&[1]), "{form:?}");
        assert_eq!(streams(&state, "namespace-9"), share(&[2]), "{form:?}");
    }
    Ok(())
}

/// A tenant that the client names is one of its own, or none; what its entries say goes before.
#[tokio::test]
async fn a_tenant_among_the_clients_own_in_every_form() -> Result<()> {
    let mut configuration = by_metadata();
    configuration["callers"][1]["basic"]["users"][0]["tenants"] = json!(["platform", "second"]);
    let gateway = Gateway::start(&configuration).await?;
    let unnamed = stream(&[("app", "x")], &[("1", &[])]);
    let named = stream(&[("app", "y")], &[("2", &[("team", "namespace-1")])]);
    for form in FORMS {
        for own in ["platform", "second"] {
            gateway.cortex.forget();
            let both = [unnamed.clone(), named.clone()];
            client_sends(&gateway, push(form, &both).header("x-team", own)).await?;
            let state = gateway.cortex.state();
            assert_eq!(state.requests.len(), 2, "{form:?}");
            assert_eq!(streams(&state, own), std::slice::from_ref(&unnamed), "{form:?}");
            assert_eq!(streams(&state, "namespace-1"), [stream(&[("app", "y")], &[("2", &[])])], "{form:?}");
        }
        gateway.cortex.forget();
        for (name, status) in [("namespace-1", 403), ("third", 403), ("a b", 400), ("platform|second", 400)] {
            let foreign = push(form, std::slice::from_ref(&unnamed)).header("x-team", name);
            gateway.http1()?.send(as_forwarder(foreign)).await?.expect(status)?;
        }
        // With several of its own and none named there is no tenant, and nothing is guessed.
        let none = push(form, std::slice::from_ref(&unnamed));
        gateway.http1()?.send(as_forwarder(none)).await?.expect(400)?;
        gateway.nothing_arrived("no tenant of its own");
    }
    Ok(())
}

#[tokio::test]
async fn impersonated_streams_lose_the_label() -> Result<()> {
    let mut configuration = by_label();
    configuration["write"] = json!({});
    let gateway = Gateway::start(&configuration).await?;
    let sent = [
        stream(&[("app", "x"), ("zz_as", "cluster-1")], &[("1", &[])]),
        stream(&[("app", "y")], &[("2", &[])]),
    ];
    for form in FORMS {
        gateway.cortex.forget();
        gateway.http1()?.send(as_agent(push(form, &sent))).await?.expect(204)?;
        let state = gateway.cortex.state();
        assert_eq!(streams(&state, "cluster-1"), [stream(&[("app", "x")], &[("1", &[])])], "{form:?}");
        assert_eq!(streams(&state, "central"), sent[1..], "{form:?}");
        assert_eq!(state.requests.len(), 2);
    }
    Ok(())
}

#[tokio::test]
async fn one_bad_stream_never_costs_the_others_and_one_answer_says_all() -> Result<()> {
    let gateway = Gateway::start(&by_label()).await?;
    let client = gateway.http1()?;
    let good = stream(&[("namespace", "namespace-1")], &[("1", &[])]);
    let bad = stream(&[("app", "x"), ("namespace", "elsewhere")], &[("2", &[])]);
    for form in FORMS {
        gateway.cortex.forget();
        let answer =
            client.send(as_forwarder(push(form, &[good.clone(), bad.clone()]))).await?.expect(400)?;
        assert_eq!(
            answer.text(),
            "scopegate: 1 series were not written.\n\
             series {app=\"x\", namespace=\"elsewhere\"}: the tenant is not allowed to this caller\n"
        );
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), ["namespace-1"], "{form:?}");
        assert_eq!(streams(&state, "namespace-1"), std::slice::from_ref(&good), "{form:?}");
    }
    // Agents send again after 429 and 5xx only.
    let all = lines();
    for (fault, status) in [(429, 429), (500, 503), (400, 400), (401, 502)] {
        let fault = Fault::answer(fault).header("retry-after", "7").body("no\nmore").times(1);
        gateway.cortex.fault("namespace-2", fault);
        let answer = client.send(as_forwarder(push(Form::Json, &all))).await?.expect(status)?;
        assert!(answer.text().contains("1 of 3 tenants"), "{answer}");
        assert_eq!(answer.header("retry-after"), (status > 400).then_some("7"), "{answer}");
    }
    Ok(())
}

/// What Loki would read in another way: each with what a Loki behind would have made of it.
#[tokio::test]
async fn what_loki_reads_more_laxly_reaches_nobody() -> Result<()> {
    let gateway = Gateway::start(&by_label()).await?;
    let client = gateway.http1()?;
    let call =
        |body: Vec<u8>| Call::post("/loki/api/v1/push", body).header("content-type", "application/json");
    let list = |stream: &str| format!("{{\"streams\":[{stream}]}}").into_bytes();
    let values = r#""values":[["1","x"]]"#;
    let one = list(&format!(r#"{{"stream":{{"namespace":"namespace-1"}},{values}}}"#));
    let other = list(&format!(r#"{{"stream":{{"namespace":"namespace-2"}},{values}}}"#));
    let cases: Vec<(&str, Call)> = vec![
        (
            "the last of two lists of labels",
            call(list(&format!(
                r#"{{"stream":{{"namespace":"namespace-1"}},"stream":{{"namespace":"elsewhere"}},{values}}}"#
            ))),
        ),
        (
            "labels in a label's name",
            call(list(&format!(r#"{{"stream":{{"a=\"b\", namespace":"elsewhere"}},{values}}}"#))),
        ),
        (
            "labels in a string",
            call(list(&format!(r#"{{"stream":"{{\"namespace\":\"elsewhere\"}}",{values}}}"#))),
        ),
        ("another case", call(String::from_utf8_lossy(&one).replace("streams", "Streams").into_bytes())),
        ("something behind", call([one.clone(), other.clone()].concat())),
        ("two members of gzip", call([gzip(&one), gzip(b"")].concat()).header("content-encoding", "gzip")),
        ("an encoding that is ignored", call(one.clone()).header("content-encoding", "snappy")),
        (
            "a type that is taken for protobuf",
            Call::post("/loki/api/v1/push", body(Form::Protobuf, &lines()))
                .header("content-type", "text/plain"),
        ),
    ];
    for (what, call) in cases {
        let answer = client.send(as_forwarder(call)).await?;
        assert!(matches!(answer.status, 400 | 415), "{what}: {answer}");
        gateway.nothing_arrived(what);
    }
    Ok(())
}

/// Where the head decides, nobody looks into a push.
#[tokio::test]
async fn what_need_not_be_looked_into_streams_on() -> Result<()> {
    let mut configuration = by_label();
    configuration["write"] = json!({});
    let gateway = Gateway::start(&configuration).await?;
    for form in FORMS {
        gateway.cortex.forget();
        client_sends(&gateway, push(form, &lines())).await?;
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), ["platform"]);
        assert_eq!(state.requests[0].body, body(form, &lines()), "{form:?}");
    }
    Ok(())
}
