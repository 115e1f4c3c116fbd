//! Who a caller is told that it is.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Head, World, and, answer, but, describe, headers, text};
use crate::caller::recognise;
use crate::caller::testing::{KEY, hashed, metadata};
use crate::http::Reply;

const WHOAMI: Head<'_> =
    &[(":method", "GET"), (":path", "/-/scopegate/whoami?x=y"), (":authority", "anywhere.example.org")];
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn authorization(user: &str, password: &str) -> String {
    let encoded =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{user}:{password}"));
    format!("Basic {encoded}")
}

/// Every source, each with conditions and secrets of its own.
fn config() -> Json {
    let users = json!([
        {"username": "ann", "password": [hashed("ann", b"ann's password"), hashed("ann", b"the next one")], "tenants": ["ann-1"]},
        {"username": "bob", "password": hashed("bob", b"bob's password")},
    ]);
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}, {"name": "logs", "kind": "loki", "host": "logs", "mode": "observe"}],
        "callers": [
            {"name": "people", "jwt": {"provider": "idp", "issuer": "https://idp", "where": [{"claim": ["real", "role"], "in": "dev"}]},
             "tenants": {"union": [{"claim": "tenant"}, {"first": [{"claim": "groups", "prefix": "t:"}, {"claim": "tenant"}]}]},
             "may": ["read", "rules"], "on_behalf_of": ["team-*", "other"]},
            {"name": "sessions", "metadata": {"namespace": "ext", "where": [{"claim": "ok", "in": "yes"}]},
             "tenants": {"claim": "tenant"}, "may": ["read"], "mode": "observe"},
            {"name": "writers", "basic": {"key": {"env": "KEY"}, "realm": "the realm", "users": users}, "tenants": ["all"],
             "may": ["write"],
             "impersonate": {"label": "imp", "header": {"X-May": "a secret of some kind"}, "tenants": ["cluster-*"]}},
            {"name": "hidden", "metadata": {"filter_state": "hidden", "where": [{"claim": "value", "in": "hidden value"}]},
             "tenants": ["hidden-tenant"], "may": ["admin"]},
        ],
        "write": {"metrics": {"labels": [{"set": {"team": {"claim": "team"}}}]}},
        "whoami": {},
    })
}

/// A world in which other filters left these namespaces.
fn world(left: &Json) -> World {
    let mut world = World::new(config());
    world.know("metadata", &metadata(left));
    world
}

fn verified(payload: Json) -> Json {
    let mut payload = payload;
    payload["iss"] = json!("https://idp");
    json!({"envoy.filters.http.jwt_authn": {"idp": payload}})
}

fn page(world: &mut World, head: Head<'_>) -> Json {
    let reply = answer(world.arrives(head, true).1);
    assert_eq!((reply.status, reply.details), (200, "page"), "{}", text(&reply));
    serde_json::from_slice(&reply.body).unwrap()
}

fn other(caller: &str, source: &str, why: &str) -> Json {
    json!({"caller": caller, "source": source, "why": why})
}

const LATER: &str = "an entry before it recognised the request";

