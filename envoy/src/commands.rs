//! What there is about the command itself: completions for shells, and its page of the documentation.

use core::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

/// Prints completions for a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  source <(scopegate completions bash)
  scopegate completions zsh > ~/.zfunc/_scopegate
  scopegate completions fish > ~/.config/fish/completions/scopegate.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints them.
    pub(crate) fn run<C: CommandFactory>(&self) {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut C::command(), "scopegate", &mut text);
        // Who reads only the beginning has what it wants.
        let _ = std::io::stdout().write_all(&text);
    }
}

/// Where the page begins.
const HEAD: &str = "# The command

This page is made from the command itself (`cargo xtask docs`): it is what `--help` says.

`scopegate` works on files, offline: no command talks to a gateway. Colours are for terminals only, and `NO_COLOR` takes them
off. Errors and warnings go to the standard error, what was asked for to the standard output.

| exit code | meaning |
|---|---|
| 0 | it was done, and all is well |
| 1 | it was done, and all is not well: `check` found errors, a test failed, `explain` tells of a refusal, `diff --exit-code` found something |
| 2 | it could not be done: bad arguments, or files that cannot be read or used |

";

/// The columns of its lines, on terminals of any width.
const WIDTH: usize = 110;

/// The page of every command.
pub(crate) fn page<C: CommandFactory>() -> String {
    let mut command = C::command().term_width(WIDTH);
    command.build();
    let mut out = String::from(HEAD);
    let names = leaves(&command, "scopegate");
    let _ = writeln!(out, "| command | what it does |\n|---|---|");
    for (name, leaf) in &names {
        let about = leaf.get_about().map(ToString::to_string).unwrap_or_default();
        let about = about.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
        let _ = writeln!(out, "| [`{name}`](#{}) | {} |", name.replace(' ', "-"), about.replace('|', "\\|"));
    }
    for (name, leaf) in names {
        let help = leaf.clone().term_width(WIDTH).render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(out, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    }
    out
}

/// The commands that do something, each with its name.
fn leaves<'c>(command: &'c Command, name: &str) -> Vec<(String, &'c Command)> {
    let mut below = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
        .peekable();
    if below.peek().is_none() {
        return vec![(name.to_owned(), command)];
    }
    below.flat_map(|inner| leaves(inner, &format!("{name} {}", inner.get_name()))).collect()
}

/// What every command must have, for the test of the whole.
#[cfg(test)]
pub(crate) fn without_examples<C: CommandFactory>() -> Vec<String> {
    let mut command = C::command();
    command.build();
    leaves(&command, "scopegate")
        .into_iter()
        .filter(|(_, leaf)| {
            let text = leaf.get_after_help().or(leaf.get_after_long_help()).map(ToString::to_string);
            !text.is_some_and(|text| text.contains("Example"))
        })
        .map(|(name, _)| name)
        .collect()
}
