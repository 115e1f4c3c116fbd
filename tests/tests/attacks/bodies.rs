//! Bodies that two readers would end in different places.

use anyhow::{Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::client::raw::Raw;
use scopegate_tests::remote_write::WriteRequest;

use crate::gateway::{
    Attack, ByEnvoy, Expected, Filter, Gateway, QUERY, Reaches, Sent, Upstream, as_agent, head,
};

const FORM: &str = "query=up";
const TARGET: &str = "POST /prometheus/api/v1/query HTTP/1.1";

/// A second request, which must never be one of its own.
const SMUGGLED: &str = "GET /config HTTP/1.1\r\nhost: gateway.test\r\nx-scope-orgid: evil\r\n\r\n";

#[tokio::test]
async fn lengths_and_chunks() -> Result<()> {
    for upstream in [Upstream::Http1, Upstream::Http2] {
        let gateway = Gateway::start(upstream).await?;
        let authorization = format!("authorization: Bearer {}", gateway.user("a"));
        let raw = |what: &str, lines: &[&str], body: &[u8], arrives: Option<&[u8]>, expected: Expected| {
            let mut all = vec![authorization.as_bytes(), b"content-type: application/x-www-form-urlencoded"];
            all.extend(lines.iter().map(|line| line.as_bytes()));
            let bytes = [head(TARGET, &all), body.to_vec()].concat();
            Attack { sent: Sent::Raw(bytes, arrives.map(<[u8]>::to_vec)), ..Attack::raw(what, "", expected) }
        };
        let chunked = "transfer-encoding: chunked";
        let whole = Some(FORM.as_bytes());
        let one = b"8\r\nquery=up\r\n0\r\n\r\n";
        let smuggled = [one.as_slice(), SMUGGLED.as_bytes()].concat();
        let hidden = format!("0\r\n\r\n{SMUGGLED}");
        let length = format!("content-length: {}", hidden.len());
        let bad = ByEnvoy(400);
        let attacks = vec![
            raw("honest, a length", &["content-length: 8"], b"query=up", whole, Reaches("a")),
            raw("honest, a chunk", &[chunked], one, whole, Reaches("a")),
            raw("a length and chunks", &["content-length: 8", chunked], one, None, bad),
            raw("chunks and a length", &[chunked, "content-length: 3"], one, None, bad),
            raw("a request behind a length of chunks", &[&length, chunked], hidden.as_bytes(), None, bad),
            raw("two lengths", &["content-length: 8", "content-length: 9"], b"query=upx", None, bad),
            raw("the same length twice", &["content-length: 8", "content-length: 8"], b"query=up", None, bad),
            raw("two lengths in one", &["content-length: 8, 9"], b"query=upx", None, bad),
            raw("a length with a sign", &["content-length: +8"], b"query=up", None, bad),
            raw("a negative length", &["content-length: -1"], b"query=up", None, bad),
            raw("a length in hex", &["content-length: 0x8"], b"query=up", None, bad),
            raw("an endless length", &["content-length: 99999999999999999999999"], b"query=up", None, bad),
            raw("a length with white space", &["content-length : 8"], b"query=up", None, bad),
            raw("an unknown coding", &["transfer-encoding: xchunked"], one, None, ByEnvoy(501)),
            raw("chunked and identity", &["transfer-encoding: chunked, identity"], one, None, ByEnvoy(501)),
            raw("gzip and chunked", &["transfer-encoding: gzip, chunked"], one, None, ByEnvoy(501)),
            raw("chunked twice", &[chunked, chunked], one, None, ByEnvoy(501)),
            raw("an odd chunked", &["transfer-encoding:\x0bchunked"], one, None, bad),
            raw("a quoted chunked", &["transfer-encoding: \"chunked\""], one, None, ByEnvoy(501)),
            raw("chunked in upper case", &["Transfer-Encoding: CHUNKED"], one, whole, Reaches("a")),
            raw(
                "an extension of a chunk",
                &[chunked],
                b"8;x=1\r\nquery=up\r\n0\r\n\r\n",
                whole,
                Reaches("a"),
            ),
            raw(
                "a chunk with zeros before",
                &[chunked],
                b"0008\r\nquery=up\r\n0\r\n\r\n",
                whole,
                Reaches("a"),
            ),
            raw("a chunk of hex digits", &[chunked], b"0x8\r\nquery=up\r\n0\r\n\r\n", None, bad),
            raw(
                "a chunk of too many digits",
                &[chunked],
                b"10000000000000008\r\nquery=up\r\n0\r\n\r\n",
                None,
                bad,
            ),
            // Envoy passes over the rest of the line, and the backend reads what Envoy read.
            raw(
                "a chunk that is longer",
                &[chunked],
                b"7\r\nquery=up\r\n0\r\n\r\n",
                Some(b"query=u"),
                Reaches("a"),
            ),
            raw("a chunk of no number", &[chunked], b"z\r\nquery=up\r\n0\r\n\r\n", None, bad),
            // What stands behind the end is not even read where the connection ends.
            raw(
                "nothing, then more",
                &[chunked],
                b"0\r\n\r\n8\r\nquery=up\r\n0\r\n\r\n",
                Some(b""),
                Reaches("a"),
            ),
            raw("a request behind the end", &[chunked], &smuggled, whole, Reaches("a")),
            raw(
                "a header as a trailer",
                &[chunked],
                b"8\r\nquery=up\r\n0\r\nx-scope-orgid: evil\r\n\r\n",
                whole,
                Reaches("a"),
            ),
            raw(
                "a length as a trailer",
                &[chunked],
                b"8\r\nquery=up\r\n0\r\ncontent-length: 3\r\n\r\n",
                whole,
                Reaches("a"),
            ),
            raw(
                "a tenant in an extension",
                &[chunked],
                b"8;x-scope-orgid=evil\r\nquery=up\r\n0\r\n\r\n",
                whole,
                Reaches("a"),
            ),
        ];
        gateway.withstand(attacks).await?;
    }
    Ok(())
}

/// Each request on a connection is judged alone, whatever became of the one before it.
#[tokio::test]
async fn requests_behind_each_other() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let (a, b) = (gateway.user("a"), gateway.user("b"));
    let by = |token: &str| format!("authorization: Bearer {token}\r\n");
    let get =
        |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\nhost: gateway.test\r\n{lines}\r\n");
    let closing = format!("{}connection: close\r\n", by(&b));
    let refused = || (get("/config", &by(&a)), 403, None);
    let by_a = || (get(QUERY, &by(&a)), 200, Some("a"));
    let by_b = || (get(QUERY, &closing), 200, Some("b"));
    let nobody = || (get(QUERY, ""), 401, None);
    let foreign = || (get(QUERY, &format!("x-scope-orgid: a\r\n{closing}")), 403, None);
    for (what, requests) in [
        ("behind a refused one", vec![refused(), by_b()]),
        ("nobody behind somebody", vec![by_a(), nobody()]),
        ("another behind one", vec![by_a(), by_b()]),
        ("a foreign tenant behind its own", vec![by_a(), foreign()]),
        ("several", vec![refused(), by_a(), refused(), nobody(), by_b()]),
    ] {
        gateway.cortex.forget();
        let mut raw = Raw::connect(gateway.envoy.listener("gateway")?).await?;
        // In one piece: what is behind is there before the first is answered.
        raw.write(requests.iter().map(|(text, ..)| text.as_str()).collect::<String>()).await?;
        let mut answered = 0;
        let mut tenants = Vec::new();
        for (_, status, tenant) in &requests {
            // Envoy may end a connection behind a refusal.
            let Ok(answer) = raw.answer().await else { break };
            ensure!(answer.status == *status, "{what}, after {answered}: {answer:?}");
            tenants.extend(*tenant);
            answered += 1;
            if answer.header("connection") == Some("close") {
                break;
            }
        }
        ensure!(answered > 0 && (answered > 1 || requests[0].1 != 200), "{what}: {answered} answers");
        let state = gateway.cortex.state();
        let reached: Vec<_> = state.requests.iter().filter_map(|request| request.tenant.as_deref()).collect();
        ensure!(reached == tenants, "{what}: {}", state.summary());
        state.requests.iter().try_for_each(crate::gateway::clean)?;
    }
    // A refused write whose body is not read is no request of its own, and none stands in its body.
    gateway.cortex.forget();
    let mut raw = Raw::connect(gateway.envoy.listener("gateway")?).await?;
    let body = get(QUERY, &by(&a));
    let post = format!(
        "POST /config HTTP/1.1\r\nhost: gateway.test\r\n{}content-length: {}\r\n\r\n{body}{}",
        by(&a),
        body.len(),
        get("/metrics", &closing)
    );
    raw.write(post).await?;
    let mut statuses = vec![raw.answer().await?.status];
    // Envoy may go on with the connection or end it.
    if let Ok(answer) = raw.answer().await {
        statuses.push(answer.status);
    }
    ensure!(statuses.iter().all(|status| *status == 403), "{statuses:?}");
    ensure!(gateway.cortex.state().requests.is_empty(), "{}", gateway.cortex.state().summary());
    gateway.is_well().await
}