#[test]
fn each_source_tells_its_own() {
    let ann = authorization("ann", "the next one");
    let bob = authorization("bob", "bob's password");
    let no_token = other("people", "jwt", "no verified token of this provider");
    let no_session = other("sessions", "metadata", "no session");
    let cases: Vec<(Json, Vec<(&str, &str)>, Json)> = vec![
        (
            verified(
                json!({"tenant": "b", "groups": ["dev", "t:a"], "real": {"role": ["ops", "dev"]}, "sub": "not asked for"}),
            ),
            WHOAMI.to_vec(),
            json!({
                "caller": "people", "source": "jwt", "user": null, "tenants": ["a", "b"], "refused": null,
                "may": ["read", "rules"], "on_behalf_of": ["team-*", "other"], "impersonate": null,
                "unfiltered": false, "claims": {"real › role": ["ops", "dev"], "tenant": ["b"], "groups": ["dev", "t:a"], "team": null},
                "enforced": {"metrics": true, "logs": false},
                "others": [other("sessions", "metadata", LATER), other("writers", "basic", LATER), other("hidden", "metadata", LATER)],
            }),
        ),
        (
            json!({"ext": {"ok": "yes", "tenant": "s", "team": true}}),
            WHOAMI.to_vec(),
            json!({
                "caller": "sessions", "source": "metadata", "user": null, "tenants": ["s"], "refused": null,
                "may": ["read"], "on_behalf_of": [], "impersonate": null,
                "unfiltered": false, "claims": {"ok": ["yes"], "tenant": ["s"], "team": "neither a string nor a list of strings"},
                "enforced": {"metrics": false, "logs": false},
                "others": [no_token.clone(), other("writers", "basic", LATER), other("hidden", "metadata", LATER)],
            }),
        ),
        (
            json!({"ext": {"ok": "no", "tenant": "s"}}),
            and(WHOAMI, &[("authorization", &ann)]),
            json!({
                "caller": "writers", "source": "basic", "user": "ann", "tenants": ["ann-1"], "refused": null,
                "may": ["write"], "on_behalf_of": [],
                "impersonate": {"label": "imp", "header": "x-may", "tenants": ["cluster-*"]},
                "unfiltered": false, "claims": {"team": null},
                "enforced": {"metrics": true, "logs": false},
                "others": [no_token.clone(), other("sessions", "metadata", "a condition on the claim ok is not met"),
                           other("hidden", "metadata", LATER)],
            }),
        ),
        (
            json!({}),
            and(WHOAMI, &[("authorization", &bob)]),
            json!({
                "caller": "writers", "source": "basic", "user": "bob", "tenants": ["all"], "refused": null,
                "may": ["write"], "on_behalf_of": [],
                "impersonate": {"label": "imp", "header": "x-may", "tenants": ["cluster-*"]},
                "unfiltered": false, "claims": {"team": null},
                "enforced": {"metrics": true, "logs": false},
                "others": [no_token.clone(), no_session.clone(), other("hidden", "metadata", LATER)],
            }),
        ),
    ];
    for (left, head, expected) in cases {
        assert_eq!(page(&mut world(&left), &head), expected, "{left}");
    }
}

/// Who is recognised and has no tenant is told why.
#[test]
fn who_has_no_tenant_is_told_so() {
    for (payload, reason) in [
        (json!({"real": {"role": "dev"}}), "no_tenant"),
        (json!({"real": {"role": "dev"}, "tenant": 1.5}), "bad_claim"),
        (json!({"real": {"role": "dev"}, "tenant": "a|b"}), "bad_claim"),
    ] {
        let told = page(&mut world(&verified(payload)), WHOAMI);
        assert_eq!((&told["caller"], &told["tenants"]), (&json!("people"), &json!([])));
        assert_eq!((&told["refused"]["status"], &told["refused"]["reason"]), (&json!(403), &json!(reason)));
        assert!(told["refused"]["words"].as_str().unwrap().contains("this caller"), "{told}");
    }
}

