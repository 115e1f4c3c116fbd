//! Headers and trailers that say something about tenancy, in every spelling.

use anyhow::{Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::remote_write::{WriteRequest, series};

use crate::gateway::{
    Attack, ByEnvoy, Expected, Filter, Gateway, QUERY, Reaches, SECRET, TENANCY, Upstream, as_agent, head,
};

/// What a header does where it stands as it is, with another tenant's name in it.
fn as_it_is(name: &str) -> Expected {
    match name {
        "x-scope-orgid" => Filter(403, "names a tenant that is not this caller's own"),
        "x-scopegate-session" => Filter(401, "cannot be read"),
        "x-auth-request-user" | "x-auth-request-groups" => {
            Filter(401, "nothing proves that it comes from the proxy")
        }
        _ => Reaches("a"),
    }
}

/// What it does where it stands twice.
fn twice(name: &str) -> Expected {
    match name {
        "x-scope-orgid" | "x-scopegate-session" => Filter(400, "stands more than once"),
        other => as_it_is(other),
    }
}

/// What it does where it holds bytes that are no text.
fn odd(name: &str) -> Expected {
    match name {
        "x-scope-orgid" => Filter(400, "names no tenant"),
        other => as_it_is(other),
    }
}

/// What it does where it is empty.
fn empty(name: &str) -> Expected {
    match name {
        "x-scope-orgid" => Filter(400, "names no tenant"),
        "x-auth-request-user" | "x-auth-request-groups" => Reaches("a"),
        other => as_it_is(other),
    }
}

/// `X-Scope-Orgid`.
fn title(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[tokio::test]
async fn headers_about_tenancy() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let token = gateway.user("a");
    let authorization = format!("authorization: Bearer {token}");
    let raw = |what: &str, lines: &[&[u8]], expected: Expected| {
        let lines = [&[authorization.as_bytes()], lines].concat();
        Attack::raw(what, head(&format!("GET {QUERY} HTTP/1.1"), &lines), expected)
    };
    let get = || Call::get(QUERY).bearer(&token);
    let push = || WriteRequest::realistic(2).push().bearer(&token);
    let mut attacks = Vec::new();
    for name in TENANCY {
        let line = |name: &str, value: &str| format!("{name}: {value}").into_bytes();
        let what = |how: &str| format!("{name}, {how}");
        for spelling in [(*name).to_owned(), name.to_uppercase(), title(name)] {
            attacks.push(raw(&what(&spelling), &[&line(&spelling, "evil")], as_it_is(name)));
        }
        let upper = name.to_uppercase();
        attacks.push(raw(&what("twice"), &[&line(name, "a"), &line(&upper, "evil")], twice(name)));
        attacks.push(raw(&what("obs-text"), &[&[name.as_bytes(), b": a\xe9\xff"].concat()], odd(name)));
        attacks.push(raw(&what("white space around"), &[&line(name, " \tevil\t ")], as_it_is(name)));
        attacks.push(raw(&what("empty"), &[&line(name, "")], empty(name)));
        attacks.push(raw(&what("a NUL"), &[&line(name, "a\0")], ByEnvoy(400)));
        attacks.push(raw(
            &what("a space before the colon"),
            &[&line(&format!("{name} "), "evil")],
            ByEnvoy(400),
        ));
        attacks.push(raw(
            &what("folded"),
            &[&line("x-other", "1"), &line(&format!(" {name}"), "evil")],
            Reaches("a"),
        ));
        // Envoy takes it off before any filter sees it.
        attacks.push(raw(
            &what("in Connection"),
            &[&line("connection", name), &line(name, "evil")],
            Reaches("a"),
        ));
        attacks.push(raw(&what("announced as a trailer"), &[&line("trailer", name)], Reaches("a")));
        // What some servers read as the same.
        for spelling in [name.replace('-', "_"), upper.replace('-', "_"), name.replacen('-', "_", 1)] {
            if spelling.contains('_') {
                attacks.push(raw(
                    &what(&spelling),
                    &[&line(&spelling, "evil"), &line(&spelling, "b")],
                    Reaches("a"),
                ));
                let call = get().header(&spelling.to_lowercase(), "evil");
                attacks.push(Attack::http2(what(&spelling), call, Reaches("a")));
            }
        }
        for call in [get(), push()] {
            // The right that the last of them asks for is one that this caller does not have.
            let value = if *name == "x-scope-impersonate" { "true" } else { "evil" };
            attacks.extend(Attack::both(&what("as it is"), &call.header(name, value), as_it_is(name)));
        }
        attacks.push(Attack::http2(what("twice"), get().header(name, "a").header(name, "evil"), twice(name)));
        attacks.push(Attack::http2(what("obs-text"), get().header(name, b"a\xff\xfe"), odd(name)));
        attacks.push(Attack::http2(what("empty"), get().header(name, ""), empty(name)));
    }
    gateway.withstand(attacks).await
}

/// What comes from a browser through Grafana proves nothing, whatever it says.
#[tokio::test]
async fn headers_of_grafana_say_nothing() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http2).await?;
    let token = gateway.user("a");
    let mut attacks = Vec::new();
    for name in [
        "x-grafana-org-id",
        "X-Grafana-Org-Id",
        "x_grafana_org_id",
        "x-grafana-user",
        "x-id-token",
        "x-dashboard-uid",
    ] {
        for value in ["2", "evil", "", "1, 2"] {
            let call = Call::get(QUERY).header(name, value).header(name, "3");
            attacks.extend(Attack::both(name, &call.clone().bearer(&token), Reaches("a")));
            attacks.extend(Attack::both(&format!("only {name}"), &call, Filter(401, "no credentials")));
        }
    }
    gateway.withstand(attacks).await
}

