//! The difference as the comment of a review, and for tools.

use core::fmt::Write as _;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Difference;
use super::compare::{Answer, Change, Differing};
use super::configuration::Setting;

/// The number of the form for tools: another one where a field changes its meaning.
const VERSION: u32 = 1;

/// The most rows of a table: a comment has its limits.
const ROWS: usize = 200;

/// The difference as Markdown.
pub(super) fn markdown(difference: &Difference) -> String {
    let Difference { asked, suppositions, changes, rights, settings } = difference;
    let mut out = String::from("## What changes for whom\n\n");
    if difference.is_empty() {
        let _ = writeln!(out, "Nothing: of {asked} requests each becomes what it became before.");
        return out;
    }
    let count = |is: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
    let more_reached = count(&|change| !gained(change).is_empty());
    let fewer_reached = count(&|change| !lost(change).is_empty());
    let opened = count(&|change| !change.old.is_allowed() && change.new.is_allowed());
    let closed = count(&|change| change.old.is_allowed() && !change.new.is_allowed());
    let _ = writeln!(
        out,
        "Of {asked} requests {} become something else: **{opened} were refused and are allowed**, {closed} were allowed and \
         are refused, **{more_reached} reach more tenants**, {fewer_reached} reach fewer.",
        changes.len()
    );
    if !changes.is_empty() {
        out.push_str("\n| who | asks | before | after | gains | loses |\n|---|---|---|---|---|---|\n");
        let rows = rows(changes);
        for (who, asks, rest) in rows.iter().take(ROWS) {
            let _ = writeln!(out, "| {} | {} | {rest}", code(who), cell(&asks.join(", ")));
        }
        more(&mut out, rows.len());
    }
    self::rights(&mut out, rights);
    configuration(&mut out, settings);
    if !suppositions.is_empty() {
        out.push_str("\n<details><summary>What was supposed</summary>\n\n");
        for line in suppositions {
            let _ = writeln!(out, "- {line}");
        }
        out.push_str("\n</details>\n");
    }
    out
}

/// Who asks, what, and what becomes of it: one row where several things that somebody asks become the same. Who gains
/// something comes first.
fn rows(changes: &[Change]) -> Vec<(&str, Vec<&str>, String)> {
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_by_key(|change| (gained(change).is_empty(), lost(change).is_empty()));
    let mut rows: Vec<(&str, Vec<&str>, String)> = Vec::new();
    for change in changes {
        let mut rest = format!(
            "{} | {} | {} | {} |",
            answer(&change.old, false),
            answer(&change.new, !change.old.is_allowed() && change.new.is_allowed()),
            list(&gained(change), true),
            list(&lost(change), false),
        );
        for (name, old, new) in change.sent.iter().take(10) {
            let _ = write!(rest, "\n| | {} | {} | {} | | |", cell(name), code(old), code(new));
        }
        match rows.iter_mut().find(|(who, _, known)| *who == change.who && *known == rest) {
            Some((_, asks, _)) => asks.push(&change.what),
            None => rows.push((&change.who, vec![&change.what], rest)),
        }
    }
    rows
}

fn reached(answer: &Answer) -> BTreeSet<String> {
    answer.boundless.map_or_else(|| answer.tenants.clone(), |words| BTreeSet::from([words.to_owned()]))
}

fn gained(change: &Change) -> BTreeSet<String> {
    // Who reached everything gains nothing.
    if change.old.boundless.is_some() {
        BTreeSet::new()
    } else {
        &reached(&change.new) - &reached(&change.old)
    }
}

fn lost(change: &Change) -> BTreeSet<String> {
    if change.new.boundless.is_some() {
        BTreeSet::new()
    } else {
        &reached(&change.old) - &reached(&change.new)
    }
}

fn answer(answer: &Answer, is_opened: bool) -> String {
    let caller = answer.caller.as_ref().map_or_else(|| "nobody".to_owned(), |caller| code(caller));
    let refused = answer.refused.as_ref().map(|(reason, status)| format!("refused ({status} {reason})"));
    let tenants = reached(answer);
    let told = match (refused, tenants.is_empty()) {
        (Some(refused), true) => refused,
        (Some(refused), false) => format!("{}; the rest {refused}", list(&tenants, false)),
        (None, true) => "allowed".to_owned(),
        (None, false) if is_opened => format!("**allowed**: {}", list(&tenants, false)),
        (None, false) => list(&tenants, false),
    };
    format!("{caller}: {told}")
}