/// Who nobody recognises learns that, and by what it would be; nothing that any other path would not say.
#[test]
fn who_is_not_recognised_learns_nothing() {
    let bad = authorization("ann", "a guess");
    let unknown = authorization("eve", "a guess");
    for (left, more, expected) in [
        (json!({}), vec![], "answer 401 no_caller"),
        (json!({}), vec![("authorization", "Bearer a.b.c")], "answer 401 no_caller"),
        (json!({}), vec![("authorization", unknown.as_str())], "answer 401 no_caller"),
        (json!({}), vec![("authorization", bad.as_str())], "answer 401 bad_credential"),
        (
            json!({}),
            vec![("authorization", "Bearer a"), ("authorization", "Bearer b")],
            "answer 400 repeated_header",
        ),
        (verified(json!({"real": {"role": "other"}})), vec![], "answer 401 no_caller"),
        (json!({"ext": {"ok": "no"}}), vec![], "answer 401 no_caller"),
        // A token that nobody verified is not made good by a session.
        (
            json!({"ext": {"ok": "yes", "tenant": "s"}}),
            vec![("authorization", "Bearer a.b.c")],
            "answer 401 no_caller",
        ),
    ] {
        for more in [more.clone(), [more, vec![BROWSER]].concat()] {
            let mut world = world(&left);
            let (_, step) = world.arrives(&and(WHOAMI, &more), true);
            assert_eq!(describe(&step), expected, "{left} {more:?}");
            let reply = answer(step);
            let elsewhere = answer(world.arrives(&and(&but(WHOAMI, ":path", "/services"), &more), true).1);
            assert_eq!(reply, elsewhere, "{left} {more:?}");
            for name in ["people", "sessions", "writers", "hidden", "role", "ext", "idp"] {
                assert!(!text(&reply).contains(name), "{}", text(&reply));
            }
        }
    }
}

#[test]
fn only_where_it_is_asked_for_and_only_get() {
    let left = verified(json!({"tenant": "b", "real": {"role": "dev"}}));
    for (head, expected) in [
        (but(WHOAMI, ":method", "POST"), "answer 405 method"),
        (but(WHOAMI, ":method", "HEAD"), "answer 405 method"),
        (but(WHOAMI, ":path", "/-/scopegate/whoami/"), "answer 400 path_not_canonical"),
        (but(WHOAMI, ":path", "/-/scopegate/Whoami"), "answer 404 unknown_path"),
        (but(WHOAMI, ":path", "//-/scopegate/whoami"), "answer 400 path_not_canonical"),
    ] {
        assert_eq!(describe(&world(&left).arrives(&head, true).1), expected, "{head:?}");
    }
    let mut without = config();
    without.as_object_mut().unwrap().remove("whoami");
    let mut world = World::new(without);
    world.know("metadata", &metadata(&left));
    assert_eq!(describe(&world.arrives(WHOAMI, true).1), "answer 404 unknown_path");
    // It has a path of its own, which must be another than the report's.
    let mut elsewhere = config();
    elsewhere["whoami"] = json!({"path": "/me"});
    let mut world = World::new(elsewhere);
    world.know("metadata", &metadata(&left));
    assert_eq!(page(&mut world, &but(WHOAMI, ":path", "/me"))["caller"], "people");
    assert_eq!(world.counted(), ["backend=none class=unknown decision=page requests 1"]);
}

