//! Tenant IDs as Cortex reads them out of `X-Scope-OrgID`.

/// Which tenants a header value names: split at `|`, each checked, sorted, without repetitions. An empty ID passes, as it
/// does there.
///
/// # Errors
/// Cortex's message about the first bad ID.
pub fn resolve(header: &str) -> Result<Vec<String>, String> {
    let mut ids: Vec<_> = header.split('|').map(str::to_owned).collect();
    for id in &ids {
        check(id)?;
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

fn check(id: &str) -> Result<(), String> {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "!-_.*'()".contains(*c);
    if let Some(c) = id.chars().find(|c| !allowed(c)) {
        return Err(format!("tenant ID '{id}' contains unsupported character '{c}'"));
    }
    match id {
        _ if id.len() > 150 => Err("tenant ID is too long: max 150 characters".to_owned()),
        "__markers__" | "user-index.json.gz" => Err(format!("tenant ID '{id}' is not allowed")),
        "." | ".." => Err("tenant ID is '.' or '..'".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_cortex_reads_them() {
        let long = "a".repeat(151);
        let cases: [(&str, Result<&[&str], &str>); 9] = [
            ("team-a", Ok(&["team-a"])),
            ("b|a|b", Ok(&["a", "b"])),
            ("", Ok(&[""])),
            ("a|", Ok(&["", "a"])),
            ("A!-_.*'()9", Ok(&["A!-_.*'()9"])),
            ("a/b", Err("unsupported character '/'")),
            ("..", Err("'.' or '..'")),
            ("a|__markers__", Err("not allowed")),
            (&long, Err("too long")),
        ];
        for (header, expected) in cases {
            match (resolve(header), expected) {
                (Ok(ids), Ok(expected)) => assert_eq!(ids, expected, "{header}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{header}: {error}"),
                (got, _) => panic!("{header}: {got:?}"),
            }
        }
    }
}