/// An identity header in another spelling, beside the true one or alone, is none.
#[tokio::test]
async fn identities_of_a_proxy() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let by_proxy = || Call::get(QUERY).header("x-proxy-secret", SECRET);
    let ann = || by_proxy().header("x-auth-request-user", "ann");
    let unproven = Filter(401, "nothing proves");
    let mut attacks = Vec::new();
    for (what, call, expected) in [
        ("honest", ann(), Reaches("of-ann")),
        ("another user in underscores", ann().header("x_auth_request_user", "bob"), Reaches("of-ann")),
        (
            "only in underscores",
            by_proxy().header("x_auth_request_user", "bob"),
            Filter(401, "no credentials"),
        ),
        ("two users", ann().header("x-auth-request-user", "bob"), Filter(400, "stands more than once")),
        (
            "an empty one first",
            by_proxy().header("x-auth-request-user", "").header("x-auth-request-user", "ann"),
            Filter(400, "stands more than once"),
        ),
        (
            "two users in one",
            by_proxy().header("x-auth-request-user", "ann,bob"),
            Filter(403, "is no tenant"),
        ),
        ("obs-text", by_proxy().header("x-auth-request-user", b"ann\xff"), Filter(400, "cannot be read")),
        ("the secret twice", ann().header("x-proxy-secret", SECRET), unproven),
        (
            "the secret with more",
            Call::get(QUERY)
                .header("x-auth-request-user", "ann")
                .header("x-proxy-secret", format!("{SECRET}, x")),
            unproven,
        ),
        (
            "the secret in another case",
            Call::get(QUERY)
                .header("x-auth-request-user", "ann")
                .header("x-proxy-secret", SECRET.to_uppercase()),
            unproven,
        ),
        (
            "the secret in underscores",
            Call::get(QUERY).header("x-auth-request-user", "ann").header("x_proxy_secret", SECRET),
            unproven,
        ),
        (
            "the secret as a query",
            Call::get(&format!("{QUERY}&x-proxy-secret=x")).header("x-auth-request-user", "ann"),
            unproven,
        ),
    ] {
        attacks.extend(Attack::both(what, &call, expected));
    }
    let lines: [&[u8]; 3] = [
        b"connection: x-proxy-secret",
        b"x-auth-request-user: ann",
        b"x-proxy-secret: the secret of the proxy",
    ];
    attacks.push(Attack::raw(
        "the secret in Connection",
        head(&format!("GET {QUERY} HTTP/1.1"), &lines),
        unproven,
    ));
    let lines: [&[u8]; 3] = [
        b"connection: x-auth-request-user",
        b"x-auth-request-user: ann",
        b"x-proxy-secret: the secret of the proxy",
    ];
    attacks.push(Attack::raw(
        "the user in Connection",
        head(&format!("GET {QUERY} HTTP/1.1"), &lines),
        Filter(401, "no credentials"),
    ));
    gateway.withstand(attacks).await
}

/// Servers may take trailers for headers: nothing about tenancy is left in them, and all else is.
#[tokio::test]
async fn trailers() -> Result<()> {
    for upstream in [Upstream::Http1, Upstream::Http2] {
        let gateway = Gateway::start(upstream).await?;
        let token = gateway.user("a");
        let write = WriteRequest::realistic(2).push();
        let body = write.whole_body();
        let (first, second) = body.split_at(body.len() / 2);
        let impersonating = || {
            let to = |tenant: &str| series(&[("__name__", "up"), ("zz_as", tenant)], 1, 1.0);
            let call = WriteRequest::of(vec![to("cluster-1"), to("cluster-2")]).push();
            as_agent(call).header("x-scope-impersonate", "true")
        };
        for name in TENANCY.iter().copied().chain(["authorization", "x_scope_orgid", "Thanos_Tenant"]) {
            let call = || write.clone().bearer(&token).chunks([first.to_vec(), second.to_vec()]);
            let ended = |call: Call| call.trailer(&name.to_lowercase(), "evil").trailer("x-more", "1");
            for client in [gateway.http1()?, gateway.http2()?] {
                gateway.cortex.forget();
                client.send(ended(call())).await?.expect(200)?;
                let state = gateway.cortex.state();
                let [request] = state.requests.as_slice() else { panic!("{name}: {}", state.summary()) };
                crate::gateway::clean(request)?;
                ensure!(request.tenant.as_deref() == Some("a") && request.body == body, "{name}: {request}");
                let more = request.trailers.get("x-more").is_some();
                ensure!(more, "{name}: an honest trailer is gone: {:?}", request.trailers);
            }
            // Held, taken apart and sent by the filter itself.
            gateway.cortex.forget();
            let call = impersonating();
            let whole = call.whole_body();
            gateway.http2()?.send(ended(call.chunks([whole]))).await?.expect(200)?;
            let state = gateway.cortex.state();
            ensure!(state.tenants() == ["cluster-1", "cluster-2"], "{name}: {}", state.summary());
            state.requests.iter().try_for_each(crate::gateway::clean)?;
        }
        gateway.is_well().await?;
    }
    Ok(())
}
