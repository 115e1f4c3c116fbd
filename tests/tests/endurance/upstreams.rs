//! Upstreams that fail during a split: one answer for all tenants, in words, and those who were fine have their part.

use anyhow::Result;
use scopegate_tests::{
    client::{Answer, Protocol},
    cortex::{Fault, Outcome, Received},
};
use serde_json::json;

use crate::{
    batch::{Batch, assert_all_received, assert_received},
    gateway::{Builder, Gateway, bounded},
};

const TENANTS: [&str; 3] = ["team-a", "team-b", "team-c"];

/// What fails, and what the client hears of it.
struct Case {
    what: &'static str,
    faults: Vec<(&'static str, Fault)>,
    status: u16,
    retry_after: Option<&'static str>,
    /// The lines about tenants; where several are right, they stand side by side with a `|` between them.
    lines: &'static [&'static str],
}

fn case(
    what: &'static str,
    faults: impl IntoIterator<Item = (&'static str, Fault)>,
    status: u16,
    lines: &'static [&'static str],
) -> Case {
    Case { what, faults: faults.into_iter().collect(), status, retry_after: None, lines }
}

impl Case {
    fn retry_after(mut self, seconds: &'static str) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

fn says(status: u16, text: &'static str) -> Fault {
    Fault::answer(status).body(text)
}

fn wait(status: u16, retry_after: &str) -> Fault {
    says(status, "slow down").header("retry-after", retry_after)
}

/// The table in `docs/writes.md`, and where rows meet.
fn answers() -> Vec<Case> {
    vec![
        case("another success", [("team-b", says(204, ""))], 200, &[]),
        case("all accepted before", TENANTS.map(|tenant| (tenant, says(202, ""))), 202, &[]),
        case("one accepted before", [("team-b", says(202, ""))], 200, &[]),
        case(
            "one line of a failure",
            [("team-b", says(500, "boom\nsecond line"))],
            503,
            &["tenant team-b: 500 boom"],
        ),
        case(
            "a failure that says when",
            [("team-b", wait(503, "5"))],
            503,
            &["tenant team-b: 503 slow down"],
        )
        .retry_after("5"),
        case("a timeout of a proxy", [("team-b", says(408, "late"))], 503, &["tenant team-b: 408 late"]),
        case(
            "the longer wait of two",
            [("team-a", wait(429, "7")), ("team-b", wait(429, "30"))],
            429,
            &["tenant team-a: 429 slow down", "tenant team-b: 429 slow down"],
        )
        .retry_after("30"),
        case(
            "waits that are none",
            [
                ("team-a", wait(429, "7")),
                ("team-b", wait(429, "Wed, 21 Oct 2026 07:28:00 GMT")),
                ("team-c", wait(429, "-1")),
            ],
            429,
            &["tenant team-a: 429 slow down", "tenant team-b: 429 slow down", "tenant team-c: 429 slow down"],
        )
        .retry_after("7"),
        case("no wait at all", [("team-b", says(429, "slow down"))], 429, &["tenant team-b: 429 slow down"]),
        case(
            "a refusal beside a limit",
            [("team-a", says(400, "out of bounds")), ("team-b", wait(429, "7"))],
            429,
            &["tenant team-b: 429 slow down", "tenant team-a: 400 out of bounds"],
        )
        .retry_after("7"),
        case(
            "all of it",
            [
                ("team-a", says(400, "out of bounds")),
                ("team-b", wait(429, "7")),
                ("team-c", says(500, "boom")),
            ],
            503,
            &["tenant team-c: 500 boom", "tenant team-b: 429 slow down", "tenant team-a: 400 out of bounds"],
        )
        .retry_after("7"),
        case("a refusal", [("team-b", wait(400, "9"))], 400, &["tenant team-b: 400 slow down"]),
        case("not this type for one", [("team-b", says(415, "no"))], 400, &["tenant team-b: 415 no"]),
        case(
            "not this type for all",
            TENANTS.map(|tenant| (tenant, says(415, "no"))),
            415,
            &["tenant team-a: 415 no", "tenant team-b: 415 no", "tenant team-c: 415 no"],
        ),
        case(
            "a wrong path",
            [("team-b", says(404, "no such page"))],
            502,
            &["tenant team-b: 404 no such page"],
        ),
        case("no login", [("team-b", says(401, "who?"))], 502, &["tenant team-b: 401 who?"]),
        case("a redirection", [("team-b", says(302, "there"))], 502, &["tenant team-b: 302 there"]),
        case("no words", [("team-b", says(500, ""))], 503, &["tenant team-b: 500 "]),
        case("odd words", [("team-b", says(500, "a\tb\u{1}"))], 503, &["tenant team-b: 500 a\\tb\\u{1}"]),
    ]
}

/// Upstreams that do not answer as HTTP would have it.
fn breakdowns() -> Vec<Case> {
    const OFF: &[&str] = &["tenant team-b: no answer: the answer broke off|\
        tenant team-b: 503 upstream connect error or disconnect/reset before headers. reset reason: remote reset"];
    vec![
        case(
            "a reset",
            [("team-b", Fault::reset())],
            503,
            &[
                "tenant team-b: 503 upstream connect error or disconnect/reset before headers. reset reason: remote reset|\
                tenant team-b: 503 upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ],
        ),
        case("a success that breaks off", [("team-b", Fault::break_off(200))], 503, OFF),
        case("a failure that breaks off", [("team-b", Fault::break_off(500))], 503, OFF),
    ]
}

/// One that does not answer at all.
fn silence() -> Vec<Case> {
    const LINE: &[&str] = &["tenant team-b: 504 upstream request timeout"];
    vec![case("no answer in time", [("team-b", Fault::hang())], 503, LINE)]
}

/// Compares an answer with what it should be.
#[track_caller]
fn assert_answer(what: &str, answer: &Answer, status: u16, retry_after: Option<&str>, lines: &[&str]) {
    assert_eq!((answer.status, answer.header("retry-after")), (status, retry_after), "{what}: {answer}");
    let text = answer.text();
    let mut said = text.lines();
    if lines.is_empty() {
        assert_eq!((text.as_str(), answer.header("content-type")), ("", None), "{what}");
        return;
    }
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{what}");
    let count = lines.len();
    let first = format!("scopegate: {count} of 3 tenants did not accept their part.");
    assert_eq!(said.next(), Some(first.as_str()), "{what}");
    for line in lines {
        let line_said = said.next().unwrap_or_default();
        assert!(line.split('|').any(|one| one == line_said), "{what}: {line:?} in {text}");
    }
    assert_eq!(said.next(), None, "{what}: {text}");
}

/// Sends a batch as each case wants it, by this listener and over this protocol.
async fn each(gateway: &Gateway, listener: &str, protocol: Protocol, cases: Vec<Case>) -> Result<()> {
    let client = gateway.client_of(listener, protocol)?;
    for Case { what, faults, status, retry_after, lines } in cases {
        let what = format!("{what}, {listener}, {protocol:?}");
        gateway.cortex.forget();
        for (tenant, fault) in &faults {
            gateway.cortex.fault(tenant, fault.clone());
        }
        let batch = Batch::of(&TENANTS);
        let answer = client.send(batch.push()).await?;
        assert_answer(&what, &answer, status, retry_after, lines);
        // A call that ran into its timeout is given up, which the stand-in may see later.
        gateway.cortex.wait_for(&what, |state| state.requests.iter().all(is_over)).await?;
        let state = gateway.cortex.state();
        assert_all_received(&what, &state, &[&batch]);
        for tenant in TENANTS {
            let fine = faults.iter().all(|(faulty, _)| *faulty != tenant);
            batch.assert_stored(&what, &state, tenant, fine);
        }
        drop(state);
        for tenant in TENANTS {
            gateway.cortex.heal(tenant);
        }
    }
    gateway.wait_for_rest().await
}

fn is_over(request: &Received) -> bool {
    request.outcome != Outcome::Open
}

/// Listeners that send parts straight to the stand-in and by an internal listener, each with time for answers (`cluster`,
/// `listener`) and with little (`cluster-soon`, `listener-soon`); and one whose calls are tried again (`again`).
async fn ways(upstream: Protocol) -> Result<Gateway> {
    let straight = |timeout| bounded(json!({"timeout": timeout}), json!({}));
    let routed =
        |timeout| bounded(json!({"timeout": timeout, "via": "listener", "cluster": "parts"}), json!({}));
    Builder::new("cluster", &straight("20s"))
        .beside("cluster-soon", &straight("2s"))
        .beside("listener", &routed("20s"))
        .beside("listener-soon", &routed("2s"))
        .beside("again", &bounded(json!({"retries": {"on": "reset,5xx", "max": 1}}), json!({})))
        .upstream(upstream)
        .start()
        .await
}

#[tokio::test]
async fn one_answer_for_all_over_http1() -> Result<()> {
    let mut gateway = ways(Protocol::Http1).await?;
    each(&gateway, "cluster", Protocol::Http1, answers()).await?;
    each(&gateway, "cluster", Protocol::Http2, answers()).await?;
    each(&gateway, "cluster", Protocol::Http1, breakdowns()).await?;
    each(&gateway, "listener", Protocol::Http2, breakdowns()).await?;
    each(&gateway, "cluster-soon", Protocol::Http2, silence()).await?;
    calls_are_tried_again(&gateway).await?;
    nobody_listens(&mut gateway).await
}

#[tokio::test]
async fn one_answer_for_all_over_http2() -> Result<()> {
    let mut gateway = ways(Protocol::Http2).await?;
    each(&gateway, "listener", Protocol::Http1, answers()).await?;
    each(&gateway, "cluster", Protocol::Http2, answers()).await?;
    each(&gateway, "cluster", Protocol::Http1, breakdowns()).await?;
    each(&gateway, "listener", Protocol::Http2, breakdowns()).await?;
    each(&gateway, "cluster-soon", Protocol::Http2, silence()).await?;
    each(&gateway, "listener-soon", Protocol::Http1, silence()).await?;
    calls_are_tried_again(&gateway).await?;
    nobody_listens(&mut gateway).await
}

/// Envoy tries again where the configuration says so: who failed once has its part, and the client hears of nothing.
async fn calls_are_tried_again(gateway: &Gateway) -> Result<()> {
    const TRIED: [(&str, usize); 3] = [("team-a", 1), ("team-b", 2), ("team-c", 1)];
    let client = gateway.client_of("again", Protocol::Http2)?;
    for (what, fault) in [
        ("a reset", Fault::reset()),
        ("a failure", Fault::answer(503)),
        // Stored at both times, which is the same as once.
        ("an answer that got lost", Fault::answer(503).stores()),
    ] {
        gateway.cortex.forget();
        gateway.cortex.fault("team-b", fault.times(1));
        let batch = Batch::of(&TENANTS);
        assert_answer(what, &client.send(batch.push()).await?, 200, None, &[]);
        let state = gateway.cortex.state();
        assert_received(what, &state, &[(&batch, &TRIED)]);
        for tenant in TENANTS {
            batch.assert_stored(what, &state, tenant, true);
        }
    }

    gateway.cortex.forget();
    gateway.cortex.fault("team-b", says(503, "not now"));
    let batch = Batch::of(&TENANTS);
    let answer = client.send(batch.push()).await?;
    gateway.cortex.heal("team-b");
    assert_answer("twice in vain", &answer, 503, None, &["tenant team-b: 503 not now"]);
    let state = gateway.cortex.state();
    assert_received("twice in vain", &state, &[(&batch, &TRIED)]);
    batch.assert_stored("twice in vain", &state, "team-b", false);
    Ok(())
}

/// The backend is down: nothing arrives, and what is sent after its return does.
async fn nobody_listens(gateway: &mut Gateway) -> Result<()> {
    const REFUSED: &str = "503 upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    let lines = TENANTS.map(|tenant| format!("tenant {tenant}: {REFUSED}"));
    let lines = lines.each_ref().map(String::as_str);
    for listener in ["cluster", "listener"] {
        gateway.cortex.forget();
        let client = gateway.client_of(listener, Protocol::Http1)?;
        let (before, during, after) = (Batch::of(&TENANTS), Batch::of(&TENANTS), Batch::of(&TENANTS));
        client.send(before.push()).await?.expect(200)?;
        gateway.cortex.down().await?;
        // That a pooled connection was closed shows only after a while.
        gateway.admin()?.wait_for_stat("cluster.cortex.upstream_cx_active", |active| active == 0).await?;
        assert_answer(listener, &client.send(during.push()).await?, 503, None, &lines);
        gateway.cortex.up()?;
        client.send(after.push()).await?.expect(200)?;
        assert_all_received(listener, &gateway.cortex.state(), &[&before, &after]);
    }
    gateway.wait_for_rest().await
}

/// A call that Envoy does not take counts as a failure of its tenant, and the others get theirs.
#[tokio::test]
async fn clusters_that_take_no_call() -> Result<()> {
    let to = |cluster| bounded(json!({"cluster": cluster}), json!({}));
    let gateway = Builder::new("unknown", &to("nowhere"))
        .beside("no host", &to("nobody"))
        .beside("one at a time", &to("tight"))
        .start()
        .await?;
    let cases: [(_, &[_]); 3] = [
        (
            "unknown",
            &[
                "tenant team-a: no answer: the cluster is unknown",
                "tenant team-b: no answer: the cluster is unknown",
                "tenant team-c: no answer: the cluster is unknown",
            ],
        ),
        (
            "no host",
            &[
                "tenant team-a: no answer: no healthy upstream, or its circuit breaker is open",
                "tenant team-b: no answer: no healthy upstream, or its circuit breaker is open",
                "tenant team-c: no answer: no healthy upstream, or its circuit breaker is open",
            ],
        ),
        // While there is no connection yet a call waits for one before it finds no room.
        (
            "one at a time",
            &[
                "tenant team-b: 503 upstream connect error or disconnect/reset before headers. reset reason: overflow|\
                tenant team-b: no answer: no healthy upstream, or its circuit breaker is open",
                "tenant team-c: 503 upstream connect error or disconnect/reset before headers. reset reason: overflow|\
                tenant team-c: no answer: no healthy upstream, or its circuit breaker is open",
            ],
        ),
    ];
    for (listener, lines) in cases {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            gateway.cortex.forget();
            let batch = Batch::of(&TENANTS);
            let answer = gateway.client_of(listener, protocol)?.send(batch.push()).await?;
            assert_answer(listener, &answer, 503, None, lines);
            let first = usize::from(listener == "one at a time");
            assert_received(listener, &gateway.cortex.state(), &[(&batch, &[("team-a", first)])]);
        }
    }
    gateway.wait_for_rest().await
}