#[tokio::test]
async fn bodies_where_none_may_be_and_encodings() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let token = gateway.user("a");
    let push = || WriteRequest::realistic(2).push().bearer(&token);
    let body = push().whole_body();
    let (first, second) = (body[..9].to_vec(), body[9..].to_vec());
    let agent = || as_agent(WriteRequest::realistic(2).push()).header("x-scope-impersonate", "true");
    let post = |encoding: &[&str]| {
        let call = Call::post("/api/v1/push", body.clone()).bearer(&token);
        let call = call
            .header("content-type", "application/x-protobuf")
            .header("x-prometheus-remote-write-version", "0.1.0");
        encoding.iter().fold(call, |call, encoding| call.header("content-encoding", encoding))
    };
    let mut attacks = Vec::new();
    for (what, call, expected) in [
        ("in pieces", push().chunks([first.clone(), vec![], second.clone()]), Reaches("a")),
        // For this backend a body on GET means nothing, and it goes where its head goes.
        (
            "a body on GET",
            Call::get(QUERY).bearer(&token).body("query=down&x-scope-orgid=evil"),
            Reaches("a"),
        ),
        ("a body on DELETE", Call::new("DELETE", "/api/v1/rules/ns").bearer(&token).body("x"), Reaches("a")),
        (
            "an agent's, in pieces",
            agent().chunks([first.clone(), vec![], second.clone()]),
            Reaches("central"),
        ),
        ("snappy", post(&["snappy"]), Reaches("a")),
        ("snappy twice", post(&["snappy", "snappy"]), Filter(415, "the content encoding must be")),
        ("snappy twice in one", post(&["snappy, snappy"]), Filter(415, "the content encoding must be")),
        ("snappy and gzip", post(&["snappy", "gzip"]), Filter(415, "the content encoding must be")),
        ("gzip", post(&["gzip"]), Filter(415, "the content encoding must be")),
        ("an unknown one", post(&["snappy;q=1"]), Filter(415, "the content encoding must be")),
    ] {
        attacks.extend(Attack::both(what, &call, expected));
    }
    // A length that is not the body's: Envoy resets the stream.
    for length in ["1", "99999"] {
        let call = Call::form("/prometheus/api/v1/query", &[("query", "up")])
            .bearer(&token)
            .header("content-length", length);
        attacks.push(Attack::http2(format!("a length of {length}"), call, ByEnvoy(0)));
    }
    let authorization = format!("authorization: Bearer {token}");
    let lines: [&[u8]; 3] = [
        authorization.as_bytes(),
        b"transfer-encoding: chunked",
        b"content-type: application/x-www-form-urlencoded",
    ];
    let bytes =
        [head(&format!("GET {QUERY} HTTP/1.1"), &lines), b"5\r\nabcde\r\n0\r\n\r\n".to_vec()].concat();
    attacks.push(Attack {
        sent: Sent::Raw(bytes, Some(b"abcde".to_vec())),
        ..Attack::raw("chunks on GET", "", Reaches("a"))
    });
    gateway.withstand(attacks).await
}

