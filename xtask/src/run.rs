//! Starting other programs: shown, captured, or in place of this one; and what their failure means for ours.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Error, Result};

/// A program ended with something else than success.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The command line.
    what: String,
    status: ExitStatus,
    /// The line of its output that says why, where it was captured.
    why: Option<String>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "`{}`: {why}", self.what),
            None => write!(f, "`{}` failed ({})", self.what, self.status),
        }
    }
}

impl std::error::Error for Failed {}

/// Our exit code for an error: the failed program's own, as a shell would give it, else 1.
pub(crate) fn exit_code(error: &Error) -> u8 {
    error.downcast_ref::<Failed>().map_or(1, |failed| code_of(failed.status))
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Runs it with its output where ours goes.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", line(command)))?;
    if status.success() { Ok(()) } else { Err(Failed { what: line(command), status, why: None }.into()) }
}

/// Runs it with its complaints shown, and gives what it printed on stdout.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run `{}`", line(command)))?;
    if output.status.success() {
        return String::from_utf8(output.stdout)
            .with_context(|| format!("reading what `{}` prints", line(command)));
    }
    Err(Failed { what: line(command), status: output.status, why: None }.into())
}

/// Runs it unseen and without input, and gives what it printed on stdout.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{}`", line(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = gist(&String::from_utf8_lossy(&output.stderr));
    Err(Failed { what: line(command), status: output.status, why }.into())
}

/// Becomes the program: exit code, Ctrl-C and terminal are its own. Returns only if it cannot be started.
pub(crate) fn become_program(command: &mut Command) -> Result<Infallible> {
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run `{}`", line(command)))
}

/// The executable of that name in `PATH`.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

/// Whether it is a file that may be executed.
pub(crate) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The command line, its program by file name alone.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The line of a program's complaints that says most: the first that calls itself an error, else the last.
fn gist(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| ["error", "E:"].iter().any(|word| starts_with_ignoring_case(line, word));
    lines.clone().find(is_error).or_else(|| lines.next_back()).map(str::to_owned)
}

fn starts_with_ignoring_case(line: &str, word: &str) -> bool {
    line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_gist_is_the_first_error_or_the_last_line() {
        let cases = [
            ("", None),
            ("\n  \n", None),
            ("one\ntwo\n", Some("two")),
            ("info: syncing\nerror: no such target\nnote: more\n", Some("error: no such target")),
            ("ERROR: Could not find it\nERROR: Nothing found\n", Some("ERROR: Could not find it")),
            ("Reading\nE: Unable to locate package x\nlast\n", Some("E: Unable to locate package x")),
        ];
        for (stderr, expected) in cases {
            assert_eq!(gist(stderr).as_deref(), expected, "{stderr:?}");
        }
    }

    #[test]
    fn a_failure_keeps_exit_code_and_reason() {
        let error = capture(&mut sh("echo why >&2; exit 7")).expect_err("exit 7");
        assert_eq!(exit_code(&error), 7);
        assert_eq!(error.to_string(), "`sh -c echo why >&2; exit 7`: why");
        let error = show(&mut sh("kill -TERM $$")).expect_err("killed");
        assert_eq!(exit_code(&error), 128 + 15);
        assert_eq!(exit_code(&Error::msg("anything else")), 1);
        let error = show(&mut sh("exit 9")).context("while testing").expect_err("exit 9");
        assert_eq!(exit_code(&error), 9);
    }

    #[test]
    fn captured_output_is_stdout() {
        assert_eq!(capture(&mut sh("echo yes; echo no >&2")).expect("sh"), "yes\n");
    }

    #[test]
    fn programs_are_found_in_path() {
        assert!(which("sh").is_some_and(|sh| is_executable(&sh)));
        assert_eq!(which("no-such-program-anywhere"), None);
        assert!(!is_executable(Path::new("/")));
    }
}