/// The page is asked for in observe mode as well, and it tells the mode.
#[test]
fn it_says_where_the_caller_is_enforced() {
    let mut config = config();
    config["mode"] = json!("observe");
    for (share, metrics) in [("0%", false), ("100%", true)] {
        config["backends"][0]["mode"] = json!({"enforce_for": share});
        let mut world = World::new(config.clone());
        world.know("metadata", &metadata(&verified(json!({"tenant": "b", "real": {"role": "dev"}}))));
        assert_eq!(page(&mut world, WHOAMI)["enforced"], json!({"metrics": metrics, "logs": false}));
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    reply.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_page_for_browsers() {
    let attack = "<script>alert(1)</script>";
    let quotes = "\"><img src=x onerror='alert(1)'>&amp;\n\u{2028}";
    let left = verified(json!({
        "tenant": "b", "real": {"role": ["dev", attack]}, "groups": [quotes, "grün"],
        "team": attack.repeat(50),
    }));
    let mut world = world(&left);
    let json = answer(world.arrives(WHOAMI, true).1);
    let html = answer(world.arrives(&and(WHOAMI, &[BROWSER]), true).1);
    for (reply, content_type) in [(&json, "application/json"), (&html, "text/html; charset=utf-8")] {
        assert_eq!(header(reply, "content-type"), [content_type]);
        assert_eq!(header(reply, "cache-control"), ["no-store"]);
        assert_eq!(header(reply, "vary"), ["accept"]);
        assert_eq!(header(reply, "x-content-type-options"), ["nosniff"]);
        let policy = header(reply, "content-security-policy");
        assert_eq!(policy.len(), 1);
        assert!(policy[0].starts_with("default-src 'none';") && !policy[0].contains("unsafe"), "{policy:?}");
    }
    let page = text(&html);
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for line in [
        "<dt><b>caller</b></dt><dd>people</dd>",
        "<dt><b>user</b></dt><dd>–</dd>",
        "<dt><b>tenants</b></dt><dd><ul><li>b</li></ul></dd>",
        "<dt><b>on behalf of</b></dt><dd><ul><li>team-*</li><li>other</li></ul></dd>",
        "<li>&lt;script&gt;alert(1)&lt;/script&gt;</li>",
        "<li>&quot;&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;amp;\\n\\u{2028}</li><li>grün</li>",
        "logs: no",
        "metrics: yes",
        "caller: sessions",
        "source: metadata",
        "why: an entry before it recognised the request",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    // Every tag is one of the page's own.
    let own =
        ["!DOCTYPE", "html", "head", "meta", "title", "body", "h1", "dl", "dt", "dd", "b", "ul", "li", "br"];
    for tag in page.split('<').skip(1) {
        let name: String =
            tag.trim_start_matches('/').chars().take_while(|c| !matches!(c, ' ' | '>')).collect();
        assert!(own.contains(&name.as_str()), "{name}");
    }
    assert!(page.len() < 8_000, "{}", page.len());
}

/// No answer has a secret: not of the configuration, not of the environment, not of the request.
#[test]
fn no_secret_is_told() {
    let secrets: Vec<String> = [
        String::from_utf8(KEY.to_vec()).unwrap(),
        hashed("ann", b"ann's password"),
        hashed("ann", b"the next one"),
        hashed("bob", b"bob's password"),
        "password".to_owned(),
        "the next one".to_owned(),
        "a secret of some kind".to_owned(),
        "a.b.c".to_owned(),
        "not asked for".to_owned(),
        // What is another caller's.
        "hidden value".to_owned(),
        "hidden-tenant".to_owned(),
        "ann-1".to_owned(),
        "https://idp".to_owned(),
    ]
    .into();
    let [ann, bob] = [authorization("ann", "ann's password"), authorization("bob", "bob's password")];
    let token = json!({"tenant": "b", "real": {"role": "dev"}, "sub": "not asked for"});
    let mut cases: Vec<(Json, &str, &[&str])> = vec![
        (verified(token), "Bearer a.b.c", &[]),
        (json!({"ext": {"ok": "yes", "tenant": "s", "more": "not asked for"}}), "Basic a.b.c", &[]),
        // A user's own tenants are its own.
        (json!({}), &ann, &["ann-1"]),
        (json!({}), &bob, &[]),
    ];
    let wrong = authorization("ann", "password");
    cases.push((json!({}), &wrong, &[]));
    cases.push((json!({}), "Bearer a.b.c", &[]));
    for (left, authorization, own) in cases {
        for more in [vec![("authorization", authorization)], vec![("authorization", authorization), BROWSER]]
        {
            let reply = answer(world(&left).arrives(&and(WHOAMI, &more), true).1);
            let told = format!("{} {:?}", text(&reply), reply.headers);
            // The words of a refusal speak of passwords, and tell none.
            let told = told.replace("the user name or the password is wrong", "");
            for secret in secrets.iter().filter(|secret| !own.contains(&secret.as_str())) {
                assert!(!told.contains(secret.as_str()), "{secret}: {told}");
            }
            assert!(!told.contains(&authorization[6..]), "{told}");
        }
    }
}

/// Foreign text of a request: credentials, what other filters left.
fn requests() -> impl Strategy<Value = (Json, Vec<String>)> {
    let name = || prop_oneof!["[ab]", Just("dev".to_owned()), Just("yes".to_owned()), ".{0,6}"];
    let claim = move || {
        prop_oneof![
            name().prop_map(Json::from),
            proptest::collection::vec(name(), 0..3).prop_map(Json::from),
            Just(json!(true)),
            Just(Json::Null),
            Just(json!(7)),
        ]
    };
    let payload = (claim(), claim(), claim(), prop_oneof![Just("https://idp"), Just("https://evil")]).prop_map(
        |(tenant, groups, role, iss)| json!({"tenant": tenant, "groups": groups, "real": {"role": role}, "iss": iss}),
    );
    let session = (claim(), claim()).prop_map(|(ok, tenant)| json!({"ok": ok, "tenant": tenant}));
    let left =
        (proptest::option::of(payload), proptest::option::of(session)).prop_map(|(payload, session)| {
            let mut left = json!({});
            if let Some(payload) = payload {
                left["envoy.filters.http.jwt_authn"] = json!({"idp": payload});
            }
            if let Some(session) = session {
                left["ext"] = session;
            }
            left
        });
    let credentials = prop_oneof![
        Just(authorization("ann", "ann's password")),
        Just(authorization("ann", "wrong")),
        Just(authorization("eve", "wrong")),
        Just("Bearer x".to_owned()),
        "[ -~]{0,12}",
    ];
    (left, proptest::collection::vec(credentials, 0..3))
}

proptest! {
    /// What the page says is what is decided.
    #[test]
    fn it_agrees_with_what_is_decided((left, credentials) in requests(), html in any::<bool>()) {
        let mut world = world(&left);
        let mut head = WHOAMI.to_vec();
        head.extend(credentials.iter().map(|value| ("authorization", value.as_str())));
        let decided = {
            let head = headers(&head);
            let mut lookup = world.worker.lookup(&world.policy);
            recognise(&world.policy.callers, &head, &world.known, &[], &mut lookup)
        };
        if html {
            head.push(BROWSER);
        }
        let reply = answer(world.arrives(&head, true).1);
        let known = |reason: &str| matches!(reason, "no_tenant" | "bad_claim");
        match decided {
            Err(refusal) if !known(refusal.reason()) => {
                prop_assert_eq!((reply.status, reply.details), (refusal.status(), refusal.reason()));
            }
            _ if html => {
                prop_assert_eq!(reply.status, 200);
                // No `<` but those of the page's own tags.
                let page = text(&reply);
                prop_assert!(!page.contains("<script") && !page.contains("<img"), "{}", page);
            }
            decided => {
                prop_assert_eq!(reply.status, 200);
                let page: Json = serde_json::from_slice(&reply.body).unwrap();
                let names: Vec<&str> = world.policy.callers.iter().map(|caller| caller.name.as_str()).collect();
                let position = names.iter().position(|name| page["caller"] == *name).unwrap();
                match decided {
                    Ok(identity) => {
                        prop_assert_eq!(position, identity.caller);
                        let tenants: Vec<&str> = identity.tenants.as_slice().iter().map(crate::tenant::TenantId::as_str).collect();
                        prop_assert_eq!(&page["tenants"], &json!(tenants));
                        prop_assert_eq!(&page["refused"], &Json::Null);
                    }
                    Err(refusal) => {
                        prop_assert_eq!(&page["refused"]["reason"], refusal.reason());
                        prop_assert_eq!(&page["refused"]["words"], &refusal.to_string());
                        prop_assert_eq!(&page["tenants"], &json!([]));
                    }
                }
                // Every other entry is named once, in order.
                let others: Vec<&str> =
                    page["others"].as_array().unwrap().iter().map(|other| other["caller"].as_str().unwrap()).collect();
                let mut expected = names;
                expected.remove(position);
                prop_assert_eq!(others, expected);
            }
        }
    }
}
