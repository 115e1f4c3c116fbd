//! Reads on their way: what arrives where a label or an account keeps tenants apart, and what a client cannot do about it.

mod accounts;
mod arguments;
mod by_header;
mod hostile;
mod loki;
mod text;

use serde_json::{Value as Json, json};

use super::{Exchange, Head, Step, World, changed, describe, headers};

/// A world with one backend of this kind and a caller `user` of these tenants.
fn world(kind: &str, isolate: &Json, tenants: &[&str]) -> World {
    let world = World::with(|config| {
        config["backends"][0] = json!({"name": "metrics", "kind": kind});
        if !isolate.is_null() {
            config["backends"][0]["isolate"] = isolate.clone();
        }
        config["callers"][1]["may"] = json!(["write", "read", "rules", "alerts"]);
    });
    world.caller("user", tenants)
}

/// What arrives: path, and body where it changed; or the answer.
fn arrives(world: &mut World, head: Head<'_>, body: Option<&[u8]>) -> String {
    let mut exchange = Exchange::new(std::rc::Rc::clone(&world.policy));
    let ends = body.is_none();
    let mut step = exchange.head(&mut world.worker, &headers(head), ends, &world.known, world.now);
    if let (Step::Buffer, Some(body)) = (&step, body) {
        assert!(exchange.wants_body());
        step = exchange.body(&mut world.worker, Ok(body.to_vec()), world.now);
    }
    let Step::Continue(changes) = &step else { return describe(&step) };
    let after = changed(head, changes);
    let path =
        after.iter().find(|(name, _)| name == ":path").map(|(_, path)| path.clone()).unwrap_or_default();
    // What a client says about tenancy goes no further.
    for gone in ["x-prom-label-policy", "x-http-method-override"] {
        assert!(after.iter().all(|(name, value)| name != gone || !value.contains("evil")), "{after:?}");
    }
    match &changes.body {
        Some(body) => {
            let length = after.iter().find(|(name, _)| name == "content-length");
            assert!(length.is_none_or(|(_, length)| *length == body.len().to_string()), "{after:?}");
            format!("{path} {}", String::from_utf8_lossy(body))
        }
        None => path,
    }
}

/// A GET of the path, or with a body a POST of a form.
fn call(world: &mut World, path: &str, form: Option<&str>) -> String {
    let authority = (":authority", "metrics.example.org");
    match form {
        None => arrives(world, &[(":method", "GET"), (":path", path), authority], None),
        Some(form) => {
            let length = form.len().to_string();
            let head = [
                (":method", "POST"),
                (":path", path),
                authority,
                ("content-type", "application/x-www-form-urlencoded"),
                ("content-length", length.as_str()),
            ];
            arrives(world, &head, Some(form.as_bytes()))
        }
    }
}

/// `{tenant="team-a"}` as it stands in a query.
const OURS: &str = "%7Btenant%3D%22team-a%22%7D";
