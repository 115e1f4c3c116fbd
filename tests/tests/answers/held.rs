//! Answers that are held until they are whole: however they come, nothing foreign goes on, and nothing hangs.

use std::io::Write as _;

use anyhow::Result;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use scopegate_tests::bootstrap::Cluster;
use scopegate_tests::client::Call;
use scopegate_tests::wait::DEADLINE;
use serde_json::{Value, json};

use crate::canned::{Backend, Canned};
use crate::gateway::{Gateway, by, configuration};

const PATH: &str = "/api/v2/alerts";
const OWN: &str = r#"{"labels":{"tenant":"team-a"},"n":1e+00}"#;

/// A list of alerts, own and foreign in turn, and what stays of it.
fn alerts(count: usize, padding: usize) -> (Vec<u8>, Vec<u8>) {
    let padding = "x".repeat(padding);
    let own = format!(r#"{{"labels":{{"tenant":"team-a"}},"s":"{padding}"}}"#);
    let foreign = format!(r#"{{"labels":{{"tenant":"team-b"}},"s":"{padding}"}}"#);
    let all: Vec<&str> = (0..count).map(|at| if at % 2 == 0 { own.as_str() } else { &foreign }).collect();
    let kept: Vec<&str> = all.iter().copied().filter(|alert| *alert == own).collect();
    (format!("[{}]", all.join(",")).into_bytes(), format!("[{}]", kept.join(",")).into_bytes())
}

fn pieces(body: &[u8], size: usize) -> Vec<Bytes> {
    body.chunks(size).map(Bytes::copy_from_slice).collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn ok(pieces: Vec<Bytes>) -> Canned {
    Canned {
        status: 200,
        headers: vec![("content-type", "application/json".into())],
        pieces,
        ..Canned::default()
    }
}

#[tokio::test]
async fn however_an_answer_comes() -> Result<()> {
    let (body, kept) = alerts(20, 100);
    let length = |body: &[u8]| ("content-length", body.len().to_string());
    let with = |canned: Canned, headers: &[(&'static str, String)]| Canned {
        headers: [canned.headers.as_slice(), headers].concat(),
        ..canned
    };
    let packed = gzip(&body);
    let cases: Vec<(&str, Canned)> = vec![
        ("with its length", with(ok(pieces(&body, body.len())), &[length(&body)])),
        ("in one chunk", ok(pieces(&body, body.len()))),
        ("in small chunks", ok(pieces(&body, 7))),
        ("with trailers", Canned { trailers: vec![("x-trailer", "1")], ..ok(pieces(&body, 1000)) }),
        (
            "in one chunk with trailers",
            Canned { trailers: vec![("x-trailer", "1")], ..ok(pieces(&body, body.len())) },
        ),
        (
            "compressed",
            with(ok(pieces(&packed, 50)), &[("content-encoding", "gzip".into()), length(&packed)]),
        ),
        (
            "to be kept",
            with(
                ok(pieces(&body, 100)),
                &[
                    ("etag", "\"1\"".into()),
                    ("last-modified", "Wed, 25 Nov 2026 16:35:46 GMT".into()),
                    ("cache-control", "public, max-age=60".into()),
                    ("x-own", "stays".into()),
                ],
            ),
        ),
    ];
    for version in [1, 2] {
        let backend = Backend::start()?;
        let cluster = if version == 1 { Cluster::http1 } else { Cluster::http2 };
        let cluster = cluster("backend", backend.address);
        let gateway = Gateway::with(&configuration("alertmanager"), cluster, |listener| listener).await?;
        for (what, canned) in &cases {
            for client in [gateway.http1()?, gateway.http2()?] {
                backend.answer(canned.clone());
                let call = by("alice", Call::get(PATH))
                    .header("accept-encoding", "gzip")
                    .header("if-none-match", "\"1\"")
                    .header("range", "bytes=0-10");
                let answer = client.send(call).await?.expect(200)?;
                let what = format!("HTTP/{version} {what}");
                assert_eq!(answer.body, kept, "{what}: {}", answer.text());
                assert_eq!(answer.header("content-length"), Some(kept.len().to_string().as_str()), "{what}");
                for name in ["content-encoding", "etag", "last-modified"] {
                    assert_eq!(answer.header(name), None, "{what}: {name}");
                }
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
                assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
                let heard = backend.heard();
                for name in ["accept-encoding", "if-none-match", "range", "x-scope-orgid", "authorization"] {
                    assert!(heard.iter().flatten().all(|(known, _)| known != name), "{what}: {heard:?}");
                }
                let target = (":target".to_owned(), format!("{PATH}?filter=tenant%3D%22team-a%22"));
                assert!(heard[0].contains(&target), "{what}: {heard:?}");
            }
        }
    }
    Ok(())
}

/// Whatever is no such answer goes no further: nothing of it is seen.
#[tokio::test]
async fn what_is_no_answer_goes_no_further() -> Result<()> {
    let backend = Backend::start()?;
    let mut configuration = configuration("alertmanager");
    configuration["access_log"] = json!(true);
    let log = [("scopegate", "%FILTER_STATE(wasm.scopegate:PLAIN)%")];
    let cluster = Cluster::http1("backend", backend.address);
    let gateway = Gateway::with(&configuration, cluster, |listener| listener.access_log(&log)).await?;
    let foreign = r#"[{"labels":{"tenant":"team-b"}}"#;
    let body = |text: &str| ok(vec![Bytes::from(text.to_owned())]);
    let encoded = |encoding: &str, body: Vec<u8>| {
        let canned = ok(vec![Bytes::from(body)]);
        Canned { headers: vec![("content-encoding", encoding.to_owned())], ..canned }
    };
    let cases: Vec<(&str, Canned, u16, &str)> = vec![
        ("cut off", body(foreign), 502, "cannot be narrowed"),
        ("a page", body("<html>team-b</html>"), 502, "cannot be narrowed"),
        ("nothing", ok(vec![]), 502, "cannot be narrowed"),
        ("two answers", body(r#"[] [{"labels":{"tenant":"team-b"}}]"#), 502, "cannot be narrowed"),
        ("another shape", body(r#"{"alerts":[{"labels":{"tenant":"team-b"}}]}"#), 502, "cannot be narrowed"),
        (
            "labels twice",
            body(r#"[{"labels":{"tenant":"team-b"},"labels":{"tenant":"team-a"}}]"#),
            502,
            "cannot be narrowed",
        ),
        ("an unknown encoding", encoded("br", foreign.into()), 502, "cannot be narrowed"),
        ("no gzip", encoded("gzip", foreign.into()), 502, "cannot be narrowed"),
        ("a bomb", encoded("gzip", gzip(&vec![b' '; 20 << 20])), 502, "limits.response_bytes"),
        ("a part", Canned { status: 206, ..body(foreign) }, 502, "cannot be narrowed"),
    ];
    for (what, canned, status, expected) in cases {
        for client in [gateway.http1()?, gateway.http2()?] {
            backend.answer(canned.clone());
            let answer = client.send(by("alice", Call::get(PATH))).await?;
            assert_eq!(answer.status, status, "{what}: {answer}");
            assert!(!answer.text().contains("team-b"), "{what}: {answer}");
            // In the form in which the Alertmanager words its errors.
            let words: Value = answer.json()?;
            assert_eq!(words["code"], status, "{what}");
            let message = words["message"].as_str().unwrap();
            assert!(message.starts_with("scopegate: ") && message.contains(expected), "{what}: {words}");
        }
    }
    // The access log does not say that they were forwarded.
    let line = gateway.envoy.process()?.wait_for_output("decision=", DEADLINE).await?;
    assert!(line.contains("decision=refused reason=malformed_answer"), "{line}");
    // What is wrong is told by the backend itself, and needs no narrowing.
    for status in [400, 404, 500, 503] {
        backend.answer(Canned { status, ..body("\"bad matcher\"") });
        let answer = gateway.send(by("alice", Call::get(PATH))).await?;
        assert_eq!((answer.status, answer.text().as_str()), (status, "\"bad matcher\""));
    }
    for status in [204, 304] {
        backend.answer(Canned { status, ..ok(vec![]) });
        assert_eq!(gateway.send(by("alice", Call::get(PATH))).await?.status, status);
    }
    // An answer that breaks off is one that breaks off.
    backend.answer(Canned { breaks_off: true, ..body(foreign) });
    match gateway.send(by("alice", Call::get(PATH))).await {
        Ok(answer) => assert!(answer.status >= 500 && !answer.text().contains("team-b"), "{answer}"),
        Err(error) => assert!(!format!("{error:#}").contains("team-b")),
    }
    // And the gateway goes on.
    backend.answer(body(&format!("[{OWN}]")));
    assert_eq!(gateway.get("alice", PATH).await?, json!([{"labels": {"tenant": "team-a"}, "n": 1.0}]));
    Ok(())
}

/// An answer may be as large as the limit, where Envoy's own buffer is.
#[tokio::test]
async fn large_answers() -> Result<()> {
    let backend = Backend::start()?;
    let mut configuration = configuration("alertmanager");
    configuration["limits"] = json!({"response_bytes": "3MiB"});
    let cluster = Cluster::http1("backend", backend.address);
    let gateway = Gateway::with(&configuration, cluster, |listener| listener.buffer_limit(4 << 20)).await?;
    let (body, kept) = alerts(2000, 1000);
    assert!(body.len() > 1 << 20, "more than Envoy keeps unless it is told to");
    for size in [1000, 64 << 10, 1 << 20] {
        for client in [gateway.http1()?, gateway.http2()?] {
            backend.answer(ok(pieces(&body, size)));
            let answer = client.send(by("alice", Call::get(PATH))).await?.expect(200)?;
            assert!(answer.body == kept, "{size}: {} of {} bytes", answer.body.len(), kept.len());
        }
    }
    let (body, _) = alerts(4000, 1000);
    for announced in [true, false] {
        let mut canned = ok(pieces(&body, 100_000));
        if announced {
            canned.headers.push(("content-length", body.len().to_string()));
        }
        backend.answer(canned);
        let answer = gateway.send(by("alice", Call::get(PATH))).await?;
        assert_eq!(answer.status, 502, "{answer}");
        assert!(answer.text().contains("limits.response_bytes"), "{answer}");
    }
    Ok(())
}

/// Where Envoy's own buffer is smaller, Envoy says so, and lives on.
#[tokio::test]
async fn answers_beyond_the_buffer() -> Result<()> {
    const LIMIT: usize = 64 << 10;
    let backend = Backend::start()?;
    let cluster = Cluster::http1("backend", backend.address);
    let gateway = Gateway::with(&configuration("alertmanager"), cluster, |listener| {
        listener.buffer_limit(u32::try_from(LIMIT).unwrap())
    })
    .await?;
    let client = gateway.http1()?;
    let own = |size: usize| {
        format!("[{{\"labels\":{{\"tenant\":\"team-a\"}},\"s\":\"{}\"}}]", "x".repeat(size - 38))
    };
    for size in [LIMIT / 2, LIMIT - 2, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 10 * LIMIT] {
        for pieces_of in [1000, 10_000, size] {
            let body = own(size);
            backend.answer(ok(pieces(body.as_bytes(), pieces_of)));
            let answer = client.send(by("alice", Call::get(PATH))).await?;
            let is_whole = answer.status == 200 && answer.body.len() == body.len();
            assert!(
                is_whole || answer.status == 500,
                "{size} by {pieces_of}: {} {}",
                answer.status,
                answer.body.len()
            );
            assert_eq!(is_whole, size < LIMIT, "{size} by {pieces_of}");
        }
    }
    // What is compressed may be larger than Envoy keeps once it is not.
    let (body, kept) = alerts(400, 1000);
    let canned = ok(pieces(&gzip(&body), 500));
    backend.answer(Canned {
        headers: vec![("content-encoding", "gzip".into()), ("content-type", "application/json".into())],
        ..canned
    });
    for client in [gateway.http1()?, gateway.http2()?] {
        let answer = client.send(by("alice", Call::get(PATH))).await?.expect(200)?;
        assert!(answer.body == kept, "{} of {} bytes", answer.body.len(), kept.len());
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    Ok(())
}
