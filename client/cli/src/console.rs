//! Standard output and standard error, neither of which may be there.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use serde::Serialize;

use crate::failure::Failure;

/// Prints text as it is, at once.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::NobodyReads,
        _ => Failure::Output(error),
    })
}

/// Prints a value as one line of JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?;
    print(&format!("{line}\n"))
}

/// Says on standard error what went wrong, or what the user should know.
pub fn complain(what: &impl Display) {
    let lines: Vec<String> = what.to_string().lines().map(plain).collect();
    // Nobody is left to be told that standard error cannot be written.
    let _unread = writeln!(stderr(), "framectl: {}", lines.join("\n"));
}

/// Whether a person watches the output, so that lines may be written over.
pub fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// A text of a peer without control characters, which could do anything to a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_cannot_command_the_terminal() {
        assert_eq!(plain("acA\x1b[2J µ"), "acA\u{fffd}[2J µ");
    }
}
