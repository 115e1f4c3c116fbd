//! Requests that try to see more: each is refused, or sees what an honest one sees.

use anyhow::{Result, ensure};
use scopegate_tests::client::{Answer, Call, raw};
use scopegate_tests::identity::basic;

use crate::endpoints::check_is_own;
use crate::world::{Backend, World, as_user};

const FORM: &str = "application/x-www-form-urlencoded";
const ALL: &str = "%7B__name__%3D~%22.%2B%22%7D";

/// What may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// It is refused, and so the backend never sees it.
    Refused,
    /// It is answered, with what is the tenant's own or nothing.
    Own,
}

use May::{Own, Refused};

fn check(what: &str, may: May, answer: &Answer) -> Result<()> {
    check_is_own(what, &answer.text())?;
    match may {
        Refused => {
            let is_ours = answer.text().contains("scopegate: ");
            ensure!(matches!(answer.status, 400..=415) && is_ours, "{what} was not refused: {answer}");
        }
        Own => ensure!(answer.status < 500, "{what}: {answer}"),
    }
    Ok(())
}

fn multipart(name: &str, value: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--x--\r\n")
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_hostile_request_is_refused_or_harmless() -> Result<()> {
    let world = World::start().await?;
    let get = |target: &str| Call::get(target);
    let form = |target: &str, body: &str| Call::post(target, body.to_owned()).header("content-type", FORM);
    let typed =
        |media: &str, body: &str| Call::post("/api/v1/query", body.to_owned()).header("content-type", media);
    let parts = "multipart/form-data; boundary=x";
    let cases: Vec<(&str, May, Call)> = vec![
        // Where a query may stand.
        (
            "a body on GET",
            Refused,
            get("/api/v1/query?query=up").header("content-type", FORM).body("query=up"),
        ),
        (
            "multipart on GET",
            Refused,
            get("/api/v1/query?query=up").header("content-type", parts).body(multipart("query", "up")),
        ),
        ("multipart", Refused, typed(parts, &multipart("query", "up"))),
        (
            "multipart beside the URL",
            Refused,
            Call::post("/api/v1/query?query=up", multipart("query", "up")).header("content-type", parts),
        ),
        (
            "multipart with filters",
            Refused,
            Call::post("/api/v1/query?query=up", multipart("extra_filters[]", "{}"))
                .header("content-type", parts),
        ),
        (
            "multipart of selectors",
            Refused,
            Call::post("/api/v1/series", multipart("match[]", "up")).header("content-type", parts),
        ),
        ("multipart/mixed", Refused, typed("multipart/mixed; boundary=x", "query=up")),
        ("JSON", Refused, typed("application/json", "{\"query\":\"up\"}")),
        ("text", Refused, typed("text/plain", "query=up")),
        ("no type", Refused, Call::post("/api/v1/query", "query=up")),
        ("a type twice", Refused, typed(FORM, "query=up").header("content-type", parts)),
        (
            "two types in one",
            Refused,
            typed("application/x-www-form-urlencoded, multipart/form-data; boundary=x", "query=up"),
        ),
        ("a form in UTF-16", Refused, typed("application/x-www-form-urlencoded; charset=utf-16", "query=up")),
        (
            "a form with a boundary",
            Refused,
            typed("application/x-www-form-urlencoded; boundary=x", &multipart("query", "up")),
        ),
        ("a form in gzip", Refused, typed(FORM, "query=up").header("content-encoding", "gzip")),
        ("a form in identity", Refused, typed(FORM, "query=up").header("content-encoding", "identity")),
        (
            "a form without length",
            Own,
            Call::new("POST", "/api/v1/query").header("content-type", FORM).chunks(["quer", "y=up"]),
        ),
        ("a form with trailers", Own, form("/api/v1/query", "query=up").trailer("x-query", "up")),
        ("a query in a trailer", Own, form("/api/v1/query", "").trailer("query", "up")),
        ("an empty form", Own, form("/api/v1/query", "")),
        ("PUT", Refused, Call::new("PUT", "/api/v1/query").header("content-type", FORM).body("query=up")),
        ("PATCH", Refused, Call::new("PATCH", "/api/v1/query").header("content-type", FORM).body("query=up")),
        (
            "DELETE with a form",
            Refused,
            Call::new("DELETE", "/api/v1/series").header("content-type", FORM).body("match[]=up"),
        ),
        ("OPTIONS", Refused, Call::new("OPTIONS", "/api/v1/query?query=up")),
        ("an unknown method", Own, Call::new("QUERY", "/api/v1/query?query=up")),
        // Which of several.
        (
            "two queries, the second open",
            Own,
            get("/api/v1/query?query=up&query=up%7Bowner%3D%22team-b%22%7D"),
        ),
        (
            "two queries, the first open",
            Own,
            get("/api/v1/query?query=up%7Bowner%3D%22team-b%22%7D&query=up"),
        ),
        (
            "one in the form, one in the URL",
            Own,
            form("/api/v1/query?query=up%7Bowner%3D%22team-b%22%7D", "query=up"),
        ),
        ("selectors in both", Own, form("/api/v1/series?match[]=up", "match[]=%7Bowner%3D%22team-b%22%7D")),
        ("match and match[]", Own, get(&format!("/api/v1/series?match={ALL}&match[]={ALL}"))),
        ("match alone", Own, get(&format!("/api/v1/labels?match={ALL}"))),
        ("an escaped name", Own, get(&format!("/api/v1/query?%71uery={ALL}"))),
        ("an escaped name of a selector", Own, get(&format!("/api/v1/series?%6datch%5b%5d={ALL}"))),
        ("a plus in a name", Own, get(&format!("/api/v1/query?+query={ALL}&query=up"))),
        ("an upper-case name", Own, get(&format!("/api/v1/query?QUERY={ALL}&query=up"))),
        ("an indexed selector", Own, get(&format!("/api/v1/series?match[0]={ALL}"))),
        ("an empty argument", Own, get("/api/v1/query?&&query=up&&=&")),
        ("an empty selector", Refused, get("/api/v1/labels?match[]=")),
        ("a selector of nothing", Own, get("/api/v1/series?match[]=%7B%7D")),
        ("a query of nothing", Refused, get("/api/v1/query?query=")),
        // How it is written.
        ("a semicolon", Refused, get("/api/v1/query?x=1;query=up")),
        ("a semicolon at the end", Refused, get("/api/v1/query?query=up;")),
        ("a semicolon in a form", Refused, form("/api/v1/query", "x=1;query=up")),
        ("a broken escape", Refused, get("/api/v1/query?query=up&x=%zz")),
        ("half an escape", Refused, get("/api/v1/query?query=up%")),
        ("a broken escape in a form", Refused, form("/api/v1/query", "query=up%7")),
        ("a broken name in a form", Refused, form("/api/v1/query", "%q=1&query=up")),
        ("a NUL", Refused, get("/api/v1/query?query=up%00")),
        ("a NUL in a form", Refused, form("/api/v1/query", "query=up%00%7B")),
        ("a raw NUL in a form", Refused, form("/api/v1/query", "query=up\0")),
        ("not UTF-8", Refused, get("/api/v1/query?query=%ff%fe")),
        ("overlong quotes", Refused, get("/api/v1/query?query=up%7Ba%3D%C0%A2%7D")),
        ("encoded twice", Refused, get("/api/v1/query?query=up%257Bowner%253D%2522x%2522%257D")),
        ("spaces as plus", Own, get("/api/v1/query?query=up+or+up")),
        ("spaces as %20", Own, get("/api/v1/query?query=up%20or%20up")),
        ("a newline and a comment", Own, get("/api/v1/query?query=up%23%0a%7Bowner%3D%22team-b%22%7D")),
        ("a comment at the end", Own, get("/api/v1/query?query=up%20%23%20%7B")),
        ("a comment in the middle", Own, get("/api/v1/query?query=up%23x&y=1").header("x-ignored", "#")),
        // Matchers that try to get out of ours.
        ("the tenant of another", Own, get("/api/v1/query?query=up%7Btenant%3D%22team-b%22%7D")),
        ("not this tenant", Own, get("/api/v1/query?query=up%7Btenant!%3D%22team-a%22%7D")),
        ("any tenant", Own, get("/api/v1/query?query=up%7Btenant%3D~%22.*%22%7D")),
        ("no tenant", Own, get("/api/v1/query?query=up%7Btenant%3D%22%22%7D")),
        (
            "an alternative of MetricsQL",
            Refused,
            get("/api/v1/query?query=up%7Btenant%3D%22team-a%22%20or%20owner%3D%22x%22"),
        ),
        (
            "label_replace",
            Own,
            get(
                "/api/v1/query?query=label_replace(up%2C%22tenant%22%2C%22%241%22%2C%22owner%22%2C%22(.*)%22)",
            ),
        ),
        ("closing ours", Refused, get("/api/v1/query?query=up%7D%20or%20up%7B")),
        // Which path.
        ("doubled slashes", Refused, get(&format!("//api/v1/query?query={ALL}"))),
        ("doubled slashes within", Refused, get(&format!("/api//v1/query?query={ALL}"))),
        ("an escaped letter", Refused, get(&format!("/api/v1/quer%79?query={ALL}"))),
        ("dot segments", Refused, get(&format!("/api/v1/x/../query?query={ALL}"))),
        ("escaped dot segments", Refused, get(&format!("/api/v1/%2e%2e/v1/query?query={ALL}"))),
        ("an escaped slash", Refused, get(&format!("/api%2Fv1/query?query={ALL}"))),
        ("a path parameter", Refused, get(&format!("/api/v1/query;x=1?query={ALL}"))),
        ("a slash at the end", Refused, get(&format!("/api/v1/query/?query={ALL}"))),
        ("another prefix", Refused, get(&format!("/graphite/api/v1/query?query={ALL}"))),
        ("a prefix twice", Refused, get(&format!("/prometheus/prometheus/api/v1/query?query={ALL}"))),
        ("upper case", Refused, get(&format!("/API/V1/query?query={ALL}"))),
        ("the series of all", Refused, get("/api/v1/series/count")),
        ("deleting", Refused, Call::post(&format!("/api/v1/admin/tsdb/delete_series?match[]={ALL}"), "")),
        ("its own state", Refused, get("/api/v1/status/tsdb")),
        ("what others ask", Refused, get("/api/v1/status/active_queries")),
        // Headers.
        (
            "another method by header",
            Own,
            get("/api/v1/query?query=up").header("x-http-method-override", "POST"),
        ),
        (
            "another path by header",
            Own,
            get("/api/v1/query?query=up")
                .header("x-original-url", "/metrics")
                .header("x-rewrite-url", "/metrics"),
        ),
        ("a policy", Own, get("/api/v1/query?query=up").header("x-prom-label-policy", "team-a:%7B%7D")),
        ("accounts", Own, get("/api/v1/query?query=up").header("accountid", "0").header("projectid", "1")),
        ("Thanos' tenant", Own, get("/api/v1/query?query=up").header("thanos-tenant", "team-b")),
        ("a tenant of another", Refused, get("/api/v1/query?query=up").tenant("team-b")),
        ("two tenants", Refused, get("/api/v1/query?query=up").tenant("team-a|team-b")),
        ("two headers", Refused, get("/api/v1/query?query=up").tenant("team-a").tenant("team-b")),
        ("an empty tenant", Refused, get("/api/v1/query?query=up").tenant("")),
        ("an upgrade", Own, get("/api/v1/query?query=up").header("upgrade", "h2c")),
    ];
    ensure!(cases.len() >= 60, "only {}", cases.len());
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        for (what, may, call) in &cases {
            // By argument the backend reads its own language, and nothing in it leads out.
            let is_query = call.to_string().contains("query=") || what.contains("selector");
            let by_argument = backend == Backend::VictoriaMetrics && is_query;
            let answer = world.ask(backend, "team-a", call.clone()).await?;
            let what = format!("{backend:?}: {what} ({call})");
            let is_about_text = [
                "query of nothing",
                "empty selector",
                "encoded twice",
                "alternative",
                "closing ours",
                "not UTF-8",
                "overlong",
                "a fragment",
            ]
            .iter()
            .any(|about| what.contains(about));
            let may = if by_argument && is_about_text { Own } else { *may };
            if may == Own && by_argument {
                check_is_own(&what, &answer.text())?;
            } else {
                check(&what, may, &answer)?;
            }
        }
    }
    Ok(())
}