fn list(tenants: &BTreeSet<String>, is_bold: bool) -> String {
    const SHOWN: usize = 20;
    let mut shown: Vec<String> = tenants
        .iter()
        .take(SHOWN)
        .map(|tenant| if is_bold { format!("**{}**", code(tenant)) } else { code(tenant) })
        .collect();
    if tenants.len() > SHOWN {
        shown.push(format!("and {} more", tenants.len() - SHOWN));
    }
    shown.join(", ")
}

fn rights(out: &mut String, rights: &[(String, Differing)]) {
    if rights.is_empty() {
        return;
    }
    out.push_str("\n### Rights\n\n| who | right | before | after |\n|---|---|---|---|\n");
    for (who, (name, old, new)) in rights.iter().take(ROWS) {
        let _ = writeln!(out, "| {} | {name} | {} | {} |", code(who), code(old), code(new));
    }
    more(out, rights.len());
}

fn configuration(out: &mut String, settings: &[Setting]) {
    if settings.is_empty() {
        return;
    }
    out.push_str("\n### Configuration\n\n| field | before | after |\n|---|---|---|\n");
    for Setting { path, old, new } in settings.iter().take(ROWS) {
        let value = |value: &Option<String>| value.as_deref().map_or_else(|| "–".to_owned(), code);
        // It decides whether anything of the rest takes effect.
        let weight = if path.rsplit('.').next() == Some("mode") { "**" } else { "" };
        let _ = writeln!(out, "| {weight}{}{weight} | {} | {} |", code(path), value(old), value(new));
    }
    more(out, settings.len());
}

fn more(out: &mut String, rows: usize) {
    if rows > ROWS {
        let _ = writeln!(out, "\nand {} more", rows - ROWS);
    }
}

/// Text in a cell of a table, which marks nothing up.
fn cell(text: &str) -> String {
    let mut out = String::new();
    let mut is_code = false;
    for c in text.chars() {
        match c {
            '`' => is_code = !is_code,
            '|' | '<' | '>' | '*' | '_' | '[' | ']' | '\\' | '&' | '@' | '#' if !is_code => out.push('\\'),
            '|' => out.push('\\'),
            _ => {}
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    if is_code {
        out.push('`');
    }
    out
}

/// Text as code, which cannot leave its cell.
fn code(text: &str) -> String {
    const SHOWN: usize = 300;
    if text.is_empty() {
        return "–".to_owned();
    }
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(clean).collect();
    if text.chars().count() > SHOWN {
        shown.push('…');
    }
    let fence = if shown.contains('`') { "``" } else { "`" };
    let pad = if shown.contains('`') { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", shown.replace('|', "\\|"))
}

/// The difference for tools.
pub(super) fn json(difference: &Difference) -> Value {
    let told = |answer: &Answer| {
        json!({
            "caller": answer.caller,
            "tenants": answer.tenants,
            "refused": answer.refused.as_ref().map(|(reason, status)| json!({"reason": reason, "status": status})),
            "reaches": answer.boundless,
        })
    };
    let differing = |(name, old, new): &Differing| json!({"name": name, "old": old, "new": new});
    let right = |(who, (name, old, new)): &(String, Differing)| json!({"who": who, "name": name, "old": old, "new": new});
    let change = |change: &Change| {
        json!({
            "who": change.who,
            "asks": change.what,
            "old": told(&change.old),
            "new": told(&change.new),
            "gained": gained(change),
            "lost": lost(change),
            "sent": change.sent.iter().map(differing).collect::<Vec<_>>(),
        })
    };
    let setting = |setting: &Setting| json!({"path": setting.path, "old": setting.old, "new": setting.new});
    json!({
        "version": VERSION,
        "asked": difference.asked,
        "suppositions": difference.suppositions,
        "changes": difference.changes.iter().map(change).collect::<Vec<_>>(),
        "rights": difference.rights.iter().map(right).collect::<Vec<_>>(),
        "configuration": difference.settings.iter().map(setting).collect::<Vec<_>>(),
    })
}
