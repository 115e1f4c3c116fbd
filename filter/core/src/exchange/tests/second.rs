//! Remote write 2.0 from head to answer: what each tenant gets, and what the sender is told was written.

use serde_json::json;

use super::{
    OPT_IN, REMOTE_WRITE_2, Step, WRITE, World, and, answer, base, but, calls, changed, describe, headers,
    says, text,
};
use crate::http::Reply;
use crate::write::remote_write::testing::decompress;
use crate::write::remote_write::v2::testing::{Said, message, said};
use crate::write::written::Written;
use prost::Message as _;

fn second() -> Vec<(&'static str, &'static str)> {
    let head = but(WRITE, "content-type", REMOTE_WRITE_2);
    and(&head, &[("x-prometheus-remote-write-version", "2.0.0"), OPT_IN])
}

fn up(of: &str) -> Said {
    said(&[("__name__", "up"), ("imp", of)])
}

fn own() -> Said {
    said(&[("__name__", "up"), ("job", "own")])
}

/// An answer with this status and these counts.
fn wrote(status: u16, counts: [u64; 3]) -> crate::write::outcome::Answer {
    crate::write::outcome::Answer { written: Written::Counts(counts), ..says(status) }
}

fn counts(reply: &Reply) -> Vec<(&str, &str)> {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str()));
    headers
        .filter_map(|(name, value)| {
            let name = name.strip_prefix("x-prometheus-remote-write-")?.strip_suffix("-written")?;
            Some((name, value))
        })
        .collect()
}

#[test]
fn each_call_has_its_tenants_series_and_strings() {
    let mut world = World::with(|_| ()).caller("agent", &["own"]);
    // The form that backends would misread goes out in the plain one.
    let head = but(&second(), "content-type", "application/x-protobuf; proto=io.prometheus.write.v2.Request");
    let sent = message(&[up("cluster-2"), own(), up("cluster-1"), up("cluster-2")]).body();
    let (mut exchange, step) = world.request(&head, &sent);
    let calls = calls(step);
    let stripped = || said(&[("__name__", "up")]);
    let expected = [
        ("cluster-2", message(&[stripped(), stripped()])),
        ("own", message(&[own()])),
        ("cluster-1", message(&[stripped()])),
    ];
    for (call, (tenant, message)) in calls.iter().zip(&expected) {
        assert_eq!(call.tenant.as_str(), *tenant);
        assert_eq!(decompress(&call.body), message.encode_to_vec(), "{tenant}");
        let headers: Vec<_> = call.headers().collect();
        assert!(headers.contains(&("content-type", REMOTE_WRITE_2)), "{headers:?}");
        assert!(headers.contains(&("x-prometheus-remote-write-version", "2.0.0")), "{headers:?}");
    }
    for (id, counts) in [(0, [2, 0, 0]), (1, [1, 0, 5])] {
        assert!(matches!(exchange.answered(&mut world.worker, id, wrote(204, counts), 0), Step::Wait));
    }
    let reply = answer(exchange.answered(&mut world.worker, 2, wrote(204, [1, 7, 0]), 0));
    assert_eq!(reply.status, 204);
    assert!(reply.body.is_empty());
    assert_eq!(counts(&reply), [("samples", "4"), ("histograms", "7"), ("exemplars", "5")]);
}

#[test]
fn counts_stand_beside_every_failure() {
    let sent = message(&[own(), up("cluster-1")]).body();
    let ask = |answers: [crate::write::outcome::Answer; 2]| {
        let mut world = World::with(|_| ()).caller("agent", &["own"]);
        let (mut exchange, step) = world.request(&second(), &sent);
        assert_eq!(describe(&step), "call own cluster-1");
        let [first, last] = answers;
        exchange.answered(&mut world.worker, 0, first, 0);
        answer(exchange.answered(&mut world.worker, 1, last, 0))
    };
    let none = || [("samples", "1"), ("histograms", "0"), ("exemplars", "0")];
    let reply = ask([wrote(204, [1, 0, 0]), wrote(400, [0; 3])]);
    assert_eq!((reply.status, counts(&reply)), (400, none().to_vec()));
    let reply = ask([wrote(204, [1, 0, 0]), says(503)]);
    assert_eq!((reply.status, counts(&reply)), (503, none().to_vec()));
    // A success that tells nothing may be a loss: an operator can mend that, and the sender keeps its data.
    let reply = ask([wrote(204, [1, 0, 0]), says(200)]);
    assert_eq!((reply.status, counts(&reply)), (502, none().to_vec()));
    assert!(
        text(&reply).contains("tenant cluster-1: 200 it accepted the part without telling"),
        "{}",
        text(&reply)
    );
}

#[test]
fn one_tenant_goes_on() {
    let mut world = World::with(|_| ()).caller("agent", &["own"]);
    let (_, step) = world.request(&second(), &message(&[own(), own()]).body());
    assert_eq!(describe(&step), "go on -x-scope-impersonate x-scope-orgid=own");
    let (_, step) = world.request(&second(), &message(&[up("cluster-1")]).body());
    let Step::Continue(changes) = &step else { panic!("{step:?}") };
    let after = changed(&second(), changes);
    assert!(after.contains(&("x-scope-orgid".to_owned(), "cluster-1".to_owned())), "{after:?}");
    let body = decompress(changes.body.as_ref().unwrap());
    assert_eq!(body, message(&[said(&[("__name__", "up")])]).encode_to_vec());
}

#[test]
fn nothing_to_send_is_answered_in_the_versions_own_form() {
    let zeros = [("samples", "0"), ("histograms", "0"), ("exemplars", "0")];
    let mut world = World::with(|_| ()).caller("agent", &["own"]);
    let (_, step) = world.request(&second(), &message(&[]).body());
    let reply = answer(step);
    assert_eq!((reply.status, counts(&reply)), (204, zeros.to_vec()));
    let (_, step) = world.request(&second(), &message(&[up("foreign")]).body());
    let reply = answer(step);
    assert_eq!((reply.status, counts(&reply)), (400, zeros.to_vec()));
    assert!(text(&reply).contains("up{imp=\"foreign\"}"), "{}", text(&reply));
    assert!(headers(&second()).first("content-type").is_some());
}

#[test]
fn a_version_that_the_backend_does_not_take_is_refused_unseen() {
    let first = and(WRITE, &[OPT_IN]);
    for (versions, head, expected) in [
        (json!(["1.0"]), second(), "answer 415 media_type"),
        (json!(["1.0"]), first.clone(), "keep"),
        (json!(["2.0"]), first, "answer 415 media_type"),
        (json!(["2.0"]), second(), "keep"),
    ] {
        let mut config = base();
        config["write"]["metrics"]["remote_write"] = json!({"versions": versions});
        let mut world = World::new(config.clone()).caller("agent", &["own"]);
        assert_eq!(describe(&world.head(&head).1), expected, "{versions}");
        // Also where the head alone decides.
        let head: Vec<_> = head.into_iter().filter(|header| *header != OPT_IN).collect();
        let mut world = World::new(config).caller("agent", &["own"]);
        let expected = if expected == "keep" { "go on x-scope-orgid=own" } else { expected };
        assert_eq!(describe(&world.head(&head).1), expected, "{versions}");
    }
}
