//! Observe mode: everything goes on as it came, and each difference is counted and logged.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::identity::basic;
use scopegate_tests::remote_write::{WriteRequest, push};
use serde_json::json;

use crate::gateway::{Gateway, as_agent, as_forwarder, by_namespace};

#[tokio::test]
async fn nothing_changes_and_everything_is_told() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["mode"] = json!("observe");
    configuration["limits"] = json!({"request_bytes": "64KiB"});
    let gateway = Gateway::start(&configuration).await?;
    let request = WriteRequest::realistic(20);
    let one = request.clone().with_label("namespace", |_| "namespace-1".into());
    let large: Vec<u8> = (0..70_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let query = || Call::get("/prometheus/api/v1/query?query=up");
    // What is sent, whether it would have been as it is, and a part of the log line.
    let cases: Vec<(&str, Call, bool, &str)> = vec![
        ("one tenant, as it says", as_forwarder(one.push()).tenant("namespace-1"), true, ""),
        (
            "one tenant, another than it says",
            as_forwarder(one.push()).tenant("b"),
            false,
            "would go to namespace-1",
        ),
        (
            "ten tenants",
            as_forwarder(request.push()).tenant("b"),
            false,
            "would be rewritten for namespace-0 namespace-1",
        ),
        ("impersonation", as_agent(request.push()).tenant("central"), false, "would be"),
        ("nobody", push(request.body()).tenant("b"), false, "would be refused with 401"),
        (
            "a body that is none",
            as_forwarder(push(b"x".to_vec())).tenant("b"),
            false,
            "would be refused with 400",
        ),
        (
            "a body too large",
            as_forwarder(push(large.clone())).tenant("b"),
            false,
            "would be refused with 413",
        ),
        (
            "a body too large, in pieces",
            as_forwarder(push(Vec::new())).tenant("b").chunks(large.chunks(9_000).map(<[u8]>::to_vec)),
            false,
            "would be refused with 413",
        ),
        (
            "a read, as it says",
            query().header("authorization", basic("forwarder", "new-secret")).tenant("platform"),
            true,
            "",
        ),
        (
            "a read of a foreign tenant",
            query().header("authorization", basic("forwarder", "new-secret")).tenant("b"),
            false,
            "would be refused with 403",
        ),
        (
            "a path that is closed",
            Call::get("/config").header("authorization", basic("forwarder", "new-secret")).tenant("b"),
            false,
            "would be refused with 403",
        ),
    ];
    let (mut same, mut different) = (0, 0);
    for (what, call, agrees, line) in cases {
        gateway.cortex.forget();
        gateway.http1()?.send(call.clone().header("x-kept", what)).await?;
        {
            let state = gateway.cortex.state();
            let [received] = state.requests.as_slice() else { panic!("{what}: {}", state.summary()) };
            assert_eq!(received.header("x-kept"), Some(what));
            assert!(received.complete, "{what}");
            let sent = format!("{call:?}");
            for name in ["authorization", "x-scope-impersonate", "x-scope-orgid"] {
                assert_eq!(received.header(name).is_some(), sent.contains(name), "{what}: {name}");
            }
        }
        if agrees {
            same += 1;
        } else {
            different += 1;
            gateway.envoy.wait_for_log(line).await?;
        }
    }
    let totals = gateway.envoy.admin()?.prometheus().await?;
    let total = |decision: &str| -> u64 {
        totals
            .lines()
            .filter(|line| {
                line.starts_with("scopegate_requests_total")
                    && line.contains(&format!("decision=\"{decision}\""))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    assert_eq!((total("observed_same"), total("observed_different")), (same, different), "{totals}");
    Ok(())
}
