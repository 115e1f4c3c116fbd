//! An explanation as people read it, and as tools do. The form for tools is described in `docs/explain.md`.

use core::fmt::Write as _;
use core::ops::Range;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::drive::{Decided, Explanation, Upstream};
use super::queries::Argument;

const TITLE: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const MARK: Style = AnsiColor::Cyan.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// The number of the form below: another one where a field changes its meaning.
const VERSION: u32 = 1;

/// The explanation as JSON.
pub(super) fn json(explained: &Explanation) -> Value {
    let Explanation { request, who, decided, .. } = explained;
    let caller = who.facts.as_ref().ok().cloned().unwrap_or(Value::Null);
    let passed: Vec<Value> = who
        .passed
        .iter()
        .map(|passed| json!({"caller": passed.caller, "source": passed.source, "why": passed.why}))
        .collect();
    json!({
        "version": VERSION,
        "suppositions": explained.suppositions,
        "request": {
            "method": request.text(":method"),
            "authority": request.text(":authority"),
            "path": request.text(":path"),
            "bytes": request.body.len(),
        },
        "caller": caller,
        "passed": passed,
        "decision": decided.decision,
        "reason": decided.reason,
        "backend": decided.backend,
        "class": decided.class,
        "tenants": decided.tenants,
        "wildcard": decided.wildcard,
        "arguments": explained.arguments.iter().map(argument).collect::<Vec<_>>(),
        "upstream": explained.upstream.iter().map(upstream).collect::<Vec<_>>(),
        "narrows_answer": explained.narrows_answer,
        "reply": explained.reply.as_ref().map(|reply| json!({
            "status": reply.status,
            "body": String::from_utf8_lossy(&reply.body),
        })),
        "logs": explained.logs,
    })
}

fn argument(argument: &Argument) -> Value {
    let Argument { place, name, before, after, inserted } = argument;
    let inserted: Vec<_> = inserted.iter().map(|range| [range.start, range.end]).collect();
    json!({"in": place, "name": name, "before": before, "after": after, "inserted": inserted})
}

fn upstream(upstream: &Upstream) -> Value {
    let set: serde_json::Map<String, Value> =
        upstream.set.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "kind": if upstream.call.is_some() { "call" } else { "request" },
        "cluster": upstream.call.as_ref().map(|(cluster, _)| cluster),
        "tenant": upstream.call.as_ref().map(|(_, tenant)| tenant),
        "method": upstream.method,
        "authority": upstream.authority,
        "path": upstream.path,
        "set": set,
        "removed": upstream.removed,
        "bytes": upstream.body.len(),
        "new_body": upstream.is_new_body,
        "series": upstream.counts.map(|(series, _)| series),
        "samples": upstream.counts.map(|(_, samples)| samples),
    })
}

/// The explanation as a text with colours.
pub(super) fn text(explained: &Explanation) -> String {
    let mut page = Page::default();
    let request = &explained.request;
    let url = format!("{}{}", request.text(":authority"), request.text(":path"));
    page.line("Request", &format!("{} {url}{}", request.text(":method"), bytes(request.body.len())));
    for supposed in &explained.suppositions {
        page.line("Supposed", &format!("{FAINT}{}{FAINT:#}", visible(supposed)));
    }
    caller(&mut page, explained);
    decision(&mut page, explained);
    explained.arguments.iter().for_each(|argument| changed(&mut page, argument));
    explained.upstream.iter().for_each(|upstream| sent(&mut page, upstream));
    if explained.narrows_answer {
        page.line("", "its answer is held, and narrowed to these tenants");
    }
    if let Some(reply) = &explained.reply {
        let style = if reply.status >= 400 { BAD } else { GOOD };
        page.line("Answer", &format!("{style}{}{style:#}", reply.status));
        for line in String::from_utf8_lossy(&reply.body).lines() {
            page.line("", &visible(line));
        }
    }
    for log in &explained.logs {
        page.line("Log", &visible(log));
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    /// A line under a title.
    fn line(&mut self, title: &str, text: &str) {
        let _ = writeln!(self.0, "{TITLE}{title:<10}{TITLE:#}{text}");
    }
}

/// Text without what a terminal would take for orders.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn bytes(size: usize) -> String {
    if size == 0 { String::new() } else { format!(", {}", count(size, "byte")) }
}