/// What no library sends.
#[tokio::test]
async fn hostile_bytes_are_refused_or_harmless() -> Result<()> {
    let world = World::start().await?;
    let address = world.envoy.listener("gateway")?;
    let authorization = basic("team-a", "secret");
    for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
        let head =
            format!("host: {}\r\nauthorization: {authorization}\r\nconnection: close\r\n", backend.host());
        let requests = [
            format!("GET http://{}/api/v1/query?query=up HTTP/1.1\r\n{head}\r\n", backend.host()),
            format!("get /api/v1/query?query=up HTTP/1.1\r\n{head}\r\n"),
            format!("GET /api/v1/query?query=up HTTP/1.0\r\n{head}\r\n"),
            format!("GET /api/v1/query?query=up#&query=up HTTP/1.1\r\n{head}\r\n"),
            format!("GET /api/v1/query?query=up\\ HTTP/1.1\r\n{head}\r\n"),
            format!("GET /api/v1/../v1/query?query=up HTTP/1.1\r\n{head}\r\n"),
            format!(
                "POST /api/v1/query HTTP/1.1\r\n{head}content-type: {FORM}\r\ncontent-length: 8\r\ncontent-length: 9\r\n\r\nquery=upx"
            ),
            format!(
                "POST /api/v1/query HTTP/1.1\r\n{head}content-type: {FORM}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n8\r\nquery=up\r\n0\r\n\r\n"
            ),
            format!(
                "POST /api/v1/query HTTP/1.1\r\n{head}content-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n4\r\nquer\r\n4\r\ny=up\r\n0\r\n\r\n"
            ),
            format!(
                "POST /api/v1/query HTTP/1.1\r\n{head}Content-Type: {FORM}\r\nCONTENT-TYPE: multipart/form-data; boundary=x\r\ncontent-length: 8\r\n\r\nquery=up"
            ),
            format!(
                "POST /api/v1/query HTTP/1.1\r\n{head}content-type:\t{FORM}\r\ncontent-length: 8\r\nexpect: 100-continue\r\n\r\nquery=up"
            ),
            format!(
                "GET /api/v1/query?query=up HTTP/1.1\r\n{head}content-length: 8\r\ncontent-type: {FORM}\r\n\r\nquery=up"
            ),
            format!(
                "GET /api/v1/labels HTTP/1.1\r\n{head}transfer-encoding: chunked\r\ncontent-type: multipart/form-data; boundary=x\r\n\r\n0\r\n\r\n"
            ),
        ];
        for request in requests {
            let mut connection = raw::Raw::connect(address).await?;
            connection.write(&request).await?;
            let all = String::from_utf8_lossy(&connection.rest().await?).into_owned();
            check_is_own(&request, &all)?;
            ensure!(all.starts_with("HTTP/1."), "{request}: {all}");
            ensure!(!all.starts_with("HTTP/1.1 5"), "{request}: {all}");
        }
    }
    // An honest request is served after all of that.
    let call = as_user(Call::query("/api/v1/query", &[("query", "up")]), Backend::Prometheus, "team-a");
    let text = world.client()?.send(call).await?.expect(200)?.text();
    ensure!(text.contains("team-a:9090"), "{text}");
    Ok(())
}