/// `Expect: 100-continue`: Envoy says "go on" by itself, and the filter judges the request as every other.
#[tokio::test]
async fn expectations() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let by = |token: &str| format!("authorization: Bearer {token}\r\n");
    let a = by(&gateway.user("a"));
    for (what, lines, status, tenants) in [
        ("honest", a.clone(), 200, vec!["a"]),
        ("by nobody", String::new(), 401, vec![]),
        ("for another", format!("{a}x-scope-orgid: evil\r\n"), 403, vec![]),
    ] {
        gateway.cortex.forget();
        let mut raw = Raw::connect(gateway.envoy.listener("gateway")?).await?;
        raw.write(format!(
            "{TARGET}\r\nhost: gateway.test\r\nconnection: close\r\nexpect: 100-continue\r\n{lines}\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 8\r\n\r\n"
        ))
        .await?;
        let mut answer = raw.answer().await?;
        if answer.status == 100 {
            // It may be refused by now.
            let _ = raw.write(FORM).await;
            answer = raw.answer().await?;
        }
        ensure!(answer.status == status, "{what}: {answer:?}");
        let state = gateway.cortex.state();
        ensure!(state.tenants() == tenants, "{what}: {}", state.summary());
        ensure!(state.requests.iter().all(|request| request.body == FORM.as_bytes()), "{what}");
    }
    gateway.is_well().await
}