fn count(count: usize, what: &str) -> String {
    let plural = if count == 1 || what == "series" { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn caller(page: &mut Page, explained: &Explanation) {
    let who = &explained.who;
    let words = |fact: &Value| match fact {
        Value::String(text) => visible(text),
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).map(visible).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    match &who.facts {
        Err(refusal) => page.line("Caller", &format!("{BAD}nobody{BAD:#}: {refusal}")),
        Ok(facts) => {
            let fact = |name: &str| facts.get(name).filter(|fact| !fact.is_null()).map(words);
            let mut line = format!("{GOOD}{}{GOOD:#}", fact("caller").unwrap_or_default());
            let _ = write!(line, " ({})", fact("source").unwrap_or_default());
            if let Some(user) = fact("user") {
                let _ = write!(line, ", user {user}");
            }
            page.line("Caller", &line);
            for (name, words) in [
                ("tenants", "tenants"),
                ("may_name", "may name"),
                ("may", "may"),
                ("on_behalf_of", "may write for"),
            ] {
                if let Some(value) = fact(name).filter(|value| !value.is_empty()) {
                    page.line("", &format!("{words}: {value}"));
                }
            }
            if let Some(right) = facts.get("impersonate").filter(|right| !right.is_null()) {
                let of = |name: &str| right.get(name).map(words).unwrap_or_default();
                page.line("", &format!("may impersonate by {}: {}", of("label"), of("tenants")));
            }
            if facts.get("unfiltered") == Some(&Value::Bool(true)) {
                page.line("", "reads unfiltered");
            }
            if let Some(refused) = facts.pointer("/refused/words") {
                page.line("", &format!("{BAD}has no tenant{BAD:#}: {}", words(refused)));
            }
        }
    }
    // Of a recognised caller the facts know the entries after it, too.
    let others = who.facts.as_ref().ok().and_then(|facts| facts.get("others")?.as_array().cloned());
    let others = others.unwrap_or_else(|| {
        let passed = who.passed.iter();
        passed.map(|one| json!({"caller": one.caller, "source": one.source, "why": one.why})).collect()
    });
    for other in &others {
        let of = |name: &str| other.get(name).map(words).unwrap_or_default();
        page.line("", &format!("{FAINT}not {} ({}): {}{FAINT:#}", of("caller"), of("source"), of("why")));
    }
}

fn decision(page: &mut Page, explained: &Explanation) {
    let Decided { decision, reason, backend, class, tenants, wildcard, series, samples, parts } =
        &explained.decided;
    if let Some(backend) = backend {
        page.line("Backend", backend);
    }
    if let Some(class) = class {
        page.line("Class", class);
    }
    if !tenants.is_empty() {
        let by = if *wildcard { " (by a wildcard)" } else { "" };
        page.line("Tenants", &format!("{}{by}", tenants.join(", ")));
    }
    let style = if explained.is_refused() { BAD } else { GOOD };
    let mut line = match (decision.as_str(), reason) {
        (decision, Some(reason)) => format!("{style}{decision}{style:#}: {reason}"),
        ("observed_same" | "observed_different", None) => {
            format!("{style}{decision}{style:#}: it goes on as it came; --enforced tells what would be done")
        }
        (decision, None) => format!("{style}{decision}{style:#}"),
    };
    if *parts > 0 {
        let counted = [
            count(*parts as usize, "part"),
            count(*series as usize, "series"),
            count(*samples as usize, "sample"),
        ];
        let _ = write!(line, ", {}", counted.join(", "));
    }
    page.line("Decision", &line);
}

fn changed(page: &mut Page, argument: &Argument) {
    let Argument { place, name, before, after, inserted } = argument;
    let place = format!("{} in the {place}", visible(name));
    match (before, after) {
        (Some(before), Some(after)) => {
            page.line("Changed", &place);
            before.split('\n').for_each(|line| page.line("", &format!("- {}", visible(line))));
            let mut at = 0;
            for line in after.split('\n') {
                let (text, marks) = marked(line, at, inserted);
                page.line("", &format!("+ {text}"));
                if !marks.is_empty() {
                    page.line("", &format!("  {MARK}{marks}{MARK:#}"));
                }
                at += line.len() + 1;
            }
        }
        (None, Some(after)) => page.line("Added", &format!("{place}: {MARK}{}{MARK:#}", visible(after))),
        (Some(before), None) => page.line("Removed", &format!("{place}: {}", visible(before))),
        (None, None) => {}
    }
}

/// A line of a text, which begins at this byte of it, and what is put below to mark what was inserted.
fn marked(line: &str, begin: usize, inserted: &[Range<usize>]) -> (String, String) {
    let (mut text, mut marks) = (String::new(), String::new());
    let mut was_in = false;
    for (at, c) in line.char_indices() {
        let is_in = inserted.iter().any(|range| range.contains(&(begin + at)));
        match (was_in, is_in) {
            (false, true) => text.push_str(&MARK.render().to_string()),
            (true, false) => text.push_str(&MARK.render_reset().to_string()),
            _ => {}
        }
        was_in = is_in;
        text.push_str(&visible(c.encode_utf8(&mut [0; 4])));
        marks.push(if is_in { '^' } else { ' ' });
    }
    if was_in {
        text.push_str(&MARK.render_reset().to_string());
    }
    (text, marks.trim_end().to_owned())
}

fn sent(page: &mut Page, upstream: &Upstream) {
    let target = format!("{} {}{}", upstream.method, upstream.authority, visible(&upstream.path));
    let mut line = match &upstream.call {
        Some((cluster, tenant)) => format!("for {tenant} to {cluster}: {target}"),
        None => format!("goes on: {target}"),
    };
    line.push_str(&bytes(upstream.body.len()));
    if upstream.call.is_none() && upstream.is_new_body {
        line.push_str(" (a new body)");
    }
    if let Some((series, samples)) = upstream.counts {
        let _ = write!(line, ", {}, {}", count(series as usize, "series"), count(samples as usize, "sample"));
    }
    page.line("Upstream", &line);
    for (name, value) in &upstream.set {
        page.line("", &format!("{name}: {MARK}{}{MARK:#}", visible(value)));
    }
    for name in &upstream.removed {
        page.line("", &format!("{FAINT}without {}{FAINT:#}", visible(name)));
    }
}
