//! Who the gateway takes a caller to be, for the caller itself.
//!
//! Only who is recognised is told anything, and only its own facts: the claims that the configuration asks for, never the
//! token or the password that brought them. Of the other entries it learns the name, the kind, and why they left the
//! request to others, which is said in the configuration's words.

use core::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::caller::{Caller, Identity, Named, Recognised, Why};
use crate::http::{Headers, Reply, prefers_html};
use crate::operation::Class;
use crate::policy::Policy;
use crate::report::{Excerpt, Refusal};
use crate::rollout::Seat;

/// How much is shown of one value of a claim, and how many of its values.
const VALUE_BYTES: usize = 200;
const VALUES: usize = 100;

/// What is told, in the order in which people read it.
pub(in crate::exchange) type Facts = Vec<(&'static str, Value)>;

/// The page for a caller that was recognised after these entries had passed.
pub(super) fn reply(
    policy: &Policy,
    headers: &Headers<'_>,
    (recognised, identity): (&Recognised<'_>, &Result<Identity, Refusal>),
    passed: &[(&Caller, Why<'_>)],
) -> Reply {
    let facts = facts(policy, (recognised, identity), passed);
    let (content_type, body) = if prefers_html(headers) {
        ("text/html; charset=utf-8", html(&facts))
    } else {
        ("application/json", format!("{}\n", object(facts)))
    };
    let mut reply = super::page(content_type, body);
    reply.headers.extend([
        ("vary", "accept".to_owned()),
        // There is nothing to load or to run, and nobody to show it in a frame.
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'".to_owned(),
        ),
    ]);
    reply
}

/// The facts as JSON.
pub(in crate::exchange) fn object(facts: Facts) -> Value {
    Value::Object(facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect())
}

/// What is told to it.
pub(in crate::exchange) fn facts(
    policy: &Policy,
    (recognised, identity): (&Recognised<'_>, &Result<Identity, Refusal>),
    passed: &[(&Caller, Why<'_>)],
) -> Facts {
    let caller = recognised.caller;
    let (tenants, seat, refused) = match identity {
        Ok(identity) => {
            let seat = Seat::of(&caller.name, recognised.user(), identity.own());
            let tenants = identity.tenants.as_slice().iter().map(|tenant| json!(tenant.as_str())).collect();
            (tenants, Some(seat), Value::Null)
        }
        Err(refusal) => {
            let refused = json!({
                "status": refusal.status(), "reason": refusal.reason(), "words": refusal.to_string(),
            });
            (Vec::new(), None, refused)
        }
    };
    let enforced: Map<String, Value> = policy
        .backends
        .iter()
        .enumerate()
        .map(|(at, backend)| {
            let enforced = policy.rollout.enforces(Some(at), Some(recognised.position), seat);
            (backend.name.clone(), json!(enforced))
        })
        .collect();
    let (rights, wildcard) = match identity {
        Ok(identity) => (&identity.rights, Some(&identity.wildcard)),
        Err(_) => (&caller.rights, None),
    };
    let impersonate = rights.impersonate.as_ref().map(|right| {
        json!({
            "label": String::from_utf8_lossy(&right.label),
            // Not its value: some may take it for a secret.
            "header": right.header,
            "tenants": right.tenants.patterns().collect::<Vec<_>>(),
        })
    });
    let mut facts = vec![
        ("caller", json!(caller.name)),
        ("source", json!(caller.kind())),
        ("user", json!(recognised.user())),
        ("tenants", Value::Array(tenants)),
        ("refused", refused),
        ("may", rights.may.iter().copied().map(Class::as_str).collect()),
        ("on_behalf_of", rights.on_behalf_of.patterns().collect()),
        ("impersonate", json!(impersonate)),
        ("unfiltered", json!(rights.unfiltered)),
        ("claims", claims(policy, recognised)),
        ("enforced", Value::Object(enforced)),
        ("others", others(policy, recognised.position, passed)),
    ];
    if let Some(wildcard) = wildcard.filter(|wildcard| !wildcard.is_empty()) {
        facts.push(("may_name", wildcard.patterns().collect()));
    }
    facts
}

/// What the caller has in the claims that the configuration asks it for.
fn claims(policy: &Policy, recognised: &Recognised<'_>) -> Value {
    let mut asked = recognised.caller.claims();
    asked.extend(policy.backends.iter().flat_map(|backend| backend.write.labels.claims()));
    let mut told: Vec<(String, Value)> = Vec::new();
    for path in asked {
        let name = path.to_string();
        if told.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let values = match recognised.claim(path) {
            Named::Absent => Value::Null,
            Named::Other => json!("neither a string nor a list of strings"),
            Named::Names(names) => {
                let shown = names.iter().take(VALUES);
                let mut shown: Vec<String> =
                    shown.map(|name| Excerpt::new(name.as_bytes(), VALUE_BYTES).to_string()).collect();
                if names.len() > VALUES {
                    shown.push("…".to_owned());
                }
                json!(shown)
            }
        };
        told.push((name, values));
    }
    Value::Object(told.into_iter().collect())
}

/// The other entries, in the order of the configuration, and why they are not the caller's.
fn others(policy: &Policy, position: usize, passed: &[(&Caller, Why<'_>)]) -> Value {
    let before = passed.iter().map(|(caller, why)| (*caller, why.to_string()));
    let after = policy.callers.iter().skip(position.saturating_add(1));
    let after = after.map(|caller| (caller, "an entry before it recognised the request".to_owned()));
    let told = before.chain(after);
    told.map(|(caller, why)| json!({"caller": caller.name, "source": caller.kind(), "why": why})).collect()
}

/// The facts as a page without scripts and without styles.
fn html(facts: &Facts) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Who am I</title></head><body>\n\
         <h1>Who this gateway takes you to be</h1>\n<dl>\n",
    );
    for (name, fact) in facts {
        let _ = write!(page, "<dt><b>{}</b></dt><dd>", name.replace('_', " "));
        show(&mut page, fact);
        page.push_str("</dd>\n");
    }
    page.push_str("</dl>\n</body></html>\n");
    page
}

fn show(page: &mut String, fact: &Value) {
    match fact {
        Value::Null => page.push('–'),
        Value::Bool(yes) => page.push_str(if *yes { "yes" } else { "no" }),
        Value::Number(number) => {
            let _ = write!(page, "{number}");
        }
        Value::String(text) => escape(page, text),
        Value::Array(list) if list.is_empty() => page.push('–'),
        Value::Array(list) => {
            page.push_str("<ul>");
            for item in list {
                page.push_str("<li>");
                show(page, item);
                page.push_str("</li>");
            }
            page.push_str("</ul>");
        }
        Value::Object(object) => {
            for (position, (name, fact)) in object.iter().enumerate() {
                if position > 0 {
                    page.push_str("<br>");
                }
                escape(page, name);
                page.push_str(": ");
                show(page, fact);
            }
        }
    }
}

/// Text as HTML shows it, wherever it stands.
fn escape(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            _ => page.push(c),
        }
    }
}
